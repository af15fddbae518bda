# SPDX-License-Identifier: Apache-2.0
"""A capture file with the settings to meter it with; it can be had again with some of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from craft.capture import SECOND, ByteOrder, Capture, Frame, Interface, PacketBlock

SHOWN = 120
"""Octets of a frame, where one is shown: all of its headers."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """How a file holds its frames. Several link types, resolutions, sections and block: pcapng alone."""

    link_types: tuple[int, ...]
    is_pcapng: bool = False
    nanoseconds: bool = True
    byte_orders: tuple[ByteOrder, ByteOrder] = ("<", "<")
    resolutions: tuple[int | None, ...] = ()
    in_two_sections: bool = False
    block: PacketBlock = "enhanced"

    @property
    def suffix(self) -> str:
        return ".pcapng" if self.is_pcapng else ".pcap"

    @property
    def tick_ns(self) -> int:
        """A step of time that every time stamp of the file shows."""
        is_fine = all(tsresol == 9 for tsresol in self.resolutions) if self.is_pcapng else self.nanoseconds
        return 1 if is_fine else 1000

    def octets(self, frames: Sequence[Frame]) -> bytes:
        """The file."""
        order = self.byte_orders[0]
        if not self.is_pcapng:
            capture = Capture(list(frames))
            return capture.pcap(link_type=self.link_types[0], nanoseconds=self.nanoseconds, byte_order=order)
        interfaces = [
            Interface(link_type, tsresol=tsresol)
            for link_type, tsresol in zip(self.link_types, self.resolutions, strict=True)
        ]
        half = len(frames) // 2 if self.in_two_sections else len(frames)
        parts = (frames[:half], frames[half:])[: 1 + self.in_two_sections]
        return b"".join(
            Capture(list(part)).pcapng(interfaces, byte_order=order, block=self.block)
            for part, order in zip(parts, self.byte_orders, strict=False)
        )


@dataclass(frozen=True, slots=True, repr=False)
class Crafted:
    """Frames, the file that they go into, and the settings to meter it with, by the names of
    metering.native.settings_of.
    """

    frames: tuple[Frame, ...]
    form: FileForm
    settings: dict[str, Any]

    @property
    def octets(self) -> bytes:
        return self.form.octets(self.frames)

    def write(self, folder: Path) -> Path:
        path = folder / ("crafted" + self.form.suffix)
        path.write_bytes(self.octets)
        return path

    def of_frames(self, frames: Sequence[Frame]) -> Crafted:
        """The same with other frames: for shrinking."""
        return replace(self, frames=tuple(frames))

    def __repr__(self) -> str:
        lines = [f"  {_text(frame)}" for frame in self.frames]
        return "\n".join((f"{self.settings}", f"{self.form}", *lines))


def _text(frame: Frame) -> str:
    seconds, rest = divmod(frame.time_ns, SECOND)
    lengths = f"{len(frame.octets)} of {frame.original_length}"
    return f"{seconds}.{rest:09} interface {frame.interface} octets {lengths} {frame.octets[:SHOWN].hex()}"
