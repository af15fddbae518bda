# SPDX-License-Identifier: Apache-2.0
"""The far end of one stream: takes all that comes, and counts it. In a process of its own.

    python bench/export_peer.py stream|lines [CERTIFICATE_AND_KEY]

Says {"port": …} first, and at the end of the connection what came: records, packets and octets of IPFIX
Messages with Templates of fixed length (options are passed over), or lines.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import sys
import time
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

_BUFFER_OCTETS = 1 << 20
_MESSAGE_HEADER, _SET_HEADER, _VERSION = 16, 4, 10
_TEMPLATE_SET, _FIRST_DATA_SET = 2, 256
_ELEMENTS = {1: "octets", 2: "packets"}  # octetDeltaCount, packetDeltaCount


class Counter(Protocol):
    """Counts what has come."""

    totals: dict[str, int]

    def take(self, octets: memoryview) -> int:
        """Count what is whole; how many octets that were."""
        ...


class Lines:
    """Text, one line for each record."""

    def __init__(self) -> None:
        self.totals = {"records": 0}

    def take(self, octets: memoryview) -> int:
        """All of it: an end of line is one octet."""
        self.totals["records"] += bytes(octets).count(b"\n")
        return len(octets)


class Messages:
    """IPFIX Messages one behind the other (RFC 7011 section 3.1)."""

    def __init__(self) -> None:
        self.totals = dict.fromkeys(("messages", "records", "packets", "octets", "malformed"), 0)
        self._dtypes: dict[int, np.dtype[Any]] = {}

    def take(self, octets: memoryview) -> int:
        """Whole Messages."""
        start = 0
        while len(octets) - start >= _MESSAGE_HEADER:
            version, length = struct.unpack_from("!HH", octets, start)
            if version != _VERSION or length < _MESSAGE_HEADER:
                self.totals["malformed"] += 1
                return len(octets)
            if len(octets) - start < length:
                break
            self._take_sets(octets[start + _MESSAGE_HEADER : start + length])
            self.totals["messages"] += 1
            start += length
        return start

    def _take_sets(self, octets: memoryview) -> None:
        start = 0
        while start < len(octets):
            number, length = struct.unpack_from("!HH", octets, start)
            content = octets[start + _SET_HEADER : start + length]
            if number == _TEMPLATE_SET:
                self._learn(content)
            elif number in self._dtypes:
                dtype = self._dtypes[number]
                records = np.frombuffer(content, dtype, len(content) // dtype.itemsize)
                self.totals["records"] += len(records)
                for name in _ELEMENTS.values():
                    self.totals[name] += int(records[name].sum())
            start += length

    def _learn(self, content: memoryview) -> None:
        start = 0
        while start < len(content):
            number, count = struct.unpack_from("!HH", content, start)
            start += 4
            offset = 0
            formats, offsets = {}, {}
            for _ in range(count):
                element, length = struct.unpack_from("!HH", content, start)
                start += 8 if element & 0x8000 else 4
                if element in _ELEMENTS:
                    formats[_ELEMENTS[element]], offsets[_ELEMENTS[element]] = f">u{length}", offset
                offset += length
            self._dtypes[number] = np.dtype(
                {
                    "names": list(formats),
                    "formats": list(formats.values()),
                    "offsets": list(offsets.values()),
                    "itemsize": offset,
                }
            )


def main() -> int:
    kind, *certificate = sys.argv[1:]
    counter: Counter = Lines() if kind == "lines" else Messages()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
        peer, _ = listening.accept()
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate[0])
        peer = context.wrap_socket(peer, server_side=True)
    with peer:
        seconds = _drain(peer, counter)
    print(json.dumps(counter.totals | {"seconds": seconds}))
    return 0


def _drain(peer: socket.socket, counter: Counter) -> float:
    """All until the end of the connection; the seconds from the first octets to the last."""
    buffer = memoryview(bytearray(_BUFFER_OCTETS))
    held, first, last = 0, 0.0, 0.0
    with suppress(ConnectionResetError, ssl.SSLEOFError):
        while got := peer.recv_into(buffer[held:]):
            last = time.monotonic()
            first = first or last
            held += got
            done = counter.take(buffer[:held])
            buffer[: held - done] = bytes(buffer[done:held])
            held -= done
    return last - first


if __name__ == "__main__":
    sys.exit(main())
