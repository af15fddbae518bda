# SPDX-License-Identifier: Apache-2.0
"""Segments: the files in which parcels lie, and what is known of them in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from spanflow.exporting.counters import NOTHING, Tally
from spanflow.exporting.spool.files import SpoolFiles
from spanflow.exporting.spool.frames import Frame, Read

SALT_OCTETS = 8
MOST_SEGMENT_OCTETS = 64 << 20
"""A larger file was not written by us."""

_NAME = re.compile(r"(\d{10})-([0-9a-f]{16})\.(spool|aside)")


@dataclass(slots=True, eq=False)
class Segment:
    """One file. prefaces: where it is, some of them perhaps damaged. left: parcels that are in the spool."""

    number: int
    salt: bytes
    octets: int = 0
    prefaces: list[Frame] = field(default_factory=list)
    left: int = 0

    @property
    def name(self) -> str:
        """That of its file."""
        return f"{self.number:010d}-{self.salt.hex()}.spool"

    @property
    def aside_name(self) -> str:
        """That of its file when nothing can be read in it."""
        return f"{self.number:010d}-{self.salt.hex()}.aside"


@dataclass(slots=True, eq=False)
class Entry:
    """A parcel in the spool. since_ns: since when, by the clock that never steps.

    evicted: its file had to go after it was taken.
    """

    segment: Segment
    frame: Frame
    since_ns: int
    evicted: bool = False


def segment_named(name: str) -> tuple[Segment, bool] | None:
    """The segment with this file name, and whether it is set aside; None for the name of something else."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return Segment(int(match[1]), bytes.fromhex(match[2])), match[3] == "aside"


def tally_of_entries(entries: Iterable[Entry]) -> Tally:
    """What these parcels hold together."""
    return sum((entry.frame.tally for entry in entries), NOTHING)


def reader(files: SpoolFiles, file: int) -> Read:
    """Reads from an open segment. What the disk does not give is missing, as if it were not there."""

    def read(offset: int, octets: int) -> bytes:
        try:
            return files.read(file, offset, octets)
        except OSError:
            return b""

    return read
