# SPDX-License-Identifier: Apache-2.0
"""From a frame to its IP packet: link layers, VLAN tags, MPLS, PPPoE (1.4 to 1.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dpkt.ethernet import Ethernet, MPLSlabel, VLANtag8021Q
from dpkt.llc import LLC
from dpkt.loopback import Loopback
from dpkt.pppoe import PPPoE
from dpkt.sll import SLL
from dpkt.sll2 import SLL2

from spanflow.reference.frame import DiscardError, Frame

MAXIMUM_TAGS = 8
TAGS = (0x8100, 0x88A8, 0x9100)
"""802.1Q, 802.1ad, and what came before 802.1ad."""

SAP_IP, SAP_SNAP = 0x06, 0xAA
SNAP_OUIS = (bytes(3), bytes.fromhex("0000f8"))
NULL_FAMILIES = {2: 4, 10: 6, 24: 6, 28: 6, 30: 6}
"""AF_INET everywhere; AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin."""


@dataclass(slots=True)
class Link:
    """Where the IP packet starts, the IP version that the link layer promises, and what else it said."""

    offset: int = 0
    version: int = 0
    vlan_id: int = 0
    tags: int = 0
    source_mac_address: bytes = bytes(6)
    destination_mac_address: bytes = bytes(6)


def decode_link(frame: Frame) -> Link:
    """Find the IP packet of a frame. Raises DiscardError."""
    decoder = DECODERS.get(frame.link_type)
    if decoder is None:
        raise DiscardError("unsupported_link")
    link = Link()
    decoder(frame, link)
    return link


def _ethernet(frame: Frame, link: Link) -> None:
    header = frame.header(Ethernet, 0, frame.wire_length)
    link.destination_mac_address, link.source_mac_address = header.dst, header.src
    _type_or_length(frame, link, 14, header.type)


def _type_or_length(frame: Frame, link: Link, offset: int, value: int) -> None:
    """IEEE 802.3: values up to 1500 are a length, and LLC follows."""
    if value <= 1500:
        _llc(frame, link, offset)
    else:
        _ethertype(frame, link, offset, value)


def _llc(frame: Frame, link: Link, offset: int) -> None:
    header = frame.header(LLC, offset, frame.wire_length)
    if header.dsap == header.ssap == SAP_IP:
        _ip(link, offset + 3, 4)
    elif header.dsap == header.ssap == SAP_SNAP:
        # dpkt has no class for what follows: OUI and EtherType.
        snap = frame.need(offset + 3, 5, frame.wire_length)
        if snap[:3] not in SNAP_OUIS:
            raise DiscardError("non_ip")
        _ethertype(frame, link, offset + 8, int.from_bytes(snap[3:], "big"))
    else:
        raise DiscardError("non_ip")


def _ethertype(frame: Frame, link: Link, offset: int, value: int) -> None:
    """1.5; types 1501 to 1535 are none of these."""
    if value == 0x0800:
        _ip(link, offset, 4)
    elif value == 0x86DD:
        _ip(link, offset, 6)
    elif value in TAGS:
        _tag(frame, link, offset)
    elif value in (0x8847, 0x8848):
        _mpls(frame, link, offset)
    elif value == 0x8864:
        _pppoe(frame, link, offset)
    else:
        raise DiscardError("non_ip")


def _tag(frame: Frame, link: Link, offset: int) -> None:
    if link.tags == MAXIMUM_TAGS:
        raise DiscardError("unsupported_link")
    tag = frame.header(VLANtag8021Q, offset, frame.wire_length)
    if link.tags == 0:
        link.vlan_id = tag.id
    link.tags += 1
    _type_or_length(frame, link, offset + 4, tag.type)


def _mpls(frame: Frame, link: Link, offset: int) -> None:
    """1.6: labels up to the bottom of the stack; no field names the payload, its first nibble must do."""
    bottom = False
    while not bottom:
        bottom = bool(frame.header(MPLSlabel, offset, frame.wire_length).s)
        offset += 4
    version = frame.need(offset, 1, frame.wire_length)[0] >> 4
    if version not in (4, 6):
        raise DiscardError("non_ip")
    _ip(link, offset, version)


def _pppoe(frame: Frame, link: Link, offset: int) -> None:
    header = frame.header(PPPoE, offset, frame.wire_length)
    if (header.v, header.type, header.code) != (1, 1, 0):
        raise DiscardError("malformed")  # 1.3
    _ppp_protocol(frame, link, offset + 6)


def _ppp_protocol(frame: Frame, link: Link, offset: int) -> None:
    """RFC 1661 section 6.5: a protocol whose first octet is odd is compressed to this one octet.

    Read plainly: dpkt's PPP takes one octet for the protocol and has the address octets always.
    """
    compressed = frame.need(offset, 1, frame.wire_length)[0] & 1
    size = 1 if compressed else 2
    protocol = int.from_bytes(frame.need(offset, size, frame.wire_length), "big")
    if protocol == 0x0021:
        _ip(link, offset + size, 4)
    elif protocol == 0x0057:
        _ip(link, offset + size, 6)
    elif protocol == 0x0281:
        _mpls(frame, link, offset + size)
    else:
        raise DiscardError("non_ip")


def _ppp(frame: Frame, link: Link) -> None:
    """RFC 1662: address and control octets, if there."""
    framed = frame.need(0, 2, frame.wire_length) == b"\xff\x03"
    _ppp_protocol(frame, link, 2 if framed else 0)


def _sll(frame: Frame, link: Link) -> None:
    header = frame.header(SLL, 0, frame.wire_length)
    if header.hlen == 6:
        link.source_mac_address = header.hdr[:6]
    _cooked_protocol(frame, link, 16, header.ethtype)


def _sll2(frame: Frame, link: Link) -> None:
    header = frame.header(SLL2, 0, frame.wire_length)
    if header.hlen == 6:
        link.source_mac_address = header.hdr[:6]
    _cooked_protocol(frame, link, 20, header.ethtype)


def _cooked_protocol(frame: Frame, link: Link, offset: int, protocol: int) -> None:
    """An ethertype, or one of Linux's own numbers, of which only 4 (LLC follows) can lead to IP."""
    if protocol == 4:
        _llc(frame, link, offset)
    else:
        _ethertype(frame, link, offset, protocol)


def _null(frame: Frame, link: Link) -> None:
    """The family is in the byte order of the capturing machine: both are tried, one has a small number."""
    family = frame.header(Loopback, 0, frame.wire_length).family
    _family(link, min(family, int.from_bytes(family.to_bytes(4, "little"), "big")))


def _loop(frame: Frame, link: Link) -> None:
    """In network byte order, which dpkt's Loopback is not."""
    _family(link, int.from_bytes(frame.need(0, 4, frame.wire_length), "big"))


def _family(link: Link, family: int) -> None:
    if family not in NULL_FAMILIES:
        raise DiscardError("non_ip")
    _ip(link, 4, NULL_FAMILIES[family])


def _raw(frame: Frame, link: Link) -> None:
    """1.6: what does not say that it is IPv6 is read as IPv4, whose version must then be right."""
    version = frame.need(0, 1, frame.wire_length)[0] >> 4
    _ip(link, 0, 6 if version == 6 else 4)


def _ip(link: Link, offset: int, version: int) -> None:
    link.offset, link.version = offset, version


DECODERS: dict[int, Callable[[Frame, Link], None]] = {
    0: _null,
    1: _ethernet,
    9: _ppp,
    12: _raw,
    14: _raw,
    50: _ppp,
    101: _raw,
    108: _loop,
    113: _sll,
    228: lambda frame, link: _ip(link, 0, 4),
    229: lambda frame, link: _ip(link, 0, 6),
    276: _sll2,
}
"""1.4: by LINKTYPE of the capture file; 12 and 14 are numbers of DLT_RAW itself, which old files hold."""
