# SPDX-License-Identifier: Apache-2.0
"""Frames that no Flow gets, each for one reason (semantics §1)."""

from __future__ import annotations

from craft import link
from craft.capture import Capture, Interface
from craft.conversation import EPOCH_NS
from craft.link import ethernet
from craft.network import destination_options, ipv4, ipv6
from craft.transport import Segment, tcp, udp
from golden.recipe import Recipe, of_cut_frames, of_frames, of_interfaces

A4, B4 = "192.0.2.1", "198.51.100.2"
A6, B6 = "2001:db8::1", "2001:db8::2"
GOOD = ethernet(ipv4(A4, B4, udp(1000, 2000)))


def discard_non_ip() -> Recipe:
    """ARP, LLDP, spanning tree over LLC, CDP over SNAP, SNAP with an unknown OUI, a type between length and
    ethertype.
    """
    return of_frames(
        GOOD,
        ethernet(bytes(28), ethertype=link.ARP, minimum=60),
        ethernet(bytes(40), ethertype=0x88CC, tags=[link.Tag(2)]),
        link.ethernet_802_3(link.llc(bytes(35), dsap=0x42, ssap=0x42), minimum=60),
        link.ethernet_802_3(link.snap(bytes(30), oui=bytes.fromhex("00000c"), ethertype=0x2000)),
        link.ethernet_802_3(link.snap(ipv4(A4, B4, udp(1, 2)), oui=bytes.fromhex("00aabb"))),
        link.ethernet_802_3(b"\xff\xff" + bytes(40)),
        ethernet(ipv4(A4, B4, udp(1, 2)), ethertype=1501),
    )


def discard_truncated() -> Recipe:
    """The capture cut Ethernet, a tag, LLC, IPv4 header, options, ports, TCP flags, ICMP type; the last one
    is whole.
    """
    options = ethernet(ipv4(A4, B4, tcp(1000, 80, "S"), options=b"\x01" * 8), tags=[link.Tag(1)])
    llc = link.ethernet_802_3(link.snap(ipv4(A4, B4, udp(1, 2))))
    icmp = ethernet(ipv4(A4, B4, Segment(1, bytes(8))))
    cut = [(options, size) for size in (0, 13, 15, 18, 37, 45, 47, 59)] + [(llc, 16), (llc, 18), (icmp, 35)]
    return of_cut_frames(*((frame[:size], len(frame)) for frame, size in cut), (options[:60], len(options)))


def discard_malformed() -> Recipe:
    """Headers that contradict themselves, or that claim more than the wire had."""
    short = ethernet(ipv4(A4, B4, udp(1000, 2000)))
    return of_frames(
        GOOD,
        ethernet(ipv4(A4, B4, udp(1, 2), version=5)),
        ethernet(ipv4(A4, B4, udp(1, 2, bytes(20))), ethertype=link.IPV6),
        ethernet(ipv6(A6, B6, udp(1, 2)), ethertype=link.IPV4),
        ethernet(ipv4(A4, B4, udp(1, 2), ihl=4)),
        ethernet(ipv4(A4, B4, udp(1, 2), total_length=19)),
        ethernet(ipv4(A4, B4, udp(1, 2), ihl=6, total_length=23)),
        ethernet(ipv4(A4, B4, Segment(17, b""), ihl=15, total_length=0)),
        ethernet(ipv4(A4, B4, udp(1, 2), total_length=23)),
        ethernet(ipv4(A4, B4, Segment(132, bytes(3)))),
        ethernet(ipv6(A6, B6, Segment(33, bytes(2)))),
        ethernet(ipv6(A6, B6, udp(1, 2), extensions=[destination_options(length=9)])),
        ethernet(ipv6(A6, B6, Segment(60, bytes.fromhex("1100")))),
        short[:13],
        short[:33],
        ethernet(ipv6(A6, B6, udp(1, 2)))[:53],
    )


def discard_unsupported_link() -> Recipe:
    """An interface of an unknown link type beside one of a known: only its frames are lost."""
    capture = Capture()
    for number in range(4):
        capture.add(EPOCH_NS + number, GOOD, interface=number % 2)
    return of_interfaces(capture, Interface(), Interface(link_type=147))
