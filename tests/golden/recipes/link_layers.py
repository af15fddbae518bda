# SPDX-License-Identifier: Apache-2.0
"""Every link layer of semantics §1: a question and its answer over each, IPv4 and IPv6 where it carries
both.
"""

from __future__ import annotations

from collections.abc import Callable

from craft import link
from craft.conversation import Pair
from craft.link import Tag
from golden.recipe import Recipe, of_frames

V4 = Pair("192.0.2.1", "198.51.100.2", 40001, 53)
V6 = Pair("2001:db8::1", "2001:db8::2", 40001, 53)


def _exchange(
    wrap: Callable[[bytes], bytes], pairs: tuple[Pair, ...] = (V4, V6), link_type: int = 1
) -> Recipe:
    packets = [pair.packet(side, pair.udp(side, bytes(30))) for pair in pairs for side in "><"]
    return of_frames(*(wrap(packet) for packet in packets), link_type=link_type)


def link_ethernet() -> Recipe:
    """Ethernet II: MAC addresses are those of each direction's first packet."""
    return of_frames(*(pair.frame(side, pair.udp(side, bytes(30))) for pair in (V4, V6) for side in "><"))


def link_llc_snap() -> Recipe:
    """802.3 with LLC/SNAP, both OUIs, under a VLAN tag too, and plain LLC 0x06 for IPv4."""
    packets = [V4.packet(side, V4.udp(side, bytes(30))) for side in "><"]
    return of_frames(
        link.ethernet_802_3(link.snap(packets[0])),
        link.ethernet_802_3(link.snap(packets[1], oui=b"\x00\x00\xf8")),
        link.ethernet_802_3(link.llc(packets[0])),
        link.ethernet_802_3(link.snap(packets[0]), tags=[Tag(5)]),
        link.ethernet_802_3(link.snap(V6.packet(">", V6.udp(">")))),
    )


def link_vlan() -> Recipe:
    """One 802.1Q tag; its priority bits are no part of vlanId."""
    return _exchange(lambda packet: link.ethernet(packet, tags=[Tag(100, priority=5)]))


def link_vlan_9100() -> Recipe:
    """QinQ as it was before 802.1ad."""
    packet = V4.packet(">", V4.udp(">"))
    return of_frames(link.ethernet(packet, tags=[Tag(200, 0x9100), Tag(100)]))


def link_qinq() -> Recipe:
    """802.1ad outside, 802.1Q inside: vlanId is the outer one."""
    return _exchange(lambda packet: link.ethernet(packet, tags=[Tag(200, link.SERVICE_VLAN), Tag(100)]))


def link_eight_tags() -> Recipe:
    """Eight tags are read, a ninth makes the frame unsupported_link."""
    packet = V4.packet(">", V4.udp(">"))
    tags = [Tag(number, link.SERVICE_VLAN if number < 5 else link.VLAN) for number in range(1, 10)]
    return of_frames(link.ethernet(packet, tags=tags[:8]), link.ethernet(packet, tags=tags))


def link_mpls() -> Recipe:
    """MPLS, one to three labels: the first nibble after the stack tells IPv4 from IPv6, anything else is
    non_ip.
    """
    packets = [pair.packet(side, pair.udp(side, bytes(30))) for pair in (V4, V6) for side in "><"]
    frames = [
        link.ethernet(link.mpls(p, range(16, 17 + n)), ethertype=link.MPLS) for n, p in enumerate(packets[:3])
    ]
    frames.append(link.ethernet(link.mpls(packets[3], [16]), ethertype=link.MPLS_MULTICAST, tags=[Tag(9)]))
    frames.append(link.ethernet(link.mpls(bytes(40), [16]), ethertype=link.MPLS))
    return of_frames(*frames)


def link_pppoe() -> Recipe:
    """PPPoE session under a VLAN tag, MPLS inside one; LCP and the discovery stage are non_ip, a wrong code
    malformed.
    """
    packets = [pair.packet(side, pair.udp(side, bytes(30))) for pair in (V4, V6) for side in "><"]
    bodies = [link.pppoe(packet) for packet in packets]
    bodies.append(link.pppoe(link.mpls(packets[0], [99]), protocol=link.PPP_MPLS))
    bodies.append(link.pppoe(b"\x09\x01\x00\x08\x00\x00\x00\x00", protocol=link.PPP_LCP))
    bodies += [link.pppoe(packets[0], code=0xA7), link.pppoe(packets[0], version_type=0x21)]
    frames = [link.ethernet(body, ethertype=link.PPPOE_SESSION, tags=[Tag(7)]) for body in bodies]
    return of_frames(*frames, link.ethernet(bodies[0], ethertype=link.PPPOE_DISCOVERY))


def link_sll() -> Recipe:
    """Linux cooked v1: the source MAC address when it has 6 octets, no destination; VLAN tags or LLC may
    follow.
    """
    packets = [pair.packet(side, pair.udp(side, bytes(30))) for pair in (V4, V6) for side in "><"]
    return of_frames(
        link.sll(packets[0]),
        link.sll(packets[1], address=bytes(range(8)), packet_type=4),
        link.sll(packets[2]),
        link.sll(b"\x00\x05\x86\xdd" + packets[3], ethertype=link.VLAN, packet_type=4),
        link.sll(link.snap(packets[0]), ethertype=4),
        link.sll(packets[0], ethertype=1),
        link.sll(bytes(28), ethertype=link.ARP),
        link_type=link.SLL,
    )


def link_sll2() -> Recipe:
    """Linux cooked v2."""
    packets = [pair.packet(side, pair.udp(side, bytes(30))) for pair in (V4, V6) for side in "><"]
    return of_frames(
        link.sll2(packets[0]),
        link.sll2(packets[1], address=b"", packet_type=4),
        link.sll2(packets[2], if_index=7),
        link.sll2(b"\x00\x05\x86\xdd" + packets[3], ethertype=link.VLAN, packet_type=4),
        link.sll2(bytes(28), ethertype=link.ARP),
        link_type=link.SLL2,
    )


def link_raw() -> Recipe:
    """LINKTYPE_RAW: the first nibble tells; another version is malformed."""
    recipe = [pair.packet(side, pair.udp(side, bytes(30))) for pair in (V4, V6) for side in "><"]
    return of_frames(*recipe, bytes.fromhex("5000"), link_type=link.RAW)


def link_raw_bsd() -> Recipe:
    """The number of DLT_RAW itself as link type."""
    return _exchange(bytes, link_type=link.RAW_BSD)


def link_ipv4() -> Recipe:
    """LINKTYPE_IPV4: an IPv6 packet in it is malformed."""
    packets = [V4.packet(side, V4.udp(side, bytes(30))) for side in "><"]
    return of_frames(*packets, V6.packet(">", V6.udp(">")), link_type=link.RAW_IPV4)


def link_ipv6() -> Recipe:
    """LINKTYPE_IPV6: an IPv4 packet (long enough for the header of 40 octets) in it is malformed."""
    packets = [V6.packet(side, V6.udp(side, bytes(30))) for side in "><"]
    return of_frames(*packets, V4.packet(">", V4.udp(">", bytes(30))), link_type=link.RAW_IPV6)


def link_null() -> Recipe:
    """BSD loopback: the family in either byte order, with each number that a system gives to AF_INET6."""
    v4, v6 = (pair.packet(">", pair.udp(">", bytes(30))) for pair in (V4, V6))
    return of_frames(
        link.null(v4),
        link.null(v4, byte_order=">"),
        *(link.null(v6, family=family) for family in (24, 28, 30)),
        link.null(v6, family=30, byte_order=">"),
        link.null(v4, family=7),
        link_type=link.NULL,
    )


def link_loop() -> Recipe:
    """OpenBSD loopback: the family in network byte order."""
    return _exchange(link.loop, link_type=link.LOOP)


def link_ppp() -> Recipe:
    """PPP with and without address and control octets, whole and compressed protocol numbers; LCP is
    non_ip.
    """
    v4, v6 = (pair.packet(">", pair.udp(">", bytes(30))) for pair in (V4, V6))
    return of_frames(
        link.ppp(v4),
        link.ppp(v4, framed=True),
        link.ppp(v6),
        link.ppp(v6, framed=True),
        link.ppp(link.mpls(v6, [40, 41]), protocol=link.PPP_MPLS),
        b"\x21" + v4,
        b"\xff\x03\x57" + v6,
        link.ppp(bytes.fromhex("01010004"), framed=True, protocol=link.PPP_LCP),
        link_type=link.PPP,
    )


def link_ppp_hdlc() -> Recipe:
    """PPP in HDLC-like framing."""
    return _exchange(lambda packet: link.ppp(packet, framed=True), link_type=link.PPP_HDLC)


def link_unknown() -> Recipe:
    """A link type that nobody here knows: every frame is unsupported_link."""
    return _exchange(bytes, link_type=147)
