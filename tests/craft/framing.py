# SPDX-License-Identifier: Apache-2.0
"""Frames of drawn traffic: an IP packet behind any link layer, and frames that carry none."""

from __future__ import annotations

import struct
from random import Random
from typing import NamedTuple

from craft import link
from craft.link import Tag

LINK_TYPES = (link.ETHERNET, link.RAW, link.SLL, link.SLL2, link.NULL, link.PPP)
ANY_LINK_TYPES = (
    *(link.LOOP, link.PPP_HDLC, link.RAW_BSD, link.RAW_IPV4, link.RAW_IPV6),
    147,  # LINKTYPE_USER0: nobody can decode it
)
TAG_STACKS: tuple[tuple[Tag, ...], ...] = (
    *((), (), (Tag(10),), (Tag(20),), (Tag(10), Tag(20)), (Tag(0),)),
    (Tag(10, link.SERVICE_VLAN, 3), Tag(4095, 0x9100)),
)
WRAPS = (*[""] * 12, "mpls", "pppoe", "pppoe mpls", "snap", "llc")


SLL_LLC = 4
"""Linux's own number for LLC, in the place of an EtherType."""


class Path(NamedTuple):
    """How a packet comes: through which interface, behind which tags, in what else (one of WRAPS)."""

    interface: int = 0
    tags: tuple[Tag, ...] = ()
    wrap: str = ""


def frame_of(packet: bytes, from_client: bool, path: Path, link_type: int) -> bytes:
    """The packet as a frame of a link type; it has no tags and no wrap where the link type has no room."""
    mac = link.CLIENT_MAC if from_client else link.SERVER_MAC
    if link_type == link.ETHERNET:
        other = link.SERVER_MAC if from_client else link.CLIENT_MAC
        payload, ethertype = _wrapped(packet, path.wrap)
        return link.ethernet(
            payload, source=mac, destination=other, tags=path.tags, ethertype=ethertype, minimum=60
        )
    if link_type == link.SLL:
        payload, ethertype = _tagged(packet, path)
        return link.sll(payload, address=mac, ethertype=ethertype)
    if link_type == link.SLL2:
        payload, ethertype = _tagged(packet, path)
        return link.sll2(payload, address=mac if from_client else b"", ethertype=ethertype)
    if link_type == link.NULL:
        return link.null(packet, byte_order="<>"[from_client])
    if link_type == link.LOOP:
        return link.loop(packet)
    if link_type in (link.PPP, link.PPP_HDLC):
        if path.wrap == "mpls":
            return link.ppp(link.mpls(packet, [16]), framed=from_client, protocol=link.PPP_MPLS)
        octets = link.ppp(packet, framed=from_client)
        # RFC 1661 section 6.5: the first octet of the protocol, 0, may be left out.
        return octets if path.wrap != "snap" else octets[: 2 * from_client] + octets[2 * from_client + 1 :]
    return packet


def stray_frame(random: Random, link_type: int) -> bytes:
    """A frame of which nothing can be metered: of another protocol, tagged too often, or contradictory."""
    packet = bytes([0x45, 0, 0, 28]) + bytes(24)
    garbage = bytes([0x45, 0, 0, 7]) + bytes(36)  # IPv4 whose length is shorter than its header
    if link_type == link.ETHERNET:
        return random.choice(
            (
                link.ethernet(bytes(28), ethertype=link.ARP, minimum=60),
                link.ethernet(link.snap(packet), ethertype=random.choice((1501, 1535))),  # neither
                link.ethernet(garbage, tags=[Tag(7)] * 9),
                link.ethernet(link.mpls(bytes(30), [16]), ethertype=link.MPLS),
                link.ethernet(link.pppoe(garbage, code=9), ethertype=link.PPPOE_SESSION),
                link.ethernet_802_3(link.llc(bytes(40), dsap=0x42, ssap=0x42)),
                link.ethernet(garbage),
                b"",
            )
        )
    if link_type in (link.PPP, link.PPP_HDLC):
        return link.ppp(bytes(8), protocol=link.PPP_LCP)
    if link_type in (link.NULL, link.LOOP):
        return link.null(garbage, family=random.choice((2, 7)), byte_order=">")
    if link_type in (link.SLL, link.SLL2):
        return (link.sll if link_type == link.SLL else link.sll2)(bytes(28), ethertype=link.ARP)
    return garbage


def _wrapped(packet: bytes, wrap: str) -> tuple[bytes, int]:
    """What stands behind an EtherType, and that."""
    if wrap == "mpls":
        return link.mpls(packet, [16, 17]), link.MPLS
    if wrap == "pppoe":
        return link.pppoe(packet), link.PPPOE_SESSION
    if wrap == "pppoe mpls":
        return link.pppoe(link.mpls(packet, [16]), protocol=link.PPP_MPLS), link.PPPOE_SESSION
    if wrap == "snap" and len(packet) <= 1400:
        payload = link.snap(packet)
        return payload, len(payload)
    if wrap == "llc" and len(packet) <= 1400 and link.ethertype_of(packet) == link.IPV4:
        payload = link.llc(packet)
        return payload, len(payload)
    return packet, link.ethertype_of(packet)


def _tagged(packet: bytes, path: Path) -> tuple[bytes, int]:
    """The same with the tags before it."""
    payload, kind = _wrapped(packet, path.wrap)
    if kind <= 1500 and not path.tags:
        kind = SLL_LLC
    for tag in reversed(path.tags):
        payload = struct.pack("!HH", tag.priority << 13 | tag.vlan_id, kind) + payload
        kind = tag.tpid
    return payload, kind
