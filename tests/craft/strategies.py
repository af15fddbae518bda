# SPDX-License-Identifier: Apache-2.0
"""Captures as hypothesis draws them: several conversations at once, with everything that goes wrong on a
wire.

`captures()` draws a whole file and the settings to meter it with; gaps between packets are drawn from the
settings' own deadlines, so that their edges are met all the time. Addresses and ports come from small pools,
so that Flows meet again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from craft import link, network, transport
from craft.capture import SECOND, Capture, Interface
from craft.conversation import EPOCH_NS
from craft.link import Tag
from craft.transport import Segment

HOSTS = {
    4: ("10.0.0.1", "10.0.0.2", "10.0.0.3"),
    6: ("2001:db8::1", "2001:db8::2", "::ffff:10.0.0.1"),
}
PORTS = (7, 443)
TCP_FLAGS = ("S", "SA", "A", "PA", "A", "FA", "FA", "R", "RA", "", "SEC", "RFA", "FPU", "SF")
SCRIPTS = (
    ">S <SA >A >PA <PA >FA <FA >A <A >S",
    ">FA <FA >A <A >R >A",
    "<FA >A >FA <A >A >S <SA",
    ">FA <FA <A >A >A",
    ">S <RA >S <SA >FA <A",
    "<SA >A >FA",
)
LINK_TYPES = (link.ETHERNET, link.RAW, link.SLL, link.SLL2, link.NULL, link.PPP)
SNAP_LENGTHS = (*[None] * 9, 96, 68, 60, 54, 40)
TAG_STACKS: tuple[tuple[Tag, ...], ...] = ((), (), (Tag(10),), (Tag(20),), (Tag(10), Tag(20)), (Tag(0),))


@dataclass(frozen=True, slots=True)
class Crafted:
    """A capture file and the keyword arguments of oracle.meter."""

    octets: bytes = field(repr=False)
    suffix: str
    settings: dict[str, Any]
    summary: tuple[str, ...] = ()

    def write(self, folder: Path) -> Path:
        path = folder / ("crafted" + self.suffix)
        path.write_bytes(self.octets)
        return path


class Sent(NamedTuple):
    """An IP packet on its way: from which side, behind which tags, into which interface."""

    time_ns: int
    packet: bytes
    from_client: bool
    tags: tuple[Tag, ...]
    interface: int


class Step(NamedTuple):
    """One packet of a conversation, before it is built."""

    gap_ns: int
    from_client: bool
    flags: str
    size: int
    ttl: int
    tags: tuple[Tag, ...]
    interface: int


@st.composite
def settings(draw: st.DrawFn) -> dict[str, Any]:
    """The keyword arguments of oracle.meter, every timeout also off."""
    return {
        "active_timeout": draw(st.sampled_from((10 * SECOND, 60 * SECOND, SECOND, 0))),
        "inactive_timeout": draw(st.sampled_from((5 * SECOND, 15 * SECOND, SECOND, 0))),
        "tcp_linger": draw(st.sampled_from((2 * SECOND, 0, SECOND // 1000))),
        "tcp_fin_timeout": draw(st.sampled_from((0, 2 * SECOND, 5 * SECOND))),
        "key": draw(st.sampled_from(((), (), ("vlan",), ("interface",), ("vlan", "interface")))),
        "reorder_window": draw(st.sampled_from((10 * SECOND, SECOND, 0))),
        "max_fragments": draw(st.sampled_from((16384, 16384, 2, 1))),
    }


@st.composite
def captures(draw: st.DrawFn, *, late: bool = False, damage: bool = True, conversations: int = 5) -> Crafted:
    """A capture of up to `conversations` at once.

    late: disorder may exceed the reorder window. damage: some frames are cut, shortened or changed in an
    octet.
    """
    chosen = draw(settings())
    is_pcapng = draw(st.booleans())
    link_types = draw(st.lists(st.sampled_from(LINK_TYPES), min_size=1, max_size=3 if is_pcapng else 1))
    sent: list[Sent] = []
    for _ in range(draw(st.integers(1, conversations))):
        sent += draw(_conversation(chosen, len(link_types)))
    capture = Capture()
    for packet in draw(_arrivals(sent, chosen["reorder_window"], late)):
        octets = _frame(packet, link_types[packet.interface])
        octets, wire_length = draw(_damaged(octets)) if damage else (octets, None)
        capture.add(packet.time_ns, octets, wire_length, packet.interface)
    snap_length = draw(st.sampled_from(SNAP_LENGTHS))
    if snap_length is not None:
        capture = capture.cut(snap_length)
    octets, suffix = draw(_file(capture, link_types, is_pcapng))
    return Crafted(
        octets,
        suffix,
        chosen,
        tuple(f"{frame.time_ns - EPOCH_NS} {frame.interface}" for frame in capture.frames),
    )


@st.composite
def frames(draw: st.DrawFn) -> tuple[int, bytes]:
    """Link type and one whole frame of it: for tests of prefixes and mutations."""
    packet = draw(st.sampled_from((4, 6)).flatmap(_single_packets))
    link_type = draw(st.sampled_from((*LINK_TYPES, link.LOOP, link.PPP_HDLC)))
    tags = draw(st.sampled_from(TAG_STACKS))
    return link_type, _frame(Sent(0, packet, True, tags, 0), link_type)


@st.composite
def _conversation(draw: st.DrawFn, chosen: dict[str, Any], interfaces: int) -> list[Sent]:
    version = draw(st.sampled_from((4, 6)))
    ends = draw(st.permutations(HOSTS[version]))[:2] if draw(st.integers(0, 9)) else [HOSTS[version][0]] * 2
    ports = (draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS)))
    build = draw(st.sampled_from(BUILDERS))
    time_ns = EPOCH_NS + draw(st.integers(0, 3)) * SECOND
    steps = draw(st.lists(_steps(chosen, interfaces), min_size=1, max_size=12))
    if build in (_tcp, _closing_tcp) and draw(st.booleans()):
        build, steps = _tcp, _along(draw(st.sampled_from(SCRIPTS)), steps)
    sent = []
    for step in steps:
        time_ns += step.gap_ns
        source, destination = ends if step.from_client else reversed(ends)
        step_ports = ports if step.from_client else ports[::-1]
        packets = build(step, version, source, destination, step_ports)
        if len(packets) > 1:
            packets = draw(st.sampled_from((packets, packets[::-1], packets[1:], packets[:1])))
        for number, packet in enumerate(packets):
            sent.append(Sent(time_ns + number, packet, step.from_client, step.tags, step.interface))
    return sent


def _along(script: str, steps: list[Step]) -> list[Step]:
    """The steps with sides and flags of a script, in quick succession, as far as it goes."""
    followed = [
        step._replace(gap_ns=min(step.gap_ns, SECOND // 100), from_client=word[0] == ">", flags=word[1:])
        for step, word in zip(steps, script.split(), strict=False)
    ]
    return followed + steps[len(followed) :]


def _steps(chosen: dict[str, Any], interfaces: int) -> st.SearchStrategy[Step]:
    deadlines = {
        chosen[name] for name in ("active_timeout", "inactive_timeout", "tcp_linger", "tcp_fin_timeout")
    }
    gaps = sorted({0, 1, SECOND // 10, *(max(0, edge + by) for edge in deadlines for by in (-1, 0, 1))})
    return st.builds(
        Step,
        gap_ns=st.sampled_from([1000, SECOND // 100, SECOND // 2]) | st.sampled_from(gaps),
        from_client=st.booleans(),
        flags=st.sampled_from(TCP_FLAGS),
        size=st.sampled_from((0, 1, 7, 64, 1400)),
        ttl=st.sampled_from((64, 64, 63, 255, 1)),
        tags=st.sampled_from(TAG_STACKS),
        interface=st.integers(0, interfaces - 1),
    )


Builder = Callable[[Step, int, str, str, tuple[int, int]], list[bytes]]


def _packet(version: int, source: str, destination: str, segment: Segment, step: Step) -> bytes:
    tos = step.size & 0xFC
    if version == 4:
        return network.ipv4(source, destination, segment, ttl=step.ttl, tos=tos)
    extensions = [network.hop_by_hop()] if step.size == 7 else []
    return network.ipv6(
        source, destination, segment, hop_limit=step.ttl, traffic_class=tos, extensions=extensions
    )


def _tcp(step: Step, version: int, source: str, destination: str, ports: tuple[int, int]) -> list[bytes]:
    return [_packet(version, source, destination, transport.tcp(*ports, step.flags, bytes(step.size)), step)]


def _closing_tcp(
    step: Step, version: int, source: str, destination: str, ports: tuple[int, int]
) -> list[bytes]:
    """TCP that has little to say but FIN and ACK."""
    flags = {0: "FA", 1: "A", 7: "FA", 64: "A", 1400: "S"}[step.size]
    return [_packet(version, source, destination, transport.tcp(*ports, flags), step)]


def _udp(step: Step, version: int, source: str, destination: str, ports: tuple[int, int]) -> list[bytes]:
    return [_packet(version, source, destination, transport.udp(*ports, bytes(step.size)), step)]


def _with_other_ports(
    step: Step, version: int, source: str, destination: str, ports: tuple[int, int]
) -> list[bytes]:
    build = (transport.sctp, transport.udp_lite, transport.dccp)[step.size % 3]
    return [_packet(version, source, destination, build(*ports), step)]


def _without_ports(
    step: Step, version: int, source: str, destination: str, ports: tuple[int, int]
) -> list[bytes]:
    echo = transport.echo(1, 1, bytes(step.size))
    if version == 4:
        message = transport.icmp(8 if step.from_client else 0, 0, echo)
    else:
        message = transport.icmpv6(128 if step.from_client else 129, 0, echo)
    return [_packet(version, source, destination, transport.esp(1, 1) if step.size == 64 else message, step)]


def _fragmented(
    step: Step, version: int, source: str, destination: str, ports: tuple[int, int]
) -> list[bytes]:
    payload = transport.udp(*ports, bytes(step.size))
    if version == 4:
        return network.ipv4_fragments(
            source, destination, payload, size=512, identification=step.ttl, ttl=step.ttl
        )
    options = [network.destination_options()] if step.from_client else []
    return network.ipv6_fragments(
        source, destination, payload, size=512, identification=step.ttl, after=options, hop_limit=step.ttl
    )


def _offloaded(
    step: Step, version: int, source: str, destination: str, ports: tuple[int, int]
) -> list[bytes]:
    segment = transport.tcp(*ports, step.flags, bytes(step.size))
    if version == 4:
        return [network.ipv4(source, destination, segment, total_length=0, ttl=step.ttl)]
    return [network.ipv6(source, destination, segment, payload_length=0, hop_limit=step.ttl)]


BUILDERS: tuple[Builder, ...] = (
    *(_tcp, _tcp, _closing_tcp, _closing_tcp, _udp),
    *(_with_other_ports, _without_ports, _fragmented, _fragmented, _offloaded),
)


@st.composite
def _single_packets(draw: st.DrawFn, version: int) -> bytes:
    source, destination = HOSTS[version][:2]
    step = Step(
        0, draw(st.booleans()), draw(st.sampled_from(TCP_FLAGS)), draw(st.sampled_from((0, 7, 64))), 64, (), 0
    )
    return draw(st.sampled_from(draw(st.sampled_from(BUILDERS))(step, version, source, destination, PORTS)))


@st.composite
def _arrivals(draw: st.DrawFn, sent: list[Sent], window: int, late: bool) -> list[Sent]:
    """The packets in the order in which they are seen: delayed by up to the window, some lost, some twice."""
    longest = 3 * window + SECOND if late else window
    fates = st.sampled_from((*[(0,)] * 12, (longest,), (longest // 2,), (), (0, 0), (0, longest)))
    arrivals = [
        (packet.time_ns + delay, number, packet)
        for number, packet in enumerate(sorted(sent))
        for delay in draw(fates)
    ]
    return [packet for _, _, packet in sorted(arrivals)]


@st.composite
def _damaged(draw: st.DrawFn, octets: bytes) -> tuple[bytes, int | None]:
    """Most frames are whole; others are cut by the capture, shorter on the wire, or differ in one octet."""
    fate = draw(st.integers(0, 39))
    if fate > 2 or not octets:
        return octets, None
    at = draw(st.integers(0, min(len(octets), 100) - 1))
    if fate == 0:
        return octets[:at], len(octets)
    if fate == 1:
        return octets[:at], None
    return octets[:at] + bytes([draw(st.integers(0, 255))]) + octets[at + 1 :], None


def _frame(sent: Sent, link_type: int) -> bytes:
    packet, mac = sent.packet, link.CLIENT_MAC if sent.from_client else link.SERVER_MAC
    if link_type == link.ETHERNET:
        other = link.SERVER_MAC if sent.from_client else link.CLIENT_MAC
        return link.ethernet(packet, source=mac, destination=other, tags=sent.tags, minimum=60)
    if link_type == link.SLL:
        return link.sll(packet, address=mac)
    if link_type == link.SLL2:
        return link.sll2(packet, address=mac if sent.from_client else b"")
    if link_type == link.NULL:
        return link.null(packet, byte_order="<>"[sent.from_client])
    if link_type == link.LOOP:
        return link.loop(packet)
    if link_type in (link.PPP, link.PPP_HDLC):
        return link.ppp(packet, framed=sent.from_client)
    return packet


@st.composite
def _file(draw: st.DrawFn, capture: Capture, link_types: list[int], is_pcapng: bool) -> tuple[bytes, str]:
    byte_order = draw(st.sampled_from("<>"))
    if not is_pcapng:
        nanoseconds = draw(st.booleans())
        return capture.pcap(link_type=link_types[0], nanoseconds=nanoseconds, byte_order=byte_order), ".pcap"
    interfaces = [
        Interface(link_type, tsresol=draw(st.sampled_from((9, 6, None, 0x80 | 30))))
        for link_type in link_types
    ]
    if draw(st.booleans()):
        half = len(capture.frames) // 2
        parts = (Capture(capture.frames[:half]), Capture(capture.frames[half:]))
        orders = (byte_order, draw(st.sampled_from("<>")))
        octets = (
            part.pcapng(interfaces, byte_order=order) for part, order in zip(parts, orders, strict=True)
        )
        return b"".join(octets), ".pcapng"
    block = draw(st.sampled_from(("enhanced", "obsolete")))
    return capture.pcapng(interfaces, byte_order=byte_order, block=block), ".pcapng"
