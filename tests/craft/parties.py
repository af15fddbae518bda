# SPDX-License-Identifier: Apache-2.0
"""Two ends that talk: what all of their packets have in common, and what they have sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from craft import network, transport
from craft.framing import TAG_STACKS, WRAPS, Path
from craft.network import Extension
from craft.pace import Pace
from craft.transport import Segment

ADDRESSES = {
    4: tuple(f"10.0.0.{number}" for number in range(1, 9)),
    6: ("2001:db8::1", "2001:db8::2", "::ffff:10.0.0.1", *(f"2001:db8::1:{n}" for n in range(3, 8))),
}
PORTS = (7, 443, 40000, 40001, 53, 8080)
SIZES = (0, 0, 1, 7, 64, 536, 1400)
TTLS = (64, 64, 63, 255, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where conversations take place, and how large they are.

    hosts: of each IP version, so many addresses. large_packets: packets of 65,535 octets and more may be
    there (semantics 6.6: not where packets come out of order).
    """

    random: Random
    settings: Mapping[str, Any]
    tick_ns: int = 1
    interfaces: int = 1
    hosts: int = 3
    most_packets: int = 12
    large_packets: bool = False


class Sent(NamedTuple):
    """An IP packet on its way. uncaptured: octets of it on the wire that are not at hand."""

    time_ns: int
    packet: bytes
    from_client: bool
    path: Path
    uncaptured: int = 0


class Conversation:
    """Two ends, what all of their packets have in common, and what they have sent."""

    def __init__(self, place: Place, start_ns: int) -> None:
        random = self.random = place.random
        self.place = place
        self.pace = Pace(random, place.settings, place.tick_ns, start_ns)
        self.version = random.choice((4, 4, 6))
        hosts = ADDRESSES[self.version][: place.hosts]
        self.client = random.choice(hosts)
        others = [host for host in hosts if host != self.client]
        self.server = random.choice((*others * 3, self.client))
        ports = PORTS[: place.hosts - 1]
        self.ports = (random.choice(ports), random.choice(ports))
        self.path = self._path()
        self.tos, self.ttl = random.choice((0, 0, 0x28, 0xB9)), random.choice(TTLS)
        self.sent: list[Sent] = []

    def ends(self, from_client: bool) -> tuple[str, str]:
        return (self.client, self.server) if from_client else (self.server, self.client)

    def ports_of(self, from_client: bool) -> tuple[int, int]:
        return self.ports if from_client else self.ports[::-1]

    def packet(self, from_client: bool, segment: Segment, *, length: int | None = None) -> bytes:
        """An IP packet; length: what its length field says (None: the truth)."""
        source, destination = self.ends(from_client)
        kind = self.random.randrange(16)
        if kind == 15:
            self.ttl, self.tos = self.random.choice(TTLS), self.random.randrange(256)
        if self.version == 4:
            return network.ipv4(
                source,
                destination,
                segment,
                ttl=self.ttl,
                tos=self.tos,
                options=bytes(4) if kind == 14 else b"",
                total_length=length,
                checksum=0,
            )
        return network.ipv6(
            source,
            destination,
            segment,
            hop_limit=self.ttl,
            traffic_class=self.tos,
            extensions=self._extensions() if kind == 14 else (),
            payload_length=length,
        )

    def put(self, from_client: bool, packet: bytes, uncaptured: int = 0) -> None:
        """The packet is sent now. The path of a conversation may change at any packet."""
        if self.random.randrange(16) == 15:
            self.path = self._path()
        self.sent.append(Sent(self.pace.now_ns, packet, from_client, self.path, uncaptured))

    def size(self) -> int:
        return self.random.choice(SIZES)

    def side(self) -> bool:
        return self.random.randrange(2) == 0

    def count(self) -> int:
        """How many packets, or exchanges."""
        return self.random.randrange(self.place.most_packets) + 1

    def _path(self) -> Path:
        random = self.random
        return Path(random.randrange(self.place.interfaces), random.choice(TAG_STACKS), random.choice(WRAPS))

    def _extensions(self) -> list[Extension]:
        return self.random.choice(
            (
                [network.hop_by_hop()],
                [network.destination_options()],
                [network.routing(["2001:db8::9"]), network.ah_header()],
                [network.fragment_header(0, False, 7)],
                [network.destination_options()] * 16,
                [network.destination_options()] * 17,
            )
        )

    def icmp(self, of_ipv4: int, of_ipv6: int, body: bytes, code: int = 0) -> Segment:
        """A message of the IP version, by its type in either."""
        if self.version == 4:
            return transport.icmp(of_ipv4, code, body, checksum=0)
        return transport.icmpv6(of_ipv6, code, body, checksum=0)
