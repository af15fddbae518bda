# SPDX-License-Identifier: Apache-2.0
"""What a daemon watches about itself once a second: that every thread moves, and what is worth a line."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from spanflow.live_meter import WorkerProgress
from spanflow.logs import UNLIMITED
from spanflow.metering_counters import ClassificationCounters
from spanflow.status import InterfaceStatus, ProbeStatus

log = logging.getLogger(__name__)

STALLED_AFTER_S = 10.0
LOSSES_EVERY_S = 10.0


class WorkerWatch:
    """Remembers when each worker was last seen to move."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def stalled(self, workers: Iterable[WorkerProgress], now_s: float) -> list[str]:
        """The workers that have not been round their loop for STALLED_AFTER_S (monotonic time)."""
        stalled = []
        for worker in workers:
            turns, since = self._seen.get(worker.name, (-1, now_s))
            if worker.turns != turns or worker.finished:
                self._seen[worker.name] = worker.turns, now_s
            elif now_s - since > STALLED_AFTER_S:
                stalled.append(worker.name)
        return stalled


class EventLog:
    """Turns differences between two moments into log lines."""

    def __init__(self) -> None:
        self._before: ProbeStatus | None = None
        self._up: dict[str, bool] = {}
        self._losses: ProbeStatus | None = None
        self._losses_due_s = 0.0

    def note(self, status: ProbeStatus, now_s: float) -> None:
        """Log what has happened since the last call (monotonic time)."""
        before, self._before = self._before, status
        known = {each.name: each for each in before.interfaces} if before else {}
        for interface in status.interfaces:
            _note_interface(interface, known.get(interface.name))
        if before is not None:
            self._note_collectors(status, before)
        for name in status.stalled:
            log.error("no progress", extra={"stalled": name})
        laws = {**status.metering.imbalance(), **status.plugins.imbalance()}
        imbalance = {law: missing for law, missing in laws.items() if missing}
        if imbalance:
            log.error("counters do not add up", extra=imbalance)
        # Losses are summed up here: the limit on log lines would hide all but the first of many.
        if self._losses is None:
            self._losses = status
        elif now_s >= self._losses_due_s:
            if _note_losses(status, self._losses):
                self._losses_due_s = now_s + LOSSES_EVERY_S
            self._losses = status

    def note_end(self, status: ProbeStatus) -> None:
        """Log what was lost and has not been logged; everything has been stopped meanwhile."""
        if self._losses is not None:
            _note_losses(status, self._losses)

    def _note_collectors(self, now: ProbeStatus, before: ProbeStatus) -> None:
        """A collector is down when it is so at two looks: a new session takes a moment."""
        was_up = {each.name: each.up for each in before.collectors}
        for collector in now.collectors:
            name = collector.name
            if collector.up == self._up.get(name) or collector.up != was_up.get(name):
                continue
            self._up[name] = collector.up
            if collector.up:
                log.info("collector is up", extra={"collector": name, **UNLIMITED})
            else:
                error = collector.counters.last_error or "nobody listens there"
                log.warning("collector is down", extra={"collector": name, "error": error, **UNLIMITED})


def _note_interface(now: InterfaceStatus, before: InterfaceStatus | None) -> None:
    fields: Mapping[str, object] = {"interface": now.name, "index": now.index}
    if before is None or now.appearances != before.appearances or now.bound != before.bound:
        if now.bound:
            log.info("interface captured", extra={**fields, "engine": now.engine, "workers": now.workers})
        elif now.engine == "ring":
            log.warning("interface missing, waiting for it", extra={"interface": now.name})
        else:
            log.error("interface gone, libpcap needs a restart to capture it again", extra=fields)
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
    steps = now.clock_steps - (before.clock_steps if before else 0)
    if steps:
        log.warning("the clock made a step", extra={**fields, "steps": steps})


def _note_losses(now: ProbeStatus, before: ProbeStatus) -> bool:
    """Log what was lost between two moments; whether anything was."""
    lost = False
    drops_before = {each.name: each.kernel_drops for each in before.interfaces}
    for interface in now.interfaces:
        if drops := interface.kernel_drops - drops_before.get(interface.name, 0):
            lost = True
            log.warning(
                "packets lost in the kernel, the ring was full",
                extra={
                    "interface": interface.name,
                    "packets": drops,
                    "remedy": "raise ring_size, or use more workers",
                    **UNLIMITED,
                },
            )
    if records := now.metering.dropped_at_handover.records - before.metering.dropped_at_handover.records:
        lost = True
        log.warning(
            "records dropped at the hand-over, the queue was full",
            extra={"records": records, "remedy": "raise capture.queue_size", **UNLIMITED},
        )
    if records := now.plugins.dropped.records - before.plugins.dropped.records:
        lost = True
        log.warning(
            "records dropped, the plugins did not get to them in time",
            extra={"records": records, "remedy": "speed up the plugins", **UNLIMITED},
        )
    lost = _note_unclassified(now.metering.classification, before.metering.classification) or lost
    known = {each.name: each.counters for each in before.collectors}
    for collector in now.collectors:
        earlier = known.get(collector.name)
        for reason, tally in collector.counters.dropped.items():
            dropped = tally.records - (earlier.dropped[reason].records if earlier else 0)
            if dropped:
                lost = True
                log.warning(
                    "records dropped for a collector",
                    extra={
                        "collector": collector.name,
                        "reason": str(reason),
                        "records": dropped,
                        **UNLIMITED,
                    },
                )
    if packets := now.lost_before - before.lost_before:
        lost = True
        log.warning(
            "records dropped for collectors that a reload removed", extra={"packets": packets, **UNLIMITED}
        )
    return lost


def _note_unclassified(now: ClassificationCounters, before: ClassificationCounters) -> bool:
    """Log which Flows were not inspected, or lost their names, for want of room; whether there are any."""
    noted = False
    for event, flows, remedy in (
        (
            "applications told by port alone, too many flows under detection",
            now.refused_flows - before.refused_flows,
            "raise dpi.max_flows",
        ),
        (
            "applications told by port alone, no memory for more flows under detection",
            now.refused_memory - before.refused_memory,
            "raise dpi.memory",
        ),
        (
            "names dropped, no memory to keep them",
            now.dropped_details - before.dropped_details,
            "raise dpi.memory",
        ),
    ):
        if flows:
            noted = True
            log.warning(event, extra={"flows": flows, "remedy": remedy, **UNLIMITED})
    return noted


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
    parts += [] if now.last_reload_successful else ["the last reload was refused"]
    return ", ".join([*parts, f"lost {now.lost}"])


def _first(reasons: Sequence[str], label: str) -> list[str]:
    return [f"{label}{reasons[0]}"] if reasons else []


def _human(number: float) -> str:
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g}{unit}"
    return f"{number:.0f}"
