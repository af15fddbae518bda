# SPDX-License-Identifier: Apache-2.0
"""A packet as the flow cache needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Fragment:
    """What ties a fragment to the others: the part of its table key that addresses do not give.

    protocol: of the IPv4 header, or the next header of the IPv6 Fragment header.
    """

    place: Literal["first", "later"]
    protocol: int
    identification: int


@dataclass(slots=True)
class Packet:
    """One IP packet. Addresses are 16 octets (IPv4 as ::ffff:a.b.c.d), `octets` is its length by semantics
    §4.
    """

    time_ns: int
    ip_version: int
    source_address: bytes
    destination_address: bytes
    protocol_identifier: int
    octets: int
    ip_class_of_service: int
    ttl: int
    fragment: Fragment | None = None
    source_transport_port: int = 0
    destination_transport_port: int = 0
    tcp_control_bits: int = 0
    icmp_type_code: int = 0
    vlan_id: int = 0
    source_mac_address: bytes = bytes(6)
    destination_mac_address: bytes = bytes(6)
    ingress_interface: int = 0
