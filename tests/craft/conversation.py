# SPDX-License-Identifier: Apache-2.0
"""Exchanges between two hosts, written as scripts of one line per packet."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from craft.capture import SECOND, Capture
from craft.link import CLIENT_MAC, SERVER_MAC, ethernet
from craft.network import ipv4, ipv6
from craft.transport import Segment, tcp, udp

EPOCH_NS = 1_700_000_000 * SECOND
"""When scripts start unless told otherwise: 2023-11-14 22:13:20 UTC."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ends that talk, as Ethernet frames. Addresses may be IPv4 or IPv6."""

    client: str = "10.0.0.1"
    server: str = "10.0.0.2"
    client_port: int = 40000
    server_port: int = 443

    def packet(self, side: str, segment: Segment) -> bytes:
        """An IP packet from the client (">") or the server ("<")."""
        ends = (self.client, self.server) if side == ">" else (self.server, self.client)
        return (ipv6 if ":" in self.client else ipv4)(*ends, segment)

    def frame(self, side: str, segment: Segment) -> bytes:
        source, destination = (CLIENT_MAC, SERVER_MAC) if side == ">" else (SERVER_MAC, CLIENT_MAC)
        return ethernet(self.packet(side, segment), source=source, destination=destination)

    def tcp(self, side: str, flags: str | int, payload: bytes = b"") -> Segment:
        return tcp(*self.ports(side), flags, payload)

    def udp(self, side: str, payload: bytes = b"") -> Segment:
        return udp(*self.ports(side), payload)

    def ports(self, side: str) -> tuple[int, int]:
        """Source and destination port of a packet from a side."""
        return (self.client_port, self.server_port) if side == ">" else (self.server_port, self.client_port)


CLIENT_AND_SERVER = Pair()


def play(
    capture: Capture, *lines: str, pair: Pair = CLIENT_AND_SERVER, start_ns: int = EPOCH_NS, raw: bool = False
) -> Capture:
    """Append the packets of a script: "SECONDS > FLAGS [OCTETS]", ">" from the client, "<" from the server.

    FLAGS are TCP flag letters ("SA"), "-" for none, or "udp". OCTETS of payload are zeros. raw: without
    Ethernet.
    """
    for line in lines:
        seconds, side, kind, *size = line.split()
        payload = bytes(int(size[0])) if size else b""
        flags = "" if kind == "-" else kind
        segment = pair.udp(side, payload) if kind == "udp" else pair.tcp(side, flags, payload)
        put = pair.packet if raw else pair.frame
        capture.add(start_ns + nanoseconds(seconds), put(side, segment))
    return capture


def nanoseconds(seconds: str) -> int:
    """Exact nanoseconds of a decimal number of seconds."""
    return int(Decimal(seconds) * SECOND)
