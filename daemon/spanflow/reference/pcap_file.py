# SPDX-License-Identifier: Apache-2.0
"""Read pcap: µs, ns and modified, both byte orders (11.1)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from spanflow.reference.byte_stream import LARGEST_RECORD, ByteStream
from spanflow.reference.frame import Frame, clamp_time

FILE_HEADER_OCTETS = 24

MAGICS = {
    struct.pack(order + "I", magic): (order, nanoseconds_per_tick, record_header)
    for magic, nanoseconds_per_tick, record_header in (
        (0xA1B2C3D4, 1000, 16),
        (0xA1B23C4D, 1, 16),
        (0xA1B2CD34, 1000, 24),  # modified: the last 8 octets of a record header say nothing to us
    )
    for order in "<>"
}


Reader = Callable[[ByteStream], Iterator[Frame]]
"""Gives the frames of a file."""


class DamageError(Exception):
    """The rest of a file cannot be read; str() says why and where."""


def read_pcap(stream: ByteStream) -> Iterator[Frame]:
    """The frames of a file whose first octets are one of MAGICS. Raises DamageError."""
    if not stream.fill(FILE_HEADER_OCTETS):
        raise DamageError("cut off inside the file header; capture it again")
    order, nanoseconds_per_tick, header = MAGICS[stream.peek(4)]
    # The upper 16 bits of the last word say whether frames end with an FCS, and are no part of the link type.
    link_type = struct.unpack(order + "I", stream.peek(4, 20))[0] & 0xFFFF
    stream.consume(FILE_HEADER_OCTETS)
    fields = struct.Struct(order + "IIII")
    records = 0
    while stream.fill(header):
        seconds, ticks, captured, original = fields.unpack(stream.peek(16))
        if captured > LARGEST_RECORD - header:
            raise DamageError(
                f"record {records + 1} at octet {stream.offset} claims {captured} octets;"
                " what came before it is metered"
            )
        if not stream.fill(header + captured):
            break
        octets = stream.peek(captured, header)
        stream.consume(header + captured)
        records += 1
        time_ns = clamp_time(seconds * 1_000_000_000 + ticks * nanoseconds_per_tick)
        yield Frame(time_ns, octets, original, link_type, 0)
    if stream.available and not stream.error and not stream.stopped:
        raise DamageError(
            f"cut off inside record {records + 1} at octet {stream.offset}; what came before it is metered"
        )
