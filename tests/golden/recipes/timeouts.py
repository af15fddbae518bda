# SPDX-License-Identifier: Apache-2.0
"""Idle and active timeout, end of input (semantics §6): one scenario for each line."""

from __future__ import annotations

from craft.capture import SECOND, Capture
from craft.conversation import EPOCH_NS, Pair, play
from craft.link import ARP, Tag, ethernet
from craft.network import ipv4
from golden.recipe import Recipe, at_times, scenario


def idle_deadline() -> Recipe:
    """1 ns before last + 15 s a packet belongs to the record; exactly at it, it opens a new Flow."""
    return scenario("0 > udp", "14.999999999 < udp", "29.999999999 < udp")


def idle_off() -> Recipe:
    """inactive_timeout 0 never ends a Flow."""
    return scenario("0 > udp", "59 > udp", inactive_timeout=0)


def active_deadline() -> Recipe:
    """1 ns before first + 60 s a packet belongs to the record; exactly at it, it starts the continuation."""
    return scenario(
        "0 > udp",
        "12 > udp",
        "24 > udp",
        "36 > udp",
        "48 < udp",
        "59.999999999 < udp",
        "60 < udp",
        "61 > udp",
    )


def active_restarts_with_the_next_packet() -> Recipe:
    """The second active deadline counts from the packet after the split (70 s), not from the first
    deadline.
    """
    lines = ["0 > udp", "14 > udp", "28 > udp", "42 > udp", "56 > udp", "70 > udp"]
    lines += [f"{seconds} > udp" for seconds in (84, 98, 112, 126, "129.999999999", 130)]
    return scenario(*lines)


def active_off() -> Recipe:
    """active_timeout 0 never splits a Flow."""
    return scenario(*(f"{seconds} > udp" for seconds in range(0, 140, 14)), active_timeout=0)


def active_restarts_attributes() -> Recipe:
    """The continuation has its own flags, ToS, TTL and VLAN, and nothing of a direction without packets."""

    def frame(side: str, flags: str, tos: int, ttl: int, vlan_id: int) -> bytes:
        ends = ("10.0.0.1", "10.0.0.2") if side == ">" else ("10.0.0.2", "10.0.0.1")
        return ethernet(ipv4(*ends, Pair().tcp(side, flags), tos=tos, ttl=ttl), tags=[Tag(vlan_id)])

    return at_times(
        ("0", frame(">", "S", 0xB8, 64, 10)),
        ("1", frame("<", "SA", 0x20, 50, 11)),
        *((f"{seconds}", frame(">", "A", 0x00, 63, 12)) for seconds in (12, 24, 36, 48)),
        ("60", frame(">", "PA", 0x28, 62, 13)),
        ("61", frame(">", "A", 0x00, 61, 14)),
    )


def active_before_idle() -> Recipe:
    """At 80 s active (60) and idle (65) have passed: the record leaves as active, the Flow is gone, no
    continuation.
    """
    return scenario("0 > udp", "14 > udp", "28 > udp", "42 > udp", "50 > udp", "80 < udp")


def idle_active_tie() -> Recipe:
    """Both deadlines at 60 s: idle wins, and a new Flow starts."""
    return scenario("0 > udp", "14 > udp", "28 > udp", "42 > udp", "45 > udp", "60 < udp")


def idle_after_split() -> Recipe:
    """The Flow was split by a packet at 60 s that it lives on with, and idles out at 75 s like any other."""
    return scenario("0 > udp", "14 > udp", "28 > udp", "42 > udp", "50 > udp", "60 > udp", "75 > udp")


def end_of_input() -> Recipe:
    """The highest time stamp (61 s, of an ARP frame) decides: idle, active, an ended Flow as fin, the others
    flush.
    """
    capture = Capture()
    idle, active, ended, living = (
        Pair(client=f"10.0.0.{number}", server="10.0.1.1") for number in range(1, 5)
    )
    play(capture, *(f"{seconds} > udp" for seconds in (1, 13, 25, 37, 49)), pair=active)
    play(capture, "46 > udp", pair=idle)
    play(capture, "50 > A", "58 > FA", "59 < FA", "59.5 > A", pair=ended)
    play(capture, "46.000000001 > udp", pair=living)
    capture.frames.sort(key=lambda frame: frame.time_ns)
    capture.add(EPOCH_NS + 61 * SECOND, ethernet(bytes(28), ethertype=ARP))
    return Recipe(capture.pcap())


def end_of_input_empty_record() -> Recipe:
    """Active (60 s) then idle (65 s) were reached by the end: one record, as active; the empty one is not
    sent.
    """
    capture = play(Capture(), "0 > udp", "14 > udp", "28 > udp", "42 > udp", "50 > udp")
    return Recipe(play(capture, "65 > udp", pair=Pair(client="10.0.0.9")).pcap())


def times_running_backwards() -> Recipe:
    """start = min, end = max, negative gaps are 0; the active deadline counts from the earliest time (−5
    s).
    """
    return scenario(
        "0 > udp 10",
        "-5 < udp 20",
        "4 > udp 30",
        "2 > udp 40",
        "5 < udp 50",
        "18 > udp",
        "32 > udp",
        "45 > udp",
        "55 > udp",
    )


def idle_counts_from_the_latest_time() -> Recipe:
    """A packet from the past (3 s) does not move `last` back: idle is at 25 s, not at 18 s."""
    return scenario("0 > udp", "10 > udp", "3 > udp", "24.999999999 > udp", "39.999999999 > udp")


def late_packets() -> Recipe:
    """Older than the highest time stamp by more than 10 s is late, exactly 10 s is not; both are
    accounted.
    """
    capture = play(Capture(), "20 > udp", "10 > udp", "9.999999999 > udp")
    return Recipe(play(capture, "0 > udp", pair=Pair(client="10.0.0.9")).pcap())
