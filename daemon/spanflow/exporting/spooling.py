# SPDX-License-Identifier: Apache-2.0
"""The spool of one collector at work: batches go in while it is away, parcels come out when it is back.

What is stored are Messages as they would have been sent, by a session of the spool's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from spanflow.exporting.clock import Clock
from spanflow.exporting.counters import NOTHING, DropReason, Tally, tally_of
from spanflow.exporting.delivery import NEVER_NS, tally_losses
from spanflow.exporting.interface import Session
from spanflow.exporting.pacing import SECOND_NS
from spanflow.exporting.queue import BatchQueue
from spanflow.exporting.spool.parcel import Parcel, Spooled
from spanflow.exporting.spool.store import Spool
from spanflow.record import Array, Batch

_OPEN_AGAIN_NS = SECOND_NS
_WRITE_AGAIN_NS = SECOND_NS
_BURST_NS = SECOND_NS // 10
"""The credit of so long may be used at once."""


class Spooler:
    """Between a queue with its books and a Spool. One thread; `last_error`, `opening`, `turned_ns`, `octets`
    and `oldest_ns` are for any.

    The spool is opened with the first look at it, and again later if somebody else has it: after a reload the
    former process of the collector may still be storing what it had.
    new_session: of the protocol, for Messages that are stored. rate: Flow Records per second that come out;
    0: no bound.
    """

    def __init__(
        self,
        open_spool: Callable[[Callable[[], bytes]], Spool],
        new_session: Callable[[], Session],
        queue: BatchQueue,
        rate: int,
        clock: Clock,
    ) -> None:
        self.last_error = ""
        self._open_spool = open_spool
        self._session = new_session()
        self._queue = queue
        self._rate = rate
        self._clock = clock
        self._spool: Spool | None = None
        self.opening = False
        """Whether what is in the spool is being looked through: on a slow disk that takes its time."""
        self.turned_ns = self._due_ns = self._earned_ns = clock.monotonic_ns()
        self._credit = 0

    @property
    def usable(self) -> bool:
        """Whether batches can be stored now."""
        return self._clock.monotonic_ns() >= self._due_ns and self._opened() is not None

    @property
    def has_more(self) -> bool:
        """Whether something waits in the spool."""
        return self._spool is not None and self._spool.tally != NOTHING

    @property
    def octets(self) -> int:
        """Octets on disk."""
        spool = self._spool  # the exporting thread may be closing it
        return 0 if spool is None else spool.octets

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest of it was stored, in ns since the Unix epoch; None: it is empty."""
        spool = self._spool
        return None if spool is None else spool.oldest_ns

    def store(self, batches: Sequence[Batch]) -> list[dict[DropReason, Tally]]:
        """Put batches into the spool, as one parcel if that is not too long; what of each has no place there.

        Fewer answers than batches: the others could not be written.
        """
        spool = self._opened()
        if spool is None:
            return []
        made = [self._parcel(batch) for batch in batches]
        together = _joined([parcel for parcel, _ in made])
        if len(together.octets) <= spool.most_parcel_octets:
            return [losses for _, losses in made] if self._append(spool, together) else []
        answers = []
        for parcel, losses in made:
            if len(parcel.octets) > spool.most_parcel_octets:
                losses |= {DropReason.SPOOL_SIZE: parcel.tally}
            elif not self._append(spool, parcel):
                break
            answers.append(losses)
        return answers

    def look_after(self) -> None:
        """What is due by time, and what has left without being sent."""
        spool = self._opened() if self._clock.monotonic_ns() >= self._due_ns else self._spool
        if spool is not None:
            spool.expire()
            spool.sync_if_due()
            self._tell_losses()

    def next_parcel(self) -> Spooled | None:
        """The next to send, if the rate allows for it now."""
        if self._spool is None or self._spool.tally == NOTHING or not self._may_go():
            return None
        stored = self._spool.take()
        self._tell_losses()
        if stored is not None:
            self._credit -= stored.parcel.tally.records * SECOND_NS
        return stored

    def delivered(self) -> None:
        """The oldest that was taken is acknowledged."""
        if self._spool is not None:
            self._queue.leave_spool(sent=self._spool.advance(1))

    def spoilt(self) -> None:
        """The oldest that was taken cannot be sent, as it is."""
        if self._spool is not None:
            self._queue.leave_spool(dropped={DropReason.SPOOL_ERROR: self._spool.advance(1)})

    def give_back(self) -> Tally:
        """What was taken and is not acknowledged will be taken again; how much that is."""
        return NOTHING if self._spool is None else self._spool.give_back()

    def close(self) -> None:
        """Leave the spool to the next start."""
        if self._spool is not None:
            self._spool.give_back()  # what was in flight of segments that are gone is lost now
            self._tell_losses()
            self._queue.recover(NOTHING - self._spool.tally)
            self._spool.close()
            self._spool = None
            self._due_ns = NEVER_NS

    def _opened(self) -> Spool | None:
        if self._spool is None and self._clock.monotonic_ns() >= self._due_ns:
            self.opening = True
            try:
                self._spool = self._open_spool(self._preface)
            except OSError as error:
                self.last_error = str(error)
                self._due_ns = self._clock.monotonic_ns() + _OPEN_AGAIN_NS
            else:
                self._queue.recover(self._spool.recovered)
            finally:
                self.turned_ns = self._clock.monotonic_ns()
                self.opening = False
        return self._spool

    def _append(self, spool: Spool, parcel: Parcel) -> bool:
        try:
            if parcel.octets:
                spool.append(parcel)
        except OSError as error:
            self.last_error = str(error)
            self._due_ns = self._clock.monotonic_ns() + _WRITE_AGAIN_NS
            return False
        return True

    def _preface(self) -> bytes:
        """The Templates, for the beginning of a segment."""
        return b"".join(self._session.template_messages(self._clock.wall_ns()))

    def _parcel(self, batch: Batch) -> tuple[Parcel, dict[DropReason, Tally]]:
        """The Messages with a batch, and what fits into none."""
        if not self._session.exportable(batch):
            return _joined(()), {DropReason.UNEXPORTABLE: tally_of(batch)}
        octets: list[bytes] = []
        counts: list[int] = []
        losses: list[tuple[DropReason, Array]] = []
        for rows in self._session.rows(batch):
            layout = self._session.messages(rows, self._clock.wall_ns())
            if layout.too_large is not None:
                losses.append((DropReason.TOO_LARGE, layout.too_large))
            for run in layout.runs:
                octets.append(bytes(run.octets))
                counts += [end - first for first, end in pairwise(run.firsts)]
        lost = tally_losses(batch, losses)
        kept = tally_of(batch) - sum(lost.values(), NOTHING)
        return Parcel(b"".join(octets), tuple(counts) if self._session.is_binary else (), kept), lost

    def _may_go(self) -> bool:
        """Whether there is credit, of at most a tenth of a second. The last parcel may take more than there
        is."""
        now = self._clock.monotonic_ns()
        if not self._rate:
            return True
        earned = self._credit + (now - self._earned_ns) * self._rate
        self._credit = min(earned, self._rate * _BURST_NS)
        self._earned_ns = now
        return self._credit > 0

    def _tell_losses(self) -> None:
        if self._spool is not None:
            losses = self._spool.losses()
            if losses:
                self._queue.leave_spool(dropped=losses)


def _joined(parcels: Sequence[Parcel]) -> Parcel:
    return Parcel(
        b"".join(parcel.octets for parcel in parcels),
        tuple(count for parcel in parcels for count in parcel.counts),
        sum((parcel.tally for parcel in parcels), NOTHING),
    )
