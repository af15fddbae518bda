# SPDX-License-Identifier: Apache-2.0
"""Fragments find their Flow (semantics §2)."""

from __future__ import annotations

from craft import network, transport
from craft.link import Tag, ethernet
from craft.network import ipv4_fragments, ipv6_fragments
from craft.transport import Segment, udp
from golden.recipe import Recipe, at_times, of_frames

A4, B4 = "192.0.2.1", "198.51.100.2"
A6, B6 = "2001:db8::1", "2001:db8::2"
PAYLOAD = udp(1000, 2000, bytes(100))


def _fragments(identification: int = 1, payload: Segment = PAYLOAD, size: int = 40) -> list[bytes]:
    return [
        ethernet(packet)
        for packet in ipv4_fragments(A4, B4, payload, size=size, identification=identification)
    ]


def fragments_in_order() -> Recipe:
    """Three fragments of a datagram and its answer are one Biflow."""
    answers = ipv4_fragments(B4, A4, udp(2000, 1000, bytes(100)), size=80, identification=1)
    return of_frames(*_fragments(), *map(ethernet, answers))


def fragments_out_of_order() -> Recipe:
    """A later fragment before the first is an orphan with ports 0; the one after it has its ports."""
    first, second, third = _fragments()
    return of_frames(third, first, second)


def fragment_orphan() -> Recipe:
    """Later fragments without a first: other identification, other direction, other protocol."""
    first, second, _ = _fragments(1)
    _, other_identification, _ = _fragments(2)
    other_direction = ethernet(ipv4_fragments(B4, A4, PAYLOAD, size=40, identification=1)[1])
    other_protocol = ethernet(ipv4_fragments(A4, B4, Segment(136, bytes(80)), size=40, identification=1)[1])
    return of_frames(first, other_identification, other_direction, other_protocol, second)


def fragment_lifetime() -> Recipe:
    """A first fragment counts for 30 s of packet time, to the nanosecond, in both directions of time."""
    first, second, third = _fragments()
    return at_times(
        ("30", first),
        ("60", second),
        ("60.000000001", third),
        ("0", second),
        ("59", third),
        inactive_timeout=0,
        active_timeout=0,
        reorder_window=60_000_000_000,
    )


def fragment_first_replaced() -> Recipe:
    """The same identification again: the latest first fragment counts, and its time."""
    again = _fragments(1, udp(3000, 4000, bytes(100)))
    first, second, third = _fragments(1)
    return at_times(
        ("0", first), ("20", again[0]), ("21", second), ("45", third), inactive_timeout=0, active_timeout=0
    )


def fragment_table_full() -> Recipe:
    """A table of two forgets the oldest first fragment when the third comes."""
    datagrams = [_fragments(number) for number in (1, 2, 3)]
    return of_frames(
        *(datagram[0] for datagram in datagrams), *(datagram[1] for datagram in datagrams), max_fragments=2
    )


def fragments_of_other_protocols() -> Recipe:
    """TCP (flags only in the first), ICMP (type and code only in the first) and ESP fragments; ESP has no
    ports.
    """
    frames = []
    for number, payload in enumerate(
        (
            transport.tcp(1000, 80, "PA", bytes(60)),
            transport.icmp(8, 0, transport.echo(1, 1, bytes(60))),
            transport.esp(1, 1, bytes(60)),
        )
    ):
        frames += _fragments(number, payload)[:2]
    orphan = _fragments(9, transport.icmp(8, 0, transport.echo(1, 1, bytes(60))))[1]
    return of_frames(
        *frames, ethernet(ipv4_fragments(B4, A4, transport.esp(2, 2), size=24, identification=3)[1]), orphan
    )


def fragment_first_too_short() -> Recipe:
    """A first fragment without ports is malformed and leaves nothing for the later ones, which are
    orphans.
    """
    second = _fragments()[1]
    short = network.ipv4(A4, B4, Segment(17, b"\x03\xe8"), identification=1, more_fragments=True)
    return of_frames(ethernet(short), second)


def fragments_ipv6() -> Recipe:
    """IPv6 fragments behind and before other extension headers: the final protocol is that of the first
    fragment.
    """
    parts = [
        ethernet(packet)
        for packet in ipv6_fragments(
            A6,
            B6,
            PAYLOAD,
            size=48,
            identification=0xDEADBEEF,
            before=[network.hop_by_hop()],
            after=[network.destination_options()],
        )
    ]
    unknown = ipv6_fragments(
        A6, B6, PAYLOAD, size=48, identification=5, after=[network.destination_options()]
    )[1]
    return of_frames(*parts, ethernet(unknown))


def fragments_by_vlan() -> Recipe:
    """With vlan in the key a later fragment of another VLAN is an orphan."""
    packets = ipv4_fragments(A4, B4, PAYLOAD, size=40, identification=1)
    return of_frames(
        ethernet(packets[0], tags=[Tag(10)]),
        ethernet(packets[1], tags=[Tag(20)]),
        ethernet(packets[2], tags=[Tag(10), Tag(20)]),
        key=("vlan",),
    )


def fragments_across_vlans() -> Recipe:
    """Without vlan in the key the VLAN of a fragment does not matter."""
    packets = ipv4_fragments(A4, B4, PAYLOAD, size=40, identification=1)
    return of_frames(
        ethernet(packets[0], tags=[Tag(10)]), ethernet(packets[1], tags=[Tag(20)]), ethernet(packets[2])
    )
