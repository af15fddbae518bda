# SPDX-License-Identifier: Apache-2.0
"""A whole spool is sent to a collector, in a Transport Session of its own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from spanflow.exporting.clock import Clock
from spanflow.exporting.counters import NOTHING, Tally
from spanflow.exporting.ipfix import MODULUS
from spanflow.exporting.spool.messages import renumber, runs
from spanflow.exporting.spool.parcel import Spooled
from spanflow.exporting.spool.store import Spool
from spanflow.exporting.spool.templates import TemplateLedger
from spanflow.exporting.transport.interface import Sent, Transport, Wait

_SECOND_NS = 10**9


@dataclass(frozen=True, slots=True)
class Replayed:
    """delivered: what the other side has. error: why not all; empty if all."""

    delivered: Tally
    error: str = ""


def replay(
    spool: Spool, transport: Transport, clock: Clock, wait: Wait, *, rate: int, patience_s: float
) -> Replayed:
    """Send what is in the spool, oldest first; what the other side has acknowledged leaves the spool.

    rate: Flow Records per second; 0: as fast as they are taken. patience_s: how long to wait at the end for
    what is not acknowledged yet; what is not then stays in the spool, though it may have arrived.
    wait: sleeps; true ends the replay.
    """
    return _Replay(spool, transport, clock, wait, rate).run(patience_s)


class _Replay:
    def __init__(self, spool: Spool, transport: Transport, clock: Clock, wait: Wait, rate: int) -> None:
        self._spool = spool
        self._transport = transport
        self._clock = clock
        self._wait = wait
        self._rate = rate
        self._ledger = TemplateLedger()
        self._sequence_number = 0
        self._octets = 0
        self._ends: deque[int] = deque()
        """How many octets were sent when each parcel was that is not delivered yet."""
        self._delivered = NOTHING

    def run(self, patience_s: float) -> Replayed:
        error = self._send_all()
        if not error and not self._transport.finish(patience_s):
            error = self._transport.ended or "the collector has not acknowledged all"
        self._settle()
        self._spool.give_back()
        return Replayed(self._delivered, error)

    def _send_all(self) -> str:
        """Send everything; why it was not all."""
        due_ns = self._clock.monotonic_ns()
        while (stored := self._spool.take()) is not None:
            self._transport.notice()
            if self._transport.ended or not self._send_parcel(stored):
                return self._transport.ended or self._transport.last_error or "sending failed"
            self._settle()
            if self._rate:
                due_ns += stored.parcel.tally.records * _SECOND_NS // self._rate
                if self._wait(max(0.0, (due_ns - self._clock.monotonic_ns()) / _SECOND_NS)):
                    return "stopped"
        # What is left besides those under way are parcels whose file cannot be opened now.
        return self._spool.counters.last_error if self._spool.parcels > len(self._ends) else ""

    def _send_parcel(self, stored: Spooled) -> bool:
        parcel = stored.parcel
        if not parcel.counts:  # lines of JSON
            sent = self._transport.send(memoryview(parcel.octets), len(parcel.octets)) is Sent.ALL
            self._octets += len(parcel.octets) if sent else 0
        else:
            admission = self._ledger.admit(stored.preface)
            sent = self._send_messages(admission.octets, admission.counts, {}) and self._send_messages(
                parcel.octets, parcel.counts, admission.template_ids
            )
        if sent:
            self._ends.append(self._octets)
        return sent

    def _send_messages(self, octets: bytes, counts: tuple[int, ...], template_ids: dict[int, int]) -> bool:
        numbered = renumber(octets, counts, self._sequence_number, template_ids)
        self._sequence_number = (self._sequence_number + sum(counts)) % MODULUS
        for run, message_octets in runs(numbered):
            at_once = self._transport.messages_per_call(message_octets) * message_octets
            for start in range(0, len(run), at_once):
                if self._transport.send(run[start : start + at_once], message_octets) is not Sent.ALL:
                    return False
        self._octets += len(octets)
        return True

    def _settle(self) -> None:
        """What is acknowledged has left the spool."""
        acknowledged = self._octets - self._transport.unacknowledged_octets()
        parcels = 0
        while self._ends and self._ends[0] <= acknowledged:
            self._ends.popleft()
            parcels += 1
        if parcels:
            self._delivered += self._spool.advance(parcels)
