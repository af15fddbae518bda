# SPDX-License-Identifier: Apache-2.0
"""The life of one collector, as one thread: connect, announce, send, settle, refresh, drain, stop.

What the world does wrong (no such name, no route, nobody listens, nobody reads) is retried, counted and
logged at most once a minute; the queue holds what it can meanwhile, and the spool what it cannot, and nobody
else notices.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict

from spanflow.applications import Applications
from spanflow.config.schema import Collector, Export
from spanflow.errors import ConfigError
from spanflow.exporting.clock import Clock, SystemClock
from spanflow.exporting.connecting import Connector, NotConnectedError
from spanflow.exporting.counters import (
    NOTHING,
    DeliveryCounters,
    DropReason,
    ExporterCounters,
    QueueCounters,
)
from spanflow.exporting.delivery import Delivery
from spanflow.exporting.facts import NO_FACTS, CollectorFacts, ExportingFacts, ProbeFacts
from spanflow.exporting.intake import Intake
from spanflow.exporting.opening import Opener
from spanflow.exporting.pacing import SECOND_NS
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.exporting.queue import BatchQueue, Losses
from spanflow.exporting.spooling import Spooler
from spanflow.exporting.transport.addresses import Resolver, resolve
from spanflow.exporting.transport.certificates import CertificateError, Certificates
from spanflow.exporting.transport.interface import LocalFlow, Transport
from spanflow.record import Batch

log = logging.getLogger(__name__)

_LOG_INTERVAL_NS = 60 * SECOND_NS
_STOP_TIMEOUT_S = 5.0

# The thread goes round at least so often, so that others see that it lives.
_LONGEST_TURN_S = 1.0
_STALLED_AFTER_NS = 30 * SECOND_NS
# A refusal comes back within this time; later, what was sent has arrived somewhere.
_REFUSAL_TRIP_NS = 2 * SECOND_NS
# How soon to ask again whether a stream's octets are acknowledged, or the spool may go on.
_POLL_S = 0.01
# How long one batch may take while others wait that could go into the spool.
_PATIENCE_NS = 2 * SECOND_NS
# Batches come ten times a second from each worker, often with a few records. Each parcel of the spool takes
# memory, so they are stored together: so much of them, or what has come for so long.
_PARCEL_OCTETS = 1 << 18
_GATHER_S = 0.5
# How long a stream may take at the end to have all acknowledged. Less than others wait for the thread's end.
_FINISH_TIMEOUT_S = 1.0


class ExportingProcess:
    """Exports to one collector. `offer`, `drain`, `stop` and `counters` are for any thread.

    offline: records come from a file, as fast as they are taken.
    applications: what the numbers of applications mean; None: Flows are not classified. columns: of plugins,
    which every batch has as `plugin_columns.as_sent` leaves them. facts: what options tell of the probe.
    connected: called in the exporting thread with the 5-tuple of the packets of a new connection, before the
    first of them is sent. away: called there when the collector is away, before anything is dropped or
    spooled.
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
        facts: ProbeFacts = NO_FACTS,
        clock: Clock | None = None,
        resolver: Resolver = resolve,
        connected: Callable[[LocalFlow], None] = lambda flow: None,
        away: Callable[[ExportingProcess], None] = lambda process: None,
    ) -> None:
        self.collector = collector
        self.domain = domain
        self._connected = connected
        self._tell_away = away
        self._clock = clock or SystemClock()
        settings = collector.effective(export)
        self._queue = BatchQueue(settings.queue_size, self._clock)
        self._counters = DeliveryCounters()
        self._stopping = threading.Event()
        self._opener = Opener(
            collector=collector,
            settings=settings,
            domain=domain,
            offline=offline,
            applications=applications,
            columns=columns,
            facts=CollectorFacts(facts, self.exporting_facts),
            clock=self._clock,
            wait=self._wait,
            certificates=_certificates(collector),
        )
        self._intake = Intake(collector, applications)
        self._taking_in = threading.Lock()
        self._connector = Connector(
            collector, settings, self._opener.transport, self._clock, resolver, self._counters, self._wait
        )
        self._spooler = self._opener.spooler(self._queue)
        self._delivery: Delivery | None = None
        self._in_flight: deque[tuple[int, Callable[[], None]]] = deque()
        """Over a stream: up to which octet it must be acknowledged, and how it is settled then."""
        self._changing = False
        """Between two files, or two connections in a row, of a collector that is there."""
        self._replaying = False
        self._draining = self._last_attempt_due = False
        self._turned_ns = self._round_ns = self._clock.monotonic_ns()
        self._refusals_seen = 0
        self._refused = False
        self._messages_when_refused = 0
        self._proving_ns: int | None = None
        """When the first Message after a refusal had been sent."""
        self._log_due_ns: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name=f"export {collector.name}"[:15], daemon=True)

    # Life, from the outside.

    def start(self) -> None:
        """Begin to connect and to export."""
        self._thread.start()

    def offer(self, batch: Batch, wait_s: float = 0.0) -> bool:
        """Hand over a batch, which is not changed any more; False if it was dropped.

        What the collector's filter leaves out goes no further; the rest is anonymised if it is to be.
        wait_s: how long to block while the queue is full; not while the collector is away, when it is dropped
        at once.
        """
        with self._taking_in:  # another member of the group may hand over what it could not send
            kept, original, filtered = self._intake.apply(batch)
        # Only within a group may somebody else come to need it as it was.
        again = original if self.collector.group is not None else None
        return self._queue.offer(kept, wait_s=wait_s, filtered=filtered, original=again)

    def withdraw(self) -> list[Batch]:
        """Take back what is not sent, for other collectors. In the exporting thread, when told that it is
        away."""
        return self._queue.withdraw()

    def drain(self, timeout_s: float) -> bool:
        """Wait until all that was offered is sent, or in the spool; False if the time was too short or
        something was lost.

        A collector that is away gets one more attempt; then its queue is dropped.
        """
        before = self._lost_records()
        self._draining = self._last_attempt_due = True
        self._queue.wake()
        emptied = self._queue.wait_empty(timeout_s)
        self._draining = self._last_attempt_due = False
        return emptied and self._lost_records() == before

    def stop(self) -> None:
        """End the thread; what is still queued goes into the spool, or is dropped and counted. May be called
        again."""
        self.close()
        self.join(_STOP_TIMEOUT_S)

    def close(self) -> None:
        """Ask the thread to end, and drop what is queued if there is no spool."""
        self._stopping.set()
        if self._spooler is None:
            self._queue.close()
        else:
            self._queue.wake()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        elif self._thread.ident is None:
            self._finish()

    def counters(self) -> ExporterCounters:
        """What happened so far; the record sums are of one moment."""
        books: QueueCounters = self._queue.counters()
        own = {name: getattr(books, name) for name in QueueCounters.__dataclass_fields__}
        return ExporterCounters(**own, **asdict(self._counters))

    def exporting_facts(self) -> ExportingFacts:
        """What this collector is told of its own export."""
        books = self._queue.counters()
        lost = sum(books.dropped.values(), NOTHING)
        return ExportingFacts(
            messages=self._counters.messages,
            octets=self._counters.octets_sent,
            data_records=self._counters.data_records,
            not_sent_records=lost.records,
            not_sent_packets=lost.packets,
            not_sent_octets=lost.octets,
            first_not_sent_ns=self._queue.first_dropped_ns,
            last_not_sent_ns=self._queue.last_dropped_ns,
        )

    def local_flow(self) -> LocalFlow | None:
        """The 5-tuple of our packets; None while not connected, and for a file."""
        delivery = self._delivery
        return None if delivery is None else delivery.transport.flow

    @property
    def spool_octets(self) -> int:
        """Octets of the spool on disk."""
        return 0 if self._spooler is None else self._spooler.octets

    @property
    def spool_oldest_ns(self) -> int:
        """When the oldest record in the spool was stored, in ns since the Unix epoch; 0: there is none."""
        return 0 if self._spooler is None else self._spooler.oldest_ns or 0

    @property
    def certificate_not_after_ns(self) -> int:
        """When our certificate expires, in ns since the Unix epoch; 0: there is none."""
        certificates = self._opener.certificates
        return 0 if certificates is None else certificates.not_after_ns or 0

    @property
    def up(self) -> bool:
        """Connected, and what was sent last was not refused."""
        return (self._delivery is not None or self._changing) and not self._refused

    @property
    def stalled(self) -> bool:
        """Started, and no progress for half a minute. Name servers may take their time, and a long spool."""
        if not self._thread.is_alive():
            return self._thread.ident is not None and not self._stopping.is_set()
        waits, turned_ns = self._connector.resolving, max(self._turned_ns, self._connector.turned_ns)
        if self._spooler is not None:
            waits, turned_ns = waits or self._spooler.opening, max(turned_ns, self._spooler.turned_ns)
        return not waits and self._clock.monotonic_ns() - turned_ns > _STALLED_AFTER_NS

    # The thread.

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.turn(_LONGEST_TURN_S)
        finally:
            self._finish()

    def _finish(self) -> None:
        """What is left goes into the spool. Also after an error that ends this thread: nobody must wait for a
        queue that nobody empties."""
        try:
            if self._delivery is not None and not self._delivery.lost:
                self._delivery.transport.finish(_FINISH_TIMEOUT_S)
                self._settle(self._delivery)
            self._give_back()
            if self._spooler is not None:
                self._spool_what_is_queued(self._spooler)
                self._spooler.close()
        finally:
            self._queue.close(taken_too=True)
            self._disconnect()

    def turn(self, longest_wait_s: float | None = None) -> None:
        """One round of the thread: what is due, then one batch; without one, wait for what comes next."""
        self._turned_ns = self._round_ns = self._clock.monotonic_ns()
        self._note_refusals()
        if self._spooler is not None:
            self._spooler.look_after()
        if self._delivery is not None and self._delivery.transport.rotation_due:
            self._change(self._delivery)
        if self._delivery is None:
            self._connect_if_due()
        else:
            self._follow()
        if self._delivery is not None:
            self._export(self._delivery, longest_wait_s)
        elif self._spooler is not None and self._spooler.usable:
            self._spool_next(self._spooler, longest_wait_s)
        else:
            self._queue.pause(self._seconds_until(self._connector.due_ns, longest_wait_s))

    def _change(self, delivery: Delivery) -> None:
        """A file is full, or a connection used up: the next, a session of its own, begins in its place."""
        self._changing = True
        if not delivery.transport.finish(_FINISH_TIMEOUT_S):
            self._counters.last_error = delivery.transport.last_error
            self._complain("not completed", delivery.transport.last_error)
        self._settle(delivery)
        self._give_back()
        self._disconnect()

    def _export(self, delivery: Delivery, longest_wait_s: float | None) -> None:
        """What is due, then the next batch, for as long as it is worth waiting for one; then from the
        spool."""
        delivery.announce()
        self._settle(delivery)
        if not delivery.lost:
            self._connector.succeeded()
            self._queue.set_away(None)
            waiting = self._in_flight or (self._spooler is not None and self._spooler.has_more)
            wait_s = 0.0 if self._replaying else _POLL_S if waiting else longest_wait_s
            batch = self._queue.head(self._seconds_until(delivery.next_refresh_ns, wait_s))
            if batch is not None:
                losses = delivery.deliver(batch)
                if not self._is_to_be_repeated(delivery, losses):
                    self._in_flight.append((delivery.octets, lambda: self._queue.settle(losses)))
            if self._spooler is not None and not delivery.lost:
                self._replay(self._spooler, delivery)
            self._settle(delivery)
        if delivery.lost:
            self._lose("sending failed", DropReason.SEND_ERROR, self._counters.last_error)

    def _is_to_be_repeated(self, delivery: Delivery, losses: Losses) -> bool:
        """Whether a batch stays, as what is missing of it can still be sent."""
        stopped = DropReason.SHUTDOWN in losses and self._spooler is not None
        return delivery.transport.reliable and (delivery.lost or stopped)

    def _settle(self, delivery: Delivery) -> None:
        """Take out of the books what the other side has."""
        if self._in_flight:
            acknowledged = delivery.acknowledged_octets
            while self._in_flight and self._in_flight[0][0] <= acknowledged:
                self._in_flight.popleft()[1]()

    def _replay(self, spooler: Spooler, delivery: Delivery) -> None:
        """One parcel of the spool, if there is one and it may leave now."""
        parcel = spooler.next_parcel()
        self._replaying = parcel is not None
        if parcel is None:
            return
        try:
            repeated = delivery.repeat(parcel)
        except ValueError as error:
            self._complain("spooled parcel not readable", str(error))
            self._in_flight.append((delivery.octets, spooler.spoilt))
        else:
            if repeated:
                self._in_flight.append((delivery.octets, spooler.delivered))

    def _give_back(self) -> None:
        """What is not acknowledged is to be sent again."""
        self._in_flight.clear()
        again = self._queue.give_back()
        if self._spooler is not None:
            again += self._spooler.give_back()
        # At the end, without a spool, it is dropped instead.
        if self._spooler is not None or not self._stopping.is_set():
            self._counters.resent += again.records

    def _wait(self, seconds: float) -> bool:
        """Sleep, as a part of sending; true when the sending is to stop. To wait is no stall.

        Live, and with a spool, it stops as well when a collector takes so little that the queue runs full.
        """
        self._turned_ns = self._clock.monotonic_ns()
        if self._stopping.wait(seconds):
            return True
        if self._spooler is None or self._opener.offline or not self._queue.is_half_full:
            return False
        return self._spooler.usable and self._turned_ns - self._round_ns > _PATIENCE_NS

    def _note_refusals(self) -> None:
        if self._delivery is not None:
            self._delivery.notice()
        if self._counters.refusals != self._refusals_seen:
            self._refusals_seen = self._counters.refusals
            self._refused = True
            self._messages_when_refused = self._counters.messages
            self._proving_ns = None
            self._hand_over()
        elif self._refused and self._counters.messages > self._messages_when_refused:
            now = self._clock.monotonic_ns()
            self._proving_ns = now if self._proving_ns is None else self._proving_ns
            self._refused = now - self._proving_ns < _REFUSAL_TRIP_NS

    def _hand_over(self) -> None:
        """Let other collectors of the group have what is queued."""
        self._tell_away(self)
        self._queue.handed_over()

    def _seconds_until(self, due_ns: int, longest_s: float | None) -> float:
        seconds = max(0.0, (due_ns - self._clock.monotonic_ns()) / SECOND_NS)
        return seconds if longest_s is None else min(seconds, longest_s)

    def _lost_records(self) -> int:
        return sum(tally.records for tally in self._queue.counters().dropped.values())

    # Connecting.

    def _connect_if_due(self) -> None:
        if not self._last_attempt_due and not self._connector.is_due:
            return
        self._last_attempt_due = False
        try:
            self._begin(self._connector.connect())
        except NotConnectedError as problem:
            self._lose(problem.event, problem.reason, problem.error)

    def _follow(self) -> None:
        """Go after a collector whose name has moved; while the name servers fail, stay with what we have."""
        try:
            transport = self._connector.follow(refused=self._refused)
        except NotConnectedError as problem:
            if problem.reason is DropReason.UNRESOLVED:
                self._complain(problem.event, problem.error)
            else:
                self._lose(problem.event, problem.reason, problem.error)
            return
        if transport is not None:
            self._begin(transport)

    def _begin(self, transport: Transport) -> None:
        """A new session over a new connection."""
        self._disconnect()
        if transport.flow is not None:
            self._connected(transport.flow)
        self._delivery = self._opener.delivery(transport, self._counters, self._stopping.is_set)
        self._changing = False
        certificates = self._opener.certificates
        if certificates is not None and certificates.problem:
            self._complain("changed certificates not taken over", certificates.problem)

    def _lose(self, event: str, reason: DropReason, error: str) -> None:
        """The collector is away; the next attempt comes later."""
        self._counters.last_error = error
        self._complain(event, error)
        self._disconnect()
        self._changing = False
        self._give_back()
        self._hand_over()
        if self._spooler is not None and self._queue.is_half_full:
            # The next connection may come at once, and be of as little use.
            self._spool_what_is_queued(self._spooler)
        if self._spooler is None or not self._spooler.usable:
            self._queue.set_away(reason if self._spooler is None else DropReason.SPOOL_ERROR)
            if self._draining and not self._last_attempt_due:
                self._queue.abandon()
        self._connector.failed()

    def _disconnect(self) -> None:
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.transport.close()

    # The spool.

    def _spool_next(self, spooler: Spooler, longest_wait_s: float | None) -> None:
        """Put what is queued into the spool; if that is nothing, wait until it is time to connect."""
        wait_s = self._seconds_until(self._connector.due_ns, longest_wait_s)
        if self._queue.head(wait_s) is not None:
            self._queue.give_back()
            if not self._draining and not self._stopping.is_set():
                self._queue.gather(min(wait_s, _GATHER_S))
            # To connect may take as long as the queue has room for: so not one by one.
            self._spool_what_is_queued(spooler)

    def _spool_what_is_queued(self, spooler: Spooler) -> None:
        # Without anything to store nobody needs a spool that is not opened yet.
        while self._queue.octets and spooler.usable and (batch := self._queue.head(0.0)) is not None:
            self._turned_ns = self._clock.monotonic_ns()
            batches, octets = [batch], batch.nbytes
            while octets < _PARCEL_OCTETS and (following := self._queue.head(0.0)) is not None:
                batches.append(following)
                octets += following.nbytes
            self._store(spooler, batches)

    def _store(self, spooler: Spooler, batches: Sequence[Batch]) -> None:
        answers: Sequence[Losses] = spooler.store(batches)
        for losses in answers:
            self._queue.settle(losses, spooled=True)
        if len(answers) == len(batches):
            self._queue.set_away(None)
            return
        # The disk is full or failing: the queue is what is left, as if there were no spool.
        self._queue.give_back()
        self._queue.set_away(DropReason.SPOOL_ERROR)
        if self._draining:
            self._queue.abandon()
        self._complain("spool not written", spooler.last_error)

    def _complain(self, event: str, error: str) -> None:
        """Log an event that may repeat for hours, at most once a minute."""
        now = self._clock.monotonic_ns()
        if now >= self._log_due_ns.get(event, now):
            self._log_due_ns[event] = now + _LOG_INTERVAL_NS
            log.warning(event, extra={"collector": self.collector.name, "error": error})


def _certificates(collector: Collector) -> Certificates | None:
    """Those of a collector over TLS or DTLS. Raises ConfigError if they cannot be used."""
    if collector.transport not in ("tls", "dtls"):
        return None
    try:
        return Certificates(ca=collector.ca, certificate=collector.certificate, key=collector.key)
    except CertificateError as error:
        raise ConfigError(f"collector {collector.name}: {error}") from error
