# SPDX-License-Identifier: Apache-2.0
"""Runs the reference engine over files: its rules alone, or the whole of it as users do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from metering.native import Outcome, settings_of
from reference.two_pass import TwoPasses
from spanflow.applications import NO_APPLICATIONS
from spanflow.classification import UNCLASSIFIED, open_classification
from spanflow.record import RECORD
from spanflow.reference.capture import CaptureFiles
from spanflow.reference.detection import NOTHING_FOUND
from spanflow.reference.flows import Flow
from spanflow.reference.frame import Frame
from spanflow.reference.meter import ReferenceMeter
from spanflow.reference.metering import Metering

UNBOUNDED = 1 << 40


@dataclass(slots=True)
class Result:
    """What a metering run says.

    records: dicts with the members of spanflow.record.RECORD and DIRECTION, plus `statistics`
    (reference.two_pass). received, accounted, discards by reason: (packets, octets on the wire). flow_octets:
    IP octets accounted. warnings: the files that are damaged.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    discards: dict[str, tuple[int, int]] = field(default_factory=dict)
    received: tuple[int, int] = (0, 0)
    accounted: tuple[int, int] = (0, 0)
    flow_octets: int = 0
    late: int = 0
    fragment_orphan: int = 0
    warnings: list[str] = field(default_factory=list)


def meter(paths: Sequence[str | Path], *, timers: bool = True, **options: Any) -> Result:
    """Meter capture files as one input, in the order given; no Flow is ever evicted.

    options: those of metering.native.settings_of, durations in nanoseconds. timers: whether they run before
    the end; it must not matter unless packets are late.
    """
    records = []

    def send(flow: Flow, members: Mapping[str, Any]) -> None:
        without_details = {"details_offset": 0, "details_octets": 0}
        records.append({**members, **NOTHING_FOUND, **without_details, "statistics": dict(flow.metrics)})

    run = Metering(settings_of(**options), send, [TwoPasses()], capacity=UNBOUNDED)
    if not timers:
        run.expire = lambda: None
    files = CaptureFiles([str(path) for path in paths], Event())
    for frame in files.frames():
        run.receive(frame)
    assert not run.flush()
    sums = {reason: (packets, run.wire_octets[reason]) for reason, packets in run.frames.items()}
    accounted = sums.pop("", (0, 0))
    return Result(
        records=records,
        discards=dict(sorted(sums.items())),
        received=tuple(sum(both) for both in zip(accounted, *sums.values(), strict=True)),
        accounted=accounted,
        flow_octets=run.octets,
        late=run.late,
        fragment_orphan=run.fragments.orphans,
        warnings=[str(problem.error()) for problem in files.problems if problem.kind == "damaged"],
    )


def meter_as_users_do(
    paths: Sequence[str | Path], *, plugins: Mapping[str, Any] | None = None, **options: Any
) -> Outcome:
    """Through ReferenceMeter; the same sums must balance as in the native one.

    plugins: user_classifiers, user_metrics. options: as in metering.native.
    """
    settings = settings_of(**options)
    classification = open_classification(settings.dpi) if settings.dpi.enabled else UNCLASSIFIED
    engine = ReferenceMeter(
        settings, paths=[str(path) for path in paths], classification=classification, **(plugins or {})
    )
    engine.start()
    batches = [batch for batch in engine.batches() if batch is not None]
    engine.raise_if_failed()
    for batch in batches:
        assert len(set(batch.records["ip_version"])) == 1
        assert not batch.records.flags.writeable
    records = np.concatenate([batch.records for batch in batches]) if batches else np.empty(0, RECORD)
    counters = engine.counters()
    assert not any(counters.imbalance().values())
    assert counters.cached_flows == counters.cached.packets == counters.in_batch.packets == 0
    assert counters.classification.under_detection == 0
    halves = [records[half] for half in ("forward", "reverse")]
    assert sum(int(half["packet_delta_count"].sum()) for half in halves) == counters.handed_over.packets
    applications = classification.applications or NO_APPLICATIONS
    return Outcome(records, counters, engine.problems(), batches, applications)


def read_capture(path: Path, warnings: list[str]) -> Iterator[Frame]:
    """The frames of a file in its order; what ends it early goes into `warnings`."""
    files = CaptureFiles([str(path)], Event())
    yield from files.frames()
    warnings += [str(problem.error()) for problem in files.problems]
