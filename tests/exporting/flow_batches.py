# SPDX-License-Identifier: Apache-2.0
"""Batches of Flow Records made by hand, and what a collector must show for them, said in plain Python."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spanflow.record import RECORD, Array, Batch

Values = dict[str, Any]

START_NS = 1_700_000_000_123_456_789
REVERSE = "reverse"

MEMBERS = (
    "application_id",
    "application",
    "master_protocol",
    "application_category",
    "confidence",
    "flow_risk",
    "risk_score",
    "tls_version",
    "dns_query_type",
    "dns_response_code",
)
DETAILS = (
    "server_name",
    "ja3_client",
    "ja3_server",
    "ja4_client",
    "alpn",
    "http_user_agent",
    "http_url",
    "dns_answer",
)


@dataclass(kw_only=True)
class Half:
    """One direction. All zero is a direction without packets."""

    packets: int = 0
    octets: int = 0
    first_ns: int = 0
    last_ns: int = 0
    interface: int = 0
    source_mac: str = "00:00:00:00:00:00"
    destination_mac: str = "00:00:00:00:00:00"
    vlan: int = 0
    icmp: int = 0
    flags: int = 0
    ttl: tuple[int, int] = (0, 0)
    tos: int = 0


@dataclass(kw_only=True)
class Classified:
    """What classification adds to a Flow Record. texts: details by their name (`server_name`)."""

    application_id: int = 0
    application: int = 0
    master_protocol: int = 0
    application_category: int = 0
    confidence: int = 0
    flow_risk: int = 0
    risk_score: int = 0
    tls_version: int = 0
    dns_query_type: int = 0
    dns_response_code: int = 255
    texts: dict[str, str] = field(default_factory=dict)

    def details(self) -> bytes:
        """Length octet and text of every kind; nothing if there is no text."""
        if not self.texts:
            return b""
        assert set(self.texts) <= set(DETAILS)
        texts = [self.texts.get(name, "").encode() for name in DETAILS]
        return b"".join(bytes([len(text)]) + text for text in texts)


@dataclass(kw_only=True)
class Flow:
    """One Flow Record."""

    source: str
    destination: str
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    flow_id: int = 1
    reason: int = 1
    forward: Half = field(default_factory=Half)
    reverse: Half = field(default_factory=Half)
    classified: Classified = field(default_factory=Classified)

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.source else 4

    @property
    def is_icmp(self) -> bool:
        """Whether it is ICMP over IPv4 or ICMPv6 over IPv6."""
        return (self.version, self.protocol) in ((4, 1), (6, 58))


def batch_of(*flows: Flow) -> Batch:
    """The batch that the Metering Process would hand over for these Flows."""
    records = np.zeros(len(flows), RECORD)
    details = b""
    for record, flow in zip(records, flows, strict=True):
        record["source_address"] = _sixteen_octets(flow.source)
        record["destination_address"] = _sixteen_octets(flow.destination)
        record["source_transport_port"] = flow.source_port
        record["destination_transport_port"] = flow.destination_port
        record["protocol_identifier"] = flow.protocol
        record["ip_version"] = flow.version
        record["flow_id"] = flow.flow_id
        record["flow_end_reason"] = flow.reason
        for name, half in (("forward", flow.forward), ("reverse", flow.reverse)):
            _fill(record[name], half)
        for name in MEMBERS:
            record[name] = getattr(flow.classified, name)
        own = flow.classified.details()
        if own:
            record["details_offset"], record["details_octets"] = len(details), len(own)
        details += own
    return _batch(records, details)


def _batch(records: Array, details: bytes = b"") -> Batch:
    records.flags.writeable = False
    return Batch(records, np.frombuffer(details, np.uint8))


def uniflows_of(flow: Flow) -> list[Values]:
    """The Data Records of a Flow Record as uniflows, by element name; a half without packets is not sent."""
    forward = _uniflow(flow, flow.forward, direction=1)
    forward |= _ends(flow.source, flow.source_port, flow.destination, flow.destination_port, flow.version)
    reverse = _uniflow(flow, flow.reverse, direction=2)
    reverse |= _ends(flow.destination, flow.destination_port, flow.source, flow.source_port, flow.version)
    if flow.is_icmp:
        forward["destinationTransportPort"] = flow.forward.icmp
        reverse["destinationTransportPort"] = flow.reverse.icmp
    halves = ((forward, flow.forward), (reverse, flow.reverse))
    return [values for values, half in halves if half.packets]


def biflow_of(flow: Flow) -> Values:
    """The one Data Record of a Flow Record as a Biflow, by element name."""
    values = _uniflow(flow, _lent(flow.forward, flow.reverse), direction=1)
    values |= _ends(flow.source, flow.source_port, flow.destination, flow.destination_port, flow.version)
    if flow.is_icmp:
        values["destinationTransportPort"] = flow.forward.icmp
    for name, value in _directional(flow, _lent(flow.reverse, flow.forward)).items():
        values[REVERSE + name[0].upper() + name[1:]] = value
    return values


def _lent(half: Half, other: Half) -> Half:
    """A half without packets, as a Biflow shows it: with the times and the interface of the other."""
    if half.packets:
        return half
    return Half(first_ns=other.first_ns, last_ns=other.last_ns, interface=other.interface)


def _uniflow(flow: Flow, half: Half, *, direction: int) -> Values:
    return _directional(flow, half) | {
        "protocolIdentifier": flow.protocol,
        "egressInterface": 0,
        "flowDirection": 0,
        "flowEndReason": flow.reason,
        "ipVersion": flow.version,
        "sourceMacAddress": half.source_mac,
        "destinationMacAddress": half.destination_mac,
        "flowId": flow.flow_id,
        "biflowDirection": direction,
    }


def _directional(flow: Flow, half: Half) -> Values:
    values = {
        "octetDeltaCount": half.octets,
        "packetDeltaCount": half.packets,
        "flowStartMilliseconds": max(0, half.first_ns) // 1_000_000,
        "flowEndMilliseconds": max(0, half.last_ns) // 1_000_000,
        "ingressInterface": half.interface,
        "tcpControlBits": half.flags,
        "ipClassOfService": half.tos,
        "vlanId": half.vlan,
        "minimumTTL": half.ttl[0],
        "maximumTTL": half.ttl[1],
    }
    if flow.is_icmp:
        values[f"icmpTypeCodeIPv{flow.version}"] = half.icmp
    return values


def _ends(source: str, source_port: int, destination: str, destination_port: int, version: int) -> Values:
    return {
        f"sourceIPv{version}Address": source,
        f"destinationIPv{version}Address": destination,
        "sourceTransportPort": source_port,
        "destinationTransportPort": destination_port,
    }


def _sixteen_octets(address: str) -> list[int]:
    if ":" in address:
        return list(socket.inet_pton(socket.AF_INET6, address))
    return list(bytes(10) + b"\xff\xff" + socket.inet_aton(address))


def _fill(record: Any, half: Half) -> None:
    record["packet_delta_count"] = half.packets
    record["octet_delta_count"] = half.octets
    record["first_ns"] = half.first_ns
    record["last_ns"] = half.last_ns
    record["ingress_interface"] = half.interface
    record["source_mac_address"] = list(bytes.fromhex(half.source_mac.replace(":", "")))
    record["destination_mac_address"] = list(bytes.fromhex(half.destination_mac.replace(":", "")))
    record["vlan_id"] = half.vlan
    record["icmp_type_code"] = half.icmp
    record["tcp_control_bits"] = half.flags
    record["minimum_ttl"], record["maximum_ttl"] = half.ttl
    record["ip_class_of_service"] = half.tos


def _forward(packets: int, octets: int, **more: Any) -> Half:
    base: dict[str, Any] = {
        "first_ns": START_NS,
        "last_ns": START_NS + 5_864_197_532,
        "interface": 3,
        "source_mac": "02:00:00:00:00:0a",
        "destination_mac": "02:00:00:00:00:0b",
        "ttl": (63, 64),
    }
    return Half(packets=packets, octets=octets, **(base | more))


def _reverse(packets: int, octets: int, **more: Any) -> Half:
    base: dict[str, Any] = {
        "first_ns": START_NS + 100_000_000,
        "last_ns": START_NS + 5_700_000_000,
        "source_mac": "02:00:00:00:00:0b",
        "destination_mac": "02:00:00:00:00:0a",
        "ttl": (57, 58),
    }
    return _forward(packets, octets, **(base | more))


IPV4_FLOWS = (
    Flow(
        source="192.0.2.1",
        destination="198.51.100.1",
        protocol=6,
        source_port=40001,
        destination_port=443,
        flow_id=0x0123_4567_89AB_CDEF,
        reason=3,
        forward=_forward(10, 1500, flags=0x1B, tos=0xB8, vlan=100),
        reverse=_reverse(3_000_000_000, 5 << 32, flags=0x1FF, tos=0x28, vlan=200, interface=4),
    ),
    Flow(
        source="192.0.2.2",
        destination="198.51.100.2",
        protocol=17,
        source_port=53001,
        destination_port=53,
        flow_id=2,
        forward=_forward(1, 60),
        reverse=_reverse(2, 300),
    ),
    Flow(
        source="192.0.2.3",
        destination="198.51.100.3",
        protocol=1,
        flow_id=3,
        forward=_forward(4, 336, icmp=0x0800),
        reverse=_reverse(4, 336, icmp=0x0000),
    ),
    Flow(
        source="192.0.2.4",
        destination="198.51.100.4",
        protocol=132,
        source_port=2905,
        destination_port=2906,
        flow_id=4,
        reason=2,
        forward=_forward(7, 7000),
        reverse=_reverse(6, 600),
    ),
    Flow(
        source="192.0.2.5",
        destination="198.51.100.5",
        protocol=6,
        source_port=40005,
        destination_port=22,
        flow_id=0xFFFF_FFFF_FFFF_FFFF,
        reason=4,
        forward=_forward(1, 40, flags=0x02, vlan=4094),
    ),
    Flow(
        source="192.0.2.6",
        destination="198.51.100.6",
        protocol=6,
        source_port=40006,
        destination_port=80,
        flow_id=6,
        reason=5,
        reverse=_reverse(2, 88, flags=0x12),
    ),
    Flow(
        source="192.0.2.7",
        destination="198.51.100.7",
        protocol=1,
        flow_id=7,
        forward=_forward(1, 56, icmp=0x0303),
    ),
    Flow(source="192.0.2.8", destination="224.0.0.5", protocol=89, flow_id=8, forward=_forward(9, 720)),
)
"""TCP (more than 4 GiB one way), UDP, ICMP, SCTP, one-way both ways, ICMP one-way, OSPF; VLANs."""

IPV6_FLOWS = (
    Flow(
        source="2001:db8::1",
        destination="2001:db8:1::1",
        protocol=6,
        source_port=50001,
        destination_port=8443,
        flow_id=11,
        reason=3,
        forward=_forward(12, (4 << 32) + 7, flags=0x1E, vlan=7, tos=0x02),
        reverse=_reverse(11, 1100, flags=0x12, vlan=8),
    ),
    Flow(
        source="2001:db8::2",
        destination="2001:db8:1::2",
        protocol=17,
        source_port=5353,
        destination_port=5353,
        flow_id=12,
        forward=_forward(1, 128),
    ),
    Flow(
        source="2001:db8::3",
        destination="2001:db8:1::3",
        protocol=58,
        flow_id=13,
        forward=_forward(3, 312, icmp=0x8000),
        reverse=_reverse(3, 312, icmp=0x8100),
    ),
    Flow(
        source="2001:db8::4",
        destination="2001:db8:1::4",
        protocol=132,
        source_port=1,
        destination_port=2,
        flow_id=14,
        reverse=_reverse(1, 100),
    ),
)
"""TCP, UDP one-way, ICMPv6, SCTP one-way backwards."""


def some_flows(count: int, *, version: int = 4, both_ways: bool = True) -> Batch:
    """A batch of many plain UDP Flows; flow_id counts from 0."""
    kind = IPV4_FLOWS[1] if version == 4 else IPV6_FLOWS[0]
    records = np.repeat(batch_of(kind).records, count)
    records["flow_id"] = np.arange(count)
    if not both_ways:
        records["reverse"] = np.zeros(count, records["reverse"].dtype)
    return _batch(records)
