# SPDX-License-Identifier: Apache-2.0
"""The reference engine with the face of the native meters: threads, hand-over, counters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from queue import Empty, Full, Queue
from typing import Any

from spanflow.classification import UNCLASSIFIED, Classification
from spanflow.config.schema import Settings
from spanflow.errors import CaptureError, ConfigError, SpanflowError, UsageError
from spanflow.file_meter import InputProblem
from spanflow.meter import cache_flows
from spanflow.metering_counters import MeteringCounters
from spanflow.record import RECORD, Batch
from spanflow.reference.batches import ROWS, BatchWriter
from spanflow.reference.capture import CaptureFiles
from spanflow.reference.counters import counters_of
from spanflow.reference.detection import Detection
from spanflow.reference.flow_table import ACTIVE, END_DETAILS, Observer
from spanflow.reference.live import ClockWatch, LiveInterface
from spanflow.reference.metering import Metering
from spanflow.reference.plugins import Metric, PacketPluginCounters, Plugins
from spanflow.reference.tally import Tally, content_of_batch

QUEUE_BATCHES = 8
"""What may wait for whoever takes batches; live it is capture.queue_size."""

WATCH_SECONDS = 1.0
_FLUSHED_AT_ONCE = 1024


class ReferenceMeter:
    """Meters capture files as one input, or live interfaces; with per-packet plugins.

    paths: files, `-` for standard input. interfaces: their names; what `settings.interfaces` says of them
    counts. classification: UNCLASSIFIED leaves Flows without an application. user_classifiers, user_metrics,
    strict: see reference.plugins. Raises CaptureError and ConfigError for what cannot be opened.

    One lock is around the tables of Flows and all that is written from them; plugins run inside it, and may
    ask for counters. Files are read by one thread; each interface has its own, and two more watch over the
    timeouts (9.5).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        paths: Sequence[str] = (),
        interfaces: Sequence[str] = (),
        classification: Classification = UNCLASSIFIED,
        user_classifiers: Iterable[Any] = (),
        user_metrics: Mapping[str, Metric] | None = None,
        strict: bool = False,
    ) -> None:
        self._plugins = Plugins(user_classifiers, user_metrics or {}, strict=strict)
        self._interfaces = [LiveInterface(name, settings) for name in interfaces]
        wanted = classification.options is not None
        self._detection = Detection(settings.dpi, classification) if wanted else None
        observers: list[Observer] = [each for each in (self._detection, self._plugins) if each]
        self._writer = BatchWriter(settings.cache.first_packets, attached=bool(self._plugins))
        capacity = cache_flows(settings)
        if self._interfaces:
            self._meterings = [
                Metering(
                    settings,
                    self._writer.send,
                    observers,
                    capacity=max(1, capacity // len(self._interfaces)),  # 8.7
                    filter=interface.filter,
                    first_interface=interface.first_interface,
                    live=True,
                )
                for interface in self._interfaces
            ]
        else:
            self._meterings = [Metering(settings, self._writer.send, observers, capacity=capacity)]
        self._stop = threading.Event()
        self._files = CaptureFiles(paths, self._stop)
        self._lock = threading.RLock()
        live_batches = settings.capture.queue_size // (ROWS * RECORD.itemsize)
        self._queue: Queue[Batch | None] = Queue(live_batches if self._interfaces else QUEUE_BATCHES)
        self._may_wait = not self._interfaces
        self._handed_over, self._dropped = Tally(), Tally()
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []  # the first one ends last
        self._finished = self._closed = False
        self._stopped_ns = 0

    # ---- the face of the native meters ----

    def start(self) -> None:
        """Begin to meter. Once only."""
        self._start(self._run)

    def stop(self) -> None:
        """Take no more packets; what is cached leaves, and batches() comes to its end."""
        self._stopped_ns = self._stopped_ns or time.time_ns()
        self._stop.set()
        if not self._threads and not self._closed:  # it was never started: nobody else will
            for interface in self._interfaces:
                interface.close()
            self._close()

    def batches(self, wait_ms: int = 100) -> Iterator[Batch | None]:
        """Each batch as it comes; None after `wait_ms` without one. Ends when all has been handed over.

        Raises UsageError in a plugin, which would wait for itself.
        """
        if threading.current_thread() in self._threads:
            raise UsageError("stream: a per-packet plugin cannot wait for its end; call terminate()")
        while self._threads and not self._finished:
            try:
                batch = self._queue.get(timeout=wait_ms / 1000)
            except Empty:
                yield None
                continue
            if batch is None:
                self._threads[0].join()
                self._finished = True
            else:
                yield batch

    def counters(self) -> MeteringCounters:
        """A snapshot between two packets."""
        with self._lock:
            return counters_of(
                self._meterings, self._writer, self._handed_over, self._dropped, self._detection
            )

    def problems(self) -> list[InputProblem]:
        """What is wrong with the input so far."""
        return list(self._files.problems)

    def octets_read(self) -> int:
        """Octets of all files so far."""
        return self._files.octets_read

    def kernel_drops(self) -> int:
        """Packets that found no room in the kernel's buffers; they were never received."""
        return sum(interface.kernel_drops() for interface in self._interfaces)

    def failure(self) -> str:
        """What ended a thread before its time; empty when nothing did."""
        return "" if self._error is None else str(self._error)

    def raise_if_failed(self) -> None:
        """Raises PluginError in a strict run, SpanflowError if a thread died.

        After the end ConfigError if the filter did not compile (11.3).
        """
        if isinstance(self._error, SpanflowError):
            raise self._error
        if self._error is not None:
            text = f"{type(self._error).__name__}: {self._error}"
            raise SpanflowError(f"metering: {text}; records are missing, report it") from self._error
        error = next((each.filter.error for each in self._meterings if each.filter.error), "")
        if self._finished and error:
            raise ConfigError(f"capture.filter: {error}; see pcap-filter(7)")

    def set_capacity(self, flows: int) -> None:
        """How many Flows the cache holds, from now on; those beyond it leave with the next packet."""
        if flows < 1:
            raise ConfigError(f"capacity: {flows} Flows are too few; use 1 or more")
        for metering in self._meterings:
            metering.table.capacity = max(1, flows // len(self._meterings))

    def plugin_counters(self) -> list[PacketPluginCounters]:
        """Of each per-packet plugin."""
        return list(self._plugins.counters.values())

    # ---- timers, live ----

    def inactive_watcher(self, event: threading.Event) -> None:
        """Once a second, until `event` is set: Flows leave that are idle, or whose TCP has ended."""
        self._watch(event, END_DETAILS)

    def active_watcher(self, event: threading.Event) -> None:
        """Once a second, until `event` is set: a record leaves that has lasted for as long as one may."""
        self._watch(event, ACTIVE)

    def _watch(self, event: threading.Event, details: frozenset[str]) -> None:
        while not event.wait(WATCH_SECONDS):
            with self._lock:
                if self._closed:
                    return
                for metering in self._meterings:
                    metering.expire(details)
            self._hand_over(everything=True)

    # ---- threads ----

    def _start(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name="spanflow-reference", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _run(self) -> None:
        self._guarded(self._meter_interfaces if self._interfaces else self._meter_files)
        if self._error is None:
            self._guarded(self._flush)
        self._guarded(self._plugins.on_exit)
        self._guarded(self._close)
        self._queue.put(None)

    def _close(self) -> None:
        self._hand_over(everything=True)
        with self._lock:
            self._closed = True
            if self._detection:
                self._detection.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        """An error ends the run; the first one is kept."""
        try:
            work()
        except BaseException as error:  # whatever it is: whoever asks raise_if_failed() is told
            self._error = self._error or error
            self._stop.set()

    def _meter_files(self) -> None:
        (metering,) = self._meterings
        for frame in self._files.frames():
            with self._lock:
                metering.receive(frame)
            if self._writer.has_full:
                self._hand_over()
            if self._stop.is_set():
                return

    def _meter_interfaces(self) -> None:
        ended = threading.Event()
        watchers = [
            self._start(partial(self._guarded, partial(watch, ended)))
            for watch in (self.inactive_watcher, self.active_watcher)
        ]
        captures = [
            self._start(partial(self._guarded, partial(self._capture, *pair)))
            for pair in zip(self._interfaces, self._meterings, strict=True)
        ]
        for thread in captures:
            thread.join()
        ended.set()
        for thread in watchers:
            thread.join()
        for interface in self._interfaces:
            interface.close()

    def _capture(self, interface: LiveInterface, metering: Metering) -> None:
        """Until stop(), or until the interface has gone: its Flows leave then (section 8)."""
        clock = ClockWatch()
        while True:
            wall_ns = time.time_ns()
            try:
                frame = interface.read()
            except CaptureError:
                with self._lock:
                    metering.flush()
                break
            if self._stop.is_set() and (frame is None or frame.time_ns > self._stopped_ns):
                break
            with self._lock:
                if step_ns := clock.step_ns():
                    metering.step_clock(step_ns)
                if frame:
                    metering.receive(frame)
                else:
                    metering.set_clock(wall_ns - interface.lag_ns)  # 9.5
            if self._writer.has_full:
                self._hand_over()

    def _flush(self) -> None:
        self._may_wait = True
        for metering in self._meterings:
            more = True
            while more:
                with self._lock:
                    more = metering.flush(_FLUSHED_AT_ONCE)
                self._hand_over()

    def _hand_over(self, *, everything: bool = False) -> None:
        """Files, and the end, wait for room; live, what finds none is dropped and counted (section 10)."""
        with self._lock:
            batches = self._writer.take(everything=everything)
        for batch in batches:
            moved = self._handed_over
            try:
                self._queue.put(batch, block=self._may_wait)
            except Full:
                moved = self._dropped
            with self._lock:
                self._writer.waiting.subtract(content_of_batch(batch))
                moved.add(content_of_batch(batch))
