# SPDX-License-Identifier: Apache-2.0
"""What a daemon watches about itself once a second: that every thread moves, and what is worth a line."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from spanflow.live_meter import WorkerProgress
from spanflow.status import InterfaceStatus, ProbeStatus

log = logging.getLogger(__name__)

STALLED_AFTER_S = 10.0


class WorkerWatch:
    """Remembers when each worker was last seen to move."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def stalled(self, workers: Iterable[WorkerProgress], now_s: float) -> list[str]:
        """The workers that have not been round their loop for STALLED_AFTER_S (monotonic time)."""
        stalled = []
        for worker in workers:
            turns, since = self._seen.get(worker.name, (-1, now_s))
            if worker.turns != turns:
                self._seen[worker.name] = worker.turns, now_s
            elif now_s - since > STALLED_AFTER_S:
                stalled.append(worker.name)
        return stalled


class EventLog:
    """Turns differences between two moments into log lines."""

    def __init__(self) -> None:
        self._before: ProbeStatus | None = None

    def note(self, status: ProbeStatus) -> None:
        """Log what has happened since the last call."""
        before, self._before = self._before, status
        known = {each.name: each for each in before.interfaces} if before else {}
        for interface in status.interfaces:
            _note_interface(interface, known.get(interface.name))
        if before is not None:
            _note_losses(status, before)
            _note_collectors(status, before)
        for name in status.stalled:
            log.error("thread makes no progress", extra={"thread": name})
        imbalance = {law: missing for law, missing in status.metering.imbalance().items() if missing}
        if imbalance:
            log.error("counters do not add up", extra=imbalance)

    def note_end(self, status: ProbeStatus) -> None:
        """Log what was lost since the last call of `note`; everything has been stopped meanwhile."""
        if self._before is not None:
            _note_losses(status, self._before)


def _note_interface(now: InterfaceStatus, before: InterfaceStatus | None) -> None:
    fields: Mapping[str, object] = {"interface": now.name, "index": now.index}
    if before is None or now.appearances != before.appearances or now.bound != before.bound:
        if now.bound:
            log.info("interface captured", extra={**fields, "engine": now.engine, "workers": now.workers})
        else:
            log.warning("interface missing, waiting for it", extra={"interface": now.name})
    elif now.up != before.up:
        log.warning("interface is up again" if now.up else "interface is down", extra=fields)
    if now.last_error and (before is None or now.last_error != before.last_error):
        log.error("interface not captured", extra={**fields, "error": now.last_error})
    if now.merged_frames and (before is None or not before.merged_frames):
        # Once: it stays so until somebody runs the command.
        log.warning(
            "frames arrive merged, packet counts and sizes are those of merged frames",
            extra={**fields, "remedy": f"ethtool -K {now.name} gro off lro off gso off tso off"},
        )
    drops = now.kernel_drops - (before.kernel_drops if before else 0)
    if drops:
        log.warning(
            "packets lost in the kernel, the ring was full",
            extra={**fields, "packets": drops, "remedy": "raise ring_size, or use more workers"},
        )
    steps = now.clock_steps - (before.clock_steps if before else 0)
    if steps:
        log.warning("the clock made a step", extra={**fields, "steps": steps})


def _note_losses(now: ProbeStatus, before: ProbeStatus) -> None:
    records = now.metering.dropped_at_handover.records - before.metering.dropped_at_handover.records
    if records:
        log.warning(
            "records dropped at the hand-over, the queue was full",
            extra={"records": records, "remedy": "raise capture.queue_size"},
        )
    known = {each.name: each for each in before.collectors}
    for collector in now.collectors:
        earlier = known.get(collector.name)
        for reason, tally in collector.counters.dropped.items():
            dropped = tally.records - (earlier.counters.dropped[reason].records if earlier else 0)
            if dropped > 0:
                log.warning(
                    "records dropped for a collector",
                    extra={"collector": collector.name, "reason": str(reason), "records": dropped},
                )


def _note_collectors(now: ProbeStatus, before: ProbeStatus) -> None:
    was_up = {each.name: each.up for each in before.collectors}
    for collector in now.collectors:
        if collector.up == was_up.get(collector.name, False):
            continue
        if collector.up:
            log.info("collector is up", extra={"collector": collector.name})
        else:
            error = collector.counters.last_error or "nobody listens there"
            log.warning("collector is down", extra={"collector": collector.name, "error": error})


def status_line(now: ProbeStatus, before: ProbeStatus | None, seconds: float) -> str:
    """One line for `systemctl status`: `2 if, 812k packets/s, 1.2M flows, 3/3 collectors up, lost 0`."""
    packets = now.metering.received.packets - (before.metering.received.packets if before else 0)
    parts = [
        f"{len(now.interfaces)} if",
        f"{_human(packets / seconds if seconds > 0 else 0)} packets/s",
        f"{_human(now.metering.cached_flows)} flows",
        f"{sum(each.up for each in now.collectors)}/{len(now.collectors)} collectors up",
    ]
    parts += _first(now.stalled, "stalled: ") or _first(now.unready, "")
    return ", ".join([*parts, f"lost {now.lost}"])


def _first(reasons: Sequence[str], label: str) -> list[str]:
    return [f"{label}{reasons[0]}"] if reasons else []


def _human(number: float) -> str:
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g}{unit}"
    return f"{number:.0f}"
