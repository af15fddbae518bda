# SPDX-License-Identifier: Apache-2.0
"""IPv4 and IPv6: options, extension headers, lengths, protocols (semantics §1, §2, §4)."""

from __future__ import annotations

import struct

from craft import network, transport
from craft.capture import Capture
from craft.conversation import EPOCH_NS, Pair
from craft.link import Tag, ethernet
from craft.network import ipv4, ipv6
from craft.transport import Segment, tcp, udp
from golden.recipe import Recipe, of_cut_frames, of_frames

A4, B4 = "192.0.2.1", "198.51.100.2"
A6, B6 = "2001:db8::1", "2001:db8::2"


def _ethernet(*packets: bytes) -> Recipe:
    return of_frames(*(ethernet(packet) for packet in packets))


def ipv4_options() -> Recipe:
    """IPv4 with options: ports are behind them (record route; 40 octets of them)."""
    return _ethernet(
        ipv4(A4, B4, udp(1000, 2000, bytes(10)), options=bytes.fromhex("07070400000000") + b"\0"),
        ipv4(A4, B4, tcp(1000, 2000, "S"), options=b"\x01" * 40),
    )


def ipv4_without_ports() -> Recipe:
    """ESP, AH, GRE, IGMP and an unassigned protocol have ports 0; AH over IPv4 is protocol 51."""
    return _ethernet(
        ipv4(A4, B4, transport.esp(1, 1)),
        ipv4(B4, A4, transport.esp(2, 1)),
        ipv4(A4, B4, transport.ah(udp(1000, 2000))),
        ipv4(A4, B4, transport.gre(0x0800, ipv4("10.9.9.1", "10.9.9.2", udp(1, 2)))),
        ipv4(A4, "224.0.0.251", transport.igmp(), ttl=1, options=bytes.fromhex("94040000")),
        ipv4(A4, B4, Segment(253, b"")),
    )


def ports_of_five_protocols() -> Recipe:
    """TCP, UDP, UDP-Lite, SCTP and DCCP between the same ports are five Flows; each has its ports."""
    packets = []
    for ends in ((A4, B4), (A6, B6)):
        build = ipv6 if ":" in ends[0] else ipv4
        packets += [
            build(*ends, segment)
            for segment in (
                tcp(5000, 6000, "S"),
                udp(5000, 6000, b"x"),
                transport.udp_lite(5000, 6000, b"x"),
                transport.sctp(5000, 6000, bytes.fromhex("0100001400000001000100000001000100000001")),
                transport.dccp(5000, 6000),
            )
        ]
    return _ethernet(*packets)


def ipv6_extension_headers() -> Recipe:
    """Hop-by-hop, destination options, routing, AH and an atomic fragment are skipped; the IPv6 destination
    stays.
    """
    every = [
        network.hop_by_hop(),
        network.destination_options(bytes.fromhex("1e0400000000")),
        network.routing(["2001:db8::9"]),
        network.fragment_header(0, False, 7),
        network.ah_header(),
        network.destination_options(),
    ]
    return _ethernet(
        ipv6(A6, B6, udp(1000, 2000, bytes(10)), extensions=every),
        ipv6(A6, B6, tcp(1000, 2000, "SEC"), extensions=every[2:3]),
        ipv6(A6, B6, Segment(network.NO_NEXT_HEADER, b""), extensions=every[:1]),
        ipv6(A6, B6, transport.esp(1, 1), extensions=every[1:2]),
        ipv6(A6, B6, Segment(135, bytes(8))),
    )


def ipv6_sixteen_extension_headers() -> Recipe:
    """16 extension headers are skipped; with 17 the protocol is the 17th (60) and there are no ports."""
    options = [network.destination_options()] * 17
    return _ethernet(
        ipv6(A6, B6, udp(1000, 2000), extensions=options[:16]),
        ipv6(A6, B6, udp(1000, 2000), extensions=options),
    )


def ipv6_jumbo() -> Recipe:
    """Payload length 0 with a jumbo option is 40 + its value, even beyond the wire; a value up to 65,535 is
    none.
    """

    def frame(value: int, payload: Segment) -> bytes:
        option = network.hop_by_hop(network.jumbo_option(value))
        return ethernet(ipv6(A6, B6, payload, extensions=[option], payload_length=0))

    return of_cut_frames(
        (frame(100_000, udp(1000, 2000, bytes(64), length=0)), 14 + 40 + 100_000),
        (frame(70_000, udp(1000, 2000, bytes(64), length=0)), None),
        (frame(65_535, tcp(1000, 2000)), 200),  # an offloaded frame: its TCP header proves it
        (frame(65_535, transport.esp(1, 1)), None),  # malformed: nothing proves more than 40 octets
        (
            ethernet(ipv6(A6, B6, transport.esp(1, 1), extensions=[network.hop_by_hop()], payload_length=0)),
            None,
        ),
    )


def segmentation_offload_ipv4() -> Recipe:
    """IPv4 total length 0: the wire length minus the link headers, tags among them."""
    packet = ipv4(A4, B4, tcp(1000, 80, "PA", bytes(100)), total_length=0)
    return of_cut_frames(
        (ethernet(packet), 14 + 40 + 90_000),
        (ethernet(packet), None),
        (ethernet(packet, tags=[Tag(3)]), None),
        (ethernet(ipv4(A4, B4, Segment(6, b""), total_length=0)), None),
    )


def octets_beyond_four_gib() -> Recipe:
    """A Flow of 12 GB: six offloaded frames of 2 GB on the wire; their squared sizes overflow 64 bits."""
    frame = ethernet(ipv4(A4, B4, tcp(1000, 80, "A", bytes(2)), total_length=0))
    return of_cut_frames(*[(frame, 14 + 2_000_000_000)] * 6)


def segmentation_offload_ipv6() -> Recipe:
    """IPv6 payload length 0 is the wire length if TCP, or UDP of length 0, proves it; else it is 40
    octets.
    """
    behind_options = [network.destination_options()]
    return of_cut_frames(
        (ethernet(ipv6(A6, B6, tcp(1000, 80, "PA", bytes(100)), payload_length=0)), 14 + 40 + 80_000),
        (ethernet(ipv6(A6, B6, udp(1000, 53, bytes(100), length=0), payload_length=0)), None),
        (
            ethernet(ipv6(A6, B6, tcp(1001, 80, "A", bytes(9)), extensions=behind_options, payload_length=0)),
            None,
        ),
        (ethernet(ipv6(A6, B6, udp(1000, 53, bytes(100)), payload_length=0)), None),  # length 108: malformed
        (ethernet(ipv6(A6, B6, tcp(1000, 80, "A", data_offset=4), payload_length=0)), None),  # malformed
        (ethernet(ipv6(A6, B6, transport.icmpv6(128), payload_length=0)), None),  # 40 octets, type unknown
        (ethernet(ipv6(A6, B6, Segment(network.NO_NEXT_HEADER, b""), payload_length=0)), None),  # 40 octets
        (
            ethernet(
                ipv6(
                    A6, B6, Segment(network.NO_NEXT_HEADER, b""), extensions=behind_options, payload_length=0
                )
            ),
            None,
        ),
    )


def ethernet_padding() -> Recipe:
    """Padding to 60 octets never counts, nor does it lend ports to a payload too short for them."""
    return of_frames(
        ethernet(ipv4(A4, B4, tcp(1000, 80, "A")), minimum=60),
        ethernet(ipv4(A4, B4, udp(1000, 80, b"")), minimum=60),
        ethernet(ipv4(A4, B4, Segment(17, bytes.fromhex("03e8"))), minimum=60),
        ethernet(ipv6(A6, B6, Segment(network.NO_NEXT_HEADER, b"")), minimum=60),
    )


def length_beyond_the_wire() -> Recipe:
    """A length beyond the wire counts as the header says; ports beyond the wire are cut, not
    contradictory.
    """
    return _ethernet(
        ipv4(A4, B4, udp(1000, 2000, bytes(12)), total_length=1500),
        ipv6(A6, B6, udp(1000, 2000, bytes(12)), payload_length=9000),
        ipv4(A4, B4, Segment(17, b""), total_length=1500),
        ipv4(A4, B4, Segment(17, b""), ihl=15, total_length=60),
    )


def snap_length() -> Recipe:
    """A snap length of 54 cuts no IPv4 header that we need and costs nothing; it cuts the ports of IPv6."""
    capture = Capture()
    for number, pair in enumerate((Pair(A4, B4), Pair(A6, B6))):
        for side in "><":
            capture.add(EPOCH_NS + number, pair.frame(side, pair.tcp(side, "PA", bytes(1000))))
    return Recipe(capture.cut(54).pcap(snap_length=54))


def cut_ipv6() -> Recipe:
    """IPv6 over a VLAN tag at snap lengths that cut the header, an extension header, ports, TCP flags; the
    last is whole.
    """
    frame = ethernet(
        ipv6(A6, B6, tcp(1000, 80, "PA", bytes(60)), extensions=[network.hop_by_hop()]), tags=[Tag(4)]
    )
    return of_cut_frames(*((frame[:size], len(frame)) for size in (17, 57, 65, 69, 79, 80)))


def short_ip_payloads() -> Recipe:
    """TCP of 4 to 13 octets has no flags; UDP of 4 has ports; ICMP below 2 octets has type and code 0."""
    whole = tcp(1000, 80, "SA")
    return of_frames(
        *(ethernet(ipv4(A4, B4, transport.cut(whole, size)), minimum=60) for size in (3, 4, 13, 14)),
        ethernet(ipv4(A4, B4, transport.cut(udp(1000, 80), 4)), minimum=60),
        *(
            ethernet(ipv4(A4, B4, transport.cut(transport.icmp(8, 0), size)), minimum=60)
            for size in (0, 1, 2)
        ),
    )


def wrong_details_never_discard() -> Recipe:
    """Wrong UDP length, TCP data offset, IPv4 and TCP checksums, a reserved flag bit: accounted all the
    same.
    """
    return _ethernet(
        ipv4(A4, B4, udp(1000, 2000, bytes(10), length=3)),
        ipv4(A4, B4, udp(1000, 2000, bytes(10), length=6000), checksum=1),
        ipv4(A4, B4, tcp(1000, 2000, "S", data_offset=2, checksum=9)),
        ipv4(A4, B4, tcp(1000, 2000, 0xE10, data_offset=15)),
    )


def dscp_and_ttl() -> Recipe:
    """ipClassOfService is that of each direction's first packet, TTL the lowest and highest of each
    direction.
    """
    frames = []
    for sender, receiver, ports, build in (
        (A4, B4, (7, 9), "4"),
        (B4, A4, (9, 7), "4"),
        (A6, B6, (7, 9), "6"),
    ):
        for tos, ttl in ((0xB8, 64), (0x00, 61), (0x2E, 255)):
            if build == "4":
                frames.append(ipv4(sender, receiver, udp(*ports), tos=tos ^ (ports[0] & 2), ttl=ttl))
            else:
                frames.append(
                    ipv6(sender, receiver, udp(*ports), traffic_class=tos, flow_label=0xABCDE, hop_limit=ttl)
                )
    return _ethernet(*frames)


def icmp_pairs() -> Recipe:
    """Echo request and reply are one Biflow of ports 0, each direction with its type and code; so is an
    error.
    """
    quoted = bytes(4) + ipv4(A4, B4, udp(1000, 2000))
    return _ethernet(
        ipv4(A4, B4, transport.icmp(8, 0, transport.echo(1, 1, bytes(48)))),
        ipv4(B4, A4, transport.icmp(0, 0, transport.echo(1, 1, bytes(48)))),
        ipv4(A4, B4, transport.icmp(13, 0, bytes(16))),
        ipv6(A6, B6, transport.icmpv6(128, 0, transport.echo(1, 1))),
        ipv6(B6, A6, transport.icmpv6(129, 0, transport.echo(1, 1))),
        ipv4("203.0.113.9", A4, transport.icmp(3, 13, quoted)),
        ipv6(A6, "ff02::1:ff00:2", transport.icmpv6(135, 0, bytes(20)), hop_limit=255),
    )


def icmp_of_the_other_version() -> Recipe:
    """Protocol 58 in IPv4 and 1 in IPv6 are neither ICMP nor ICMPv6: no type and code."""
    return _ethernet(
        ipv4(A4, B4, Segment(58, struct.pack("!BBH", 128, 0, 0))),
        ipv6(A6, B6, Segment(1, struct.pack("!BBH", 8, 0, 0))),
    )
