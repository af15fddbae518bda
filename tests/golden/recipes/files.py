# SPDX-License-Identifier: Apache-2.0
"""Capture file formats (semantics §1 and §8)."""

from __future__ import annotations

from craft import link
from craft.capture import SECOND, Capture, Interface, block
from craft.conversation import EPOCH_NS, Pair, play
from golden.recipe import Recipe, of_interfaces

LINES = ("0 > S", "0.000001999 < SA", "0.123456789 > A")


def _capture() -> Capture:
    return play(Capture(), *LINES)


def pcap_microseconds() -> Recipe:
    """The classic format: times are whole microseconds."""
    return Recipe(_capture().pcap(nanoseconds=False))


def pcap_nanoseconds() -> Recipe:
    """The nanosecond magic."""
    return Recipe(_capture().pcap())


def pcap_microseconds_big_endian() -> Recipe:
    """Written by a big-endian machine."""
    return Recipe(_capture().pcap(nanoseconds=False, byte_order=">"))


def pcap_nanoseconds_big_endian() -> Recipe:
    """Both."""
    return Recipe(_capture().pcap(byte_order=">"))


def pcap_without_packets() -> Recipe:
    """A header and nothing else is a capture of nothing."""
    return Recipe(Capture().pcap())


def pcap_truncated_record() -> Recipe:
    """The last record is cut in its data: what was before it counts, with a warning."""
    return Recipe(_capture().pcap()[:-1])


def pcap_truncated_header() -> Recipe:
    """The last record is cut in its header."""
    return Recipe(_capture().pcap() + bytes(15))


def pcapng_resolutions() -> Recipe:
    """Interfaces with if_tsresol 10^-9, none (10^-6), 10^-3, 2^-20, 2^-30 and 10^0 in one section."""
    interfaces = [Interface(tsresol=octet) for octet in (9, None, 3, 0x80 | 20, 0x80 | 30, 0)]
    capture = Capture()
    for number in range(len(interfaces)):
        play(capture, "1.987654321 > udp", pair=Pair(client_port=1000 + number))
        capture.frames[-1] = capture.frames[-1]._replace(interface=number)
    return of_interfaces(capture, *interfaces)


def pcapng_time_offset() -> Recipe:
    """if_tsoffset is in seconds and may be negative; a time before the epoch becomes 0, one beyond 2^62 its
    maximum.
    """
    frame = Pair().frame(">", Pair().udp(">"))
    capture = Capture()
    capture.add(EPOCH_NS + 5, frame)
    capture.add(EPOCH_NS + 6, frame, interface=1)
    before = Capture([capture.frames[0]._replace(time_ns=-SECOND)]).pcapng([Interface(tsoffset=-21)])
    after = Capture([capture.frames[0]._replace(time_ns=2**63)]).pcapng([Interface()])
    sections = capture.pcapng([Interface(tsoffset=1_600_000_000), Interface(tsresol=6, tsoffset=-3600)])
    return Recipe(before + sections + after, ".pcapng")


def pcapng_sections() -> Recipe:
    """Three sections of both byte orders; interfaces are numbered in each, and one Biflow runs through
    all.
    """
    first, second, third = (Capture([frame]) for frame in _capture().frames)
    second.frames[0] = second.frames[0]._replace(interface=1)
    raw = third.frames[0]._replace(octets=third.frames[0].octets[14:])
    return Recipe(
        first.pcapng([Interface()])
        + second.pcapng([Interface(link_type=147), Interface(tsresol=6, name="b")], byte_order=">")
        + Capture([raw]).pcapng([Interface(link_type=link.RAW)]),
        ".pcapng",
    )


def pcapng_link_types() -> Recipe:
    """Four link types in one section, one Biflow over all of them."""
    pair = Pair()
    wraps = ((1, link.ethernet), (link.RAW, bytes), (link.SLL2, link.sll2), (link.NULL, link.null))
    capture = Capture()
    for number, (_, wrap) in enumerate(wraps):
        side = "><"[number % 2]
        capture.add(EPOCH_NS + number, wrap(pair.packet(side, pair.udp(side))), interface=number)
    return of_interfaces(capture, *(Interface(link_type=kind) for kind, _ in wraps))


def pcapng_simple_packets() -> Recipe:
    """Simple Packet Blocks: time of the packet before, else 0; interface 0; cut by its snap length and by the
    block.
    """
    capture = play(Capture(), "0 > udp", "1 < udp", "2 > udp 100")
    enhanced = Capture(capture.frames[1:2]).pcapng([Interface(snap_length=60)])
    simple = Capture(capture.frames[::2]).cut(60).pcapng([Interface(snap_length=60)], block="simple")
    blocks_only = simple[len(Capture().pcapng([Interface(snap_length=60)])) :]
    return Recipe(simple + enhanced + blocks_only, ".pcapng")


def pcapng_obsolete_packets() -> Recipe:
    """The obsolete Packet Block, interfaces among it."""
    capture = Capture(_capture().frames)
    capture.frames[1] = capture.frames[1]._replace(interface=1)
    return of_interfaces(capture, Interface(), Interface(tsresol=0x80 | 33), block="obsolete")


def pcapng_other_blocks() -> Recipe:
    """Name resolution, statistics, custom and unknown blocks are skipped, options of packets too."""
    parts = _capture().pcapng([Interface(name="any")], byte_order=">", comment="commented packet")
    others = b"".join(block(kind, bytes(range(20)), ">") for kind in (4, 5, 0x0BAD, 0x40000BAD, 0xA))
    return Recipe(parts + others + _capture().pcapng([Interface(name="any")]), ".pcapng")


def pcapng_unknown_version() -> Recipe:
    """A later section of another major version ends the file, with a warning."""
    later = bytearray(_capture().pcapng())
    later[12] = 2
    return Recipe(_capture().pcapng() + bytes(later), ".pcapng")


def pcap_captured_more_than_the_wire() -> Recipe:
    """A record that claims fewer octets on the wire (10) than were captured (54): those were on it."""
    capture = _capture()
    capture.frames[0] = capture.frames[0]._replace(wire_length=10)
    return Recipe(capture.pcap())


def pcapng_truncated() -> Recipe:
    """The last block is cut: what was before it counts, with a warning."""
    return Recipe(_capture().pcapng()[:-4], ".pcapng")


def pcapng_unknown_interface() -> Recipe:
    """A packet of an interface that nobody described ends the file, with a warning."""
    capture = _capture()
    good = capture.pcapng()
    wrong = capture.frames[0]._replace(interface=1)
    two = Capture([wrong]).pcapng([Interface(), Interface()])
    header_of_two = len(Capture().pcapng([Interface(), Interface()]))
    return Recipe(good + two[header_of_two:] + good, ".pcapng")
