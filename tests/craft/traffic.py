# SPDX-License-Identifier: Apache-2.0
"""Whole captures from a source of random numbers: conversations, what a network does to them, a file.

The same numbers give the same capture: `random.Random(seed)` for many of them, hypothesis' own for
`strategies`.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from craft.capture import SECOND, ByteOrder, Frame, PacketBlock
from craft.conversation import EPOCH_NS
from craft.crafted import Crafted, FileForm
from craft.exchanges import exchange
from craft.framing import ANY_LINK_TYPES, LINK_TYPES, frame_of, stray_frame
from craft.parties import Place, Sent

BYTE_ORDERS: tuple[ByteOrder, ...] = ("<", ">")
BLOCKS: tuple[PacketBlock, ...] = ("simple", "enhanced", "enhanced", "enhanced", "obsolete")
"""The first has no times, and knows one interface."""

HOUR = 3600 * SECOND
SNAP_LENGTHS = (*[None] * 12, 96, 68, 60, 54, 40)
PCAP_END_NS = (1 << 32) * SECOND - 1
STARTS_NS = (*[EPOCH_NS] * 14, 0, PCAP_END_NS - 90 * SECOND)
PCAPNG_STARTS_NS = (*[EPOCH_NS] * 14, 0, (1 << 62) - 60 * SECOND)
"""Most captures are of our time; others begin with the epoch, or end with the last time that can be had."""


def settings(random: Random) -> dict[str, Any]:
    """Settings by the names of metering.native.settings_of; every timeout may be off."""
    choose = random.choice
    return {
        "active_timeout": choose((10 * SECOND, 60 * SECOND, SECOND, 0)),
        "inactive_timeout": choose((5 * SECOND, 15 * SECOND, SECOND, 0)),
        "tcp_linger": choose((2 * SECOND, SECOND // 1000, 5 * SECOND, 0)),
        "tcp_fin_timeout": choose((0, 2 * SECOND, 5 * SECOND)),
        "key": choose(((), (), ("vlan",), ("interface",), ("vlan", "interface"))),
        "reorder_window": choose((10 * SECOND, SECOND, 0, HOUR)),
        "max_fragments": choose((16_384, 16_384, 16_384, 3, 2, 1)),
    }


def capture(
    random: Random,
    *,
    late: bool = False,
    damage: bool = True,
    conversations: int = 5,
    packets: int = 12,
    spread_seconds: int = 3,
) -> Crafted:
    """A capture of up to `conversations` of mostly up to `packets`, begun within the first `spread_seconds`.

    late: disorder and steps of the clock may exceed the reorder window. damage: some frames are cut,
    shortened, changed in an octet, or nothing of IP.
    """
    chosen = settings(random)
    form = file_form(random)
    in_order = random.randrange(4) == 3 and len(set(form.resolutions)) <= 1
    place = Place(
        random=random,
        settings=chosen,
        tick_ns=form.tick_ns,
        interfaces=len(form.link_types),
        hosts=3 if conversations <= 8 else 8,
        most_packets=packets,
        large_packets=in_order,
    )
    start_ns = random.choice(PCAPNG_STARTS_NS if form.is_pcapng else STARTS_NS)
    sent: list[Sent] = []
    for _ in range(random.randrange(conversations) + 1):
        sent += exchange(place, start_ns + random.randrange(spread_seconds + 1) * SECOND)
    sent.sort(key=lambda each: each.time_ns)
    allowed = 0 if in_order else chosen["reorder_window"] // 2
    arrivals = list(_arrivals(random, sent, 6 * allowed + SECOND if late and not in_order else allowed))
    if random.randrange(6) == 5:
        arrivals = _step_clock(random, arrivals, 3 * HOUR if late and not in_order else allowed)
    if not form.is_pcapng:
        arrivals = [each._replace(time_ns=min(each.time_ns, PCAP_END_NS)) for each in arrivals]
    frames = [_frame(random, each, form.link_types[each.path.interface], damage) for each in arrivals]
    snap_length = random.choice(SNAP_LENGTHS)
    if snap_length is not None:
        frames = [
            frame._replace(octets=frame.octets[:snap_length], wire_length=frame.original_length)
            for frame in frames
        ]
    return Crafted(tuple(frames), form, chosen)


def file_form(random: Random) -> FileForm:
    """pcap or pcapng, of one or more link types."""
    orders = (random.choice(BYTE_ORDERS), random.choice(BYTE_ORDERS))
    if random.randrange(2) == 0:
        return FileForm(
            (_link_type(random),), nanoseconds=random.randrange(2) == 0, byte_orders=(orders[0], orders[0])
        )
    link_types = tuple(_link_type(random) for _ in range(random.randrange(3) + 1))
    resolutions = tuple(random.choice((9, 9, 6, None, 0x80 | 30)) for _ in link_types)
    return FileForm(
        link_types,
        is_pcapng=True,
        byte_orders=orders,
        resolutions=resolutions,
        in_two_sections=random.randrange(4) == 3,
        block=random.choice(BLOCKS if len(link_types) == 1 else BLOCKS[1:]),
    )


def _link_type(random: Random) -> int:
    return random.choice(LINK_TYPES if random.randrange(8) < 7 else ANY_LINK_TYPES)


def _arrivals(random: Random, sent: list[Sent], longest: int) -> Iterator[Sent]:
    """The packets in the order in which they are seen: some delayed by up to `longest`, some lost, some
    twice.
    """
    delays = (longest, longest // 2, min(longest, SECOND // 100))
    arrivals: list[tuple[int, int, Sent]] = []
    for number, each in enumerate(sent):
        fate = random.randrange(24)
        if fate < 18:
            arrivals.append((each.time_ns, number, each))
        elif fate < 21:
            arrivals.append((each.time_ns + delays[fate - 18], number, each))
        elif fate < 23:
            arrivals.append((each.time_ns, number, each))
            arrivals.append((each.time_ns + delays[2] * (fate - 21), number, each))
    return (each for _, _, each in sorted(arrivals, key=lambda arrival: arrival[:2]))


def _step_clock(random: Random, arrivals: list[Sent], longest_back: int) -> list[Sent]:
    """The clock of the capture is set once or twice, by hours forward or by up to `longest_back` back."""
    stepped = list(arrivals)
    for _ in range(random.randrange(2) + 1):
        steps = (HOUR, 3 * HOUR + 1000, 61 * SECOND, -longest_back, -(longest_back // 2))
        by, at = random.choice(steps), random.randrange(len(stepped) + 1)
        stepped[at:] = [each._replace(time_ns=max(0, each.time_ns + by)) for each in stepped[at:]]
        longest_back = 0 if by < 0 else longest_back  # what is allowed is allowed once
    return stepped


def _frame(random: Random, each: Sent, link_type: int, damage: bool) -> Frame:
    octets = frame_of(each.packet, each.from_client, each.path, link_type)
    wire_length = len(octets) + each.uncaptured if each.uncaptured else None
    fate = random.randrange(40) if damage else 0
    if fate > 35 and octets:
        at = random.randrange(min(len(octets), 100))
        if fate == 36:
            octets, wire_length = octets[:at], len(octets)
        elif fate == 37:
            octets, wire_length = octets[:at], None
        elif fate == 38:
            # Not 255, which would make large packets of small ones: see Place.large_packets.
            octets = octets[:at] + bytes([random.randrange(255)]) + octets[at + 1 :]
        else:
            octets, wire_length = stray_frame(random, link_type), None
    return Frame(each.time_ns, octets, wire_length, each.path.interface)
