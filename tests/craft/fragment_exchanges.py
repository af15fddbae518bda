# SPDX-License-Identifier: Apache-2.0
"""Packets in fragments."""

from __future__ import annotations

from craft import network, transport
from craft.parties import Conversation
from craft.tcp_exchanges import TCP_FLAGS


def fragmented(of: Conversation) -> None:
    """Packets in fragments, with few identifications: in order, reversed, shuffled, in part, or such that the
    last ones come after the first of later packets.
    """
    held: list[tuple[bool, bytes]] = []
    for _ in range(of.random.randrange(of.place.most_packets // 2 + 1) + 1):
        from_client = of.side()
        fragments = _fragments(of, from_client)
        order = of.random.randrange(8)
        if order == 1:
            fragments.reverse()
        elif order == 2:
            del fragments[0]
        elif order == 3:
            of.random.shuffle(fragments)
        elif order > 4:
            held += [(from_client, fragment) for fragment in fragments[1:3]]
            del fragments[1:]
        for fragment in fragments:
            of.put(from_client, fragment)
            of.pace.step()
        if held and of.random.randrange(4) == 3:
            of.put(*held.pop(0))
    for from_client, fragment in held:
        of.put(from_client, fragment)
        of.pace.step()


def _fragments(of: Conversation, from_client: bool) -> list[bytes]:
    random = of.random
    ends, ports, data = of.ends(from_client), of.ports_of(from_client), bytes(random.choice((64, 536, 1400)))
    payload = (
        transport.udp(*ports, data, checksum=0),
        transport.udp(*ports, data, checksum=0),
        transport.tcp(*ports, random.choice(TCP_FLAGS), data, checksum=0),
        of.icmp(8, 128, transport.echo(1, 1, data)),
    )[random.randrange(4)]
    size, identification = random.choice((8, 512, 512, 24)), random.randrange(3)
    size = size if len(data) < 512 else 512
    if of.version == 4:
        return network.ipv4_fragments(
            *ends, payload, size=size, identification=identification, ttl=of.ttl, tos=of.tos
        )
    after = [network.destination_options()] if random.randrange(3) == 2 else []
    return network.ipv6_fragments(
        *ends, payload, size=size, identification=identification, after=after, hop_limit=of.ttl
    )
