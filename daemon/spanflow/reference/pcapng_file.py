# SPDX-License-Identifier: Apache-2.0
"""Read pcapng: sections, interfaces with their time resolution, the three packet blocks."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oracle.frame import CaptureError, Frame, clamp_time

SECTION_HEADER = b"\x0a\x0d\x0d\x0a"
BYTE_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}

INTERFACE_DESCRIPTION, PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 1, 2, 3, 6
IF_TSRESOL, IF_TSOFFSET = 9, 14


class _BrokenError(Exception):
    """The rest of the file cannot be read."""


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    snap_length: int
    units_per_second: int
    offset_seconds: int

    def time_ns(self, ticks: int) -> int:
        return clamp_time(
            ticks * 1_000_000_000 // self.units_per_second + self.offset_seconds * 1_000_000_000
        )


def read_pcapng(path: Path, octets: bytes, warnings: list[str]) -> Iterator[Frame]:
    """The frames of a file that starts with a Section Header Block; interfaces are numbered in each section.

    Raises CaptureError when not even the first section can be read.
    """
    order, interfaces = "", []
    last_time_ns = 0
    at = 0
    try:
        while at < len(octets):
            if octets[at : at + 4] == SECTION_HEADER:
                order, interfaces = BYTE_ORDERS.get(octets[at + 8 : at + 12], ""), []
            if not order:
                raise _BrokenError("a section has no byte order")
            kind, body, after = _block(octets, at, order)
            if octets[at : at + 4] == SECTION_HEADER and body[4:6] != struct.pack(order + "H", 1):
                raise _BrokenError("a section has an unknown version")
            at = after
            if kind == INTERFACE_DESCRIPTION:
                interfaces.append(_interface(body, order))
            elif kind in (PACKET, SIMPLE_PACKET, ENHANCED_PACKET):
                frame = _frame(kind, body, order, interfaces, last_time_ns)
                last_time_ns = frame.time_ns
                yield frame
    except _BrokenError as reason:
        if at == 0:
            raise CaptureError(f"{path}: not a capture: {reason}") from None
        warnings.append(f"{path}: {reason}")


def _block(octets: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """Type and body of the block at an offset, and the offset of the one behind it."""
    if at + 12 > len(octets):
        raise _BrokenError("the last block is truncated")
    kind, total = struct.unpack_from(order + "II", octets, at)
    if total < 12 or total % 4:
        raise _BrokenError(f"a block has the length {total}")
    if at + total > len(octets):
        raise _BrokenError("the last block is truncated")
    if struct.unpack_from(order + "I", octets, at + total - 4)[0] != total:
        raise _BrokenError("the two lengths of a block differ")
    return kind, octets[at + 8 : at + total - 4], at + total


def _interface(body: bytes, order: str) -> _Interface:
    if len(body) < 8:
        raise _BrokenError("an Interface Description Block is too short")
    link_type, _, snap_length = struct.unpack_from(order + "HHI", body)
    units, offset = 1_000_000, 0
    for code, value in _options(body, 8, order):
        if code == IF_TSRESOL and len(value) == 1:
            exponent = value[0] & 0x7F
            units = 2**exponent if value[0] & 0x80 else 10**exponent
        elif code == IF_TSOFFSET and len(value) == 8:
            offset = struct.unpack(order + "q", value)[0]
    return _Interface(link_type, snap_length, units, offset)


def _options(body: bytes, at: int, order: str) -> Iterator[tuple[int, bytes]]:
    """The options from an offset on, up to the end mark or the first one that does not fit."""
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        if code == 0 or at + 4 + length > len(body):
            return
        yield code, body[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


def _frame(kind: int, body: bytes, order: str, interfaces: list[_Interface], last_time_ns: int) -> Frame:
    head = {PACKET: "HHIIII", SIMPLE_PACKET: "I", ENHANCED_PACKET: "IIIII"}[kind]
    size = struct.calcsize(order + head)
    if len(body) < size:
        raise _BrokenError("a packet block is too short")
    fields = struct.unpack_from(order + head, body)
    number = 0 if kind == SIMPLE_PACKET else fields[0]
    if number >= len(interfaces):
        raise _BrokenError(f"a packet names interface {number} of {len(interfaces)}")
    interface = interfaces[number]
    if kind == SIMPLE_PACKET:
        original, time_ns = fields[0], last_time_ns
        captured = min(original, interface.snap_length or original, len(body) - size)
    else:
        high, low, captured, original = fields[-4:]
        time_ns = interface.time_ns(high << 32 | low)
    if captured > len(body) - size:
        raise _BrokenError("a packet is longer than its block")
    return Frame(time_ns, body[size : size + captured], original, interface.link_type, number)
