# SPDX-License-Identifier: Apache-2.0
"""Frames: IP packets (or anything else) behind the link layers that capture files know."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

NULL, ETHERNET, PPP, RAW_BSD, PPP_HDLC, RAW, LOOP, SLL, RAW_IPV4, RAW_IPV6, SLL2 = (
    *(0, 1, 9, 12, 50, 101, 108, 113),
    *(228, 229, 276),
)
"""LINKTYPE values of capture files; RAW_BSD is the number of DLT_RAW itself, which old files hold."""

IPV4, ARP, VLAN, IPV6, MPLS, MPLS_MULTICAST = 0x0800, 0x0806, 0x8100, 0x86DD, 0x8847, 0x8848
PPPOE_DISCOVERY, PPPOE_SESSION, SERVICE_VLAN = 0x8863, 0x8864, 0x88A8
PPP_IPV4, PPP_IPV6, PPP_MPLS, PPP_LCP = 0x0021, 0x0057, 0x0281, 0xC021

CLIENT_MAC = bytes.fromhex("02c11e000001")
SERVER_MAC = bytes.fromhex("025e12e40002")


class Tag(NamedTuple):
    """One VLAN tag: 802.1Q by default, 802.1ad with tpid SERVICE_VLAN."""

    vlan_id: int
    tpid: int = VLAN
    priority: int = 0


def ethernet(
    payload: bytes,
    *,
    source: bytes = CLIENT_MAC,
    destination: bytes = SERVER_MAC,
    tags: Sequence[Tag] = (),
    ethertype: int | None = None,
    minimum: int = 0,
) -> bytes:
    """An Ethernet frame without FCS; ethertype None is that of the IP packet, minimum=60 pads as a NIC
    does.
    """
    head = destination + source
    for tag in tags:
        head += struct.pack("!HH", tag.tpid, tag.priority << 13 | tag.vlan_id)
    kind = ethertype_of(payload) if ethertype is None else ethertype
    return (head + kind.to_bytes(2, "big") + payload).ljust(minimum, b"\0")


def ethernet_802_3(payload: bytes, *, tags: Sequence[Tag] = (), minimum: int = 0) -> bytes:
    """An 802.3 frame: the type field holds the length of what follows (see `snap` and `llc`)."""
    return ethernet(payload, tags=tags, ethertype=len(payload), minimum=minimum)


def snap(payload: bytes, *, oui: bytes = bytes(3), ethertype: int | None = None) -> bytes:
    """LLC and SNAP headers (RFC 1042) before a payload."""
    kind = ethertype_of(payload) if ethertype is None else ethertype
    return b"\xaa\xaa\x03" + oui + kind.to_bytes(2, "big") + payload


def llc(payload: bytes, *, dsap: int = 0x06, ssap: int = 0x06, control: int = 0x03) -> bytes:
    """An LLC header before a payload; service access point 0x06 is IPv4."""
    return bytes([dsap, ssap, control]) + payload


def mpls(payload: bytes, labels: Sequence[int], *, ttl: int = 64) -> bytes:
    """An MPLS label stack (RFC 3032) before a payload; the last label carries the bottom-of-stack bit."""
    last = len(labels) - 1
    return (
        b"".join(struct.pack("!I", label << 12 | (n == last) << 8 | ttl) for n, label in enumerate(labels))
        + payload
    )


def pppoe(
    payload: bytes,
    *,
    session: int = 17,
    version_type: int = 0x11,
    code: int = 0,
    length: int | None = None,
    protocol: int | None = None,
) -> bytes:
    """A PPPoE session header and PPP protocol (RFC 2516) before a payload; goes with ethertype
    PPPOE_SESSION.
    """
    size = 2 + len(payload) if length is None else length
    kind = ppp_protocol_of(payload) if protocol is None else protocol
    return struct.pack("!BBHHH", version_type, code, session, size, kind) + payload


def ppp(payload: bytes, *, framed: bool = False, protocol: int | None = None) -> bytes:
    """A PPP frame; `framed` puts the address and control octets of RFC 1662 before the protocol."""
    kind = ppp_protocol_of(payload) if protocol is None else protocol
    return (b"\xff\x03" if framed else b"") + kind.to_bytes(2, "big") + payload


def sll(
    payload: bytes,
    *,
    address: bytes = CLIENT_MAC,
    address_length: int | None = None,
    packet_type: int = 0,
    arphrd: int = 1,
    ethertype: int | None = None,
) -> bytes:
    """A Linux cooked frame, version 1: 16 octets before the payload."""
    kind = ethertype_of(payload) if ethertype is None else ethertype
    size = len(address) if address_length is None else address_length
    return struct.pack("!HHH8sH", packet_type, arphrd, size, address, kind) + payload


def sll2(
    payload: bytes,
    *,
    address: bytes = CLIENT_MAC,
    address_length: int | None = None,
    packet_type: int = 0,
    arphrd: int = 1,
    if_index: int = 2,
    ethertype: int | None = None,
) -> bytes:
    """A Linux cooked frame, version 2: 20 octets before the payload."""
    kind = ethertype_of(payload) if ethertype is None else ethertype
    size = len(address) if address_length is None else address_length
    return struct.pack("!HHIHBB8s", kind, 0, if_index, arphrd, packet_type, size, address) + payload


def null(payload: bytes, *, family: int | None = None, byte_order: str = "<") -> bytes:
    """A BSD loopback frame: the address family in the byte order of the capturing machine."""
    number = _family_of(payload) if family is None else family
    return struct.pack(byte_order + "I", number) + payload


def loop(payload: bytes, *, family: int | None = None) -> bytes:
    """An OpenBSD loopback frame: the address family in network byte order."""
    return null(payload, family=family, byte_order=">")


def ethertype_of(packet: bytes) -> int:
    return IPV6 if packet[:1] and packet[0] >> 4 == 6 else IPV4


def ppp_protocol_of(packet: bytes) -> int:
    return PPP_IPV6 if ethertype_of(packet) == IPV6 else PPP_IPV4


def _family_of(packet: bytes) -> int:
    return 30 if ethertype_of(packet) == IPV6 else 2  # AF_INET6 of Darwin, AF_INET
