# SPDX-License-Identifier: Apache-2.0
"""One connection to a collector at work: announce, send batches, refresh, and say what could not be sent.

RFC 7011 section 8.4: over UDP a collector learns Templates only from what it happens to receive, so they go
first, in several copies, and again and again. Over a stream, and in a file, they go once (section 8.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spanflow.errors import EncodeError
from spanflow.exporting.clock import Clock
from spanflow.exporting.counters import DeliveryCounters, DropReason, Tally, tally_of
from spanflow.exporting.interface import OptionsMessage, Renumbers, Session
from spanflow.exporting.message_runs import MessageRun, UnequalRuns
from spanflow.exporting.pacing import SECOND_NS, Pacer
from spanflow.exporting.spool.messages import runs
from spanflow.exporting.spool.parcel import Spooled
from spanflow.exporting.spool.templates import TemplateLedger
from spanflow.exporting.transport.interface import SendsManyRuns, Sent, Transport
from spanflow.exporting.transport.many_datagrams import MOST_RUNS
from spanflow.record import Array, Batch

TABLES_REFUSED_NS = SECOND_NS
"""After a refusal the tables of options, some 40 KB, are sent again, but not before they are so old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """When Templates and options are sent again, in ns or Messages; and in how many copies at first."""

    template_ns: int
    template_messages: int
    options_ns: int
    copies: int


NEVER_NS = 1 << 62


def once(options_ns: int) -> Refresh:
    """That of a stream: the Templates at the beginning, options from time to time."""
    return Refresh(template_ns=NEVER_NS, template_messages=NEVER_NS, options_ns=options_ns, copies=1)


class Delivery:
    """A Transport Session on its socket. One thread.

    lost: the connection is of no more use (`counters.last_error` says why); whoever owns it connects anew.
    octets: of all Messages sent over it.
    """

    def __init__(
        self,
        transport: Transport,
        session: Session,
        pacer: Pacer,
        refresh: Refresh,
        clock: Clock,
        stopping: Callable[[], bool],
        counters: DeliveryCounters,
    ) -> None:
        self.transport = transport
        self.lost = False
        self.octets = 0
        self._session = session
        self._pacer = pacer
        self._refresh = refresh
        self._clock = clock
        self._stopping = stopping
        self._counters = counters
        self._refusals_seen = 0
        self._was_refused = False
        """Since the last Templates: who refuses may be another process by now, which knows none."""
        self._messages_since_templates = 0
        self._templates_due_ns = self._options_due_ns = clock.monotonic_ns()
        self._copies_left = refresh.copies
        self._tables_due_ns = self._tables_sent_ns = self._options_due_ns
        self._facts_version = session.facts_version
        self._ledger = TemplateLedger()
        self._renumbers = session if isinstance(session, Renumbers) else None
        self._many = transport if isinstance(transport, SendsManyRuns) else None

    @property
    def acknowledged_octets(self) -> int:
        """Of the octets that were sent, those from the beginning that the other side's kernel has."""
        return self.octets - self.transport.unacknowledged_octets()

    @property
    def next_refresh_ns(self) -> int:
        """When `announce` has work again by time (monotonic)."""
        return min(self._templates_due_ns, self._options_due_ns, self._tables_due_ns)

    def announce(self) -> None:
        """Send the Templates and the options records that are due; at first several times, in a row.

        Not so the tables of options: they are long, and nothing is lost while one is missing.
        """
        while self._copies_left and not self.lost:
            self._copies_left -= 1
            self._send_templates()
            self._send_options()
        now = self._clock.monotonic_ns()
        if self._session.facts_version != self._facts_version:
            self._facts_version = self._session.facts_version
            self._options_due_ns = self._tables_due_ns = now
        if now >= self._templates_due_ns or (
            self._messages_since_templates >= self._refresh.template_messages
        ):
            self._send_templates()
        if now >= self._options_due_ns:
            self._send_options()
        if now >= self._tables_due_ns:
            self._send_tables()

    def notice(self) -> None:
        """Ask whether what was sent last was refused, or the connection was ended: that comes afterwards."""
        self.transport.notice()
        self._watch_refusals()
        if self.transport.ended and not self.lost:
            self._counters.last_error = self.transport.ended
            self.lost = True

    def deliver(self, batch: Batch) -> dict[DropReason, Tally]:
        """Send a batch; what of it could not be sent, by reason. The rest was handed to the kernel.

        A collector that refused something since the last Templates gets them first, and the tables soon.
        """
        if not self._session.exportable(batch):
            return {DropReason.UNEXPORTABLE: tally_of(batch)}
        self.notice()
        if self._was_refused:
            self._send_templates()
            self._send_options()
            # One that does not listen at all refuses every batch.
            self._tables_due_ns = min(self._tables_due_ns, self._tables_sent_ns + TABLES_REFUSED_NS)
        losses: list[tuple[DropReason, Array]] = []
        for rows in self._session.rows(batch):
            layout = self._session.messages(rows, self._clock.wall_ns())
            if layout.too_large is not None:
                self._counters.last_error = layout.error
                losses.append((DropReason.TOO_LARGE, layout.too_large))
            if self._many is not None and isinstance(layout.runs, UnequalRuns):
                self._send_many(self._many, layout.runs, losses)
            else:
                for run in layout.runs:
                    self._send_run(run, losses)
            # Not before all of them are sent, as they have their sequence numbers already.
            self.announce()
        # A path that is gone has none.
        if self.transport.path_mtu_changed and not self.lost:
            self._session.max_message_octets = self.transport.max_message_octets()
        return tally_losses(batch, losses)

    def repeat(self, stored: Spooled) -> bool:
        """Send what was in the spool, with the Templates that it needs; false if the connection is lost."""
        session = self._renumbers
        assert session is not None  # what goes over UDP alone has no spool
        admission = self._ledger.admit(stored.preface) if stored.preface else None
        if admission is not None and admission.octets:
            self._repeat(session.renumber(admission.octets, admission.counts), admission.counts)
        ids = admission.template_ids if admission is not None else {}
        parcel = stored.parcel
        self._repeat(session.renumber(parcel.octets, parcel.counts, ids), parcel.counts)
        return not self.lost

    def _repeat(self, octets: bytes, counts: tuple[int, ...]) -> None:
        messages = runs(octets) if counts else [(memoryview(octets), len(octets))]
        for run, message_octets in messages:
            if self.lost or self._send(run, message_octets) is not Sent.ALL:
                return
            self._count(-(-len(run) // message_octets), len(run), 0)
        self._counters.data_records += sum(counts)

    def _send_many(
        self, many: SendsManyRuns, runs: UnequalRuns, losses: list[tuple[DropReason, Array]]
    ) -> None:
        """Many at a time; a run that is not taken so goes by itself."""
        longest = self._session.max_message_octets
        first = granted = 0
        while first < len(runs):
            end = runs.end_of_short(self.transport.messages_per_call(longest), first, MOST_RUNS)
            if not self.lost and not self._stopping() and end > first:
                if granted < runs.messages(first, first + 1):
                    granted += self._pacer.grant(runs.messages(first, end) - granted, longest)
                while end > first and runs.messages(first, end) > granted:
                    end -= 1
                taken = many.send_many(*runs.layout(first, end)) if end > first else 0
                self._count(*runs.amount(first, first + taken))
                granted -= runs.messages(first, first + taken)
                first += taken
                if taken and first == end:
                    continue
            own = min(granted, runs.messages(first, first + 1))
            self._send_run(runs[first], losses, own)
            granted -= own
            first += 1
        self._watch_refusals()

    def _send_run(
        self, run: MessageRun, losses: list[tuple[DropReason, Array]], already_granted: int = 0
    ) -> None:
        first = 0
        while first < run.messages:
            if self.lost or self._stopping():
                reason = DropReason.SEND_ERROR if self.lost else DropReason.SHUTDOWN
                losses.append((reason, run.flow_records(first, run.messages)))
                return
            several = min(self.transport.messages_per_call(run.message_octets), run.messages - first)
            granted = min(several, already_granted) or self._pacer.grant(several, run.message_octets)
            already_granted = max(0, already_granted - granted)
            if not granted:
                continue
            end = first + granted
            octets = run.octets[first * run.message_octets : end * run.message_octets]
            sent = self._send(octets, run.message_octets)
            if sent is Sent.NONE_SEND_FEWER:
                continue
            if sent is Sent.ALL:
                self._count(granted, len(octets), run.data_records(first, end))
            else:
                too_large = sent is Sent.NONE_TOO_LARGE
                reason = DropReason.TOO_LARGE if too_large else DropReason.SEND_ERROR
                losses.append((reason, run.flow_records(first, end)))
            first = end

    def _send_templates(self) -> None:
        self._was_refused = False
        try:
            messages = self._session.template_messages(self._clock.wall_ns())
        except EncodeError as error:
            # The path takes too little. Without Templates nobody can read what follows.
            self._counters.last_error = str(error)
            self.lost = True
            return
        if self.transport.reliable:
            self._ledger.admit(b"".join(messages))
        for message in messages:
            self._send_alone(OptionsMessage(message, 0))
        self._counters.template_sends += 1
        self._counters.last_template_ns = self._clock.wall_ns()
        self._messages_since_templates = 0
        self._templates_due_ns = self._clock.monotonic_ns() + self._refresh.template_ns

    def _send_options(self) -> None:
        self._options_due_ns = self._clock.monotonic_ns() + self._refresh.options_ns
        try:
            for message in self._session.options_messages(self._clock.wall_ns()):
                self._send_alone(message)
        except EncodeError as error:
            self._counters.last_error = str(error)

    def _send_tables(self) -> None:
        if self._was_refused:
            self._send_templates()
        self._tables_sent_ns = self._clock.monotonic_ns()
        self._tables_due_ns = self._tables_sent_ns + self._refresh.options_ns
        try:
            for message in self._session.table_messages(self._clock.wall_ns()):
                # They are many: a receiver must have room, as for Flows.
                if self.lost or not self._pacer.grant(1, len(message.octets)):
                    return
                self._send_alone(message)
        except EncodeError as error:
            self._counters.last_error = str(error)

    def _send_alone(self, message: OptionsMessage) -> None:
        octets, data_records = message
        if not self.lost and self._send(memoryview(octets), len(octets)) is Sent.ALL:
            self._count(1, len(octets), data_records)

    def _send(self, octets: memoryview, message_octets: int) -> Sent:
        sent = self.transport.send(octets, message_octets)
        if sent in (Sent.NONE_FAILED, Sent.NONE_TOO_LARGE):
            self._counters.last_error = self.transport.last_error
            self.lost = sent is Sent.NONE_FAILED
        self._watch_refusals()
        return sent

    def _watch_refusals(self) -> None:
        refused = self.transport.refusals - self._refusals_seen
        self._refusals_seen += refused
        self._counters.refusals += refused
        self._was_refused = self._was_refused or bool(refused)

    def _count(self, messages: int, octets: int, data_records: int) -> None:
        self._counters.messages += messages
        self._counters.octets_sent += octets
        self.octets += octets
        self._counters.data_records += data_records
        self._messages_since_templates += messages


def tally_losses(batch: Batch, losses: list[tuple[DropReason, Array]]) -> dict[DropReason, Tally]:
    """What was lost, by reason. A Flow Record lost in both its halves counts once, for the first reason."""
    tallies: dict[DropReason, Tally] = {}
    counted = np.zeros(len(batch) if losses else 0, np.bool_)
    for reason, numbers in losses:
        fresh = np.unique(numbers)
        fresh = fresh[~counted[fresh]]
        counted[fresh] = True
        tallies[reason] = tallies.get(reason, Tally()) + tally_of(batch, fresh)
    return tallies
