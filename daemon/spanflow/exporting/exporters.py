# SPDX-License-Identifier: Apache-2.0
"""All collectors of a probe together: each gets every batch, and none waits for another."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from spanflow.config.schema import Collector, Export, Settings
from spanflow.exporting.domain import observation_domain_id
from spanflow.exporting.process import ExportingProcess
from spanflow.exporting.row_plan import Array
from spanflow.exporting.transport.interface import LocalFlow
from spanflow.status import CollectorStatus

_FLOWS_REMEMBERED = 4
"""Connections of each collector that are still ours: what was sent over the last ones may be under way."""

FlowsChanged = Callable[[Iterable[LocalFlow]], None]


class Exporters:
    """One Exporting Process for each collector. Every method is for the control thread.

    offline: records come from a file, so what leaves is paced. flows_changed: called with the 5-tuples of all
    our datagrams before the first one of a new connection is sent; in the thread that is about to send it.
    """

    def __init__(
        self, settings: Settings, *, offline: bool = False, flows_changed: FlowsChanged = lambda flows: None
    ) -> None:
        self._offline = offline
        self._flows_changed = flows_changed
        self._flows: dict[str, deque[LocalFlow]] = {}
        self._lock = threading.Lock()
        self._retiring: list[threading.Thread] = []
        self._processes = {
            key: self._start(key, settings.export) for key in _keys(settings.collectors, settings.export)
        }

    @property
    def processes(self) -> list[ExportingProcess]:
        return list(self._processes.values())

    def offer(self, batch: Array, deadline_s: float | None = None) -> None:
        """Hand a batch to every collector. deadline_s: until when (monotonic) a full queue is waited for."""
        for process in self._processes.values():
            wait_s = 0.0 if deadline_s is None else max(0.0, deadline_s - time.monotonic())
            process.offer(batch, wait_s)

    def reload(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Take over other collectors; those that stay as they are keep their session. Names added, removed.

        One that leaves sends what it has, in the background.
        """
        wanted = _keys(settings.collectors, settings.export)
        leaving = {key: process for key, process in self._processes.items() if key not in wanted}
        arriving = [key for key in wanted if key not in self._processes]
        for process in leaving.values():
            self._retire(process, settings.export.drain_timeout / 1e9)
        self._processes = {
            key: self._processes[key] if key in self._processes else self._start(key, settings.export)
            for key in wanted
        }
        return [key[0].name for key in arriving], [key[0].name for key in leaving]

    def drain(self, deadline_s: float) -> bool:
        """Wait until all is sent, for each side by side; False if something was lost or the time is over."""
        drained = [
            process.drain(max(0.0, deadline_s - time.monotonic())) for process in self._processes.values()
        ]
        for thread in self._retiring:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        return all(drained)

    def stop(self) -> None:
        """End every thread; what is queued is dropped and counted."""
        for process in self._processes.values():
            process.stop()

    def statuses(self) -> list[CollectorStatus]:
        """Every collector, in the order of the settings."""
        return [_status(process) for process in self.processes]

    def stalled(self) -> list[str]:
        """The collectors whose thread makes no progress."""
        return [f"collector {process.collector.name}" for process in self.processes if process.stalled]

    def _start(self, key: tuple[Collector, Export], export: Export) -> ExportingProcess:
        collector, _ = key
        process = ExportingProcess(
            collector,
            export,
            domain=observation_domain_id(export, collector),
            offline=self._offline,
            connected=lambda flow: self._connected(collector.name, flow),
        )
        process.start()
        return process

    def _retire(self, process: ExportingProcess, timeout_s: float) -> None:
        def leave() -> None:
            process.drain(timeout_s)
            process.stop()

        self._retiring = [thread for thread in self._retiring if thread.is_alive()]
        thread = threading.Thread(target=leave, name=f"retire {process.collector.name}"[:15], daemon=True)
        self._retiring.append(thread)
        thread.start()

    def _connected(self, name: str, flow: LocalFlow) -> None:
        with self._lock:
            self._flows.setdefault(name, deque(maxlen=_FLOWS_REMEMBERED)).append(flow)
            self._flows_changed([each for flows in self._flows.values() for each in flows])


def _keys(collectors: Iterable[Collector], export: Export) -> Mapping[tuple[Collector, Export], None]:
    """What makes a collector another one: its own options, and those of `export` as it sees them."""
    return dict.fromkeys((collector, collector.effective(export)) for collector in collectors)


def _status(process: ExportingProcess) -> CollectorStatus:
    counters = process.counters()
    return CollectorStatus(
        name=process.collector.name,
        url=process.collector.url,
        up=process.up,
        counters=counters,
        last_template_ns=counters.last_template_ns,
    )
