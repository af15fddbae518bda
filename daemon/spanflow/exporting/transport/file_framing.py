# SPDX-License-Identifier: Apache-2.0
"""How much of a file that was not completed is whole: Messages, lines, or members of gzip."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from enum import Enum

from spanflow.exporting.ipfix import MESSAGE_HEADER_OCTETS, VERSION

GZIP_MAGIC = b"\x1f\x8b"
GZIP_BITS = 16 + zlib.MAX_WBITS

_VERSION_AND_LENGTH = struct.Struct(">HH")


class Framing(Enum):
    """What a file consists of."""

    MESSAGES = "IPFIX Messages"
    """RFC 5655."""
    LINES = "lines"


def whole_octets(blocks: Iterable[bytes], framing: Framing, *, compressed: bool) -> int:
    """Octets from the beginning of a file, which comes in blocks, up to the end of the last that is whole.

    Of a compressed file members count: each holds whole Messages or lines.
    """
    if compressed:
        return _whole_members(blocks)
    return _WHOLE[framing](blocks)


def _whole_messages(blocks: Iterable[bytes]) -> int:
    whole, rest = 0, b""
    for block in blocks:
        octets, place = rest + block, 0
        while place + MESSAGE_HEADER_OCTETS <= len(octets):
            version, length = _VERSION_AND_LENGTH.unpack_from(octets, place)
            if version != VERSION or length < MESSAGE_HEADER_OCTETS:
                return whole + place
            if place + length > len(octets):
                break
            place += length
        whole, rest = whole + place, octets[place:]
    return whole


def _whole_lines(blocks: Iterable[bytes]) -> int:
    whole = read = 0
    for block in blocks:
        end = block.rfind(b"\n") + 1
        whole = read + end if end else whole
        read += len(block)
    return whole


def _whole_members(blocks: Iterable[bytes]) -> int:
    whole = read = 0
    member = zlib.decompressobj(GZIP_BITS)
    for block in blocks:
        read += len(block)
        rest = block
        while rest:
            try:
                member.decompress(rest)
            except zlib.error:
                return whole
            rest = member.unused_data
            if member.eof:
                whole = read - len(rest)
                member = zlib.decompressobj(GZIP_BITS)
    return whole


_WHOLE: dict[Framing, Callable[[Iterable[bytes]], int]] = {
    Framing.MESSAGES: _whole_messages,
    Framing.LINES: _whole_lines,
}
