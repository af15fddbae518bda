# SPDX-License-Identifier: Apache-2.0
"""The life of one collector, as one thread: resolve, connect, announce, send, refresh, drain, stop.

What the world does wrong (no such name, no route, nobody listens) is retried, counted and logged at most once
a minute; the queue holds what it can meanwhile, and nobody else notices.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict

from spanflow.applications import Applications
from spanflow.config.schema import Collector, Export
from spanflow.exporting.clock import Clock, SystemClock
from spanflow.exporting.counters import DeliveryCounters, DropReason, ExporterCounters
from spanflow.exporting.delivery import Delivery, Refresh
from spanflow.exporting.pacing import SECOND_NS, Pacer, RatePacer, ReceiverPacer, Unpaced
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.exporting.profiles import profile_of
from spanflow.exporting.queue import BatchQueue
from spanflow.exporting.receiver_queue import receiver_look
from spanflow.exporting.session import Session
from spanflow.exporting.transport.addresses import Address, Resolver, is_numeric, resolve
from spanflow.exporting.transport.interface import LocalFlow, Transport
from spanflow.exporting.transport.udp import UdpTransport
from spanflow.record import Batch

log = logging.getLogger(__name__)

RESOLVE_AGAIN_NS = 300 * SECOND_NS
RESOLVE_AGAIN_REFUSED_NS = 30 * SECOND_NS
FIRST_RETRY_NS = SECOND_NS
LAST_RETRY_NS = 60 * SECOND_NS
_LOG_INTERVAL_NS = 60 * SECOND_NS
_STOP_TIMEOUT_S = 5.0

# The thread goes round at least so often, so that others see that it lives.
_LONGEST_TURN_S = 1.0
_STALLED_AFTER_NS = 30 * SECOND_NS
# A refusal comes back within this time; later, what was sent since the last one has arrived somewhere.
_REFUSAL_TRIP_NS = 2 * SECOND_NS


class ExportingProcess:
    """Exports to one collector. `offer`, `drain`, `stop` and `counters` are for any thread.

    offline: records come from a file, as fast as they are taken, so what leaves is paced.
    applications: what the numbers of applications mean; None: Flows are not classified. columns: of plugins,
    which every batch has as `plugin_columns.as_sent` leaves them. connected: called in the exporting thread
    with the 5-tuple of the datagrams of a new connection, before the first of them is sent.
    """

    def __init__(
        self,
        collector: Collector,
        export: Export,
        *,
        domain: int,
        offline: bool = False,
        applications: Applications | None = None,
        columns: Sequence[PluginColumn] = (),
        clock: Clock | None = None,
        resolver: Resolver = resolve,
        connected: Callable[[LocalFlow], None] = lambda flow: None,
    ) -> None:
        self.collector = collector
        self.domain = domain
        self._settings = collector.effective(export)
        self._connected = connected
        self._offline = offline
        self._clock = clock or SystemClock()
        self._resolver = resolver
        self._applications = applications
        self._columns = columns
        profile = profile_of(
            collector.profile, classified=applications is not None, strings=collector.strings
        )
        self._templates = profile.templates(
            biflow=collector.biflow, enterprise_number=self._settings.enterprise_number, columns=columns
        )
        self._queue = BatchQueue(self._settings.queue_size)
        self._counters = DeliveryCounters()
        self._delivery: Delivery | None = None
        self._draining = False
        self._stopping = threading.Event()
        self._retry_ns = FIRST_RETRY_NS
        self._connect_due_ns = self._clock.monotonic_ns()
        self._resolved_ns = self._connect_due_ns
        self._refusals_at_resolution = 0
        self._resolving = False
        self._turned_ns = self._connect_due_ns
        self._refusals_seen = 0
        self._refused_ns: int | None = None
        self._messages_when_refused = 0
        self._log_due_ns: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name=f"export {collector.name}"[:15], daemon=True)

    # Life, from the outside.

    def start(self) -> None:
        """Begin to connect and to export."""
        self._thread.start()

    def offer(self, batch: Batch, wait_s: float = 0.0) -> bool:
        """Hand over a batch, which is not changed any more; False if it was dropped.

        wait_s: how long to block while the queue is full; not while the collector is away, when it is dropped
        at once.
        """
        return self._queue.offer(batch, wait_s=wait_s)

    def drain(self, timeout_s: float) -> bool:
        """Wait until all that was offered is sent; False if the time was too short or something was lost.

        A collector that is away gets one more attempt; then its queue is dropped.
        """
        before = self._lost_records()
        self._draining = True
        self._queue.wake()
        emptied = self._queue.wait_empty(timeout_s)
        self._draining = False
        return emptied and self._lost_records() == before

    def stop(self) -> None:
        """End the thread; what is still queued is dropped and counted. May be called again."""
        self.close()
        self.join(_STOP_TIMEOUT_S)

    def close(self) -> None:
        """Ask the thread to end, and drop what is queued."""
        self._stopping.set()
        self._queue.close()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread; one that name servers hold up ends with the process."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        else:
            self._disconnect()

    def counters(self) -> ExporterCounters:
        """What happened so far; the record sums are of one moment."""
        books = self._queue.counters()
        return ExporterCounters(
            offered=books.offered,
            sent=books.sent,
            queued=books.queued,
            dropped=books.dropped,
            **asdict(self._counters),
        )

    def local_flow(self) -> LocalFlow | None:
        """The 5-tuple of our datagrams; None while not connected."""
        delivery = self._delivery
        return None if delivery is None else delivery.transport.flow

    @property
    def up(self) -> bool:
        """Connected, and what was sent last was not refused."""
        if self._delivery is None:
            return False
        return self._refused_ns is None or (
            self._counters.messages > self._messages_when_refused
            and self._clock.monotonic_ns() - self._refused_ns > _REFUSAL_TRIP_NS
        )

    @property
    def stalled(self) -> bool:
        """Started, and no progress for half a minute. Name servers may take their time."""
        if not self._thread.is_alive():
            return self._thread.ident is not None and not self._stopping.is_set()
        return not self._resolving and self._clock.monotonic_ns() - self._turned_ns > _STALLED_AFTER_NS

    # The thread.

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.turn(_LONGEST_TURN_S)
        finally:
            # Also after an error that ends this thread: nobody must wait for a queue that nobody empties.
            self._queue.close(taken_too=True)
            self._disconnect()

    def turn(self, longest_wait_s: float | None = None) -> None:
        """One round of the thread: what is due, then one batch; without one, wait for what comes next."""
        self._turned_ns = self._clock.monotonic_ns()
        self._note_refusals()
        if self._delivery is None:
            self._connect_if_due()
        elif self._resolution_is_due():
            self._resolve_again()
        if self._delivery is not None:
            self._export(self._delivery, longest_wait_s)
        else:
            self._queue.pause(self._seconds_until(self._connect_due_ns, longest_wait_s))

    def _export(self, delivery: Delivery, longest_wait_s: float | None) -> None:
        """What is due, then the next batch, for as long as it is worth waiting for one."""
        delivery.announce()
        if not delivery.lost:
            self._retry_ns = FIRST_RETRY_NS
            self._queue.set_away(None)
            batch = self._queue.head(self._seconds_until(delivery.next_refresh_ns, longest_wait_s))
            if batch is not None:
                self._queue.settle(delivery.deliver(batch))
        if delivery.lost:
            self._lose("sending failed", DropReason.SEND_ERROR, self._counters.last_error)

    def _wait(self, seconds: float) -> bool:
        """Sleep, as a part of sending; true when the export is to stop. To wait is no stall."""
        self._turned_ns = self._clock.monotonic_ns()
        return self._stopping.wait(seconds)

    def _note_refusals(self) -> None:
        if self._delivery is not None:
            self._delivery.notice_refusals()
        if self._counters.refusals != self._refusals_seen:
            self._refusals_seen = self._counters.refusals
            self._refused_ns = self._clock.monotonic_ns()
            self._messages_when_refused = self._counters.messages

    def _seconds_until(self, due_ns: int, longest_s: float | None) -> float:
        seconds = max(0.0, (due_ns - self._clock.monotonic_ns()) / SECOND_NS)
        return seconds if longest_s is None else min(seconds, longest_s)

    def _lost_records(self) -> int:
        return sum(tally.records for tally in self._queue.counters().dropped.values())

    # Connecting.

    def _connect_if_due(self) -> None:
        if not self._draining and self._clock.monotonic_ns() < self._connect_due_ns:
            return
        try:
            addresses = self._look_up()
        except OSError as error:
            self._lose("collector not resolved", DropReason.UNRESOLVED, str(error))
            return
        self._connect(addresses)

    def _look_up(self) -> list[Address]:
        self._counters.resolutions += 1
        self._resolving = True
        try:
            addresses = self._resolver(self.collector.host, self.collector.port)
        finally:
            self._turned_ns = self._clock.monotonic_ns()
            self._resolving = False
        self._resolved_ns = self._clock.monotonic_ns()
        self._refusals_at_resolution = self._counters.refusals
        return addresses

    def _connect(self, addresses: list[Address]) -> None:
        """Connect to the first address that can be; a new session starts with it."""
        discover = self._settings.max_message_size == 0
        failure = "no address"
        for address in addresses:
            try:
                transport = UdpTransport(address, self._wait, discover_path_mtu=discover)
            except OSError as error:
                failure = str(error)
                continue
            self._disconnect()
            self._connected(transport.flow)
            self._delivery = self._delivery_over(transport)
            return
        self._lose("collector not connected", DropReason.SEND_ERROR, failure)

    def _delivery_over(self, transport: Transport) -> Delivery:
        settings = self._settings
        session = Session(
            self._templates,
            observation_domain_id=self.domain,
            max_message_octets=settings.max_message_size or transport.max_message_octets(),
            applications=self._applications,
            enterprise_number=settings.enterprise_number,
            columns=self._columns,
        )
        refresh = Refresh(
            template_ns=settings.template_refresh,
            template_messages=settings.template_refresh_packets,
            options_ns=settings.options_refresh,
            copies=settings.template_copies,
        )
        return Delivery(
            transport,
            session,
            self._pacer(transport.flow),
            refresh,
            self._clock,
            self._stopping.is_set,
            self._counters,
        )

    def _pacer(self, flow: LocalFlow) -> Pacer:
        if flow.stays_on_machine:
            return ReceiverPacer(receiver_look(flow), self._clock, self._wait)
        if self._offline and self._settings.pace:
            return RatePacer(self._settings.pace, self._clock, self._wait)
        return Unpaced()

    def _resolution_is_due(self) -> bool:
        if is_numeric(self.collector.host):
            return False
        refused = self._counters.refusals > self._refusals_at_resolution
        interval = RESOLVE_AGAIN_REFUSED_NS if refused else RESOLVE_AGAIN_NS
        return self._clock.monotonic_ns() - self._resolved_ns >= interval

    def _resolve_again(self) -> None:
        """Follow a collector whose name has moved; while the name servers fail, stay with what we have."""
        try:
            addresses = self._look_up()
        except OSError as error:
            self._resolved_ns = self._clock.monotonic_ns()
            self._complain("collector not resolved again", str(error))
            return
        if self._delivery is not None and self._delivery.transport.address not in addresses:
            self._connect(addresses)

    def _lose(self, event: str, reason: DropReason, error: str) -> None:
        """The collector is away; the next attempt comes later each time."""
        self._counters.last_error = error
        self._complain(event, error)
        self._disconnect()
        self._queue.set_away(reason)
        if self._draining:
            self._draining = False
            self._queue.abandon()
        self._connect_due_ns = self._clock.monotonic_ns() + self._retry_ns
        self._retry_ns = min(2 * self._retry_ns, LAST_RETRY_NS)

    def _disconnect(self) -> None:
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.transport.close()

    def _complain(self, event: str, error: str) -> None:
        """Log an event that may repeat for hours, at most once a minute."""
        now = self._clock.monotonic_ns()
        if now >= self._log_due_ns.get(event, now):
            self._log_due_ns[event] = now + _LOG_INTERVAL_NS
            log.warning(event, extra={"collector": self.collector.name, "error": error})
