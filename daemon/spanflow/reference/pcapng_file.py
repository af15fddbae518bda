# SPDX-License-Identifier: Apache-2.0
"""Read pcapng: sections, interfaces with their time resolution, the three packet blocks (11.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from spanflow.reference.byte_stream import LARGEST_RECORD, ByteStream
from spanflow.reference.frame import Frame, clamp_time
from spanflow.reference.pcap_file import DamageError

SECTION_HEADER_OCTETS = b"\x0a\x0d\x0d\x0a"
SECTION_HEADER = 0x0A0D0D0A  # reads the same in both byte orders
BYTE_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}

INTERFACE_DESCRIPTION, PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 1, 2, 3, 6
WANTED = (SECTION_HEADER, INTERFACE_DESCRIPTION, PACKET, SIMPLE_PACKET, ENHANCED_PACKET)
MOST_INTERFACES = 65_535
IF_TSRESOL, IF_TSOFFSET = 9, 14


class _BrokenError(Exception):
    """What is wrong with a block."""


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


def read_pcapng(stream: ByteStream) -> Iterator[Frame]:
    """The frames of a file that starts with a Section Header Block; interfaces are numbered in each section.

    Raises DamageError.
    """
    order = "<"
    interfaces: list[_Interface] = []
    last_time_ns, skipped = 0, True
    try:
        while stream.fill(12):
            kind, order, whole = _head(stream, order)
            if kind not in WANTED:
                skipped = stream.skip(whole)
                continue
            if not stream.fill(whole):
                break
            body = _body(stream, order, whole)
            if kind == SECTION_HEADER:
                _begin_section(body, order)
                interfaces = []
            elif kind == INTERFACE_DESCRIPTION:
                if len(interfaces) == MOST_INTERFACES:
                    raise _BrokenError("more than 65,535 interfaces")
                interfaces.append(_interface(body, order))
            else:
                frame = _frame(kind, body, order, interfaces, last_time_ns)
                last_time_ns = frame.time_ns
                yield frame
            stream.consume(whole)
        if (stream.available or not skipped) and not stream.error and not stream.stopped:
            raise _BrokenError("cut off")
    except _BrokenError as reason:
        raise DamageError(
            f"block at octet {stream.offset}: {reason}; what came before it is metered"
        ) from None


def _head(stream: ByteStream, order: str) -> tuple[int, str, int]:
    """Type of the block that comes, the byte order from it on, and its length."""
    kind = struct.unpack(order + "I", stream.peek(4))[0]
    if kind == SECTION_HEADER:
        order = BYTE_ORDERS.get(stream.peek(4, 8), ">")
    whole = struct.unpack(order + "I", stream.peek(4, 4))[0]
    if whole < 12 or whole % 4 or (kind in WANTED and whole > LARGEST_RECORD):
        raise _BrokenError(f"a length of {whole} octets cannot be")
    return kind, order, whole


def _body(stream: ByteStream, order: str, whole: int) -> bytes:
    if struct.unpack(order + "I", stream.peek(4, whole - 4))[0] != whole:
        raise _BrokenError("its two lengths differ")
    return stream.peek(whole - 12, 8)


def _begin_section(body: bytes, order: str) -> None:
    if len(body) < 16:
        raise _BrokenError(f"a section header of {len(body)} octets is too short")
    if body[:4] not in BYTE_ORDERS:
        raise _BrokenError("no byte-order magic")
    major = struct.unpack_from(order + "H", body, 4)[0]
    if major != 1:
        raise _BrokenError(f"version {major} of the format is not known")


def _interface(body: bytes, order: str) -> _Interface:
    if len(body) < 8:
        raise _BrokenError("an interface description is too short")
    link_type, _, snap_length = struct.unpack_from(order + "HHI", body)
    units, offset = 1_000_000, 0
    for code, value in _options(body, 8, order):
        if code == IF_TSRESOL and value:
            exponent = value[0] & 0x7F
            units = 2**exponent if value[0] & 0x80 else 10**exponent
        elif code == IF_TSOFFSET and len(value) >= 8:
            offset = struct.unpack_from(order + "q", value)[0]
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
        raise _BrokenError(f"a packet block of {len(body)} octets is too short")
    fields = struct.unpack_from(order + head, body)
    number = 0 if kind == SIMPLE_PACKET else fields[0]
    if number >= len(interfaces):
        raise _BrokenError(f"its section has not described interface {number}")
    interface = interfaces[number]
    if kind == SIMPLE_PACKET:
        # 11.1: it has the time of the packet before it.
        original, time_ns = fields[0], last_time_ns
        captured = min(original, interface.snap_length or original, len(body) - size)
    else:
        high, low, captured, original = fields[-4:]
        time_ns = interface.time_ns(high << 32 | low)
    if captured > len(body) - size:
        raise _BrokenError(f"it claims {captured} captured octets and has {len(body) - size}")
    return Frame(time_ns, body[size : size + captured], original, interface.link_type, number)
