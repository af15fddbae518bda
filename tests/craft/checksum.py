# SPDX-License-Identifier: Apache-2.0
"""Checksums: the Internet checksum (RFC 1071) and CRC32c (RFC 9260 appendix A)."""

from __future__ import annotations


def internet_checksum(octets: bytes) -> int:
    """The 16-bit one's complement of the one's complement sum; 0 over octets that hold their right
    checksum.
    """
    if len(octets) % 2:
        octets += b"\0"
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def crc32c(octets: bytes) -> int:
    """CRC32c as SCTP uses it; the value goes into the header little endian."""
    value = 0xFFFFFFFF
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF
