# SPDX-License-Identifier: Apache-2.0
"""Names out of packets, octets from strangers, as text that can be shown (13.7)."""

from __future__ import annotations

from spanflow.reference.ndpi import DETAIL_OCTETS


def clean_text(octets: bytes) -> bytes:
    """13.7: UTF-8 without control characters, up to a NUL, 254 octets of whole characters at most."""
    clean = b""
    for character in _characters(octets.split(b"\0", 1)[0]):
        piece = "�" if ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 else character
        if len(clean) + len(piece.encode()) > DETAIL_OCTETS:
            break
        clean += piece.encode()
    return clean


def _characters(octets: bytes) -> str:
    """Each octet that is not of a character is one U+FFFD."""
    return octets.decode("utf-8", "surrogateescape").translate(_ESCAPED)


_ESCAPED = dict.fromkeys(range(0xDC80, 0xDD00), "�")
