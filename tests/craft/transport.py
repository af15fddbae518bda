# SPDX-License-Identifier: Apache-2.0
"""Segments: what an IP packet carries. The checksum that covers addresses is filled in by `network`."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from craft.checksum import crc32c, internet_checksum

ICMP, IGMP, TCP, UDP, DCCP, GRE, ESP, AH, ICMPV6, SCTP, UDP_LITE = 1, 2, 6, 17, 33, 47, 50, 51, 58, 132, 136

FLAG_LETTERS = "FSRPAUECN"
"""Letter n is bit n of the TCP flags: FIN SYN RST PSH ACK URG ECE CWR and AE (formerly NS)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The payload of an IP packet and its protocol number.

    checksum_at: where a checksum over pseudo-header and segment belongs, None for none or for one set by
    hand.
    coverage: how many octets it covers (UDP-Lite), None for all.
    """

    protocol: int
    octets: bytes
    checksum_at: int | None = None
    coverage: int | None = None

    def with_checksum(self, source: bytes, destination: bytes) -> bytes:
        """The octets with their checksum over the pseudo-header of RFC 9293 (IPv4) or RFC 8200 section
        8.1.
        """
        at = self.checksum_at
        if at is None:
            return self.octets
        pseudo = source + destination + struct.pack("!II", len(self.octets), self.protocol)
        value = internet_checksum(pseudo + self.octets[: self.coverage])
        if value == 0 and self.protocol in (UDP, UDP_LITE):
            value = 0xFFFF
        return self.octets[:at] + value.to_bytes(2, "big") + self.octets[at + 2 :]


def flag_bits(flags: str | int) -> int:
    """TCP flags from letters: "SA" is SYN+ACK (0x012)."""
    return flags if isinstance(flags, int) else sum(1 << FLAG_LETTERS.index(letter) for letter in flags)


def tcp(
    source_port: int,
    destination_port: int,
    flags: str | int = "A",
    payload: bytes = b"",
    *,
    sequence: int = 0,
    acknowledgment: int = 0,
    window: int = 64240,
    options: bytes = b"",
    data_offset: int | None = None,
    checksum: int | None = None,
    urgent: int = 0,
) -> Segment:
    """A TCP segment (RFC 9293). `options` must be a multiple of 4 octets; `flags` may have up to 12 bits."""
    offset = 5 + len(options) // 4 if data_offset is None else data_offset
    header = struct.pack(
        "!HHIIHHHH",
        source_port,
        destination_port,
        sequence & 0xFFFFFFFF,
        acknowledgment & 0xFFFFFFFF,
        offset << 12 | flag_bits(flags) & 0xFFF,
        window,
        checksum or 0,
        urgent,
    )
    return Segment(TCP, header + options + payload, 16 if checksum is None else None)


def udp(
    source_port: int,
    destination_port: int,
    payload: bytes = b"",
    *,
    length: int | None = None,
    checksum: int | None = None,
) -> Segment:
    """A UDP datagram (RFC 768)."""
    size = 8 + len(payload) if length is None else length
    header = struct.pack("!HHHH", source_port, destination_port, size & 0xFFFF, checksum or 0)
    return Segment(UDP, header + payload, 6 if checksum is None else None)


def udp_lite(
    source_port: int,
    destination_port: int,
    payload: bytes = b"",
    *,
    coverage: int = 8,
    checksum: int | None = None,
) -> Segment:
    """A UDP-Lite datagram (RFC 3828) whose checksum covers the first `coverage` octets (0 = all)."""
    header = struct.pack("!HHHH", source_port, destination_port, coverage, checksum or 0)
    return Segment(UDP_LITE, header + payload, 6 if checksum is None else None, coverage or None)


def sctp(source_port: int, destination_port: int, chunks: bytes = b"", *, tag: int = 1) -> Segment:
    """An SCTP packet (RFC 9260) with CRC32c."""
    header = struct.pack("!HHI", source_port, destination_port, tag)
    value = crc32c(header + bytes(4) + chunks)
    return Segment(SCTP, header + struct.pack("<I", value) + chunks)


def dccp(source_port: int, destination_port: int, *, packet_type: int = 0, sequence: int = 1) -> Segment:
    """A DCCP packet (RFC 4340) with a 48-bit sequence number; type 0 is a Request with service code 0."""
    extra = bytes(4) if packet_type == 0 else bytes(8)
    header = struct.pack(
        "!HHBBHBB6s",
        source_port,
        destination_port,
        (16 + len(extra)) // 4,
        0,
        0,
        packet_type << 1 | 1,
        0,
        sequence.to_bytes(6, "big"),
    )
    return Segment(DCCP, header + extra, 6)


def icmp(icmp_type: int, code: int = 0, body: bytes = bytes(4), *, checksum: int | None = None) -> Segment:
    """An ICMP message (RFC 792); its body starts with the 4 octets after the checksum."""
    message = struct.pack("!BBH", icmp_type, code, checksum or 0) + body
    if checksum is None:
        message = message[:2] + internet_checksum(message).to_bytes(2, "big") + message[4:]
    return Segment(ICMP, message)


def icmpv6(icmp_type: int, code: int = 0, body: bytes = bytes(4), *, checksum: int | None = None) -> Segment:
    """An ICMPv6 message (RFC 4443)."""
    message = struct.pack("!BBH", icmp_type, code, checksum or 0) + body
    return Segment(ICMPV6, message, 2 if checksum is None else None)


def echo(identifier: int, sequence: int, data: bytes = b"") -> bytes:
    """The body of an echo request or reply (ICMP 8/0, ICMPv6 128/129)."""
    return struct.pack("!HH", identifier, sequence) + data


def igmp(igmp_type: int = 0x16, group: bytes = bytes([224, 0, 0, 251])) -> Segment:
    """An IGMPv2 message (RFC 2236); 0x16 is a membership report."""
    message = struct.pack("!BBH", igmp_type, 0, 0) + group
    return Segment(IGMP, message[:2] + internet_checksum(message).to_bytes(2, "big") + group)


def esp(spi: int, sequence: int, ciphertext: bytes = bytes(32)) -> Segment:
    """An ESP packet (RFC 4303)."""
    return Segment(ESP, struct.pack("!II", spi, sequence) + ciphertext)


def gre(protocol_type: int, payload: bytes) -> Segment:
    """A GRE packet (RFC 2784) without checksum."""
    return Segment(GRE, struct.pack("!HH", 0, protocol_type) + payload)


def ah(inner: Segment, *, spi: int = 256, sequence: int = 1, icv: bytes = bytes(12)) -> Segment:
    """AH (RFC 4302) over IPv4: protocol 51, `inner` after its header (checksum of `inner` as it stands)."""
    header = struct.pack("!BBHII", inner.protocol, (12 + len(icv)) // 4 - 2, 0, spi, sequence) + icv
    return Segment(AH, header + inner.octets)


def cut(segment: Segment, size: int) -> Segment:
    """The first `size` octets of a segment, checksum as it stands: an IP payload that is too short."""
    return replace(segment, octets=segment.octets[:size], checksum_at=None)
