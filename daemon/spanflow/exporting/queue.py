# SPDX-License-Identifier: Apache-2.0
"""The queue before one collector, or before plugins: batches in order, bounded in octets, and the books."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from spanflow.exporting.counters import NOTHING, DropReason, QueueCounters, Tally, tally_of
from spanflow.record import Batch


@dataclass(frozen=True, slots=True)
class _Entry:
    batch: Batch
    tally: Tally


class BatchQueue:
    """Batches on their way from any thread (which offers) to one that takes and settles.

    A batch stays in the queue, and in its books, until it is settled. One lock guards all; the books balance
    whenever it is free.
    """

    def __init__(self, bound_octets: int) -> None:
        self._bound_octets = bound_octets
        self._changed = threading.Condition(threading.RLock())
        self._entries: deque[_Entry] = deque()
        self._octets = 0
        self._offered = self._sent = self._queued = NOTHING
        self._dropped = dict.fromkeys(DropReason, NOTHING)
        self._away: DropReason | None = None
        self._closed: DropReason | None = None
        self._woken = False
        self._taken = False

    def offer(self, batch: Batch, *, wait_s: float) -> bool:
        """Append a batch; False if it was dropped and counted instead.

        wait_s: how long a full queue blocks before it drops; not at all while the collector is away: then it
        drops for that reason. An empty queue takes a batch of any size.
        """
        entry = _Entry(batch, tally_of(batch))
        with self._changed:
            self._offered += entry.tally
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
                self._dropped[reason] += entry.tally
                return False
            self._entries.append(entry)
            self._octets += batch.nbytes
            self._changed.notify_all()
            return True

    def wait_for_room(self, batch: Batch, timeout_s: float) -> bool:
        """Wait until there is a place for this batch; false after the timeout. A closed queue has any."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: not self._is_full(batch) or self._closed, timeout_s))

    def head(self, timeout_s: float) -> Batch | None:
        """Take the oldest batch, which stays in the books until `settle`; waits for one.

        None after the timeout, a `wake` or when the queue is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._woken or self._closed, timeout_s)
            self._woken = False
            self._taken = bool(self._entries)
            return self._entries[0].batch if self._entries else None

    def settle(self, dropped: Mapping[DropReason, Tally]) -> None:
        """The batch that was taken leaves: what of it was dropped, by reason; all else was sent."""
        with self._changed:
            entry = self._entries.popleft()
            self._taken = False
            self._octets -= entry.batch.nbytes
            self._queued -= entry.tally
            self._sent += entry.tally - sum(dropped.values(), NOTHING)
            for reason, tally in dropped.items():
                self._dropped[reason] += tally
            self._changed.notify_all()

    def set_away(self, reason: DropReason | None) -> None:
        """The collector cannot be reached for this reason (None: it can). Those who wait are let go."""
        with self._changed:
            self._away = reason
            self._changed.notify_all()

    def abandon(self) -> None:
        """Drop what is queued and not taken: for what keeps the collector away, else as `shutdown`."""
        with self._changed:
            reason = self._away or DropReason.SHUTDOWN
            while len(self._entries) > self._taken:
                entry = self._entries.pop()
                self._octets -= entry.batch.nbytes
                self._queued -= entry.tally
                self._dropped[reason] += entry.tally
            self._changed.notify_all()

    def close(self, *, taken_too: bool = False) -> None:
        """Drop what is queued, and every later batch. taken_too: nobody will settle what was taken."""
        with self._changed:
            self._closed = self._away or DropReason.SHUTDOWN
            self._taken = self._taken and not taken_too
            self.abandon()

    def pause(self, timeout_s: float) -> None:
        """Wait for a `wake`, or until the queue is closed, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._woken or self._closed, timeout_s)
            self._woken = False

    def wake(self) -> None:
        """Make `head` or `pause` return."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until every batch is settled or dropped; False after the timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._entries, max(0.0, timeout_s))

    @property
    def octets(self) -> int:
        """Octets of the batches that are queued."""
        return self._octets

    def counters(self) -> QueueCounters:
        """The books of this moment."""
        with self._changed:
            return QueueCounters(
                offered=self._offered, sent=self._sent, queued=self._queued, dropped=dict(self._dropped)
            )

    def _is_full(self, batch: Batch) -> bool:
        return bool(self._entries) and self._octets + batch.nbytes > self._bound_octets
