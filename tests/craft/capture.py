# SPDX-License-Identifier: Apache-2.0
"""Capture files from frames: pcap and pcapng, every variant that the readers must know."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from craft.link import ETHERNET

SECOND = 1_000_000_000
ByteOrder = Literal["<", ">"]
PacketBlock = Literal["enhanced", "simple", "obsolete"]


class Frame(NamedTuple):
    """One captured frame; wire_length None means that nothing was cut."""

    time_ns: int
    octets: bytes
    wire_length: int | None = None
    interface: int = 0

    @property
    def original_length(self) -> int:
        return len(self.octets) if self.wire_length is None else self.wire_length


@dataclass(frozen=True, slots=True)
class Interface:
    """A pcapng Interface Description Block.

    tsresol: the octet of the option if_tsresol (6 = µs, 9 = ns, 0x80|n = 2^-n s), None leaves the option out
    (µs).
    tsoffset: seconds to add, None leaves the option out.
    """

    link_type: int = ETHERNET
    snap_length: int = 0
    tsresol: int | None = 9
    tsoffset: int | None = None
    name: str = ""

    def ticks(self, time_ns: int) -> int:
        """The time stamp of this interface for a time, rounded down to its resolution."""
        resolution = 6 if self.tsresol is None else self.tsresol
        units = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        return (time_ns - (self.tsoffset or 0) * SECOND) * units // SECOND


@dataclass(slots=True)
class Capture:
    """Frames in the order in which a file holds them."""

    frames: list[Frame] = field(default_factory=list)

    def add(self, time_ns: int, octets: bytes, wire_length: int | None = None, interface: int = 0) -> None:
        self.frames.append(Frame(time_ns, octets, wire_length, interface))

    def cut(self, snap_length: int) -> Capture:
        """The same capture as a snap length would have left it."""
        return Capture(
            [
                frame._replace(octets=frame.octets[:snap_length], wire_length=frame.original_length)
                for frame in self.frames
            ]
        )

    def pcap(
        self,
        *,
        link_type: int = ETHERNET,
        nanoseconds: bool = True,
        byte_order: ByteOrder = "<",
        snap_length: int = 262144,
    ) -> bytes:
        """A pcap file; times are rounded down to its resolution, `snap_length` only goes into the header."""
        magic, per_second = (0xA1B23C4D, SECOND) if nanoseconds else (0xA1B2C3D4, 1_000_000)
        parts = [struct.pack(byte_order + "IHHiIII", magic, 2, 4, 0, 0, snap_length, link_type)]
        for frame in self.frames:
            seconds, rest = divmod(frame.time_ns, SECOND)
            stamp = (seconds, rest * per_second // SECOND)
            parts.append(struct.pack(byte_order + "IIII", *stamp, len(frame.octets), frame.original_length))
            parts.append(frame.octets)
        return b"".join(parts)

    def pcapng(
        self,
        interfaces: Sequence[Interface] = (Interface(),),
        *,
        byte_order: ByteOrder = "<",
        block: PacketBlock = "enhanced",
        comment: str = "",
    ) -> bytes:
        """One pcapng section; a file of several sections is their concatenation."""
        write = {"enhanced": _enhanced, "simple": _simple, "obsolete": _obsolete}[block]
        parts = [_section(byte_order)]
        parts += [_interface(interface, byte_order) for interface in interfaces]
        for frame in self.frames:
            parts.append(write(frame, interfaces[frame.interface], byte_order, comment))
        return b"".join(parts)


def block(kind: int, body: bytes, byte_order: ByteOrder = "<", *, total: int | None = None) -> bytes:
    """A pcapng block of any type: its length stands before and after the body."""
    body = body + bytes(-len(body) % 4)
    length = 12 + len(body) if total is None else total
    return struct.pack(byte_order + "II", kind, length) + body + struct.pack(byte_order + "I", length)


def option(code: int, value: bytes, byte_order: ByteOrder = "<") -> bytes:
    """A pcapng option, padded."""
    return struct.pack(byte_order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def _section(byte_order: ByteOrder) -> bytes:
    body = struct.pack(byte_order + "IHHq", 0x1A2B3C4D, 1, 0, -1)
    return block(0x0A0D0D0A, body + option(4, b"craft", byte_order) + option(0, b"", byte_order), byte_order)


def _interface(interface: Interface, byte_order: ByteOrder) -> bytes:
    options = option(2, interface.name.encode(), byte_order) if interface.name else b""
    if interface.tsresol is not None:
        options += option(9, bytes([interface.tsresol]), byte_order)
    if interface.tsoffset is not None:
        options += option(14, struct.pack(byte_order + "q", interface.tsoffset), byte_order)
    if options:
        options += option(0, b"", byte_order)
    head = struct.pack(byte_order + "HHI", interface.link_type, 0, interface.snap_length)
    return block(1, head + options, byte_order)


def _enhanced(frame: Frame, interface: Interface, byte_order: ByteOrder, comment: str) -> bytes:
    head = struct.pack(byte_order + "I", frame.interface) + _stamp_and_lengths(frame, interface, byte_order)
    options = option(1, comment.encode(), byte_order) + option(0, b"", byte_order) if comment else b""
    return block(6, head + frame.octets + bytes(-len(frame.octets) % 4) + options, byte_order)


def _obsolete(frame: Frame, interface: Interface, byte_order: ByteOrder, comment: str) -> bytes:
    head = struct.pack(byte_order + "HH", frame.interface, 0xFFFF)
    return block(2, head + _stamp_and_lengths(frame, interface, byte_order) + frame.octets, byte_order)


def _simple(frame: Frame, interface: Interface, byte_order: ByteOrder, comment: str) -> bytes:
    return block(3, struct.pack(byte_order + "I", frame.original_length) + frame.octets, byte_order)


def _stamp_and_lengths(frame: Frame, interface: Interface, byte_order: ByteOrder) -> bytes:
    ticks = interface.ticks(frame.time_ns) & 0xFFFFFFFFFFFFFFFF
    return struct.pack(
        byte_order + "IIII", ticks >> 32, ticks & 0xFFFFFFFF, len(frame.octets), frame.original_length
    )
