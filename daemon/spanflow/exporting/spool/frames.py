# SPDX-License-Identifier: Apache-2.0
"""Frames, of which a segment consists: how one is written, and how they are found, also among damage.

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                     Magic F5 53 50 4C                         |
|  Version = 1  |     Kind      |           0 (reserved)        |
|                    CRC-32 of the payload                      |
|                  Number of counts in the payload              |
|                  Octets of the payload after them             |
|                  Stored: ns since the epoch (64)              |
|     Flow Records (64), their packets (64), their octets (64)  |
|                    CRC-32 of all above                        |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|  Counts: Data Records of each Message (16 each)  | Octets ... |

All numbers are in network byte order. Kind: 1 is a preface, without counts and tally; 2 is a parcel. Both
CRCs begin with the salt of the segment.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from spanflow.exporting.counters import NOTHING, Tally
from spanflow.exporting.spool.parcel import MOST_COUNTS, MOST_PARCEL_OCTETS, Parcel

MAGIC = b"\xf5SPL"
VERSION = 1
MOST_PREFACE_OCTETS = 1 << 20
"""The longest preface; Templates of all profiles together take some 10 KB."""

_FIELDS = struct.Struct(">4sBBHIIIQQQQ")
_CRC = struct.Struct(">I")
HEADER_OCTETS = _FIELDS.size + _CRC.size
_COUNT_OCTETS = 2
_SEARCH_OCTETS = 1 << 20

Read = Callable[[int, int], bytes]
"""Octets of a segment, from an offset, so many; fewer at its end. Raises OSError."""


class Kind(IntEnum):
    """What a frame holds."""

    PREFACE = 1
    PARCEL = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """What the header of a frame says, and where in its segment it is."""

    start: int
    kind: Kind
    crc: int
    counts: int
    octets: int
    wall_ns: int
    tally: Tally

    @property
    def payload_start(self) -> int:
        """Offset of the counts."""
        return self.start + HEADER_OCTETS

    @property
    def payload_octets(self) -> int:
        """Octets of the counts and of what follows them."""
        return self.counts * _COUNT_OCTETS + self.octets

    @property
    def end(self) -> int:
        """Offset of the next frame."""
        return self.payload_start + self.payload_octets


@dataclass(frozen=True, slots=True)
class Damage:
    """Octets that are no frame. torn: a frame that the end of the segment cuts short."""

    start: int
    end: int
    torn: bool = False


def pack_preface(octets: bytes, salt: bytes, wall_ns: int) -> bytes:
    """The frame of a preface."""
    return _pack(Kind.PREFACE, (), octets, NOTHING, salt, wall_ns)


def pack_parcel(parcel: Parcel, salt: bytes, wall_ns: int) -> bytes:
    """The frame of a parcel. Raises ValueError if a number in it has no room."""
    try:
        return _pack(Kind.PARCEL, parcel.counts, parcel.octets, parcel.tally, salt, wall_ns)
    except struct.error as error:
        raise ValueError(f"a parcel with numbers out of range: {error}") from error


def parcel_frame_octets(parcel: Parcel) -> int:
    """How many octets its frame has."""
    return HEADER_OCTETS + len(parcel.counts) * _COUNT_OCTETS + len(parcel.octets)


def _pack(
    kind: Kind, counts: tuple[int, ...], octets: bytes, tally: Tally, salt: bytes, wall_ns: int
) -> bytes:
    payload = struct.pack(f">{len(counts)}H", *counts) + octets
    fields = _FIELDS.pack(
        MAGIC,
        VERSION,
        kind,
        0,
        _crc(salt, payload),
        len(counts),
        len(octets),
        wall_ns,
        tally.records,
        tally.packets,
        tally.octets,
    )
    return fields + _CRC.pack(_crc(salt, fields)) + payload


def parse_header(octets: bytes, start: int, salt: bytes) -> Frame | None:
    """The header at the begin of these octets, which are at `start` of a segment; None if there is none."""
    if len(octets) < HEADER_OCTETS or octets[: len(MAGIC)] != MAGIC:
        return None
    fields = octets[: _FIELDS.size]
    (expected,) = _CRC.unpack_from(octets, _FIELDS.size)
    if _crc(salt, fields) != expected:
        return None
    _, version, kind, _, crc, counts, size, wall_ns, *sums = _FIELDS.unpack(fields)
    limit = MOST_PREFACE_OCTETS if kind == Kind.PREFACE else MOST_PARCEL_OCTETS
    if version != VERSION or kind not in tuple(Kind) or counts > MOST_COUNTS or size > limit:
        return None
    return Frame(start, Kind(kind), crc, counts, size, wall_ns, Tally(*sums))


def read_payload(frame: Frame, read: Read, salt: bytes) -> tuple[tuple[int, ...], bytes] | None:
    """The counts and the octets of a frame; None if they are damaged. Raises OSError."""
    payload = read(frame.payload_start, frame.payload_octets)
    if len(payload) != frame.payload_octets or _crc(salt, payload) != frame.crc:
        return None
    return struct.unpack_from(f">{frame.counts}H", payload), payload[frame.counts * _COUNT_OCTETS :]


def scan(read: Read, size: int, salt: bytes) -> Iterator[Frame | Damage]:
    """All frames of a segment of so many octets, in order, and the damage between them. Raises OSError.

    Payloads are left unread where headers follow each other as they say.
    """
    offset, last = 0, None
    while offset < size:
        frame = parse_header(read(offset, HEADER_OCTETS), offset, salt)
        if frame is not None and frame.end <= size:
            yield frame
            offset, last = frame.end, frame
            continue
        searched = offset + 1
        if frame is None and last is not None and read_payload(last, read, salt) is None:
            # Octets may be missing from the last frame, so that others begin in what it claims to hold.
            searched = last.payload_start
        last = None
        following = _search(read, searched, size, salt)
        end = size if following is None else following
        torn = following is None and (frame is not None or _begins_a_frame(read, offset, size))
        if offset < end:
            yield Damage(offset, end, torn)
        offset = end


def _begins_a_frame(read: Read, offset: int, size: int) -> bool:
    """Whether the last octets may be the begin of a header that was cut short."""
    octets = size - offset
    return octets < HEADER_OCTETS and read(offset, len(MAGIC)) == MAGIC[:octets]


def _search(read: Read, offset: int, size: int, salt: bytes) -> int | None:
    """Where the next whole frame with a right header begins."""
    while offset < size:
        # What overlaps is a magic number that begins in one piece and ends in the next.
        piece = read(offset, _SEARCH_OCTETS + len(MAGIC) - 1)
        place = piece.find(MAGIC)
        while place >= 0:
            frame = parse_header(read(offset + place, HEADER_OCTETS), offset + place, salt)
            if frame is not None and frame.end <= size:
                return frame.start
            place = piece.find(MAGIC, place + 1)
        offset += _SEARCH_OCTETS
    return None


def _crc(salt: bytes, octets: bytes) -> int:
    return zlib.crc32(octets, zlib.crc32(salt))
