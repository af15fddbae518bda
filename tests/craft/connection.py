# SPDX-License-Identifier: Apache-2.0
"""TCP connections whose numbers add up, for captures that look real."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from craft.capture import Capture
from craft.conversation import Pair
from craft.link import CLIENT_MAC, SERVER_MAC, Tag, ethernet
from craft.network import ipv4, ipv6
from craft.transport import Segment, flag_bits, tcp

SYN_OPTIONS = struct.pack("!BBHBBBBBBBB", 2, 4, 1460, 1, 3, 3, 7, 1, 1, 4, 2)
"""MSS 1460, window scale 7, SACK permitted."""

MAXIMUM_SEGMENT = 1400


@dataclass(slots=True)
class Connection:
    """One TCP connection seen between its two hosts; every method appends frames and lets half a round trip
    pass.

    round_trip_ns: time between a packet and its answer at this observation point.
    """

    capture: Capture
    pair: Pair
    time_ns: int
    round_trip_ns: int = 20_000_000
    tags: Sequence[Tag] = ()
    tos: int = 0
    numbers: dict[str, int] = field(default_factory=lambda: {">": 1_000, "<": 5_000_000})
    packets: int = 0

    def open(self) -> Connection:
        """SYN, SYN+ACK, ACK."""
        self._segment(">", "S", options=SYN_OPTIONS)
        self._segment("<", "SA", options=SYN_OPTIONS)
        return self._segment(">", "A", after_ns=100_000)

    def send(self, side: str, data: bytes) -> Connection:
        """Data in segments, then the other side's acknowledgment."""
        for at in range(0, len(data), MAXIMUM_SEGMENT):
            part = data[at : at + MAXIMUM_SEGMENT]
            last = at + MAXIMUM_SEGMENT >= len(data)
            self._segment(side, "PA" if last else "A", part, after_ns=None if at == 0 else 50_000)
        return self._segment(_other(side), "A", after_ns=200_000)

    def close(self, side: str = ">") -> Connection:
        """FIN from one side, FIN from the other, the last acknowledgment."""
        self._segment(side, "FA")
        self._segment(_other(side), "FA")
        return self._segment(side, "A", after_ns=100_000)

    def reset(self, side: str = ">") -> Connection:
        return self._segment(side, "RA")

    def wait(self, time_ns: int) -> Connection:
        self.time_ns += time_ns
        return self

    def _segment(
        self, side: str, flags: str, data: bytes = b"", *, options: bytes = b"", after_ns: int | None = None
    ) -> Connection:
        """One segment; `after_ns` replaces the half round trip before it."""
        self.time_ns += self.round_trip_ns // 2 if after_ns is None else after_ns
        acknowledgment = self.numbers[_other(side)] if "A" in flags else 0
        segment = tcp(
            *self.pair.ports(side),
            flags,
            data,
            sequence=self.numbers[side],
            acknowledgment=acknowledgment,
            options=options,
        )
        self.numbers[side] += len(data) + bool(flag_bits(flags) & 0x03)
        self.packets += 1
        self.capture.add(self.time_ns, frame(self.pair, side, segment, self.tags, self.tos, self.packets))
        return self


def frame(
    pair: Pair, side: str, segment: Segment, tags: Sequence[Tag] = (), tos: int = 0, identification: int = 0
) -> bytes:
    """An Ethernet frame of a pair as a router in the middle sees it: padded, the server some hops away."""
    client_side = side == ">"
    ends = (pair.client, pair.server) if client_side else (pair.server, pair.client)
    ttl = 64 if client_side else 53
    if ":" in pair.client:
        packet = ipv6(*ends, segment, hop_limit=ttl, traffic_class=tos)
    else:
        packet = ipv4(
            *ends, segment, ttl=ttl, tos=tos, identification=identification & 0xFFFF, dont_fragment=True
        )
    macs = (CLIENT_MAC, SERVER_MAC) if client_side else (SERVER_MAC, CLIENT_MAC)
    return ethernet(packet, source=macs[0], destination=macs[1], tags=tags, minimum=60)


def _other(side: str) -> str:
    return "<" if side == ">" else ">"
