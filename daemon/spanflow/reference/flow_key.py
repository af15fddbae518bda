# SPDX-License-Identifier: Apache-2.0
"""The Flow Key, which has no direction, and the flowId that is made of it (section 2, 12.5)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from spanflow.reference.packet import Packet


class End(NamedTuple):
    """One end of a Flow, by address and port."""

    address: bytes
    port: int

    @property
    def ip(self) -> IPv4Address | IPv6Address:
        address = IPv6Address(self.address)
        return address.ipv4_mapped or address


class FlowKey(NamedTuple):
    """2.1: (a, b) and (b, a) give the same one. vlan_id, interface: 0 unless `cache.key` has them."""

    ip_version: int
    protocol_identifier: int
    low: End
    high: End
    vlan_id: int
    interface: int


def sender(packet: Packet) -> End:
    return End(packet.source_address, packet.source_transport_port)


def receiver(packet: Packet) -> End:
    return End(packet.destination_address, packet.destination_transport_port)


def key_of(packet: Packet, extension: tuple[str, ...]) -> FlowKey:
    """extension: `cache.key`."""
    ends = sender(packet), receiver(packet)
    return FlowKey(
        packet.ip_version,
        packet.protocol_identifier,
        min(ends),
        max(ends),
        packet.vlan_id if "vlan" in extension else 0,
        packet.frame.interface if "interface" in extension else 0,
    )


_PUBLIC = (
    *(0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0),
    *(0x082EFA98EC4E6C89, 0x452821E638D01377, 0xBE5466CF34E90C6C),
)
_TIME = 0xC0AC29B7C97C50DD
_WORD = 2**64 - 1


def flow_id(key: FlowKey, first_ns: int) -> int:
    """12.5: a hash of the key and the time of the packet that opened the Flow; the digits are those of pi."""
    low, high = sorted((key.low, key.high), key=lambda end: (*_words(end.address), end.port))
    packed = (
        low.port | high.port << 16 | key.protocol_identifier << 32 | key.ip_version << 40 | key.vlan_id << 48
    )
    (low1, low2), (high1, high2) = _words(low.address), _words(high.address)
    addresses = _mix(low1 ^ _PUBLIC[0], low2 ^ _PUBLIC[1]) ^ _mix(high1 ^ _PUBLIC[2], high2 ^ _PUBLIC[3])
    hashed = _mix(addresses ^ _PUBLIC[4], packed ^ _PUBLIC[5] ^ key.interface << 48)
    return _mix(hashed ^ _TIME, first_ns ^ _PUBLIC[0])


def _words(address: bytes) -> tuple[int, int]:
    return int.from_bytes(address[:8], "little"), int.from_bytes(address[8:], "little")


def _mix(a: int, b: int) -> int:
    product = a * b
    return (product ^ product >> 64) & _WORD
