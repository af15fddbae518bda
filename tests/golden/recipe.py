# SPDX-License-Identifier: Apache-2.0
"""What a golden is made of: the octets of a capture file and the settings that it is metered with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from craft.capture import SECOND, Capture, Interface
from craft.conversation import CLIENT_AND_SERVER, EPOCH_NS, Pair, nanoseconds, play
from craft.link import RAW

DEFAULT_SETTINGS: dict[str, Any] = {
    "active_timeout": 60 * SECOND,
    "inactive_timeout": 15 * SECOND,
    "tcp_linger": 2 * SECOND,
    "tcp_fin_timeout": 0,
    "reorder_window": 10 * SECOND,
    "max_fragments": 16384,
    "key": (),
}
"""The keyword arguments of reference.meter, with the daemon's own defaults. Durations are nanoseconds."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One golden capture. `settings` holds only what differs from DEFAULT_SETTINGS."""

    octets: bytes
    suffix: str = ".pcap"
    settings: dict[str, Any] = field(default_factory=dict)


def of_frames(*frames: bytes, link_type: int = 1, **settings: Any) -> Recipe:
    """A nanosecond pcap with one frame every millisecond, nothing cut."""
    return of_cut_frames(*((frame, None) for frame in frames), link_type=link_type, **settings)


def of_cut_frames(*frames: tuple[bytes, int | None], link_type: int = 1, **settings: Any) -> Recipe:
    """The same from pairs of captured octets and wire length (None: nothing cut)."""
    capture = Capture()
    for number, (frame, wire_length) in enumerate(frames):
        capture.add(EPOCH_NS + number * SECOND // 1000, frame, wire_length)
    return Recipe(capture.pcap(link_type=link_type), settings=settings)


def at_times(*frames: tuple[str, bytes], **settings: Any) -> Recipe:
    """A nanosecond pcap from pairs of seconds (decimal text) and frame."""
    capture = Capture()
    for seconds, frame in frames:
        capture.add(EPOCH_NS + nanoseconds(seconds), frame)
    return Recipe(capture.pcap(), settings=settings)


def scenario(*lines: str, pair: Pair = CLIENT_AND_SERVER, **settings: Any) -> Recipe:
    """A nanosecond pcap of raw IP from a script of craft.conversation.play."""
    capture = play(Capture(), *lines, pair=pair, raw=True)
    return Recipe(capture.pcap(link_type=RAW), settings=settings)


def of_interfaces(
    capture: Capture, *interfaces: Interface, block: Any = "enhanced", **settings: Any
) -> Recipe:
    """A pcapng of one section."""
    return Recipe(capture.pcapng(interfaces, block=block), ".pcapng", settings)
