# SPDX-License-Identifier: Apache-2.0
"""Packets whose headers are uncommon, leave something open, or contradict themselves."""

from __future__ import annotations

from random import Random

from craft import network, transport
from craft.network import Extension
from craft.parties import Conversation
from craft.transport import Segment


def offloaded(of: Conversation) -> None:
    """Packets whose length is left to the card, or stands in a jumbo option; most of it was not captured."""
    for _ in range(of.count()):
        from_client = of.side()
        ports, data = of.ports_of(from_client), bytes(of.size())
        beyond = of.random.choice((0, 3000, 70_000 if of.place.large_packets else 60_000))
        kind = of.random.randrange(6)
        if kind < 4:
            offset = of.random.choice((None, None, 4))
            segment = transport.tcp(*ports, "PA", data, data_offset=offset, checksum=0)
        else:
            segment = transport.udp(*ports, data, length=0, checksum=0)
        if kind == 3 and of.version == 6 and of.place.large_packets:
            of.put(from_client, _jumbo(of, from_client, segment), beyond)
        else:
            of.put(from_client, of.packet(from_client, segment, length=0), beyond)
        of.pace.step()


def _jumbo(of: Conversation, from_client: bool, segment: Segment) -> bytes:
    length = of.random.choice((65_535, 65_536, 100_000, 1 << 31))
    option = network.hop_by_hop(network.jumbo_option(length))
    return network.ipv6(*of.ends(from_client), segment, extensions=[option], payload_length=0)


def contradictory(of: Conversation) -> None:
    """Packets with lengths and versions that are wrong, between others that are right."""
    for _ in range(of.count()):
        from_client = of.side()
        ports, ends = of.ports_of(from_client), of.ends(from_client)
        flags = of.random.choice(("PA", 0xF18))
        segment = transport.tcp(*ports, flags, bytes(of.size()), checksum=0)
        kind, wrong = of.random.randrange(8), of.random.randrange(3)
        if kind < 3:
            packet = of.packet(from_client, segment)
        elif kind == 3:
            packet = of.packet(from_client, transport.cut(segment, of.random.randrange(16)))
        elif kind == 4:
            packet = of.packet(from_client, segment, length=of.random.choice((1, 22, 30, 1500, 60_000)))
        elif of.version == 4:
            packet = (
                network.ipv4(*ends, segment, ihl=4),
                network.ipv4(*ends, segment, ihl=15),
                network.ipv4(*ends, segment, version=6),
            )[wrong]
        else:
            packet = (
                network.ipv6(*ends, segment, version=4),
                network.ipv6(*ends, segment, next_header=network.HOP_BY_HOP),
                network.ipv6(*ends, segment, next_header=network.FRAGMENT),
            )[wrong]
        of.put(from_client, packet)
        of.pace.step()


def extended(of: Conversation) -> None:
    """IPv6 with any extension headers in any order, IPv4 with any options and fragment bits."""
    for _ in range(of.count()):
        random, from_client = of.random, of.side()
        ports, ends = of.ports_of(from_client), of.ends(from_client)
        segment = transport.udp(*ports, bytes(of.size()), checksum=0)
        if of.version == 4:
            packet = network.ipv4(
                *ends,
                segment,
                options=random.choice((b"", bytes(8), b"\x01" * 40, bytes.fromhex("94040000"))),
                identification=random.randrange(3),
                fragment_offset=random.choice((0, 0, 8, 65_528)),
                more_fragments=random.randrange(2) == 0,
                dont_fragment=random.randrange(2) == 0,
                checksum=0,
            )
        else:
            jumbo = 70_000 if of.place.large_packets else 60_000
            extensions = [_any_extension(random, jumbo) for _ in range(random.randrange(5))]
            length = random.choice((None, None, 0, 40))
            packet = network.ipv6(*ends, segment, extensions=extensions, payload_length=length)
        of.put(from_client, packet)
        of.pace.step()


def _any_extension(random: Random, jumbo: int) -> Extension:
    kind = random.randrange(7)
    if kind < 3:
        offset, more = random.choice((0, 0, 8, 1400)), random.randrange(2) == 0
        return network.fragment_header(offset, more, random.randrange(3))
    if kind == 3:
        large = network.jumbo_option(jumbo)
        options = random.choice((b"", large, large, b"\x05\x02\x00\x00" + large, b"\x3e\xff"))
        return network.hop_by_hop(options, length=random.choice((None, None, None, 40)))
    if kind == 4:
        return network.destination_options(length=random.choice((None, None, None, 4)))
    if kind == 5:
        return network.routing(("2001:db8::9",) * random.randrange(3))
    return network.ah_header(icv=bytes(4 * random.randrange(5)))
