# SPDX-License-Identifier: Apache-2.0
"""What stands at the head of a packet's payload, as one table with checksums ready.

Row 0 is all zero (no payload), the next rows are random filler, then come the messages. A row can be
cut at any length: `word_sums[row, n]` is the sum of the first n octets as 16-bit words (RFC 1071), so a
TCP or UDP checksum costs one look-up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from application_payloads import HOSTS, make_conversations

WIDTH = 1480  # octets; no payload of a 1,500-octet IP packet is longer
FILLER_ROWS = 15


@dataclass(frozen=True, slots=True)
class Payloads:
    """The table and, by application, the (request row, response row, row of all that follows, 0: filler) that
    refer to it."""

    octets: NDArray[np.uint8]  # (rows, WIDTH)
    word_sums: NDArray[np.uint32]  # (rows, WIDTH + 1)
    lengths: NDArray[np.int64]  # (rows,)
    conversations: dict[str, list[tuple[int, int, int]]]


def make_payloads(rng: np.random.Generator, for_engines: bool = False) -> Payloads:
    """for_engines: the conversations of application_payloads instead of the short ones here."""
    rows = [b"", *(rng.bytes(WIDTH) for _ in range(FILLER_ROWS))]
    conversations: dict[str, list[tuple[int, int, int]]] = {}
    made = make_conversations(rng) if for_engines else [(*message, b"") for message in _messages(rng)]
    for application, *texts in made:
        numbers = [len(rows) + place if text else 0 for place, text in enumerate(texts)]
        conversations.setdefault(application, []).append((numbers[0], numbers[1], numbers[2]))
        rows += [text for text in texts if text]
    octets = np.zeros((len(rows), WIDTH), np.uint8)
    for index, row in enumerate(rows):
        octets[index, : len(row)] = np.frombuffer(row, np.uint8)
    lengths = np.array([len(row) for row in rows], np.int64)
    return Payloads(octets, _word_sums(octets), lengths, conversations)


def _word_sums(octets: NDArray[np.uint8]) -> NDArray[np.uint32]:
    weighted = octets.astype(np.uint32)
    weighted[:, 0::2] <<= 8  # an odd last octet counts as if a zero followed it
    sums = np.zeros((octets.shape[0], octets.shape[1] + 1), np.uint32)
    np.cumsum(weighted, axis=1, dtype=np.uint32, out=sums[:, 1:])
    return sums


def _messages(rng: np.random.Generator) -> list[tuple[str, bytes, bytes]]:
    """(application, what the client says first, what the server answers)."""
    messages: list[tuple[str, bytes, bytes]] = []
    for number, host in enumerate(HOSTS):
        messages.append(("tls", _client_hello(host, rng), _server_hello(rng)))
        messages.append(("http", _http_request(host), _http_response(20_000 + 997 * number)))
        identifier = int(rng.integers(1, 65536))
        messages.append(
            ("dns", _dns(host, identifier), _dns(host, identifier, bytes([198, 18, 7, number + 1])))
        )
    messages.append(("ssh", b"SSH-2.0-OpenSSH_9.6\r\n", b"SSH-2.0-dropbear_2022.83\r\n"))
    return messages


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack("!HH", kind, len(body)) + body


def _handshake(kind: int, body: bytes) -> bytes:
    """One TLS record that holds one handshake message (RFC 8446 sections 4 and 5.1)."""
    message = struct.pack("!B", kind) + len(body).to_bytes(3, "big") + body
    return struct.pack("!BHH", 22, 0x0301, len(message)) + message


def _client_hello(host: str, rng: np.random.Generator) -> bytes:
    name = host.encode()
    key = rng.bytes(32)
    extensions = b"".join(
        (
            _extension(0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name),  # server_name
            _extension(10, struct.pack("!HHH", 4, 29, 23)),  # supported_groups
            _extension(13, struct.pack("!HHH", 4, 0x0403, 0x0804)),  # signature_algorithms
            _extension(16, b"\x00\x0c\x02h2\x08http/1.1"),  # ALPN
            _extension(43, struct.pack("!BHH", 4, 0x0304, 0x0303)),  # supported_versions
            _extension(51, struct.pack("!HHH", 36, 29, 32) + key),  # key_share
        )
    )
    suites = struct.pack("!4H", 0x1301, 0x1302, 0xC02F, 0xC030)
    body = struct.pack("!H", 0x0303) + rng.bytes(32) + b"\x20" + rng.bytes(32)
    body += struct.pack("!H", len(suites)) + suites + b"\x01\x00"
    return _handshake(1, body + struct.pack("!H", len(extensions)) + extensions)


def _server_hello(rng: np.random.Generator) -> bytes:
    extensions = _extension(43, struct.pack("!H", 0x0304))
    extensions += _extension(51, struct.pack("!HH", 29, 32) + rng.bytes(32))
    body = struct.pack("!H", 0x0303) + rng.bytes(32) + b"\x20" + rng.bytes(32) + struct.pack("!HB", 0x1301, 0)
    return _handshake(2, body + struct.pack("!H", len(extensions)) + extensions)


def _http_request(host: str) -> bytes:
    lines = ("GET /news/today HTTP/1.1", f"Host: {host}", "User-Agent: bench/1", "Accept: text/html", "", "")
    return "\r\n".join(lines).encode()


def _http_response(length: int) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + b"<!doctype html><title>news</title>"


def _dns(host: str, identifier: int, address: bytes | None = None) -> bytes:
    """A question for an A record, or with `address` the answer to it (RFC 1035 section 4)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in host.split(".")) + b"\x00"
    flags = 0x0100 if address is None else 0x8180
    message = struct.pack("!6H", identifier, flags, 1, int(address is not None), 0, 0) + labels
    message += struct.pack("!HH", 1, 1)
    if address is not None:
        message += struct.pack("!HHHIH", 0xC00C, 1, 1, 300, len(address)) + address
    return message
