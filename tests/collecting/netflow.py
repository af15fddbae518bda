# SPDX-License-Identifier: Apache-2.0
"""NetFlow v9 and v5 datagrams for tests, written octet by octet (v9 after RFC 3954 sections 5 and 6)."""

from __future__ import annotations

import socket
import struct
from typing import TypeAlias

from spanflow.information_elements import by_name

FieldSpec: TypeAlias = str | tuple[str, int] | tuple[int, int]
"""An element's name, with its usual length; name and length; or type and length."""

UNIX_SECONDS = 1_700_000_000
UPTIME_MS = 86_400_000


def packet9(
    *flowsets: bytes,
    count: int,
    sequence: int = 0,
    source_id: int = 1,
    uptime_ms: int = UPTIME_MS,
    seconds: int = UNIX_SECONDS,
) -> bytes:
    return struct.pack("!HHIIII", 9, count, uptime_ms, seconds, sequence, source_id) + b"".join(flowsets)


def flowset(set_id: int, *content: bytes, padding: bytes | None = None) -> bytes:
    """padding: what RFC 3954 wants, zeros to a multiple of 4 octets, if not said otherwise."""
    octets = b"".join(content)
    octets += bytes(-len(octets) % 4) if padding is None else padding
    return struct.pack("!HH", set_id, 4 + len(octets)) + octets


def template9(template_id: int, *fields: FieldSpec) -> bytes:
    return struct.pack("!HH", template_id, len(fields)) + b"".join(map(_specifier, fields))


def options_template9(template_id: int, scopes: list[tuple[int, int]], *fields: FieldSpec) -> bytes:
    """scopes: type and length."""
    specifiers = b"".join(map(_specifier, (*scopes, *fields)))
    return struct.pack("!HHH", template_id, 4 * len(scopes), 4 * len(fields)) + specifiers


def _specifier(field: FieldSpec) -> bytes:
    if isinstance(field, str):
        element = by_name(field)
        return struct.pack("!HH", element.number, element.length)
    number = by_name(field[0]).number if isinstance(field[0], str) else field[0]
    return struct.pack("!HH", number, field[1])


def packet5(
    *records: bytes,
    count: int | None = None,
    sequence: int = 0,
    engine: tuple[int, int] = (0, 0),
    sampling: int = 0,
    uptime_ms: int = UPTIME_MS,
    seconds: int = UNIX_SECONDS,
    nanoseconds: int = 0,
) -> bytes:
    number = len(records) if count is None else count
    header = struct.pack(
        "!HHIIIIBBH", 5, number, uptime_ms, seconds, nanoseconds, sequence, *engine, sampling
    )
    return header + b"".join(records)


def record5(
    *,
    source: str = "192.0.2.1",
    destination: str = "198.51.100.7",
    next_hop: str = "203.0.113.1",
    interfaces: tuple[int, int] = (3, 4),
    packets: int = 12,
    octets: int = 3456,
    first_ms: int = UPTIME_MS - 5000,
    last_ms: int = UPTIME_MS - 1000,
    ports: tuple[int, int] = (50_000, 443),
    flags: int = 0x1B,
    protocol: int = 6,
    tos: int = 0xB8,
    as_numbers: tuple[int, int] = (64_496, 64_511),
    masks: tuple[int, int] = (24, 25),
) -> bytes:
    addresses = b"".join(map(socket.inet_aton, (source, destination, next_hop)))
    return (
        addresses
        + struct.pack("!HHIIIIHH", *interfaces, packets, octets, first_ms, last_ms, *ports)
        + struct.pack("!xBBBHHBBxx", flags, protocol, tos, *as_numbers, *masks)
    )
