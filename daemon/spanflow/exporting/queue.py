# SPDX-License-Identifier: Apache-2.0
"""The queue before one collector, or before plugins: batches in order, bounded in octets, and the books."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from spanflow.exporting.clock import Clock, SystemClock
from spanflow.exporting.counters import NOTHING, DropReason, QueueCounters, Tally, tally_of
from spanflow.record import Batch

Losses = Mapping[DropReason, Tally]


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is queued, and the batch that it was made from."""

    batch: Batch
    tally: Tally
    original: Batch


class BatchQueue:
    """Batches on their way from any thread (which offers) to one that takes and settles.

    A batch stays in the queue, and in its books, until it is settled: several may be taken and wait for that,
    oldest first. What goes into a spool from here stays in the books too. One lock guards all; the books
    balance whenever it is free.
    """

    def __init__(self, bound_octets: int, clock: Clock | None = None) -> None:
        self.first_dropped_ns = self.last_dropped_ns = 0
        """When the first and the last record was dropped, in ns since the Unix epoch; 0: none was."""
        self._bound_octets = bound_octets
        self._clock = clock or SystemClock()
        self._changed = threading.Condition(threading.RLock())
        self._entries: deque[_Entry] = deque()
        self._octets = 0
        self._offered = self._sent = self._queued = NOTHING
        self._recovered = self._spooled = self._filtered = self._moved = NOTHING
        self._dropped = dict.fromkeys(DropReason, NOTHING)
        self._away: DropReason | None = None
        self._closed: DropReason | None = None
        self._woken = False
        self._taken = 0
        self._handing_over = False
        """Between `withdraw` and `handed_over`: the batches are in no queue."""

    # For those who offer.

    def offer(
        self,
        batch: Batch,
        *,
        wait_s: float,
        filtered: Tally = NOTHING,
        original: Batch | None = None,
    ) -> bool:
        """Append a batch; False if it was dropped and counted instead.

        wait_s: how long a full queue blocks before it drops; not at all while the collector is away: then it
        drops for that reason. An empty queue takes a batch of any size. filtered: what a filter left out of
        it. original: what `withdraw` gives for it, without what was filtered; itself if there is none.
        """
        entry = _Entry(batch, tally_of(batch), batch if original is None else original)
        with self._changed:
            self._offered += entry.tally + filtered
            self._filtered += filtered
            if not len(batch):
                return True
            # A batch that waits for its place is queued already, so that the books balance meanwhile.
            self._queued += entry.tally
            self._changed.wait_for(
                lambda: not self._is_full(batch) or self._away or self._closed,
                min(wait_s, threading.TIMEOUT_MAX),
            )
            reason = self._closed
            if reason is None and self._is_full(batch):
                reason = self._away or DropReason.QUEUE_FULL
            if reason is not None:
                self._queued -= entry.tally
                self._drop({reason: entry.tally})
                return False
            self._entries.append(entry)
            self._octets += batch.nbytes
            self._changed.notify_all()
            return True

    def wait_for_room(self, batch: Batch, timeout_s: float) -> bool:
        """Wait until there is a place for this batch; false after the timeout. A closed queue has any."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: not self._is_full(batch) or self._closed, timeout_s))

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until every batch is settled, dropped or handed over; False after the timeout."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._entries and not self._handing_over, max(0.0, timeout_s)
            )

    def close(self, *, taken_too: bool = False) -> None:
        """Drop what is queued, and every later batch. taken_too: nobody will settle what was taken."""
        with self._changed:
            self._closed = self._away or DropReason.SHUTDOWN
            self._taken = 0 if taken_too else self._taken
            self.abandon()

    # For the one who takes.

    def head(self, timeout_s: float) -> Batch | None:
        """Take the oldest batch that is not taken; it stays in the books until `settle`. Waits for one.

        None after the timeout, a `wake` or when the queue is closed.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._entries) > self._taken or self._woken or self._closed, timeout_s
            )
            self._woken = False
            if len(self._entries) == self._taken:
                return None
            entry = self._entries[self._taken]
            self._taken += 1
            return entry.batch

    def settle(self, dropped: Losses, *, spooled: bool = False) -> None:
        """The oldest batch that was taken leaves: what of it was dropped, by reason; all else was sent.

        spooled: all else is in the spool.
        """
        with self._changed:
            entry = self._entries.popleft()
            self._taken -= 1
            self._octets -= entry.batch.nbytes
            self._queued -= entry.tally
            kept = entry.tally - sum(dropped.values(), NOTHING)
            if spooled:
                self._spooled += kept
            else:
                self._sent += kept
            self._drop(dropped)
            self._changed.notify_all()

    def give_back(self) -> Tally:
        """What was taken and not settled will be taken again; how much that is."""
        with self._changed:
            again = sum((entry.tally for entry in islice(self._entries, self._taken)), NOTHING)
            self._taken = 0
            return again

    def withdraw(self) -> list[Batch]:
        """Take all batches out, for another collector of the group; then call `handed_over`."""
        with self._changed:
            self._handing_over = True
            batches = [entry.original for entry in self._entries]
            moved = sum((entry.tally for entry in self._entries), NOTHING)
            self._moved += moved
            self._queued -= moved
            self._entries.clear()
            self._octets = self._taken = 0
            self._changed.notify_all()
            return batches

    def handed_over(self) -> None:
        """Another collector has what was withdrawn."""
        with self._changed:
            self._handing_over = False
            self._changed.notify_all()

    def abandon(self) -> None:
        """Drop what is queued and not taken: for what keeps the collector away, else as `shutdown`."""
        with self._changed:
            reason = self._away or DropReason.SHUTDOWN
            while len(self._entries) > self._taken:
                entry = self._entries.pop()
                self._octets -= entry.batch.nbytes
                self._queued -= entry.tally
                self._drop({reason: entry.tally})
            self._changed.notify_all()

    # For the one who keeps the spool.

    def recover(self, spooled: Tally) -> None:
        """So much was in the spool when it was opened; negative when it is closed."""
        with self._changed:
            self._recovered += spooled
            self._spooled += spooled

    def leave_spool(self, sent: Tally = NOTHING, dropped: Losses | None = None) -> None:
        """What was in the spool is sent, or dropped by reason."""
        with self._changed:
            self._sent += sent
            self._spooled -= sent + sum((dropped or {}).values(), NOTHING)
            self._drop(dropped or {})

    # For both.

    def set_away(self, reason: DropReason | None) -> None:
        """The collector cannot be reached for this reason (None: it can). Those who wait are let go."""
        with self._changed:
            self._away = reason
            self._changed.notify_all()

    def pause(self, timeout_s: float) -> None:
        """Wait for a `wake`, or until the queue is closed, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._woken or self._closed, timeout_s)
            self._woken = False

    def gather(self, timeout_s: float) -> None:
        """Wait until half of the room is taken, for a `wake`, or until the queue is closed, at most so
        long."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_half_full or self._woken or self._closed, timeout_s)

    def wake(self) -> None:
        """Make `head` or `pause` return."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    @property
    def octets(self) -> int:
        """Octets of the batches that are queued."""
        return self._octets

    @property
    def is_half_full(self) -> bool:
        """Whether half of the room is taken."""
        return 2 * self._octets > self._bound_octets

    def counters(self) -> QueueCounters:
        """The books of this moment."""
        with self._changed:
            return QueueCounters(
                offered=self._offered,
                recovered=self._recovered,
                sent=self._sent,
                queued=self._queued,
                spooled=self._spooled,
                filtered=self._filtered,
                moved=self._moved,
                dropped=dict(self._dropped),
            )

    def _drop(self, dropped: Losses) -> None:
        for reason, tally in dropped.items():
            self._dropped[reason] += tally
            self.last_dropped_ns = self._clock.wall_ns()
            self.first_dropped_ns = self.first_dropped_ns or self.last_dropped_ns

    def _is_full(self, batch: Batch) -> bool:
        return bool(self._entries) and self._octets + batch.nbytes > self._bound_octets
