# SPDX-License-Identifier: Apache-2.0
"""Every capture that the engines once disagreed on, made small; the name says what was wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from craft import link, network, transport
from craft.capture import Frame
from craft.conversation import EPOCH_NS
from craft.crafted import Crafted, FileForm
from craft.network import Extension
from craft.transport import Segment
from differential.scenarios import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """Frames of raw IP, a millisecond apart: octets, and how many were captured of them (None: all).

    discarded, ended, fragment_orphans: frames by reason, records by end detail, fragments without a first, as
    docs/semantics.md has it; the others are 0.
    """

    frames: tuple[tuple[bytes, int | None], ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    discarded: Mapping[str, int] = field(default_factory=dict)
    ended: Mapping[str, int] = field(default_factory=dict)
    fragment_orphans: int = 0

    def scenario(self) -> Scenario:
        frames = tuple(
            Frame(EPOCH_NS + number * 1_000_000, octets[:captured], len(octets))
            for number, (octets, captured) in enumerate(self.frames)
        )
        return Scenario(-1, Crafted(frames, FileForm((link.RAW,)), dict(self.settings)), 1, {})


MAPPED = "::ffff:10.0.0.1", "::ffff:10.0.0.2"
LATER = Segment(transport.UDP, bytes(16))


def _ipv6(*extensions: Extension) -> bytes:
    """UDP with a payload length of 0."""
    segment = transport.udp(1000, 2000, bytes(64))
    return network.ipv6("2001:db8::1", "2001:db8::2", segment, extensions=extensions, payload_length=0)


REGRESSIONS: Mapping[str, Regression] = {
    # 5.3 before 1.2: the option says how long the packet is, and the header ends within that; the reference
    # engine held it against the wire length, and called it malformed.
    "a_hop_by_hop_header_beyond_the_wire_in_a_jumbogram": Regression(
        frames=((_ipv6(network.hop_by_hop(network.jumbo_option(70_000), length=40)), None),),
        discarded={"truncated": 1},
    ),
    # 3.2: an end of IPv6 is none of IPv4, also where its address is a mapped one. The native engine compared
    # the 16 octets alone; the hash, which tells the two apart, has no say in a table with one place.
    "a_fragment_of_ipv4_after_the_first_of_ipv6_with_mapped_addresses": Regression(
        frames=(
            (
                network.ipv6(*MAPPED, transport.udp(7, 9), extensions=[network.fragment_header(0, True, 5)]),
                None,
            ),
            (network.ipv4("10.0.0.1", "10.0.0.2", LATER, identification=5, fragment_offset=8), None),
        ),
        settings={"max_fragments": 1},
        ended={"flush": 2},
        fragment_orphans=1,
    ),
}
