# SPDX-License-Identifier: Apache-2.0
"""The spool of one collector: parcels in order, on disk, bounded in octets and in age."""

from __future__ import annotations

import errno
import logging
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from spanflow.exporting.clock import Clock
from spanflow.exporting.counters import NOTHING, DropReason, Tally
from spanflow.exporting.spool.counters import SpoolCounters
from spanflow.exporting.spool.files import PASSES, SpoolFiles
from spanflow.exporting.spool.frames import read_payload
from spanflow.exporting.spool.parcel import MOST_PARCEL_OCTETS, Parcel, Spooled
from spanflow.exporting.spool.position import Position
from spanflow.exporting.spool.progress import Progress
from spanflow.exporting.spool.recovery import Recovery
from spanflow.exporting.spool.segments import (
    MOST_SEGMENT_OCTETS,
    Entry,
    Segment,
    reader,
    tally_of_entries,
)
from spanflow.exporting.spool.writing import SegmentWriter

log = logging.getLogger(__name__)

SEGMENT_OCTETS = 4 << 20
SYNC_INTERVAL_NS = 10**9

_FEWEST_SEGMENTS = 8
_FEWEST_PARCELS = 4
_ASIDE_SHARE = 4


class Spool:
    """Parcels for a collector that is away. One thread; what has no arguments may be read by others.

    max_octets: of all files; the oldest segments make room for more. max_age_ns: 0: for ever. preface: gives
    the Template Messages by which the parcels are read that are appended from now on.

    A parcel is taken, then delivered, or given back: several may be under way. A parcel takes some 500 octets
    of memory, so they should not be much shorter than 64 KiB where there are many.
    recovered: found at the start. Books: recovered + appended = delivered + lost + `tally`, at every moment.
    Raises OSError (one line) if the directory cannot be used, whatever is in the files.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_octets: int,
        max_age_ns: int,
        clock: Clock,
        preface: Callable[[], bytes],
        segment_octets: int = SEGMENT_OCTETS,
        open_files: Callable[[Path], SpoolFiles] = SpoolFiles,
    ) -> None:
        self.directory = directory
        self.counters = SpoolCounters()
        self.most_parcel_octets = min(MOST_PARCEL_OCTETS, max_octets // _FEWEST_PARCELS)
        self._max_octets = max_octets
        self._max_age_ns = max_age_ns
        self._clock = clock
        self._files = open_files(directory)
        self._losses: dict[DropReason, Tally] = {}
        self._taken: deque[Entry] = deque()
        self._reading: tuple[Segment, int] | None = None
        self._preface: tuple[Segment, bytes | None] | None = None
        self._synced_ns = clock.monotonic_ns()
        try:
            found = Recovery(
                self._files,
                self.counters,
                now_ns=clock.monotonic_ns(),
                wall_ns=clock.wall_ns(),
                most_aside_octets=max_octets // _ASIDE_SHARE,
            ).find()
        except OSError as error:
            self._files.close()
            advice = "raise LimitNOFILE" if error.errno in PASSES else "let this user write there"
            raise OSError(error.errno, f"{directory}: {error.strerror}; {advice}") from error
        self._segments = deque(found.segments)
        self._waiting = deque(found.entries)
        self._octets = found.aside_octets + sum(segment.octets for segment in found.segments)
        self._progress = Progress(self._files, self.counters)
        self._writer = SegmentWriter(
            self._files,
            clock,
            preface,
            segment_octets=min(segment_octets, max_octets // _FEWEST_SEGMENTS, MOST_SEGMENT_OCTETS // 2),
            next_number=found.next_number,
        )
        self.tally = self.recovered = tally_of_entries(self._waiting)
        self._report()
        try:
            self._make_room(0)
        except OSError as error:
            self.counters.last_error = str(error)
        self.expire()

    # What there is.

    @property
    def octets(self) -> int:
        """Octets on disk."""
        return self._octets

    @property
    def parcels(self) -> int:
        """How many are in the spool, those under way included."""
        return len(self._waiting) + len(self._taken)

    @property
    def segments(self) -> int:
        """How many files hold them."""
        return len(self._segments)

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest parcel was stored, in ns since the Unix epoch; None without any."""
        oldest = self._oldest()
        return None if oldest is None else oldest.frame.wall_ns

    def losses(self) -> dict[DropReason, Tally]:
        """What has left the spool since the last call without being delivered, by reason."""
        losses, self._losses = self._losses, {}
        return losses

    # In.

    def append(self, parcel: Parcel) -> None:
        """Store a parcel. Raises OSError if the disk does not take it: nothing of it is stored then.

        Raises ValueError if it is longer than `most_parcel_octets`.
        """
        if len(parcel.octets) > self.most_parcel_octets:
            raise ValueError(f"a parcel of {len(parcel.octets)} octets, of at most {self.most_parcel_octets}")
        self._make_room_for(parcel)
        before = self._writer.octets
        try:
            segment, frame = self._writer.append(parcel)
        finally:
            self._octets += self._writer.octets - before
            self.counters.sync_failures += self._writer.take_failures()
        if not self._segments or self._segments[-1] is not segment:
            self._segments.append(segment)
        segment.left += 1
        self._waiting.append(Entry(segment, frame, self._clock.monotonic_ns()))
        self.tally += parcel.tally

    # Out.

    def take(self) -> Spooled | None:
        """The oldest parcel that is not taken; it stays in the spool until `advance`. None: there is none.

        Damaged parcels, and those that are too old, are passed over and counted. None is also the answer
        when a file cannot be opened now: `counters.last_error` says why.
        """
        passed_over = False
        spooled = None
        while self._waiting and spooled is None:
            entry = self._waiting[0]
            if self._is_too_old(entry):
                self._lose_oldest(DropReason.SPOOL_AGE)
                passed_over = True
                continue
            try:
                spooled = self._read(entry)
            except OSError as error:
                self.counters.last_error = f"{entry.segment.name}: {error.strerror}"
                break
            if spooled is None:
                self._lose_damaged(entry)
                passed_over = True
        if passed_over and not self._taken:
            self._settle()
        if spooled is not None:
            self._taken.append(self._waiting.popleft())
        return spooled

    def advance(self, parcels: int) -> Tally:
        """The oldest of those that were taken are delivered; what they hold."""
        delivered = NOTHING
        for _ in range(parcels):
            entry = self._taken.popleft()
            entry.segment.left -= 1
            delivered += entry.frame.tally
        self.tally -= delivered
        self._settle()
        return delivered

    def give_back(self) -> Tally:
        """Those that were taken are to be taken again; what they hold."""
        again = NOTHING
        while self._taken:
            entry = self._taken.pop()
            if entry.evicted:
                self._lose(DropReason.SPOOL_SIZE, entry.frame.tally)
            else:
                again += entry.frame.tally
                self._waiting.appendleft(entry)
        return again

    def expire(self) -> None:
        """Drop what is too old; nothing while parcels are under way."""
        before = len(self._waiting)
        while not self._taken and self._waiting and self._is_too_old(self._waiting[0]):
            self._lose_oldest(DropReason.SPOOL_AGE)
        if len(self._waiting) != before:
            self._settle()

    def sync_if_due(self) -> None:
        """Have everything on the disk, at most once a second. A failure is counted."""
        now = self._clock.monotonic_ns()
        if now - self._synced_ns >= SYNC_INTERVAL_NS:
            self._synced_ns = now
            self._sync()

    def close(self) -> None:
        """Have everything on the disk, and give the lock back. What is taken stays for the next start."""
        self._sync()
        self._writer.close()
        self._progress.close()
        self._close_reading()
        self._files.close()

    def _sync(self) -> None:
        self._writer.sync()
        self.counters.sync_failures += self._writer.take_failures()
        self._progress.sync()

    # What leaves.

    def _oldest(self) -> Entry | None:
        for entries in (self._taken, self._waiting):
            # Another thread, which only looks, may find it emptied in this moment.
            with suppress(IndexError):
                return entries[0]
        return None

    def _is_too_old(self, entry: Entry) -> bool:
        return bool(self._max_age_ns) and self._clock.monotonic_ns() - entry.since_ns > self._max_age_ns

    def _lose_oldest(self, reason: DropReason) -> None:
        """The oldest that is not taken leaves."""
        entry = self._waiting.popleft()
        entry.segment.left -= 1
        self._lose(reason, entry.frame.tally)

    def _lose_damaged(self, entry: Entry) -> None:
        octets = entry.frame.end - entry.frame.start
        self.counters.corrupt_parcels += 1
        self.counters.corrupt_octets += octets
        self._lose_oldest(DropReason.SPOOL_ERROR)
        log.warning(
            "spooled parcel is damaged",
            extra={"file": str(self.directory / entry.segment.name), "records": entry.frame.tally.records},
        )

    def _lose(self, reason: DropReason, tally: Tally) -> None:
        self.tally -= tally
        self._losses[reason] = self._losses.get(reason, NOTHING) + tally
        counters = self.counters
        if reason is DropReason.SPOOL_AGE:
            counters.expired += tally
        elif reason is DropReason.SPOOL_SIZE:
            counters.evicted += tally
        else:
            counters.corrupt += tally

    def _settle(self) -> None:
        """Remember what has left, then remove the files in which nothing is left.

        In this order: killed in between, the next start finds a segment below the position, and removes it.
        In the other order it would find a position in a file that is gone, and what was delivered of the
        next segment would be delivered again. In neither is anything lost.
        """
        oldest = self._oldest()
        if oldest is None:
            self._progress.write(Position(self._writer.next_number, bytes(8), 0))
        else:
            segment = oldest.segment
            self._progress.write(Position(segment.number, segment.salt, oldest.frame.start))
        while self._segments and not self._segments[0].left:
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        segment = self._segments[0]
        try:
            self._unlink(segment)
        except OSError as error:
            # It still takes its room.
            self.counters.last_error = str(error)
        else:
            self._octets -= segment.octets
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        segment = self._segments.popleft()
        self._writer.leave(segment)
        if self._reading is not None and self._reading[0] is segment:
            self._close_reading()

    def _unlink(self, segment: Segment) -> None:
        try:
            self._files.unlink(segment.name)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OSError(error.errno, f"{self.directory}/{segment.name}: {error.strerror}") from error

    def _make_room_for(self, parcel: Parcel) -> None:
        needed = self._writer.octets_for(parcel)
        self._make_room(needed)
        # If the segment that is being written had to go as well, its successor needs a preface.
        needed = self._writer.octets_for(parcel)
        if self._octets + needed > self._max_octets:
            raise OSError(
                errno.EFBIG, f"{self.directory}: no room for {needed} octets; set export.spool_size"
            )

    def _make_room(self, needed: int) -> None:
        """Remove the oldest segments until so many octets have room.

        Raises OSError if one cannot be removed: it stays, as no room would be won by what is lost.
        """
        while self._segments and self._octets + needed > self._max_octets:
            segment = self._segments[0]
            self._unlink(segment)
            self._octets -= segment.octets
            for entry in self._taken:
                # Perhaps it arrives; then it is not lost.
                entry.evicted = entry.evicted or entry.segment is segment
            while self._waiting and self._waiting[0].segment is segment:
                self._lose_oldest(DropReason.SPOOL_SIZE)
            self._forget_oldest()

    # Reading.

    def _read(self, entry: Entry) -> Spooled | None:
        """The parcel; None if it is damaged. Raises OSError if its file cannot be opened now."""
        try:
            file = self._file_of(entry.segment)
        except OSError as error:
            if error.errno in PASSES:
                raise
            return None
        read, salt = reader(self._files, file), entry.segment.salt
        payload = read_payload(entry.frame, read, salt)
        if self._preface is None or self._preface[0] is not entry.segment:
            found = (read_payload(frame, read, salt) for frame in entry.segment.prefaces)
            self._preface = entry.segment, next((each[1] for each in found if each is not None), None)
        preface = self._preface[1]
        if payload is None or preface is None:
            return None
        counts, octets = payload
        return Spooled(Parcel(octets, counts, entry.frame.tally), preface, entry.frame.wall_ns)

    def _file_of(self, segment: Segment) -> int:
        if self._reading is None or self._reading[0] is not segment:
            self._close_reading()
            self._reading = segment, self._files.open(segment.name)
        return self._reading[1]

    def _close_reading(self) -> None:
        if self._reading is not None:
            os.close(self._reading[1])
            self._reading = None

    def _report(self) -> None:
        """One line if something is wrong with what was found."""
        counters = self.counters
        wrong = {
            name: value
            for name, value in asdict(counters).items()
            if isinstance(value, int) and value and name != "torn_octets"
        }
        if wrong:
            log.warning(
                "spool is damaged",
                extra={"directory": str(self.directory), "error": counters.last_error, **wrong},
            )
