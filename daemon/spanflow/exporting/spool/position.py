# SPDX-License-Identifier: Apache-2.0
"""The position: up to where a spool is delivered, and the file that remembers it."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

NAME = "position"

_MAGIC = b"\xf5SPP\x00\x00\x00\x01"
_FIELDS = struct.Struct(">8sQ8sQ")
_CRC = struct.Struct(">I")
OCTETS = _FIELDS.size + _CRC.size


class Position(NamedTuple):
    """All segments with lower numbers are delivered, and in this one the frames that begin before `offset`.

    salt: that of the segment, so that another one with this number is never taken for it.
    """

    number: int
    salt: bytes
    offset: int


def pack(position: Position) -> bytes:
    """The file's content. It is so short that a process cannot be killed in the middle of writing it."""
    fields = _FIELDS.pack(_MAGIC, *position)
    return fields + _CRC.pack(zlib.crc32(fields))


def parse(content: bytes) -> Position | None:
    """The position in the file; None if it is damaged."""
    if len(content) != OCTETS or content[: len(_MAGIC)] != _MAGIC:
        return None
    _, *members = _FIELDS.unpack_from(content)
    if _CRC.unpack_from(content, _FIELDS.size) != (zlib.crc32(content[: _FIELDS.size]),):
        return None
    return Position(*members)
