# SPDX-License-Identifier: Apache-2.0
"""A packet as the flow cache needs it, and as plugins see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spanflow.reference.frame import Frame
from spanflow.reference.original_names import PacketNames

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10


@dataclass(frozen=True, slots=True)
class Fragment:
    """What ties a fragment to the others: the part of its table key that addresses do not give.

    protocol: of the IPv4 header, or the next header of the IPv6 Fragment header.
    """

    place: Literal["first", "later"]
    protocol: int
    identification: int


@dataclass(slots=True)
class Packet(PacketNames):
    """One IP packet. Addresses are 16 octets (IPv4 as ::ffff:a.b.c.d), `octets` is its length (5.1 to 5.3).

    network_offset, payload_offset: into the octets of the frame, of the IP header and of what is behind the
    transport header. direction: 0 forward, 1 reverse, as its Flow tells.
    """

    frame: Frame
    time_ns: int
    ip_version: int
    source_address: bytes
    destination_address: bytes
    protocol_identifier: int
    octets: int
    ip_class_of_service: int
    ttl: int
    network_offset: int
    payload_offset: int
    fragment: Fragment | None = None
    source_transport_port: int = 0
    destination_transport_port: int = 0
    tcp_control_bits: int = 0
    icmp_type_code: int = 0
    vlan_id: int = 0
    source_mac_address: bytes = bytes(6)
    destination_mac_address: bytes = bytes(6)
    ingress_interface: int = 0
    direction: int = 0
    transport_offset: int = 0

    @property
    def payload(self) -> bytes:
        """What was captured of the octets behind the transport header, without the padding of the frame."""
        return self.frame.octets[self.payload_offset : self.network_offset + self.octets]

    @property
    def network(self) -> bytes:
        """What was captured of the packet, from its IP header on."""
        return self.frame.octets[self.network_offset : self.network_offset + self.octets]

    @property
    def is_later_fragment(self) -> bool:
        """3.5: it has no transport header."""
        return self.fragment is not None and self.fragment.place == "later"
