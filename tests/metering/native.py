# SPDX-License-Identifier: Apache-2.0
"""Runs the native Metering Process over files, with the settings that the oracle takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spanflow.config.schema import Settings
from spanflow.file_meter import FileMeter, InputProblem
from spanflow.metering_counters import MeteringCounters
from spanflow.record import RECORD

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run; records: all batches concatenated."""

    records: np.ndarray
    counters: MeteringCounters
    problems: list[InputProblem]


def settings_of(
    *,
    active_timeout: int = 60 * SECOND,
    inactive_timeout: int = 15 * SECOND,
    tcp_linger: int = 2 * SECOND,
    tcp_fin_timeout: int = 0,
    key: tuple[str, ...] = (),
    reorder_window: int = 10 * SECOND,
    max_fragments: int = 16_384,
    **more: Any,
) -> Settings:
    """Settings by the names of oracle.meter; more: workers, filter, max_flows, memory."""
    default = Settings()
    capture = {name: more.pop(name) for name in ("workers", "filter") if name in more}
    return replace(
        default,
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
    meter = FileMeter(settings_of(**options), [str(path) for path in paths])
    meter.start()
    batches = []
    for batch in meter.batches():
        if batch is not None:
            assert len(set(batch["ip_version"])) == 1
            assert not batch.flags.writeable
            batches.append(batch)
    meter.raise_if_failed()
    records = np.concatenate(batches) if batches else np.empty(0, RECORD)
    counters = meter.counters()
    assert counters.imbalance() == {"frames": 0, "wire_octets": 0, "packets": 0, "octets": 0}
    assert counters.cached_flows == counters.cached.packets == counters.in_batch.packets == 0
    halves = [records[half] for half in ("forward", "reverse")]
    assert sum(int(half["packet_delta_count"].sum()) for half in halves) == counters.handed_over.packets
    assert sum(int(half["octet_delta_count"].sum()) for half in halves) == counters.handed_over.octets
    return Outcome(records, counters, meter.problems())


def rows(records: np.ndarray) -> list[bytes]:
    """The records as octets without the worker's number, whatever the order in which they came."""
    unnumbered = records.copy()
    unnumbered["worker"] = 0
    return sorted(record.tobytes() for record in unnumbered)
