# SPDX-License-Identifier: Apache-2.0
"""The record of a Flow while it fills, and the dict that it leaves as (semantics §4, §5; spanflow.record)."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from oracle.packet import Packet

CONTINUATION = 0x01
MAXIMUM_SIZE = 2**32 - 1
"""size_min and size_max have 4 octets; only a jumbo option can claim more."""

END_REASONS = {
    "idle": (1, 1),
    "active": (2, 2),
    "fin": (3, 3),
    "rst": (3, 4),
    "fin_timeout": (3, 5),
    "flush": (4, 6),
}
"""Detail → flowEndReason and EndDetail (semantics §6)."""


@dataclass(slots=True)
class Series:
    """Packets in arrival order: of one direction or of both. Times and gaps are ns, sizes octets."""

    sizes: list[int] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    highest_ns: int = 0

    def add(self, time_ns: int, octets: int) -> None:
        if self.times:
            # A negative inter-arrival time counts as 0, measured against the highest time so far.
            self.gaps.append(max(0, time_ns - self.highest_ns))
        self.highest_ns = max(self.highest_ns, time_ns)
        self.times.append(time_ns)
        self.sizes.append(octets)

    @property
    def size_mean(self) -> float:
        return _mean(self.sizes)

    @property
    def size_stddev(self) -> float:
        return _stddev(self.sizes)

    @property
    def gap_mean(self) -> float:
        return _mean(self.gaps)

    @property
    def gap_stddev(self) -> float:
        return _stddev(self.gaps)

    def gap_members(self) -> dict[str, float]:
        return {
            "gap_sum_ns": sum(self.gaps),
            "gap_squared_deviations": _squared_deviations(self.gaps),
            "gap_min_ns": float(min(self.gaps, default=0)),
            "gap_max_ns": float(max(self.gaps, default=0)),
        }


def _mean(values: list[int]) -> float:
    return float(statistics.mean(values)) if values else 0.0


def _squared_deviations(values: list[int]) -> float:
    """The sum of squared deviations from the mean, in two passes without rounding."""
    if not values:
        return 0.0
    mean = Fraction(sum(values), len(values))
    return float(sum((value - mean) ** 2 for value in values))


def _stddev(values: list[int]) -> float:
    """The sample one (n - 1), 0 for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


@dataclass(slots=True)
class Direction:
    """The packets of one direction in one record."""

    series: Series = field(default_factory=Series)
    first_packet: Packet | None = None
    tcp_control_bits: int = 0
    ttls: list[int] = field(default_factory=list)

    def add(self, packet: Packet) -> None:
        self.series.add(packet.time_ns, packet.octets)
        self.first_packet = self.first_packet or packet
        self.tcp_control_bits |= packet.tcp_control_bits
        self.ttls.append(packet.ttl)

    def members(self) -> dict[str, Any]:
        sizes, times, first = self.series.sizes, self.series.times, self.first_packet
        return {
            "packet_delta_count": len(sizes),
            "octet_delta_count": sum(sizes),
            "first_ns": min(times, default=0),
            "last_ns": max(times, default=0),
            "size_sum_squares": sum(size * size for size in sizes) % 2**64,
            **self.series.gap_members(),
            "size_min": min(min(sizes, default=0), MAXIMUM_SIZE),
            "size_max": min(max(sizes, default=0), MAXIMUM_SIZE),
            "ingress_interface": first.ingress_interface if first else 0,
            "source_mac_address": first.source_mac_address if first else bytes(6),
            "destination_mac_address": first.destination_mac_address if first else bytes(6),
            "vlan_id": first.vlan_id if first else 0,
            "icmp_type_code": first.icmp_type_code if first else 0,
            "tcp_control_bits": self.tcp_control_bits,
            "minimum_ttl": min(self.ttls, default=0),
            "maximum_ttl": max(self.ttls, default=0),
            "ip_class_of_service": first.ip_class_of_service if first else 0,
        }


@dataclass(slots=True)
class Record:
    """What happened since the last record of the Flow left; never empty."""

    both: Series = field(default_factory=Series)
    forward: Direction = field(default_factory=Direction)
    reverse: Direction = field(default_factory=Direction)

    def add(self, packet: Packet, *, forward: bool) -> None:
        self.both.add(packet.time_ns, packet.octets)
        (self.forward if forward else self.reverse).add(packet)

    @property
    def start_ns(self) -> int:
        return min(self.both.times)

    def members(self, flow: dict[str, Any], detail: str, *, continuation: bool) -> dict[str, Any]:
        """The members of spanflow.record.RECORD, and `statistics` with the Series behind them.

        flow: those members that the Flow itself knows.
        """
        flow_end_reason, end_detail = END_REASONS[detail]
        return {
            **flow,
            "forward": self.forward.members(),
            "reverse": self.reverse.members(),
            "flow_id": None,
            **self.both.gap_members(),
            "flow_end_reason": flow_end_reason,
            "end_detail": end_detail,
            "flags": CONTINUATION if continuation else 0,
            "worker": 0,
            "statistics": {
                "both": self.both,
                "forward": self.forward.series,
                "reverse": self.reverse.series,
            },
        }
