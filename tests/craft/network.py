# SPDX-License-Identifier: Apache-2.0
"""IPv4 and IPv6 packets, extension headers and fragments.

Addresses are text ("10.0.0.1", "2001:db8::1"). Every header field can be set by hand; what is None is
computed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address

from craft.checksum import internet_checksum
from craft.transport import AH, Segment

HOP_BY_HOP, ROUTING, FRAGMENT, NO_NEXT_HEADER, DESTINATION_OPTIONS = 0, 43, 44, 59, 60


@dataclass(frozen=True, slots=True)
class Extension:
    """An IPv6 extension header: its number and all of it but the first octet (the next header)."""

    number: int
    rest: bytes


def ipv4(
    source: str,
    destination: str,
    payload: Segment,
    *,
    identification: int = 0,
    fragment_offset: int = 0,
    more_fragments: bool = False,
    dont_fragment: bool = False,
    ttl: int = 64,
    tos: int = 0,
    options: bytes = b"",
    version: int = 4,
    ihl: int | None = None,
    total_length: int | None = None,
    protocol: int | None = None,
    checksum: int | None = None,
) -> bytes:
    """An IPv4 packet (RFC 791). fragment_offset in octets (a multiple of 8); `options` a multiple of 4
    octets.
    """
    octets = payload.with_checksum(_packed(source), _packed(destination))
    length = 20 + len(options) + len(octets) if total_length is None else total_length
    header = struct.pack(
        "!BBHHHBBH",
        version << 4 | (5 + len(options) // 4 if ihl is None else ihl),
        tos,
        length,
        identification,
        dont_fragment << 14 | more_fragments << 13 | fragment_offset // 8,
        ttl,
        payload.protocol if protocol is None else protocol,
        checksum or 0,
    )
    header += _packed(source) + _packed(destination) + options
    if checksum is None:
        header = header[:10] + internet_checksum(header).to_bytes(2, "big") + header[12:]
    return header + octets


def ipv6(
    source: str,
    destination: str,
    payload: Segment,
    *,
    extensions: Sequence[Extension] = (),
    hop_limit: int = 64,
    traffic_class: int = 0,
    flow_label: int = 0,
    version: int = 6,
    payload_length: int | None = None,
    next_header: int | None = None,
) -> bytes:
    """An IPv6 packet (RFC 8200) with its extension headers in the order given."""
    first, chain = _chain(extensions, payload.protocol)
    body = chain + payload.with_checksum(_packed(source), _packed(destination))
    header = struct.pack(
        "!IHBB",
        version << 28 | traffic_class << 20 | flow_label,
        (len(body) if payload_length is None else payload_length) & 0xFFFF,
        first if next_header is None else next_header,
        hop_limit,
    )
    return header + _packed(source) + _packed(destination) + body


def ipv4_fragments(
    source: str,
    destination: str,
    payload: Segment,
    *,
    size: int,
    identification: int,
    ttl: int = 64,
    tos: int = 0,
) -> list[bytes]:
    """The fragments of one packet, in order; `size` octets of payload in each but the last (a multiple of
    8).
    """
    octets = payload.with_checksum(_packed(source), _packed(destination))
    return [
        ipv4(
            source,
            destination,
            Segment(payload.protocol, octets[at : at + size]),
            identification=identification,
            fragment_offset=at,
            more_fragments=at + size < len(octets),
            ttl=ttl,
            tos=tos,
        )
        for at in range(0, len(octets), size)
    ]


def ipv6_fragments(
    source: str,
    destination: str,
    payload: Segment,
    *,
    size: int,
    identification: int,
    before: Sequence[Extension] = (),
    after: Sequence[Extension] = (),
    hop_limit: int = 64,
) -> list[bytes]:
    """The fragments of one packet, in order; `before` goes into each of them, `after` into the fragmented
    part.
    """
    first, chain = _chain(after, payload.protocol)
    octets = chain + payload.with_checksum(_packed(source), _packed(destination))
    return [
        ipv6(
            source,
            destination,
            Segment(first, octets[at : at + size]),
            extensions=[*before, fragment_header(at, at + size < len(octets), identification)],
            hop_limit=hop_limit,
        )
        for at in range(0, len(octets), size)
    ]


def hop_by_hop(options: bytes = b"", *, length: int | None = None) -> Extension:
    """Hop-by-hop options, padded to a multiple of 8 octets."""
    return Extension(HOP_BY_HOP, _options(options, length))


def destination_options(options: bytes = b"", *, length: int | None = None) -> Extension:
    """Destination options, padded to a multiple of 8 octets."""
    return Extension(DESTINATION_OPTIONS, _options(options, length))


def jumbo_option(payload_length: int) -> bytes:
    """The Jumbo Payload option (RFC 2675)."""
    return struct.pack("!BBI", 0xC2, 4, payload_length)


def routing(
    addresses: Sequence[str], *, routing_type: int = 4, segments_left: int | None = None
) -> Extension:
    """A routing header in the form of type 0 and 4: the list of addresses after 4 octets of details."""
    left = len(addresses) if segments_left is None else segments_left
    rest = struct.pack("!BBBI", 2 * len(addresses), routing_type, left, 0)
    return Extension(ROUTING, rest + b"".join(_packed(address) for address in addresses))


def fragment_header(offset: int, more: bool, identification: int) -> Extension:
    """A Fragment header; offset in octets."""
    return Extension(FRAGMENT, struct.pack("!BHI", 0, offset | more, identification))


def ah_header(*, spi: int = 256, sequence: int = 1, icv: bytes = bytes(12)) -> Extension:
    """AH as an IPv6 extension header (RFC 4302); its length counts units of 4 octets, minus 2."""
    return Extension(AH, struct.pack("!BHII", (12 + len(icv)) // 4 - 2, 0, spi, sequence) + icv)


def _options(options: bytes, length: int | None) -> bytes:
    gap = -(len(options) + 2) % 8
    padding = b"\0" if gap == 1 else bytes([1, gap - 2]) + bytes(gap - 2) if gap else b""
    units = (2 + len(options) + gap) // 8 - 1 if length is None else length
    return bytes([units]) + options + padding


def _chain(extensions: Sequence[Extension], protocol: int) -> tuple[int, bytes]:
    """The number of the first header and the octets of all of them, each naming the next."""
    numbers = [extension.number for extension in extensions] + [protocol]
    octets = b"".join(
        bytes([following]) + extension.rest
        for extension, following in zip(extensions, numbers[1:], strict=True)
    )
    return numbers[0], octets


@cache
def _packed(address: str) -> bytes:
    return ip_address(address).packed
