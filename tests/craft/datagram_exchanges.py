# SPDX-License-Identifier: Apache-2.0
"""Datagrams of all protocols, echoes, errors."""

from __future__ import annotations

import struct

from craft import transport
from craft.parties import Conversation
from craft.transport import Segment


def with_ports(of: Conversation) -> None:
    """Datagrams of the other protocols with ports."""
    kind = of.random.randrange(6)
    for _ in range(of.count()):
        from_client, size = of.side(), of.size()
        ports = of.ports_of(from_client)
        if kind < 3:
            segment = transport.udp(*ports, bytes(size), checksum=0)
        elif kind == 3:
            segment = transport.udp_lite(*ports, bytes(size), checksum=0)
        elif kind == 4:
            segment = Segment(transport.SCTP, struct.pack("!HHII", *ports, 1, 0) + bytes(size))
        else:
            segment = transport.dccp(*ports)
        of.put(from_client, of.packet(from_client, segment))
        of.pace.step()


def without_ports(of: Conversation) -> None:
    """Echoes, and protocols without ports; ICMP of the other IP version among them, and cut to one octet."""
    kind = of.random.randrange(8)
    for number in range(of.count()):
        from_client = of.side()
        body = transport.echo(1, number, bytes(of.size()))
        if kind < 3:
            segment = of.icmp((8 if from_client else 0), (128 if from_client else 129), body)
        else:
            segment = (
                transport.esp(1, number),
                transport.gre(0x0800, bytes(20)),
                transport.icmp(8, 0, body, checksum=0) if of.version == 6 else transport.icmpv6(128, 0, body),
                transport.cut(of.icmp(8, 128, body), of.random.randrange(3)),
                transport.igmp(),
            )[kind - 3]
        of.put(from_client, of.packet(from_client, segment))
        of.pace.step()


def icmp_errors(of: Conversation) -> None:
    """Datagrams that are answered with errors, which quote them: a Flow of its own, without ports."""
    for _ in range(of.count()):
        from_client = of.side()
        datagram = transport.udp(*of.ports_of(from_client), bytes(of.size()), checksum=0)
        packet = of.packet(from_client, datagram)
        of.put(from_client, packet)
        of.pace.step()
        types, code = of.random.choice(((3, 1), (11, 3), (12, 4))), of.random.randrange(5)
        error = of.icmp(*types, bytes(4) + packet[:48], code)
        of.put(not from_client, of.packet(not from_client, error))
        of.pace.step()
