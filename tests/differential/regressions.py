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
from differential.scenarios import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """Frames of raw IP, a millisecond apart: octets, and how many were captured of them (None: all).

    discarded, ended: frames by reason and records by end detail, as docs/semantics.md has it; the others
    are 0.
    """

    frames: tuple[tuple[bytes, int | None], ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    discarded: Mapping[str, int] = field(default_factory=dict)
    ended: Mapping[str, int] = field(default_factory=dict)

    def scenario(self) -> Scenario:
        frames = tuple(
            Frame(EPOCH_NS + number * 1_000_000, octets[:captured], len(octets))
            for number, (octets, captured) in enumerate(self.frames)
        )
        return Scenario(-1, Crafted(frames, FileForm((link.RAW,)), dict(self.settings)), 1, {})


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
}
