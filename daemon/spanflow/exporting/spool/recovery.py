# SPDX-License-Identifier: Apache-2.0
"""What an earlier process left in the directory, in whatever state: nothing that is in it stops the start."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from spanflow.exporting.spool import position
from spanflow.exporting.spool.counters import SpoolCounters
from spanflow.exporting.spool.files import PASSES, SpoolFiles
from spanflow.exporting.spool.frames import Damage, Frame, Kind, scan
from spanflow.exporting.spool.position import Position
from spanflow.exporting.spool.segments import (
    MOST_SEGMENT_OCTETS,
    Entry,
    Segment,
    reader,
    segment_named,
    tally_of_entries,
)

MOST_SET_ASIDE = 8
"""Files that are kept for somebody to look at; more are removed."""

_CLOCK_WAS_SET_NS = 1_577_836_800 * 10**9
"""2020: a machine whose clock has not been set yet begins in 1970."""


@dataclass(slots=True)
class Found:
    """What is in a directory. aside_octets: of what is set aside. position_damaged: and it is removed."""

    segments: list[Segment] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    position: Position | None = None
    position_damaged: bool = False
    next_number: int = 1
    aside: int = 0
    aside_octets: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """What is in one segment."""

    frames: Sequence[Frame]
    damage: Sequence[Damage]


def read_content(files: SpoolFiles, file: int, segment: Segment) -> Content:
    """All frames of an open segment, and the damage between them."""
    parts = list(scan(reader(files, file), segment.octets, segment.salt))
    return Content(
        [part for part in parts if isinstance(part, Frame)],
        [part for part in parts if isinstance(part, Damage)],
    )


def read_position(files: SpoolFiles) -> Position | None:
    """The position; None if there is none, or if it is damaged."""
    try:
        file = files.open(position.NAME)
    except OSError:
        return None
    try:
        return position.parse(reader(files, file)(0, position.OCTETS + 1))
    finally:
        os.close(file)


class Recovery:
    """Looks through a directory, and removes what is delivered. counters: get what is wrong in it."""

    def __init__(
        self, files: SpoolFiles, counters: SpoolCounters, *, now_ns: int, wall_ns: int, most_aside_octets: int
    ) -> None:
        self._files = files
        self._counters = counters
        self._now_ns = now_ns
        self._wall_ns = wall_ns
        self._most_aside_octets = most_aside_octets
        self._found = Found()

    def find(self) -> Found:
        """Everything that is still to be delivered. Raises OSError if the directory does not let us work."""
        found, segments = self._found, []
        for name in sorted(self._files.names()):
            named = segment_named(name)
            if named is not None:
                segment, aside = named
                found.next_number = max(found.next_number, segment.number + 1)
                if aside:
                    found.aside += 1
                    with suppress(OSError):
                        found.aside_octets += self._files.size(name)
                else:
                    segments.append(segment)
            elif name.removesuffix(".aside") != position.NAME:
                self._counters.foreign_files += 1
        self._find_position()
        for segment in segments:
            self._take_over(segment)
        if found.position_damaged and found.segments:
            first = found.segments[0]
            twice = (entry for entry in found.entries if entry.segment is first)
            self._counters.perhaps_twice = tally_of_entries(twice)
        return found

    def _find_position(self) -> None:
        found = self._found
        found.position = read_position(self._files)
        if found.position is not None:
            # A number below it would be taken for one that is delivered.
            found.next_number = max(found.next_number, found.position.number)
            return
        # Gone for good: one that can be read again later would hide younger segments, whose numbers may be
        # lower than its own.
        with suppress(FileNotFoundError):
            self._files.rename(position.NAME, f"{position.NAME}.aside")
            found.position_damaged = True

    def _take_over(self, segment: Segment) -> None:
        files, at = self._files, self._found.position
        if at is not None and segment.number < at.number:
            # All of it is delivered: the process was killed between the position and the removal.
            self._remove(segment)
            return
        try:
            segment.octets = files.size(segment.name)
            file = files.open(segment.name)
        except OSError as error:
            if error.errno in PASSES:
                raise
            self._set_aside(segment, error.strerror or str(error))
            return
        try:
            content = Content((), ())
            if segment.octets <= MOST_SEGMENT_OCTETS:
                content = read_content(files, file, segment)
        finally:
            os.close(file)
        self._cut(segment, content)
        if not content.frames:
            if segment.octets:
                self._set_aside(segment, "nothing in it can be read")
            else:
                self._remove(segment)
            return
        is_here = at is not None and (at.number, at.salt) == (segment.number, segment.salt)
        delivered = at.offset if at is not None and is_here else 0
        self._count_damage(content, delivered)
        self._add(segment, content, delivered)

    def _cut(self, segment: Segment, content: Content) -> None:
        """Remove a frame that was being written when the process was killed."""
        for torn in (damage for damage in content.damage if damage.torn):
            self._counters.torn_octets += torn.end - torn.start
            # What is of no use may also stay.
            with suppress(OSError):
                file = self._files.open(segment.name, writing=True)
                try:
                    self._files.truncate(file, torn.start)
                finally:
                    os.close(file)
                segment.octets = torn.start

    def _count_damage(self, content: Content, delivered: int) -> None:
        for damage in content.damage:
            if not damage.torn and damage.end > delivered:
                self._counters.corrupt_parcels += 1
                self._counters.corrupt_octets += damage.end - damage.start

    def _add(self, segment: Segment, content: Content, delivered: int) -> None:
        segment.prefaces = [frame for frame in content.frames if frame.kind is Kind.PREFACE]
        entries = [
            Entry(segment, frame, self._now_ns - self._age_ns(frame.wall_ns))
            for frame in content.frames
            if frame.kind is Kind.PARCEL and frame.start >= delivered
        ]
        segment.left = len(entries)
        if entries:
            self._found.segments.append(segment)
            self._found.entries += entries
        else:
            self._remove(segment)

    def _age_ns(self, stored_ns: int) -> int:
        """How old a parcel is. One from the future, or from before the clock was set, counts as new."""
        if stored_ns < _CLOCK_WAS_SET_NS:
            return 0
        return max(0, self._wall_ns - stored_ns)

    def _remove(self, segment: Segment) -> None:
        try:
            self._files.unlink(segment.name)
        except OSError as error:
            self._counters.last_error = f"{segment.name}: {error.strerror}"

    def _set_aside(self, segment: Segment, reason: str) -> None:
        found, counters = self._found, self._counters
        counters.files_set_aside += 1
        counters.last_error = f"{segment.name}: {reason}"
        counters.corrupt_octets += segment.octets
        if found.aside >= MOST_SET_ASIDE or found.aside_octets + segment.octets > self._most_aside_octets:
            self._remove(segment)
            return
        with suppress(OSError):
            self._files.rename(segment.name, segment.aside_name)
            found.aside += 1
            found.aside_octets += segment.octets
