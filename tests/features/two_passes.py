# SPDX-License-Identifier: Apache-2.0
"""Statistics of flows in two passes over their packets, with a parser that knows nothing of Spanflow.

It reads pcap files of Ethernet with plain IPv4 and IPv6: no tunnels, no fragments but the first.
"""

from __future__ import annotations

import statistics
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

PORTS = {6, 17, 33, 132, 136}
End = tuple[bytes, int]
Key = tuple[int, End, End]
"""Protocol, and both ends in their order."""


class Packet(NamedTuple):
    """time_ns since 1970, octets of IP, who sent it to whom."""

    time_ns: int
    octets: int
    protocol: int
    source: End
    destination: End
    flags: int


class Series(NamedTuple):
    """Sizes in octets, times in ns, in the order of the file."""

    sizes: list[int]
    times: list[int]

    def expected(self) -> dict[str, float]:
        """By the ends of the names of columns."""
        gaps, highest = [], None
        for time_ns in self.times:
            if highest is not None:
                gaps.append(max(0, time_ns - highest))
            highest = time_ns if highest is None else max(highest, time_ns)
        lengths = {f"packet_length_{name}": value for name, value in _summary(self.sizes).items()}
        duration = max(self.times, default=0) - min(self.times, default=0)
        return (
            lengths
            | {f"gap_{name}_ns": value for name, value in _summary(gaps).items()}
            | {"duration_ns": duration}
        )


def _summary(values: list[int]) -> dict[str, float]:
    if not values:
        return dict.fromkeys(("min", "max", "mean", "stddev"), 0.0)
    spread = statistics.stdev(map(Fraction, values)) if len(values) > 1 else 0.0
    return {
        "min": min(values),
        "max": max(values),
        "mean": float(statistics.mean(values)),
        "stddev": float(spread),
    }


def flows_of(path: Path) -> dict[Key, tuple[End, Series, Series, Series]]:
    """Each flow by its key: the initiator (semantics 4.1), and its packets: all, sent by it, sent to it."""
    found: dict[Key, tuple[End, Series, Series, Series]] = {}
    for packet in _packets(path):
        ends = sorted((packet.source, packet.destination))
        key = (packet.protocol, ends[0], ends[1])
        if key not in found:
            answered = packet.protocol == 6 and packet.flags & 0x12 == 0x12
            initiator = packet.destination if answered else packet.source
            found[key] = (initiator, Series([], []), Series([], []), Series([], []))
        initiator, both, forward, reverse = found[key]
        for series in (both, forward if packet.source == initiator else reverse):
            series.sizes.append(packet.octets)
            series.times.append(packet.time_ns)
    return found


def _packets(path: Path) -> Iterator[Packet]:
    octets = path.read_bytes()
    order, unit = {
        b"\xd4\xc3\xb2\xa1": ("<", 1000),
        b"\xa1\xb2\xc3\xd4": (">", 1000),
        b"\x4d\x3c\xb2\xa1": ("<", 1),
    }[octets[:4]]
    assert struct.unpack_from(order + "I", octets, 20)[0] & 0xFFFF == 1, "no Ethernet"
    at = 24
    while at + 16 <= len(octets):
        seconds, fraction, captured, _ = struct.unpack_from(order + "IIII", octets, at)
        frame = octets[at + 16 : at + 16 + captured]
        at += 16 + captured
        packet = _ip(seconds * 1_000_000_000 + fraction * unit, frame)
        if packet is not None:
            yield packet


def _ip(time_ns: int, frame: bytes) -> Packet | None:
    """What a frame carries, behind VLAN tags."""
    at = 12
    while frame[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    kind, data = frame[at : at + 2], frame[at + 2 :]
    if kind == b"\x08\x00":
        length, fragment = struct.unpack_from("!HxxH", data, 2)
        assert length, "offloaded"
        assert fragment & 0x3FFF == 0, "a fragment"
        return _transport(time_ns, length, data[9], data[12:16], data[16:20], data[(data[0] & 15) * 4 :])
    if kind == b"\x86\xdd":
        protocol, payload = data[6], data[40:]
        while protocol in (0, 43, 60):
            protocol, payload = payload[0], payload[8 + 8 * payload[1] :]
        assert protocol != 44, "a fragment"
        return _transport(
            time_ns, 40 + struct.unpack_from("!H", data, 4)[0], protocol, data[8:24], data[24:40], payload
        )
    return None


def _transport(
    time_ns: int, octets: int, protocol: int, source: bytes, destination: bytes, payload: bytes
) -> Packet:
    ports = struct.unpack_from("!HH", payload) if protocol in PORTS else (0, 0)
    flags = payload[13] if protocol == 6 else 0
    return Packet(time_ns, octets, protocol, (source, ports[0]), (destination, ports[1]), flags)
