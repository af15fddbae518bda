# SPDX-License-Identifier: Apache-2.0
"""Runs the native Metering Process over files, with the settings that the reference engine takes.

Without classification, unless `dpi` asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spanflow.applications import NO_APPLICATIONS, Applications
from spanflow.classification import UNCLASSIFIED, open_classification
from spanflow.config.schema import Settings
from spanflow.file_meter import FileMeter, InputProblem
from spanflow.metering_counters import MeteringCounters
from spanflow.record import RECORD, Batch

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run. records: all batches concatenated; details are in the batches alone."""

    records: np.ndarray
    counters: MeteringCounters
    problems: list[InputProblem]
    batches: list[Batch]
    applications: Applications


def settings_of(
    *,
    active_timeout: int = 60 * SECOND,
    inactive_timeout: int = 15 * SECOND,
    tcp_linger: int = 2 * SECOND,
    tcp_fin_timeout: int = 0,
    key: tuple[str, ...] = (),
    reorder_window: int = 10 * SECOND,
    max_fragments: int = 16_384,
    dpi: Mapping[str, Any] | None = None,
    **more: Any,
) -> Settings:
    """Settings by the names of reference.meter; more: workers, filter, queue_size, max_flows, memory.

    dpi: settings of that section, and classification is on; None: it is off.
    """
    default = Settings()
    capture = {name: more.pop(name) for name in ("workers", "filter", "queue_size") if name in more}
    return replace(
        default,
        dpi=replace(default.dpi, enabled=dpi is not None, **(dpi or {})),
        capture=replace(
            default.capture, reorder_window=reorder_window, max_fragments=max_fragments, **capture
        ),
        cache=replace(
            default.cache,
            active_timeout=active_timeout,
            inactive_timeout=inactive_timeout,
            tcp_linger=tcp_linger,
            tcp_fin_timeout=tcp_fin_timeout,
            key=key,
            **more,
        ),
    )


def meter(paths: Sequence[str | Path], **options: Any) -> Outcome:
    """Meter files to their end; every batch is of one IP version, and all sums balance."""
    settings = settings_of(**options)
    classification = open_classification(settings.dpi) if settings.dpi.enabled else UNCLASSIFIED
    assert not classification.missing
    meter = FileMeter(settings, [str(path) for path in paths], classification.options)
    meter.start()
    batches = [batch for batch in meter.batches() if batch is not None]
    for batch in batches:
        assert len(set(batch.records["ip_version"])) == 1
        assert not batch.records.flags.writeable
    meter.raise_if_failed()
    records = np.concatenate([batch.records for batch in batches]) if batches else np.empty(0, RECORD)
    counters = meter.counters()
    assert counters.imbalance() == {"frames": 0, "wire_octets": 0, "packets": 0, "octets": 0}
    assert counters.cached_flows == counters.cached.packets == counters.in_batch.packets == 0
    assert counters.classification.under_detection == counters.classification.memory_octets == 0
    halves = [records[half] for half in ("forward", "reverse")]
    assert sum(int(half["packet_delta_count"].sum()) for half in halves) == counters.handed_over.packets
    assert sum(int(half["octet_delta_count"].sum()) for half in halves) == counters.handed_over.octets
    applications = classification.applications or NO_APPLICATIONS
    return Outcome(records, counters, meter.problems(), batches, applications)


def rows(records: np.ndarray) -> list[bytes]:
    """The records as octets, whatever the order in which they came.

    Without the worker's number and without the place of their details.
    """
    unnumbered = records.copy()
    unnumbered["worker"] = unnumbered["details_offset"] = 0
    return sorted(record.tobytes() for record in unnumbered)
