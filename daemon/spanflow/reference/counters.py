# SPDX-License-Identifier: Apache-2.0
"""What was counted, in the form that all engines give it (section 10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from spanflow.metering_counters import (
    ClassificationCounters,
    ExpiryLag,
    FlowCount,
    FrameCount,
    MeteringCounters,
)
from spanflow.reference.batches import BatchWriter
from spanflow.reference.detection import Detection
from spanflow.reference.metering import Metering
from spanflow.reference.records import END_REASONS
from spanflow.reference.tally import Tally

REASONS = (
    *("non_ip", "truncated", "malformed", "unsupported_link", "filtered"),
    *("own_export", "sampled_out", "duplicate"),
)
"""1.1; the last three are always 0 here."""


def counters_of(
    meterings: Sequence[Metering],
    writer: BatchWriter,
    handed_over: Tally,
    dropped: Tally,
    detection: Detection | None,
) -> MeteringCounters:
    """A snapshot, of one moment between two packets."""

    def total(value: Callable[[Metering], int]) -> int:
        return sum(map(value, meterings))

    def frames(reason: str) -> FrameCount:
        return FrameCount(total(lambda m: m.frames[reason]), total(lambda m: m.wire_octets[reason]))

    cached, ended = Tally(), Counter[str]()
    for metering in meterings:
        ended += metering.table.ended
        cached.add(metering.table.cached.count())
    buckets = map(sum, zip(*(metering.table.lags.buckets for metering in meterings), strict=True))
    return MeteringCounters(
        received=FrameCount(total(lambda m: m.frames.total()), total(lambda m: sum(m.wire_octets.values()))),
        discarded={reason: frames(reason) for reason in REASONS},
        accounted_frames=frames(""),
        accounted=FlowCount(0, total(lambda m: m.packets), total(lambda m: m.octets)),
        cached=cached.count(),
        in_batch=writer.waiting.count(),
        handed_over=handed_over.count(),
        dropped_at_handover=dropped.count(),
        late=total(lambda m: m.late),
        fragment_orphans=total(lambda m: m.fragments.orphans),
        flows_opened=total(lambda m: m.table.opened),
        crowded_evictions=0,
        cached_flows=total(lambda m: len(m.table.flows)),
        ended={detail: ended[detail] for detail in END_REASONS},
        clock_steps=total(lambda m: m.clock_steps),
        merged_frames=0,
        expiry_lag=ExpiryLag(tuple(buckets), total(lambda m: m.table.lags.sum_ns)),
        classification=detection.counters() if detection else ClassificationCounters(),
    )
