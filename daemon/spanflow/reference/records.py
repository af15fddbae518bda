# SPDX-License-Identifier: Apache-2.0
"""The record of a Flow while it fills, and the members that it leaves with (sections 5 and 6).

Exact integer sums of sizes and gaps, of their squares too: so a Flow takes the same memory however long it
is, and the statistics are those of two passes over all packets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from spanflow.record import CONTINUATION, EndDetail
from spanflow.reference.packet import Packet

MAXIMUM_SIZE = 2**32 - 1
"""6.6: size_min and size_max have 4 octets; only a jumbo option can claim more."""

END_REASONS = {
    "idle": (1, EndDetail.IDLE),
    "active": (2, EndDetail.ACTIVE),
    "fin": (3, EndDetail.FIN),
    "rst": (3, EndDetail.RST),
    "fin_timeout": (3, EndDetail.FIN_TIMEOUT),
    "flush": (4, EndDetail.FLUSH),
    "evicted": (5, EndDetail.EVICTED),
}
"""Detail → flowEndReason and EndDetail (section 8)."""


@dataclass(slots=True)
class Sums:
    """Values, one after the other."""

    count: int = 0
    total: int = 0
    squares: int = 0
    smallest: int = 0
    largest: int = 0

    def add(self, value: int) -> None:
        self.smallest = min(self.smallest, value) if self.count else value
        self.largest = max(self.largest, value)
        self.count += 1
        self.total += value
        self.squares += value * value

    def __add__(self, other: Sums) -> Sums:
        if not self.count or not other.count:
            return self if self.count else other
        return Sums(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            min(self.smallest, other.smallest),
            max(self.largest, other.largest),
        )

    @property
    def mean(self) -> float:
        """6.3: what has too few values is 0, here and below."""
        return self.total / self.count if self.count else 0.0

    @property
    def squared_deviations(self) -> float:
        """From the mean: one division of whole numbers."""
        return (self.count * self.squares - self.total**2) / self.count if self.count else 0.0

    @property
    def stddev(self) -> float:
        """The sample one (n - 1)."""
        return math.sqrt(self.squared_deviations / (self.count - 1)) if self.count > 1 else 0.0


@dataclass(slots=True)
class Series:
    """Packets by time: of one direction or of both, in one record."""

    gaps: Sums = field(default_factory=Sums)
    first_ns: int = 0
    last_ns: int = 0
    packets: int = 0

    def add(self, time_ns: int) -> int:
        """Returns the gap before this packet: 0 for the first."""
        gap = 0
        if self.packets:
            # 6.2: against the highest time so far, and 0 where time runs backwards.
            gap = max(0, time_ns - self.last_ns)
            self.gaps.add(gap)
        self.first_ns = min(self.first_ns, time_ns) if self.packets else time_ns
        self.last_ns = max(self.last_ns, time_ns)
        self.packets += 1
        return gap

    def gap_members(self) -> dict[str, float]:
        return {
            "gap_sum_ns": self.gaps.total,
            "gap_squared_deviations": self.gaps.squared_deviations,
            "gap_min_ns": float(self.gaps.smallest),
            "gap_max_ns": float(self.gaps.largest),
        }


@dataclass(slots=True)
class Direction:
    """The packets of one direction in one record."""

    series: Series = field(default_factory=Series)
    sizes: Sums = field(default_factory=Sums)
    of_first_packet: dict[str, Any] = field(default_factory=dict)
    tcp_control_bits: int = 0
    minimum_ttl: int = 0
    maximum_ttl: int = 0

    def add(self, packet: Packet) -> None:
        if not self.series.packets:
            self.minimum_ttl = packet.ttl
            self.of_first_packet = {name: getattr(packet, name) for name in OF_FIRST_PACKET}  # 5.8
        self.series.add(packet.time_ns)
        self.sizes.add(packet.octets)
        self.tcp_control_bits |= packet.tcp_control_bits  # 5.6
        self.minimum_ttl = min(self.minimum_ttl, packet.ttl)
        self.maximum_ttl = max(self.maximum_ttl, packet.ttl)

    def members(self) -> dict[str, Any]:
        """Those of spanflow.record.DIRECTION; 5.9: without packets zeros everywhere."""
        return {
            "packet_delta_count": self.sizes.count,
            "octet_delta_count": self.sizes.total,
            "first_ns": self.series.first_ns,
            "last_ns": self.series.last_ns,
            "size_sum_squares": self.sizes.squares % 2**64,  # 6.4
            **self.series.gap_members(),
            "size_min": min(self.sizes.smallest, MAXIMUM_SIZE),
            "size_max": min(self.sizes.largest, MAXIMUM_SIZE),
            **(self.of_first_packet or OF_FIRST_PACKET),
            "tcp_control_bits": self.tcp_control_bits,
            "minimum_ttl": self.minimum_ttl,
            "maximum_ttl": self.maximum_ttl,
        }


OF_FIRST_PACKET = {
    "ingress_interface": 0,
    "source_mac_address": bytes(6),
    "destination_mac_address": bytes(6),
    "vlan_id": 0,
    "icmp_type_code": 0,
    "ip_class_of_service": 0,
}
"""Attributes that the first packet of a direction decides, and what they are without one."""


@dataclass(slots=True)
class Record:
    """What happened since the last record of the Flow left; never empty.

    first_packets: gap in ns, octets and direction (0 forward, 1 reverse) of each, in the order of accounting.
    """

    both: Series = field(default_factory=Series)
    forward: Direction = field(default_factory=Direction)
    reverse: Direction = field(default_factory=Direction)
    first_packets: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, packet: Packet, most_first_packets: int) -> None:
        gap = self.both.add(packet.time_ns)
        (self.reverse if packet.direction else self.forward).add(packet)
        if len(self.first_packets) < most_first_packets:
            self.first_packets.append((gap, min(packet.octets, MAXIMUM_SIZE), packet.direction))

    @property
    def sizes(self) -> Sums:
        """Of both directions together."""
        return self.forward.sizes + self.reverse.sizes

    def members(self, flow: dict[str, Any], detail: str, *, continuation: bool) -> dict[str, Any]:
        """Those of spanflow.record.RECORD; exact where that has less precision (6.5).

        flow: those members that the Flow itself knows.
        """
        flow_end_reason, end_detail = END_REASONS[detail]
        return {
            **flow,
            "forward": self.forward.members(),
            "reverse": self.reverse.members(),
            **self.both.gap_members(),
            "flow_end_reason": flow_end_reason,
            "end_detail": int(end_detail),
            "flags": CONTINUATION if continuation else 0,
            "worker": 0,
        }
