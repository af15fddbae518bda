# SPDX-License-Identifier: Apache-2.0
"""The daemon: start, run, reload, drain, stop."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

from spanflow import _core, logs
from spanflow.application_counts import ApplicationCounts
from spanflow.capture_sockets import OpenInterface
from spanflow.classification import REMEDY, UNCLASSIFIED, Classification
from spanflow.config.schema import Settings
from spanflow.errors import SpanflowError
from spanflow.exporting.exporters import Exporters
from spanflow.health import routes
from spanflow.http import HttpServer
from spanflow.live_meter import LiveMeter
from spanflow.logs import UNLIMITED
from spanflow.meter import cache_flows
from spanflow.metrics import Metrics
from spanflow.plugins.chain import PluginChain
from spanflow.plugins.configured import ConfiguredPlugins
from spanflow.plugins.stage import PluginStage
from spanflow.probe_facts import MeterFacts
from spanflow.record import Batch
from spanflow.reload import Load, Reload, needing_restart, reloadable
from spanflow.status import ClassificationStatus, PluginStatus, ProbeStatus
from spanflow.stop_signals import StopSignals
from spanflow.supervision import STALLED_AFTER_S, EventLog, WorkerWatch, status_line
from spanflow.systemd import Notifier

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_STATUS_EVERY_S = 10.0
_EXTENSION_S = 10.0
_ROOM_WAIT_S = 0.1


class Service:
    """A probe that runs until it is told to stop. Everything here but `status` is for the main thread.

    interfaces: opened, and no capability is held any more. load: read the settings again, for SIGHUP.
    classification, plugins: what `settings` ask for, opened.
    """

    def __init__(
        self,
        settings: Settings,
        interfaces: Sequence[OpenInterface],
        load: Load,
        notifier: Notifier,
        classification: Classification = UNCLASSIFIED,
        plugins: ConfiguredPlugins | None = None,
    ) -> None:
        self._settings = settings
        self._reload = Reload(load, self._apply)
        self._notifier = notifier
        self._started_ns = time.time_ns()
        self._version = _version()
        self._labels = {"python": platform.python_version(), "libpcap": _core.libpcap_version()}
        self._classification = classification
        self._counts: ApplicationCounts | None = None
        if classification.applications is not None:
            self._counts = ApplicationCounts(classification.applications, settings.metrics.top_applications)
        self._meter = LiveMeter(settings, interfaces, classification.options)
        self._exporters = Exporters(
            settings,
            applications=classification.applications,
            columns=plugins.exported if plugins is not None else (),
            facts=MeterFacts(
                self._started_ns, self._meter.counters, self._meter.interfaces, key=settings.cache.key
            ),
            flows_changed=self._meter.set_own_exports,
        )
        self._chain = PluginChain(()) if plugins is None else plugins.chain
        self._stage: PluginStage | None = None
        if len(self._chain):
            self._stage = PluginStage(self._chain, self._export, applications=classification.applications)
        self._server: HttpServer | None = None
        self._workers = WorkerWatch()
        self._events = EventLog()
        self._stalled: list[str] = []
        self._ready = False
        self._turned_s = self._look_due_s = self._watchdog_due_s = self._status_due_s = time.monotonic()
        self._status_before: tuple[ProbeStatus, float] | None = None
        self._draining_until_s: float | None = None
        self._routes = routes(self.status, Metrics(self.status))

    def run(self) -> None:
        """Start, meter until SIGTERM or SIGINT, drain, stop. A second signal ends the process at once."""
        with StopSignals() as stop:
            try:
                self._start()
                for batch in self._meter.batches():
                    if batch is not None:
                        self._take(batch, stop)
                    self._attend(stop)
                self._drain()
            finally:
                self._stop()
        self._meter.raise_if_failed()
        if self._stage is not None:
            self._stage.raise_if_failed()

    def _take(self, batch: Batch, stop: StopSignals) -> None:
        """Count a batch and pass it on: to the plugins once they have room for it, or to the exporters."""
        if self._counts is not None:
            self._counts.add(batch)
        if self._stage is None:
            self._export(batch)
            return
        while not self._stage.wait_for_room(batch, _ROOM_WAIT_S):
            # Until then nothing more is taken from the meter.
            self._attend(stop)
            if self._draining_until_s is not None and time.monotonic() >= self._draining_until_s:
                self._stage.close()
        self._stage.offer(batch)

    def _export(self, batch: Batch) -> None:
        """In the thread of the plugins where there are any."""
        self._exporters.offer(batch, self._draining_until_s)

    def _attend(self, stop: StopSignals) -> None:
        """What is due between two batches."""
        if self._draining_until_s is None and (stop.requested or self._thread_died()):
            self._begin_to_stop()
        self._turn()

    # Start and end.

    def _start(self) -> None:
        self._reload.listen()
        self._serve(self._settings.metrics.listen)
        self._meter.start()
        if self._stage is not None:
            self._stage.start()
        log.info("started", extra={"version": self._version})
        self._tell_engine()
        if not self._settings.collectors:
            log.warning(
                "no collector is configured, records go nowhere", extra={"remedy": "add --collector URL"}
            )
        self._turn()

    def _tell_engine(self) -> None:
        """Who names the applications; or, once, that nobody does."""
        named = self._classification.applications
        if named is not None:
            log.info("applications are named", extra={"engine": named.engine, "version": named.version})
        elif self._classification.missing:
            log.warning(
                "applications are not named", extra={"error": self._classification.missing, "remedy": REMEDY}
            )

    def _thread_died(self) -> bool:
        """A worker that is out of memory, say: the others finish, and the process ends with an error."""
        failure = self._meter.failure()
        if failure:
            log.error("a worker has died", extra={"error": failure})
        elif self._stage is not None and (failure := self._stage.failure()):
            log.error("the thread of the plugins has died", extra={"error": failure})
        return bool(failure)

    def _begin_to_stop(self) -> None:
        """Capture ends; every Flow that is cached leaves with reason 4."""
        log.info("stopping")
        timeout_s = self._settings.export.drain_timeout / 1e9
        self._draining_until_s = time.monotonic() + timeout_s
        self._notifier.stopping()
        self._notifier.extend_timeout(timeout_s + _EXTENSION_S)
        self._meter.stop()

    def _drain(self) -> None:
        """Wait until the plugins are done, and the collectors have what is queued for them."""
        until_s = self._draining_until_s or 0.0
        if self._stage is not None:
            self._stage.wait_empty(until_s - time.monotonic())
        while time.monotonic() < until_s and not self._exporters.drain(min(until_s, time.monotonic() + 1)):
            if not self._exporters.queued_records():
                break  # something was lost, but nothing is left to wait for

    def _stop(self) -> None:
        """End every thread, whatever has happened before."""
        self._reload.ignore()
        self._meter.stop()
        if self._stage is not None:
            self._stage.stop()
        self._exporters.stop()
        if self._server is not None:
            self._server.stop()
        status = self.status()
        self._events.note_end(status)
        log.info(
            "stopped",
            extra={
                "packets": status.metering.received.packets,
                "records": status.metering.handed_over.records,
                "lost": status.lost,
            },
        )

    # While it runs.

    def _turn(self) -> None:
        """What is due: a reload, once a second a look at everything, the watchdog, the status line."""
        now_s = self._turned_s = time.monotonic()
        draining = self._draining_until_s is not None
        if not draining and self._reload.due():
            self._run_reload()
        if now_s < self._look_due_s:
            return
        self._look_due_s = now_s + _LOOK_EVERY_S
        # At the end a worker waits for room in the queue: that is no stall.
        workers = [] if draining else self._meter.progress()
        self._stalled = self._workers.stalled(workers, now_s) + self._exporters.stalled()
        if self._stage is not None:
            self._stalled += self._stage.stalled()
        status = self.status()
        self._events.note(status, now_s)
        if not self._ready and not draining:
            self._become_ready(status)
        self._ping(now_s)
        if now_s >= self._status_due_s:
            self._tell_status(status, now_s)

    def _become_ready(self, status: ProbeStatus) -> None:
        """Ready is who captures on every interface; one that is waited for may take its time."""
        if all(each.bound for each in status.interfaces):
            self._ready = True
            self._notifier.ready()
        else:
            self._notifier.extend_timeout(_EXTENSION_S)

    def _ping(self, now_s: float) -> None:
        interval_s = self._notifier.watchdog_interval_s
        if interval_s is not None and now_s >= self._watchdog_due_s and not self._stalled:
            self._watchdog_due_s = now_s + max(0.0, interval_s - _LOOK_EVERY_S)
            self._notifier.watchdog()

    def _tell_status(self, status: ProbeStatus, now_s: float) -> None:
        before, before_s = self._status_before or (None, now_s)
        self._status_before = status, now_s
        self._status_due_s = now_s + (_STATUS_EVERY_S if before else _LOOK_EVERY_S)
        self._notifier.status(status_line(status, before, now_s - before_s))

    # Reload.

    def _run_reload(self) -> None:
        if self._ready:  # before, systemd would take the end of the reload for that of the start
            self._notifier.reloading()
        self._reload.run()
        self._status_due_s = 0.0
        if self._ready:
            self._notifier.ready()

    def _apply(self, wanted: Settings) -> bool:
        """False: a part could not be taken over."""
        settings = reloadable(self._settings, wanted)
        if restart := needing_restart(self._settings, wanted):
            log.warning("this change needs a restart", extra={"sections": ", ".join(restart), **UNLIMITED})
        logs.configure(settings.log.format, settings.log.level)
        moved = self._serve_elsewhere(settings.metrics.listen)
        if not moved:
            settings = replace(settings, metrics=self._settings.metrics)
        if self._counts is not None:
            self._counts.allow(settings.metrics.top_applications)
        if settings.cache != self._settings.cache:
            self._meter.set_timeouts(settings.cache)
        try:
            added, removed = self._exporters.reload(settings)
        except SpanflowError as error:
            log.error("collectors stay as they were", extra={"error": str(error), **UNLIMITED})
            settings = replace(settings, collectors=self._settings.collectors, export=self._settings.export)
            added, removed, moved = [], [], False
        self._settings = settings
        names = {"collectors_added": ", ".join(added), "collectors_removed": ", ".join(removed)}
        log.info("reloaded", extra={**names, **UNLIMITED})
        return moved

    def _serve_elsewhere(self, address: tuple[str, int] | None) -> bool:
        """Move to another address; back to the one before if that cannot be had."""
        before = self._settings.metrics.listen
        if address == before:
            return True
        if self._server is not None:
            self._server.stop()  # first: it may be the same port
        try:
            self._serve(address)
        except SpanflowError as error:
            log.error("metrics stay where they were", extra={"error": str(error), **UNLIMITED})
            with suppress(SpanflowError):
                self._serve(before)
            return False
        return True

    def _serve(self, address: tuple[str, int] | None) -> None:
        self._server = None
        if address is not None:
            self._server = HttpServer(address, self._routes)
            self._server.start()

    # What it is like now.

    def status(self) -> ProbeStatus:
        """One moment of the probe; for any thread."""
        interfaces = self._meter.interfaces()
        collectors = self._exporters.statuses()
        late = self._draining_until_s is None and time.monotonic() - self._turned_s > STALLED_AFTER_S
        return ProbeStatus(
            version=self._version,
            started_ns=self._started_ns,
            interfaces=interfaces,
            collectors=collectors,
            metering=self._meter.counters(),
            cache_capacity_flows=cache_flows(self._settings),
            handover_octets=self._settings.capture.queue_size,
            stalled=[*self._stalled, *(["main"] if late else [])],
            unready=[
                *(f"interface {each.name} is missing" for each in interfaces if not each.bound),
                *(f"interface {each.name} is down" for each in interfaces if each.bound and not each.up),
                *(f"collector {each.name} is down" for each in collectors if not each.up),
                *([] if collectors else ["no collector is configured"]),
            ],
            lost_before=self._exporters.lost_before(),
            reloads=self._reload.reloads,
            reload_failures=self._reload.failures,
            last_reload_successful=self._reload.last_successful,
            labels=self._labels,
            classification=self._classification_status(),
            plugins=self._plugin_status(),
        )

    def _plugin_status(self) -> PluginStatus:
        if self._stage is None:
            return PluginStatus()
        return PluginStatus(
            books=self._stage.counters(),
            queued_octets=self._stage.queued_octets,
            plugins=self._chain.counters(),
        )

    def _classification_status(self) -> ClassificationStatus:
        named = self._classification.applications
        if named is None or self._counts is None:
            return ClassificationStatus()
        return ClassificationStatus(
            engine=named.engine,
            version=named.version,
            capacity_flows=self._settings.dpi.max_flows,
            capacity_octets=self._settings.dpi.memory,
            applications=self._counts.shown(),
        )


def _version() -> str:
    with suppress(PackageNotFoundError):
        return version("spanflow")
    return "unknown"
