# SPDX-License-Identifier: Apache-2.0
"""Packets and Flows by the names of the system that this one grew from, for plugins written for that.

Times and durations are seconds, sizes octets of the IP packet. The values of a Flow are those of its record
up to now: after a split by the active timeout they start again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from spanflow.json_values import json_value
from spanflow.reference.flow_key import flow_id

if TYPE_CHECKING:
    from spanflow.reference.flow_key import End, FlowKey
    from spanflow.reference.frame import Frame
    from spanflow.reference.records import Record, Sums

SECOND = 1_000_000_000
EXPORT_REASONS = {
    "": -1,
    "idle": 0,
    "active": 1,
    "flush": 2,
    "evicted": 2,
    "fin": 3,
    "rst": 4,
    "fin_timeout": 5,
}


def own_octets(address: bytes, ip_version: int) -> bytes:
    """An address as it stands in the packet: 4 octets of IPv4."""
    return address[12:] if ip_version == 4 else address


def _flag(bit: int) -> Any:
    return property(lambda packet: int(bool(packet.tcp_control_bits & bit)))


class PacketNames:
    """What a Packet is called as well."""

    __slots__ = ()

    if TYPE_CHECKING:
        frame: Frame
        time_ns: int
        ip_version: int
        source_address: bytes
        destination_address: bytes
        protocol_identifier: int
        octets: int
        source_transport_port: int
        destination_transport_port: int
        tcp_control_bits: int

    FIN_flag, SYN_flag, RST_flag, PSH_flag = (_flag(bit) for bit in (0x01, 0x02, 0x04, 0x08))
    ACK_flag, URG_flag, ECE_flag, CWR_flag = (_flag(bit) for bit in (0x10, 0x20, 0x40, 0x80))

    @property
    def ip_src(self) -> int:
        return int.from_bytes(self.ip_src_b, "big")

    @property
    def ip_dst(self) -> int:
        return int.from_bytes(self.ip_dst_b, "big")

    @property
    def ip_src_b(self) -> bytes:
        return own_octets(self.source_address, self.ip_version)

    @property
    def ip_dst_b(self) -> bytes:
        return own_octets(self.destination_address, self.ip_version)

    @property
    def src_port(self) -> int:
        return self.source_transport_port

    @property
    def dst_port(self) -> int:
        return self.destination_transport_port

    @property
    def ip_protocol(self) -> int:
        return self.protocol_identifier

    @property
    def size(self) -> int:
        return self.octets

    @property
    def ts_float(self) -> float:
        return self.time_ns / SECOND

    @property
    def ts(self) -> int:
        """Whole milliseconds."""
        return self.time_ns // 1_000_000


class _Part:
    """What there is of a record, or of one of its directions; zeros where there is nothing."""

    def __init__(self, sizes: Sums | None, gaps: Sums | None, first_ns: int, last_ns: int) -> None:
        self.packets, self.octets = (sizes.count, sizes.total) if sizes else (0, 0)
        self.min_size, self.max_size = (sizes.smallest, sizes.largest) if sizes else (0, 0)
        self.avg_size, self.std_dev_size = (sizes.mean, sizes.stddev) if sizes else (0.0, 0.0)
        self.min_gap, self.max_gap = (gaps.smallest / SECOND, gaps.largest / SECOND) if gaps else (0.0, 0.0)
        self.avg_gap, self.std_dev_gap = (gaps.mean / SECOND, gaps.stddev / SECOND) if gaps else (0.0, 0.0)
        self.start, self.end = first_ns / SECOND, last_ns / SECOND
        self.duration = (last_ns - first_ns) / SECOND


def _part(record: Record | None, which: str) -> _Part:
    if record is None:
        return _Part(None, None, 0, 0)
    if which == "both":
        return _Part(record.sizes, record.both.gaps, record.both.first_ns, record.both.last_ns)
    half = record.forward if which == "forward" else record.reverse
    return _Part(half.sizes, half.series.gaps, half.series.first_ns, half.series.last_ns)


def _of(which: str, name: str) -> Any:
    return property(lambda flow: getattr(_part(flow.record, which), name))


STATISTICS = {
    "min_pkt_size": "min_size",
    "max_pkt_size": "max_size",
    "avg_pkt_size": "avg_size",
    "std_dev_pkt_size": "std_dev_size",
    "start_time": "start",
    "end_time": "end",
    "flowDuration": "duration",
    "min_piat": "min_gap",
    "max_piat": "max_gap",
    "avg_piat": "avg_gap",
    "std_dev_piat": "std_dev_gap",
}
"""Name, with f_ and b_ before it too → attribute of _Part."""

COUNTS = {
    "pktTotalCount": ("both", "packets"),
    "octetTotalCount": ("both", "octets"),
    "src_to_dst_pkts": ("forward", "packets"),
    "src_to_dst_bytes": ("forward", "octets"),
    "dst_to_src_pkts": ("reverse", "packets"),
    "dst_to_src_bytes": ("reverse", "octets"),
}
PARTS = {"": "both", "f_": "forward", "b_": "reverse"}
IDENTITY = ("key", "ip_src", "src_port", "ip_dst", "dst_port", "ip_protocol")
_VALUES = {
    **{name: _of(*place) for name, place in COUNTS.items()},
    **{f"{p}{name}": _of(which, of) for p, which in PARTS.items() for name, of in STATISTICS.items()},
}
NAMES = (*IDENTITY, *_VALUES, "export_reason", "FIN_flag_counter", "ACK_flag_counter")
"""Everything that `str(flow)` shows, beside metrics and classifiers."""


class FlowNames:
    """What a Flow is called as well."""

    __slots__ = ()

    if TYPE_CHECKING:
        flow_key: FlowKey
        flow_start_ns: int
        source: End
        destination: End
        detail: str
        metrics: dict[str, Any]
        classifiers: dict[str, dict[str, Any]]

    @property
    def flow_id(self) -> int:
        """12.5."""
        return flow_id(self.flow_key, self.flow_start_ns)

    @property
    def key(self) -> str:
        """flowId, 16 hexadecimal digits."""
        return f"{self.flow_id:016x}"

    @property
    def ip_src(self) -> int:
        return int.from_bytes(own_octets(self.source.address, self.flow_key.ip_version), "big")

    @property
    def ip_dst(self) -> int:
        return int.from_bytes(own_octets(self.destination.address, self.flow_key.ip_version), "big")

    @property
    def src_port(self) -> int:
        return self.source.port

    @property
    def dst_port(self) -> int:
        return self.destination.port

    @property
    def ip_protocol(self) -> int:
        return self.flow_key.protocol_identifier

    @property
    def export_reason(self) -> int:
        """-1 alive, 0 inactive, 1 active timeout, 2 flushed or evicted, 3 FINs, 4 RST, 5 half close."""
        return EXPORT_REASONS[self.detail]

    def __str__(self) -> str:
        """One JSON object; what is no JSON in it is shown as text."""
        shown = {name: getattr(self, name) for name in NAMES}
        left = {"metrics": json_value(self.metrics), "classifiers": json_value(self.classifiers)}
        return json.dumps(shown | left, default=str, allow_nan=False)


for _name, _value in _VALUES.items():
    setattr(FlowNames, _name, _value)
