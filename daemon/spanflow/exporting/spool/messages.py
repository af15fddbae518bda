# SPDX-License-Identifier: Apache-2.0
"""Messages that were made before, and are to go over a Transport Session that has other numbers."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from itertools import pairwise

from spanflow.exporting.ipfix import MESSAGE_HEADER_OCTETS, MODULUS, SET_HEADER_OCTETS

_LENGTH = struct.Struct(">H")
_LENGTH_PLACE = 2
_SEQUENCE_NUMBER = struct.Struct(">I")
_SEQUENCE_NUMBER_PLACE = 8
_SET_HEADER = struct.Struct(">HH")


def message_places(octets: bytes) -> list[int]:
    """Where each Message begins, and the end. Raises ValueError if these are not whole Messages."""
    places = [0]
    while places[-1] < len(octets):
        place = places[-1]
        if place + MESSAGE_HEADER_OCTETS > len(octets):
            raise ValueError(f"octet {place}: a Message header is cut short")
        (length,) = _LENGTH.unpack_from(octets, place + _LENGTH_PLACE)
        if length < MESSAGE_HEADER_OCTETS or place + length > len(octets):
            raise ValueError(f"octet {place}: a Message of {length} octets has no room")
        places.append(place + length)
    return places


def set_places(octets: bytes | bytearray, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The Sets of the Message that lies there: Set ID, where its header begins, and its end.

    Raises ValueError if they do not fill the Message.
    """
    place = start + MESSAGE_HEADER_OCTETS
    while place < end:
        if place + SET_HEADER_OCTETS > end:
            raise ValueError(f"octet {place}: a Set header is cut short")
        set_id, length = _SET_HEADER.unpack_from(octets, place)
        if length < SET_HEADER_OCTETS or place + length > end:
            raise ValueError(f"octet {place}: a Set of {length} octets has no room")
        yield set_id, place, place + length
        place += length


def renumber(
    octets: bytes,
    counts: tuple[int, ...],
    sequence_number: int,
    template_ids: Mapping[int, int] | None = None,
) -> bytes:
    """The same Messages with sequence numbers from this one on (RFC 7011 section 3.1: modulo 2^32).

    counts: the Data Records of each, so that the number after them is `sequence_number + sum(counts)`.
    template_ids: what IDs in the headers of Data Sets become. All else stays, Export Times too.
    Raises ValueError if these are not whole Messages, one for each count.
    """
    places = message_places(octets)
    if len(places) - 1 != len(counts):
        raise ValueError(f"{len(places) - 1} Messages, but counts of {len(counts)}")
    changed = bytearray(octets)
    for (start, end), count in zip(pairwise(places), counts, strict=True):
        _SEQUENCE_NUMBER.pack_into(changed, start + _SEQUENCE_NUMBER_PLACE, sequence_number % MODULUS)
        sequence_number += count
        if template_ids:
            for set_id, place, _ in set_places(changed, start, end):
                _LENGTH.pack_into(changed, place, template_ids.get(set_id, set_id))
    return bytes(changed)


def runs(octets: bytes) -> Iterator[tuple[memoryview, int]]:
    """Messages in groups as a transport takes them: of one length, but the last, which may be shorter.

    Yields each group, and that length. Raises ValueError if these are not whole Messages.
    """
    view, places = memoryview(octets), message_places(octets)
    first = 0
    while first < len(places) - 1:
        length = places[first + 1] - places[first]
        end = first + 1
        while end < len(places) - 1 and places[end + 1] - places[end] == length:
            end += 1
        if end < len(places) - 1 and places[end + 1] - places[end] < length:
            end += 1
        yield view[places[first] : places[end]], length
        first = end
