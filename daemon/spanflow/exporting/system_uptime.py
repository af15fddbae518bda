# SPDX-License-Identifier: Apache-2.0
"""The clock of NetFlow: times of Flows are told as the age that a device had, in 32 bits of milliseconds.

A collector computes `header's Unix time - sysUptime + stamp` (RFC 3954 sections 5.1 and 8). The difference of
the first two is the time at which the device was started. Ours is no start of anything: it is chosen so that
Flows of the last 24 days can be told, and moves on before sysUptime wraps, after another 24 days. A collector
notices nothing, as both numbers come with each Message.

What would be told wrongly is told as the nearest that can be told: a Flow from before the start has the time
of the start, and none is later than its Message. The latter matters: nfacctd and old goflow2 compute the age
of a Flow in 32 bits without sign, and put one from the future 49 days into the past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spanflow.exporting.encode import Rows
from spanflow.record import Array, Batch

MILLISECOND_NS = 1_000_000
SECOND_MS = 1000
UPTIME_END_MS = 1 << 32
"""Here sysUptime would wrap: after 49.7 days."""

HISTORY_MS = UPTIME_END_MS // 2
"""How far back the start lies when it is chosen: 24.8 days."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a Message's header says of time. time_ms: since the Unix epoch; uptime_ms: since the start."""

    time_ms: int
    uptime_ms: int

    @property
    def start_ms(self) -> int:
        """The start that stamps refer to, since the Unix epoch."""
        return self.time_ms - self.uptime_ms

    def stamps(self, times_ns: Array) -> Array:
        """Times (ns since the Unix epoch) as ms since the start; those that cannot be told: the nearest."""
        # Both ends first: int64 holds every difference then.
        earliest, latest = self.start_ms * MILLISECOND_NS, self.time_ms * MILLISECOND_NS
        since_ns = np.clip(times_ns, earliest, latest) - np.int64(earliest)
        stamps: Array = since_ns.view(np.uint64) // np.uint64(MILLISECOND_NS)
        return stamps


class SystemUptime:
    """The start that sysUptime counts from, of one session.

    offline: the time is that of the packets, the latest so far: the export of an old capture is as it would
    have been then. Otherwise 32 bits could not tell its times.
    whole_seconds: the header has no fraction of a second (NetFlow version 9). The time is rounded up, as the
    last packet of a Flow may lie in the second that is not over.
    """

    def __init__(self, *, offline: bool, whole_seconds: bool) -> None:
        self._offline = offline
        self._step_ms = SECOND_MS if whole_seconds else 1
        self._start_ms: int | None = None
        self._packet_ns: int | None = None

    def moment(self, now_ns: int, latest_ns: int | None = None) -> Moment:
        """The time of a Message that leaves now. latest_ns: the latest packet of the Flows in it, if any."""
        time_ms = -(-self._time_ns(now_ns, latest_ns) // (self._step_ms * MILLISECOND_NS)) * self._step_ms
        if self._start_ms is None or not 0 <= time_ms - self._start_ms < UPTIME_END_MS:
            self._start_ms = max(0, time_ms - HISTORY_MS)
        return Moment(time_ms, time_ms - self._start_ms)

    def _time_ns(self, now_ns: int, latest_ns: int | None) -> int:
        if not self._offline:
            return now_ns
        if latest_ns is not None:
            latest_ns = max(0, min(latest_ns, now_ns))
            # A capture from long before the one before it has its own clock.
            long_before = self._packet_ns is None or latest_ns < self._packet_ns - HISTORY_MS * MILLISECOND_NS
            self._packet_ns = latest_ns if long_before else max(self._packet_ns or 0, latest_ns)
        return now_ns if self._packet_ns is None else min(now_ns, self._packet_ns)


def times_of(rows: Rows, batch: Batch, member: str) -> Array:
    """A member of the halves that these rows of a batch are about, one for each row."""
    origins = rows.origins
    halves = [batch.records[half][member] for half in ("forward", "reverse")[: origins.halves]]
    if origins.flow_records is not None:
        halves = [values[origins.flow_records] for values in halves]
    values: Array = halves[0] if len(halves) == 1 else np.stack(halves, axis=1).reshape(-1)
    return values if origins.selected is None else values[origins.selected]


def latest_ns(batch: Batch) -> int | None:
    """The time of the last packet of these Flows; None without Flows."""
    if not len(batch):
        return None
    return max(int(batch.records[half]["last_ns"].max()) for half in ("forward", "reverse"))
