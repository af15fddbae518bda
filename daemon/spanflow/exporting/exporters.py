# SPDX-License-Identifier: Apache-2.0
"""All collectors of a probe together: each, and each group of them, gets every batch, and none waits for
another."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from spanflow.applications import Applications
from spanflow.config.schema import Collector, Export, Settings
from spanflow.errors import ConfigError
from spanflow.exporting.counters import ExporterCounters
from spanflow.exporting.domain import observation_domain_id
from spanflow.exporting.facts import NO_FACTS, ProbeFacts
from spanflow.exporting.group import CollectorGroup
from spanflow.exporting.plugin_columns import PluginColumn, as_sent
from spanflow.exporting.process import ExportingProcess
from spanflow.exporting.transport.interface import LocalFlow
from spanflow.record import Batch
from spanflow.status import CollectorStatus

_FLOWS_REMEMBERED = 4
"""Connections of each collector that are still ours: what was sent over the last ones may be under way."""

_STOP_TIMEOUT_S = 5.0
"""A collector's thread waits for the last acknowledgements, then puts what is left into the spool."""

FlowsChanged = Callable[[Iterable[LocalFlow]], None]
_Key = tuple[Collector, Export]


class Exporters:
    """One Exporting Process for each collector. For the control thread; `statuses` and `lost_before` for any,
    `offer` for any one.

    offline: records come from a file. applications: what the numbers of applications
    mean; None: Flows are not classified. columns: those of plugins that collectors get. flows_changed: called
    with the 5-tuples of all our packets before the first one of a new connection is sent; in the thread that
    is about to send it. facts: what options tell collectors of the probe.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        offline: bool = False,
        applications: Applications | None = None,
        columns: Sequence[PluginColumn] = (),
        facts: ProbeFacts = NO_FACTS,
        flows_changed: FlowsChanged = lambda flows: None,
    ) -> None:
        self._offline = offline
        self._applications = applications
        self._columns = tuple(columns)
        self._facts = facts
        self._flows_changed = flows_changed
        self._flows: dict[str, deque[LocalFlow]] = {}
        self._telling = threading.Lock()
        self._lock = threading.Lock()
        # Held while a batch is offered: a collector that leaves gets no more once a reload has let it go.
        self._offering = threading.Lock()
        self._retiring: dict[ExportingProcess, threading.Thread] = {}
        self._retired: dict[str, ExporterCounters] = {}
        self._groups: dict[str, CollectorGroup] = {}
        self._processes: dict[_Key, ExportingProcess] = {}
        try:
            for key in _keys(settings.collectors, settings.export):
                self._processes[key] = self._made(key, settings.export)
        except ConfigError:
            self.stop()
            raise
        self._routes = self._routes_to(self._processes.values())
        for process in self._processes.values():
            process.start()

    @property
    def processes(self) -> list[ExportingProcess]:
        return list(self._processes.values())

    def offer(self, batch: Batch, deadline_s: float | None = None) -> None:
        """Hand a batch to every collector and group, with the columns that they get and no others.

        deadline_s: until when (monotonic) a full queue is waited for.
        """
        batch = as_sent(batch, self._columns)
        with self._offering:
            for route in self._routes:
                wait_s = 0.0 if deadline_s is None else max(0.0, deadline_s - time.monotonic())
                route.offer(batch, wait_s)

    def reload(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Take over other collectors; those that stay as they are keep their session. Names added, removed.

        One that leaves sends what it has, in the background; what it has counted is kept. Raises ConfigError,
        and changes nothing, if a new one cannot be made.
        """
        wanted = _keys(settings.collectors, settings.export)
        leaving = {key: process for key, process in self._processes.items() if key not in wanted}
        arriving = [key for key in wanted if key not in self._processes]
        made = {key: self._made(key, settings.export) for key in arriving}
        with self._offering, self._lock:
            self._processes = {key: made[key] if key in made else self._processes[key] for key in wanted}
            self._routes = self._routes_to(self._processes.values())
            for process in made.values():
                process.start()
            for process in leaving.values():
                self._retire(process, settings.export.drain_timeout / 1e9)
        return [key[0].name for key in arriving], [key[0].name for key in leaving]

    def drain(self, deadline_s: float) -> bool:
        """Wait until all is sent, for each side by side; False if something was lost or the time is over."""
        processes = self.processes
        # A member of a group that goes away may hand its batches to one that was asked before.
        members = [process for process in processes if process.collector.group is not None]
        drained = [
            process.drain(max(0.0, deadline_s - time.monotonic())) for process in (*processes, *members)
        ]
        with self._lock:
            threads = list(self._retiring.values())
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        return all(drained) and not any(thread.is_alive() for thread in threads)

    def queued_records(self) -> int:
        """Flow Records that wait to be sent, also by collectors that are leaving."""
        with self._lock:
            processes = [*self._processes.values(), *self._retiring]
        return sum(process.counters().queued.records for process in processes)

    def stop(self) -> None:
        """End every thread; what is queued is dropped and counted."""
        with self._lock:
            processes = [*self._processes.values(), *self._retiring]
        for process in processes:
            process.close()
        deadline_s = time.monotonic() + _STOP_TIMEOUT_S
        for process in processes:
            process.join(max(0.0, deadline_s - time.monotonic()))

    def statuses(self) -> list[CollectorStatus]:
        """Every collector, in the order of the settings; counts since the start of the probe."""
        with self._lock:
            earlier = self._earlier_counters()
            processes = self.processes
        return [_status(process, earlier.get(process.collector.name)) for process in processes]

    def lost_before(self) -> int:
        """Packets in records that collectors did not get which are no longer in the settings."""
        with self._lock:
            earlier = self._earlier_counters()
            names = {process.collector.name for process in self._processes.values()}
        return sum(
            tally.packets
            for name, counters in earlier.items()
            if name not in names
            for tally in counters.dropped.values()
        )

    def stalled(self) -> list[str]:
        """The collectors whose thread makes no progress."""
        return [f"collector {process.collector.name}" for process in self.processes if process.stalled]

    def _made(self, key: _Key, export: Export) -> ExportingProcess:
        collector, _ = key
        return ExportingProcess(
            collector,
            export,
            domain=observation_domain_id(export, collector),
            offline=self._offline,
            applications=self._applications,
            columns=self._columns,
            facts=self._facts,
            connected=lambda flow: self._connected(collector.name, flow),
            away=self._away,
        )

    def _routes_to(self, processes: Iterable[ExportingProcess]) -> list[ExportingProcess | CollectorGroup]:
        """Those that get every batch: each collector without a group, and each group in the place of its
        first member."""
        members: dict[str, list[ExportingProcess]] = {}
        routes: dict[str, list[ExportingProcess]] = {}
        for process in processes:
            group = process.collector.group
            members.setdefault(group or "", []).append(process)
            # A name of a collector may be that of a group.
            routes.setdefault(f"collector {process.collector.name}" if group is None else group, [process])
        self._groups = {name: _group_of(own) for name, own in members.items() if name}
        return [
            first if first.collector.group is None else self._groups[first.collector.group]
            for [first] in routes.values()
        ]

    def _away(self, process: ExportingProcess) -> None:
        """In the thread of the collector that is away."""
        group = self._groups.get(process.collector.group or "")
        if group is not None:
            group.leave(process)

    def _retire(self, process: ExportingProcess, timeout_s: float) -> None:
        def leave() -> None:
            process.drain(timeout_s)
            process.stop()
            with self._lock:
                name = process.collector.name
                counters = process.counters()
                earlier = self._retired.get(name)
                self._retired[name] = counters if earlier is None else counters.after(earlier)
                del self._retiring[process]

        thread = threading.Thread(target=leave, name=f"retire {process.collector.name}"[:15], daemon=True)
        self._retiring[process] = thread
        thread.start()

    def _earlier_counters(self) -> dict[str, ExporterCounters]:
        """What Exporting Processes that have left, or are about to, have counted, by the collector's name."""
        sums = dict(self._retired)
        for process in self._retiring:
            name, counters = process.collector.name, process.counters()
            sums[name] = counters.after(sums[name]) if name in sums else counters
        return sums

    def _connected(self, name: str, flow: LocalFlow) -> None:
        with self._telling:  # told in the order in which they came
            self._flows.setdefault(name, deque(maxlen=_FLOWS_REMEMBERED)).append(flow)
            self._flows_changed([each for known in self._flows.values() for each in known])


def _keys(collectors: Iterable[Collector], export: Export) -> Mapping[_Key, None]:
    """What makes a collector another one: its options, and those of `export` that a session depends on."""
    same = replace(export, drain_timeout=0, pace=0)
    return dict.fromkeys((collector, collector.effective(same)) for collector in collectors)


def _group_of(members: Sequence[ExportingProcess]) -> CollectorGroup:
    collectors = [process.collector for process in members]
    return CollectorGroup(
        members,
        [collector.name for collector in collectors],
        balance=collectors[0].group_mode == "balance",
    )


def _status(process: ExportingProcess, earlier: ExporterCounters | None) -> CollectorStatus:
    counters = process.counters()
    return CollectorStatus(
        name=process.collector.name,
        url=process.collector.url,
        up=process.up,
        counters=counters if earlier is None else counters.after(earlier),
        last_template_ns=counters.last_template_ns,
        spool_octets=process.spool_octets,
        spool_oldest_ns=process.spool_oldest_ns,
        certificate_not_after_ns=process.certificate_not_after_ns,
    )
