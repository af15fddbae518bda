# SPDX-License-Identifier: Apache-2.0
"""Two Flows that stand for all others where somebody wants to see what a collector gets."""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np

from spanflow.applications import Applications
from spanflow.record import RECORD, Array, Batch, EndDetail

EXAMPLE_NS = 1_767_225_600_000_000_000
"""When they were seen: 2026-01-01."""
EXAMPLE_INTERFACE = 2
"""The ifIndex of the interface that saw them."""
_SECOND_NS = 1_000_000_000


EXAMPLES = ("an answered TCP connection over IPv4", "an unanswered question to a name server over IPv6")


def example_batches(applications: Applications | None) -> list[Batch]:
    """The EXAMPLES, in a batch each. applications: that their names are taken from; None: not classified."""
    return [
        Batch(_classified(_connection(), applications, "TLS")),
        Batch(_classified(_question(), applications, "DNS")),
    ]


def _classified(records: Array, applications: Applications | None, name: str) -> Array:
    """The same, with the application of this name, if the engine knows one."""
    known = applications.by_number.values() if applications is not None else ()
    for application in known:
        if application.name == name:
            records["application"] = application.number
            records["application_id"] = application.application_id
    return records


def _connection() -> Array:
    records = _one("192.0.2.10", "198.51.100.20", 49152, 443, protocol=6, reason=3, detail=EndDetail.FIN)
    _half(records, "forward", packets=12, octets=1_840, seconds=2.5, flags=0x1B, ttl=64)
    _half(records, "reverse", packets=10, octets=14_200, seconds=2.4, flags=0x1B, ttl=57)
    return records


def _question() -> Array:
    records = _one("2001:db8::10", "2001:db8::53", 53124, 53, protocol=17, reason=1, detail=EndDetail.IDLE)
    _half(records, "forward", packets=1, octets=86, seconds=0.0, flags=0, ttl=64)
    return records


def _one(
    source: str,
    destination: str,
    source_port: int,
    destination_port: int,
    *,
    protocol: int,
    reason: int,
    detail: EndDetail,
) -> Array:
    records = np.zeros(1, RECORD)
    addresses = ip_address(source), ip_address(destination)
    for name, address in zip(("source_address", "destination_address"), addresses, strict=True):
        packed = address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
        records[name][0] = np.frombuffer(packed, np.uint8)
    records["source_transport_port"] = source_port
    records["destination_transport_port"] = destination_port
    records["protocol_identifier"] = protocol
    records["ip_version"] = addresses[0].version
    records["flow_end_reason"] = reason
    records["end_detail"] = detail
    records["flow_id"] = 0x0102_0304_0506_0708
    records["flow_start_ns"] = EXAMPLE_NS
    return records


def _half(
    records: Array, half: str, *, packets: int, octets: int, seconds: float, flags: int, ttl: int
) -> None:
    one = records[half]
    one["packet_delta_count"] = packets
    one["octet_delta_count"] = octets
    one["first_ns"] = EXAMPLE_NS
    one["last_ns"] = EXAMPLE_NS + int(seconds * _SECOND_NS)
    one["size_min"] = one["size_max"] = octets // packets
    one["tcp_control_bits"] = flags
    one["minimum_ttl"] = one["maximum_ttl"] = ttl
    one["ingress_interface"] = EXAMPLE_INTERFACE
    one["source_mac_address"][0] = (0x02, 0, 0, 0, 0, 1 if half == "forward" else 2)
    one["destination_mac_address"][0] = (0x02, 0, 0, 0, 0, 2 if half == "forward" else 1)
