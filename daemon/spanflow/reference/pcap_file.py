# SPDX-License-Identifier: Apache-2.0
"""Read capture files: which format, and pcap itself (µs and ns, both byte orders)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from oracle import pcapng_file
from oracle.frame import CaptureError, Frame, clamp_time

PCAP_MAGICS = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}


def read_capture(path: Path, warnings: list[str]) -> Iterator[Frame]:
    """The frames of a file in its order; what ends it early goes into `warnings`.

    Raises CaptureError when the file is empty or no capture.
    """
    octets = path.read_bytes()
    if octets[:4] == pcapng_file.SECTION_HEADER:
        yield from pcapng_file.read_pcapng(path, octets, warnings)
    elif octets[:4] in PCAP_MAGICS and len(octets) >= 24:
        yield from _read_pcap(path, octets, warnings)
    else:
        raise CaptureError(f"{path}: not a capture")


def _read_pcap(path: Path, octets: bytes, warnings: list[str]) -> Iterator[Frame]:
    order, nanoseconds_per_tick = PCAP_MAGICS[octets[:4]]
    # The upper 16 bits of the last word say whether frames end with an FCS, and are no part of the link type.
    link_type = struct.unpack_from(order + "I", octets, 20)[0] & 0xFFFF
    at = 24
    while at < len(octets):
        if at + 16 > len(octets):
            warnings.append(f"{path}: the last record is truncated")
            return
        seconds, ticks, captured, original = struct.unpack_from(order + "IIII", octets, at)
        at += 16
        if at + captured > len(octets):
            warnings.append(f"{path}: the last record is truncated")
            return
        time_ns = clamp_time(seconds * 1_000_000_000 + ticks * nanoseconds_per_tick)
        yield Frame(time_ns, octets[at : at + captured], original, link_type, 0)
        at += captured
