# SPDX-License-Identifier: Apache-2.0
"""Frames among damage: what is whole is found, and nothing that never was there."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from spanflow.exporting.counters import NOTHING, Tally
from spanflow.exporting.spool.frames import (
    HEADER_OCTETS,
    MAGIC,
    MOST_PREFACE_OCTETS,
    Damage,
    Frame,
    Kind,
    Read,
    pack_parcel,
    pack_preface,
    parse_header,
    read_payload,
    scan,
)
from spanflow.exporting.spool.parcel import Parcel
from spool.parcels import PREFACE, drain, open_spool, parcel, segments

SALT = b"saltsalt"
PARCELS = [parcel(number, messages=1 + number % 3) for number in range(6)]
FRAMES = [pack_preface(PREFACE, SALT, 5), *(pack_parcel(each, SALT, 6) for each in PARCELS)]
SEGMENT = b"".join(FRAMES)
STARTS = [sum(map(len, FRAMES[:index])) for index in range(len(FRAMES))]


def reading(octets: bytes) -> Read:
    return lambda offset, count: octets[offset : offset + count]


def whole_parcels(octets: bytes, salt: bytes = SALT) -> list[Parcel]:
    """What a reader of a segment gets."""
    read, found = reading(octets), []
    for part in scan(read, len(octets), salt):
        if isinstance(part, Frame) and part.kind is Kind.PARCEL:
            payload = read_payload(part, read, salt)
            if payload is not None:
                found.append(Parcel(payload[1], payload[0], part.tally))
    return found


def test_a_frame_comes_back() -> None:
    parts = list(scan(reading(SEGMENT), len(SEGMENT), SALT))
    assert [part.start for part in parts] == STARTS
    assert all(isinstance(part, Frame) for part in parts)
    assert whole_parcels(SEGMENT) == PARCELS


def test_the_layout() -> None:
    frame = pack_parcel(Parcel(b"xyz", (258, 3), Tally(1, 2, 3)), SALT, 4)
    assert HEADER_OCTETS == 56
    assert frame[:8] == b"\xf5SPL\x01\x02\x00\x00"
    assert struct.unpack_from(">IIQQQQ", frame, 12) == (2, 3, 4, 1, 2, 3)
    assert frame[HEADER_OCTETS:] == b"\x01\x02\x00\x03xyz"


@pytest.mark.parametrize("end", range(len(FRAMES[1])))
def test_a_frame_that_is_cut_short_at_the_end(end: int) -> None:
    octets = FRAMES[0] + FRAMES[1][:end]
    parts = list(scan(reading(octets), len(octets), SALT))
    assert parts[1:] == ([Damage(len(FRAMES[0]), len(octets), torn=True)] if end else [])


def test_damage_is_told_where_it_is() -> None:
    changed = bytearray(SEGMENT)
    changed[STARTS[3] + 20] ^= 1
    parts = [part for part in scan(reading(bytes(changed)), len(changed), SALT) if isinstance(part, Damage)]
    assert parts == [Damage(STARTS[3], STARTS[4])]
    assert whole_parcels(bytes(changed)) == PARCELS[:2] + PARCELS[3:]


def test_octets_are_missing_from_a_parcel() -> None:
    """The header says where the next frame would be, but that is nearer."""
    changed = SEGMENT[: STARTS[3] - 10] + SEGMENT[STARTS[3] :]
    assert whole_parcels(changed) == PARCELS[:1] + PARCELS[2:]


def test_a_frame_in_a_parcel_is_none() -> None:
    """Text from the network may look like a frame, but its sender does not know the salt."""
    forged = pack_parcel(parcel(1000), b"guessed!", 6)
    carrier = pack_parcel(Parcel(forged * 3, (), NOTHING), SALT, 6)
    octets = bytearray(FRAMES[0] + carrier + FRAMES[1])
    octets[len(FRAMES[0]) + 30] ^= 1
    assert whole_parcels(bytes(octets)) == PARCELS[:1]


def test_other_versions_and_absurd_lengths_are_no_frames() -> None:
    def header(version: int = 1, kind: int = 1, counts: int = 0, octets: int = 0) -> bytes:
        import zlib

        fields = struct.pack(">4sBBHIIIQQQQ", MAGIC, version, kind, 0, 0, counts, octets, 0, 0, 0, 0)
        return fields + struct.pack(">I", zlib.crc32(SALT + fields))

    assert parse_header(header(), 0, SALT) is not None
    for wrong in ({"version": 2}, {"kind": 3}, {"counts": 1 << 21}, {"octets": MOST_PREFACE_OCTETS + 1}):
        assert parse_header(header(**wrong), 0, SALT) is None


def mutation(chance: random.Random) -> tuple[str, int, int, bytes]:
    """How to change a segment: in which way, the octets that are replaced, and by what."""
    start = chance.randrange(len(SEGMENT))
    end = min(len(SEGMENT), start + chance.choice([1, 2, 16, 60, 200]))
    way = chance.choice(["bit", "zeros", "noise", "deletion", "insertion", "truncation", "magic"])
    match way:
        case "bit":
            return way, start, start + 1, bytes([SEGMENT[start] ^ 1 << chance.randrange(8)])
        case "zeros":
            return way, start, end, bytes(end - start)
        case "noise":
            return way, start, end, chance.randbytes(end - start)
        case "deletion":
            return way, start, end, b""
        case "insertion":
            return way, start, start, chance.randbytes(end - start)
        case "magic":
            return way, start, end, MAGIC * ((end - start) // 4)
    return way, start, len(SEGMENT), b""


def test_10_000_mutations() -> None:
    """Every parcel that no octet was taken from or put into is found; nothing else is but those."""
    chance = random.Random(7)
    for number in range(10_000):
        way, start, end, instead = mutation(chance)
        found = whole_parcels(SEGMENT[:start] + instead + SEGMENT[end:])
        untouched = [
            each
            for each, place, frame in zip(PARCELS, STARTS[1:], FRAMES[1:], strict=True)
            if place + len(frame) <= start or place >= end
        ]
        assert [each for each in found if each in untouched] == untouched, (number, way, start, end)
        assert [each for each in PARCELS if each in found] == found, (number, way, start, end)


def test_mutated_files(tmp_path: Path) -> None:
    """The same on the disk: a spool always opens, gives what is whole, and is usable afterwards."""
    directory = tmp_path / "spool"
    spool = open_spool(directory, segment_octets=400)
    for number in range(8):
        spool.append(parcel(number))
    spool.close()
    originals = {path: path.read_bytes() for path in segments(directory)}
    chance = random.Random(8)
    for _ in range(150):
        for path, content in originals.items():
            changed = bytearray(content)
            for _ in range(chance.randrange(3)):
                place = chance.randrange(len(changed))
                changed[place : place + chance.choice([1, 40, 400])] = chance.randbytes(
                    chance.choice([0, 1, 40])
                )
                changed += b"x" if not changed else b""
            path.write_bytes(changed)
        spool = open_spool(directory, segment_octets=400)
        recovered = spool.recovered
        found = drain(spool)
        assert [each for each in (parcel(number) for number in range(8)) if each in found] == found
        lost = sum(spool.losses().values(), NOTHING)
        assert recovered == sum((each.tally for each in found), NOTHING) + lost
        spool.append(parcel(9))
        assert drain(spool) == [parcel(9)]
        spool.close()
        for path in directory.iterdir():
            path.unlink()
