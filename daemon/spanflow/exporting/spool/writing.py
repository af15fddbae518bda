# SPDX-License-Identifier: Apache-2.0
"""The segment that is being written: begun with a preface, filled, synced, ended."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress

from spanflow.exporting.clock import Clock
from spanflow.exporting.spool.files import SpoolFiles
from spanflow.exporting.spool.frames import (
    HEADER_OCTETS,
    Frame,
    pack_parcel,
    pack_preface,
    parcel_frame_octets,
    parse_header,
)
from spanflow.exporting.spool.parcel import Parcel
from spanflow.exporting.spool.segments import SALT_OCTETS, Segment


class SegmentWriter:
    """Appends to one segment after the other.

    A process never goes on with a segment of an earlier one: its Templates may be others.
    octets: written so far, in all segments. next_number: that of the segment after the current one.
    """

    def __init__(
        self,
        files: SpoolFiles,
        clock: Clock,
        preface: Callable[[], bytes],
        *,
        segment_octets: int,
        next_number: int,
    ) -> None:
        self.octets = 0
        self.next_number = next_number
        self._files = files
        self._clock = clock
        self._preface = preface
        self._segment_octets = segment_octets
        self._segment: Segment | None = None
        self._file = -1
        self._packed_preface = b""
        self._dirty = False
        self._directory_dirty = False
        self._failures = 0

    def octets_for(self, parcel: Parcel) -> int:
        """How many octets the parcel takes, with a preface where one goes before it."""
        octets = parcel_frame_octets(parcel)
        if self._segment is None or self._segment.octets >= self._segment_octets:
            return octets + HEADER_OCTETS + len(self._preface())
        return octets + (len(self._packed_preface) if len(self._segment.prefaces) == 1 else 0)

    def append(self, parcel: Parcel) -> tuple[Segment, Frame]:
        """Write a parcel. Raises OSError: nothing of it is there then, or it is cut short and no parcel."""
        if self._segment is not None and self._segment.octets >= self._segment_octets:
            self._end()
        if self._segment is None:
            return self._begin(parcel)
        segment = self._segment
        # The preface again, for when the first is damaged: a parcel away from that.
        preface = self._packed_preface if len(segment.prefaces) == 1 else b""
        return segment, self._write_parcel(segment, preface, parcel)

    def leave(self, segment: Segment) -> None:
        """This segment is about to be removed."""
        if segment is self._segment:
            self.close()

    def sync(self) -> None:
        """Have everything that is written on the disk. Failures: see `take_failures`."""
        try:
            if self._dirty:
                self._files.sync(self._file)
            if self._directory_dirty:
                self._files.sync_directory()
        except OSError:
            self._failures += 1
        # A second attempt would not find what the first one could not write: the kernel forgets it.
        self._dirty = self._directory_dirty = False

    def take_failures(self) -> int:
        """How often `sync` failed since the last call."""
        failures, self._failures = self._failures, 0
        return failures

    def close(self) -> None:
        """Close the segment; the next parcel begins another one."""
        if self._segment is not None:
            # It is closed in any case: a second attempt would close a file of somebody else.
            self._segment, self._dirty = None, False
            try:
                os.close(self._file)
            except OSError:  # over a network the last octets may be written only now
                self._failures += 1

    def _begin(self, parcel: Parcel) -> tuple[Segment, Frame]:
        """A new segment, with a preface and the parcel."""
        segment = Segment(self.next_number, os.urandom(SALT_OCTETS))
        self._packed_preface = pack_preface(self._preface(), segment.salt, self._wall_ns())
        self._file = self._files.create(segment.name)
        self.next_number += 1
        self._segment = segment
        try:
            frame = self._write_parcel(segment, self._packed_preface, parcel)
        except (OSError, ValueError):
            # There is no empty segment, nor one that is torn from its begin.
            self.close()
            with suppress(OSError):
                self._files.unlink(segment.name)
                self.octets -= segment.octets
            raise
        self._directory_dirty = True
        return segment, frame

    def _write_parcel(self, segment: Segment, preface: bytes, parcel: Parcel) -> Frame:
        """The parcel is the last that is written: when that fails, at least its end is missing."""
        frame = pack_parcel(parcel, segment.salt, self._wall_ns())
        start = segment.octets
        self._write(segment, preface + frame)
        if preface:
            segment.prefaces.append(_header(preface, start, segment.salt))
        return _header(frame, start + len(preface), segment.salt)

    def _write(self, segment: Segment, octets: bytes) -> None:
        view, start, written = memoryview(octets), segment.octets, 0
        try:
            while written < len(view):
                taken = self._files.write(self._file, view[written:], start + written)
                if not taken:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                written += taken
        except OSError:
            try:
                self._files.truncate(self._file, start)
            except OSError:
                # The torn frame stays at the end of a segment, where it is known for what it is.
                self._count(segment, written)
                self.close()
            raise
        self._count(segment, written)
        self._dirty = True

    def _count(self, segment: Segment, octets: int) -> None:
        segment.octets += octets
        self.octets += octets

    def _end(self) -> None:
        self.sync()
        self.close()

    def _wall_ns(self) -> int:
        return max(0, self._clock.wall_ns())


def _header(frame: bytes, start: int, salt: bytes) -> Frame:
    header = parse_header(frame[:HEADER_OCTETS], start, salt)
    assert header is not None
    return header
