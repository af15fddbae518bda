# SPDX-License-Identifier: Apache-2.0
"""IPFIX Messages for tests, written octet by octet after RFC 7011 section 3, apart from the encoder."""

from __future__ import annotations

import struct
from typing import TypeAlias

from spanflow.information_elements import by_name

FieldSpec: TypeAlias = str | tuple[str, int] | tuple[int, int, int]
"""An element's name, with its usual length; name and length; or pen, number, length."""

EXPORT_TIME = 1_700_000_000


def message(
    *sets: bytes, sequence: int = 0, domain: int = 1, export_time: int = EXPORT_TIME, version: int = 10
) -> bytes:
    content = b"".join(sets)
    return struct.pack("!HHIII", version, 16 + len(content), export_time, sequence, domain) + content


def ipfix_set(set_id: int, *content: bytes, padding: int = 0) -> bytes:
    octets = b"".join(content) + bytes(padding)
    return struct.pack("!HH", set_id, 4 + len(octets)) + octets


def field_specifiers(*fields: FieldSpec) -> bytes:
    return b"".join(_specifier(field) for field in fields)


def _specifier(field: FieldSpec) -> bytes:
    if isinstance(field, str):
        element = by_name(field)
        pen, number, length = element.pen, element.number, element.length
    elif len(field) == 2:
        element = by_name(field[0])
        pen, number, length = element.pen, element.number, field[1]
    else:
        pen, number, length = field
    if not pen:
        return struct.pack("!HH", number, length)
    return struct.pack("!HHI", number | 0x8000, length, pen)


def template(template_id: int, *fields: FieldSpec) -> bytes:
    return struct.pack("!HH", template_id, len(fields)) + field_specifiers(*fields)


def options_template(template_id: int, scope_count: int, *fields: FieldSpec) -> bytes:
    return struct.pack("!HHH", template_id, len(fields), scope_count) + field_specifiers(*fields)


def withdrawal(template_id: int) -> bytes:
    return struct.pack("!HH", template_id, 0)


def short(octets: bytes) -> bytes:
    """A variable-length value with a length of 1 octet."""
    return bytes([len(octets)]) + octets


def long(octets: bytes) -> bytes:
    """A variable-length value with a length of 3 octets."""
    return b"\xff" + len(octets).to_bytes(2, "big") + octets
