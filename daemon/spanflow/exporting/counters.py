# SPDX-License-Identifier: Apache-2.0
"""What an Exporting Process counts. In Flow Records, as handed over: two uniflows of one are one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from spanflow.record import Array, Batch


class DropReason(StrEnum):
    """Why a Flow Record was not sent. One that was sent in part counts as dropped."""

    QUEUE_FULL = "queue_full"
    UNRESOLVED = "unresolved"
    SEND_ERROR = "send_error"
    TOO_LARGE = "too_large"
    UNEXPORTABLE = "unexportable"
    """The protocol has no form for it: NetFlow version 5 and IPv6."""
    SPOOL_SIZE = "spool_size"
    SPOOL_AGE = "spool_age"
    SPOOL_ERROR = "spool_error"
    """The spool could not be written, or what was in it not be read again."""
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Tally:
    """An amount of Flow Records, with the packets and the octets that they account for in both directions."""

    records: int = 0
    packets: int = 0
    octets: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.records + other.records, self.packets + other.packets, self.octets + other.octets)

    def __sub__(self, other: Tally) -> Tally:
        return Tally(self.records - other.records, self.packets - other.packets, self.octets - other.octets)


NOTHING = Tally()


def tally_of(batch: Batch, numbers: Array | None = None) -> Tally:
    """The Tally of a batch, or of the records with these numbers in it."""
    packets = octets = 0
    for half in (batch.records["forward"], batch.records["reverse"]):
        packets += _sum(half["packet_delta_count"], numbers)
        octets += _sum(half["octet_delta_count"], numbers)
    return Tally(len(batch) if numbers is None else len(numbers), packets, octets)


def _sum(column: Array, numbers: Array | None) -> int:
    return int(np.add.reduce(column if numbers is None else column[numbers], dtype=np.uint64))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounters:
    """One moment of a queue: offered + recovered = sent + queued + spooled + filtered + moved + all dropped
    (semantics, section 10).

    recovered: found in the spool at the start. filtered: not for this collector, by its own filter. moved: to
    another collector of its group, which was offered them in turn.
    """

    offered: Tally = NOTHING
    recovered: Tally = NOTHING
    sent: Tally = NOTHING
    queued: Tally = NOTHING
    spooled: Tally = NOTHING
    filtered: Tally = NOTHING
    moved: Tally = NOTHING
    dropped: Mapping[DropReason, Tally] = field(default_factory=lambda: dict.fromkeys(DropReason, NOTHING))

    @property
    def imbalance(self) -> Tally:
        """Offered and not accounted for: zero in every field, at every moment."""
        kept = self.sent + self.queued + self.spooled + self.filtered + self.moved
        return self.offered + self.recovered - kept - sum(self.dropped.values(), NOTHING)


NO_BOOKS = QueueCounters()
"""Those of a queue that is not there."""


@dataclass(slots=True)
class DeliveryCounters:
    """What one thread put on the wire. Owner: the exporting thread. Others read copies."""

    data_records: int = 0
    """Data Records sent, those of options too."""
    messages: int = 0
    octets_sent: int = 0
    """Octets of Messages, without UDP and IP headers."""
    refusals: int = 0
    """Times that the collector's host said: nobody listens at this port."""
    connections: int = 0
    """Times that a connection was made, or a file begun."""
    resent: int = 0
    """Flow Records sent again, as the connection ended before all of them were acknowledged: duplicates at
    the most."""
    template_sends: int = 0
    """Times that all Templates were sent."""
    last_template_ns: int = 0
    """When that was last, in ns since the Unix epoch; 0: never."""
    resolutions: int = 0
    """Times that the collector's name was looked up."""
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterCounters(QueueCounters):
    """One moment of an Exporting Process: what became of the records, and what went over the wire for it."""

    data_records: int
    messages: int
    octets_sent: int
    refusals: int
    connections: int
    resent: int
    template_sends: int
    last_template_ns: int
    resolutions: int
    last_error: str

    def after(self, earlier: ExporterCounters) -> ExporterCounters:
        """These, with what an earlier Exporting Process to the same collector has counted."""
        return ExporterCounters(
            offered=self.offered + earlier.offered,
            recovered=self.recovered + earlier.recovered,
            sent=self.sent + earlier.sent,
            queued=self.queued + earlier.queued,
            spooled=self.spooled + earlier.spooled,
            filtered=self.filtered + earlier.filtered,
            moved=self.moved + earlier.moved,
            dropped={reason: tally + earlier.dropped[reason] for reason, tally in self.dropped.items()},
            data_records=self.data_records + earlier.data_records,
            messages=self.messages + earlier.messages,
            octets_sent=self.octets_sent + earlier.octets_sent,
            refusals=self.refusals + earlier.refusals,
            connections=self.connections + earlier.connections,
            resent=self.resent + earlier.resent,
            template_sends=self.template_sends + earlier.template_sends,
            last_template_ns=max(self.last_template_ns, earlier.last_template_ns),
            resolutions=self.resolutions + earlier.resolutions,
            last_error=self.last_error or earlier.last_error,
        )
