# SPDX-License-Identifier: Apache-2.0
"""Conversations for a classification engine: what the two ends say first, and what follows.

TLS 1.3, TLS 1.2 with a certificate, HTTP, SSH, DNS and NTP, of the sizes that browsers and servers send.
QUIC is not among them: its first packet is encrypted with keys that would have to be derived here.
"""

from __future__ import annotations

import struct

import numpy as np

HOSTS = (
    "www.example.com",
    "mail.example.net",
    "cdn.static.example.org",
    "api.shop.example.com",
    "video.example.net",
    "login.example.org",
    "updates.os.example",
    "photos.example.com",
)
FILLED = 1480  # octets of what follows; packets take as much of it as they have room for

# (application, request, response, what all later packets with payload begin with)
Conversation = tuple[str, bytes, bytes, bytes]


def make_conversations(rng: np.random.Generator) -> list[Conversation]:
    made: list[Conversation] = []
    for number, host in enumerate(HOSTS):
        made.append(("tls13", _client_hello(host, rng, 0x0304), _server_flight_13(rng), _tls_data(rng)))
        made.append(("tls12", _client_hello(host, rng, 0x0303), _server_flight_12(host, rng), _tls_data(rng)))
        made.append(("http", _http_request(host, number), _http_response(), _http_body()))
        identifier = int(rng.integers(1, 65536))
        answer = bytes([198, 18, 7, number + 1])
        made.append(("dns", _dns(host, identifier), _dns(host, identifier, answer), b""))
    made.append(
        ("ssh", b"SSH-2.0-OpenSSH_9.6p1 Debian-4\r\n", b"SSH-2.0-OpenSSH_9.2p1\r\n", rng.bytes(FILLED))
    )
    made.append(("ntp", _ntp(3, 0, rng), _ntp(4, 2, rng), b""))
    return made


# --- TLS (RFC 8446, RFC 5246) ---------------------------------------------------------------------


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("!BHH", kind, 0x0303, len(body)) + body


def _handshake(kind: int, body: bytes) -> bytes:
    return struct.pack("!B", kind) + len(body).to_bytes(3, "big") + body


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack("!HH", kind, len(body)) + body


def _listed(values: tuple[int, ...]) -> bytes:
    return struct.pack(f"!H{len(values)}H", 2 * len(values), *values)


def _client_hello(host: str, rng: np.random.Generator, version: int) -> bytes:
    """As browsers send it: some 16 suites, padded to 512 octets (RFC 7685)."""
    name = host.encode()
    suites: tuple[int, ...]
    suites = (0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035)
    extensions = [
        _extension(0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name),  # server_name
        _extension(23, b""),  # extended_master_secret
        _extension(0xFF01, b"\x00"),  # renegotiation_info
        _extension(10, _listed((29, 23, 24))),  # supported_groups
        _extension(11, b"\x01\x00"),  # ec_point_formats
        _extension(35, b""),  # session_ticket
        _extension(16, b"\x00\x0c\x02h2\x08http/1.1"),  # ALPN
        _extension(5, b"\x01\x00\x00\x00\x00"),  # status_request
        _extension(13, _listed((0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601))),
        _extension(18, b""),  # signed_certificate_timestamp
    ]
    if version == 0x0304:
        suites = (0x1301, 0x1302, 0x1303, *suites)
        extensions += [
            _extension(51, struct.pack("!HHH", 36, 29, 32) + rng.bytes(32)),  # key_share
            _extension(45, b"\x01\x01"),  # psk_key_exchange_modes
            _extension(43, struct.pack("!BHH", 4, 0x0304, 0x0303)),  # supported_versions
        ]
    head = struct.pack("!H", 0x0303) + rng.bytes(32) + b"\x20" + rng.bytes(32) + _listed(suites) + b"\x01\x00"
    room = 512 - 4 - len(head) - 2 - sum(map(len, extensions)) - 4
    extensions.append(_extension(21, bytes(max(room, 0))))
    body = b"".join(extensions)
    return _record(22, _handshake(1, head + struct.pack("!H", len(body)) + body))


def _server_hello(rng: np.random.Generator, suite: int, extensions: bytes) -> bytes:
    body = struct.pack("!H", 0x0303) + rng.bytes(32) + b"\x20" + rng.bytes(32) + struct.pack("!HB", suite, 0)
    return _handshake(2, body + struct.pack("!H", len(extensions)) + extensions)


def _server_flight_13(rng: np.random.Generator) -> bytes:
    """ServerHello, ChangeCipherSpec, and the first of what is encrypted."""
    extensions = _extension(43, struct.pack("!H", 0x0304))
    extensions += _extension(51, struct.pack("!HH", 29, 32) + rng.bytes(32))
    hello = _record(22, _server_hello(rng, 0x1301, extensions)) + _record(20, b"\x01")
    return hello + _record(23, rng.bytes(1200))


def _server_flight_12(host: str, rng: np.random.Generator) -> bytes:
    """ServerHello, Certificate, ServerKeyExchange, ServerHelloDone."""
    certificate = _certificate(host, rng)
    chain = len(certificate).to_bytes(3, "big") + certificate
    key_exchange = (
        struct.pack("!BHB", 3, 29, 32) + rng.bytes(32) + struct.pack("!HH", 0x0804, 256) + rng.bytes(256)
    )
    extensions = _extension(0xFF01, b"\x00") + _extension(16, b"\x00\x03\x02h2")
    return b"".join(
        (
            _record(22, _server_hello(rng, 0xC02F, extensions)),
            _record(22, _handshake(11, len(chain).to_bytes(3, "big") + chain)),
            _record(22, _handshake(12, key_exchange)),
            _record(22, _handshake(14, b"")),
        )
    )


def _tls_data(rng: np.random.Generator) -> bytes:
    return _record(23, rng.bytes(FILLED - 5))


# --- X.509 (RFC 5280), DER ------------------------------------------------------------------------


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    length = len(body)
    if length < 128:
        head = bytes([length])
    elif length < 256:
        head = bytes([0x81, length])
    else:
        head = b"\x82" + struct.pack("!H", length)
    return bytes([tag]) + head + body


def _name(**attributes: str) -> bytes:
    numbers = {"country": 6, "organisation": 10, "common_name": 3}
    pairs = (
        _der(0x30, _der(6, bytes([0x55, 4, numbers[kind]])), _der(0x13, text.encode()))
        for kind, text in attributes.items()
    )
    return _der(0x30, *(_der(0x31, pair) for pair in pairs))


def _certificate(host: str, rng: np.random.Generator) -> bytes:
    """Right in form, signed by nobody."""
    algorithm = _der(0x30, _der(6, bytes.fromhex("2a864886f70d01010b")), _der(5))
    key = _der(0x30, _der(2, b"\x00\xc1" + rng.bytes(255)), _der(2, b"\x01\x00\x01"))
    names = _der(0x30, *(_der(0x82, name.encode()) for name in (host, f"www2.{host}")))
    to_be_signed = _der(
        0x30,
        _der(0xA0, _der(2, b"\x02")),
        _der(2, b"\x01" + rng.bytes(15)),
        algorithm,
        _name(country="XX", organisation="Example Trust", common_name="Example CA 1"),
        _der(0x30, _der(0x17, b"251101000000Z"), _der(0x17, b"260401000000Z")),
        _name(country="XX", organisation="Example", common_name=host),
        _der(0x30, _der(0x30, _der(6, bytes.fromhex("2a864886f70d010101")), _der(5)), _der(3, b"\x00" + key)),
        _der(0xA3, _der(0x30, _der(0x30, _der(6, bytes([0x55, 0x1D, 0x11])), _der(4, names)))),
    )
    return _der(0x30, to_be_signed, algorithm, _der(3, b"\x00" + rng.bytes(256)))


# --- the others -----------------------------------------------------------------------------------


def _http_request(host: str, number: int) -> bytes:
    lines = (
        f"GET /articles/{number}/index.html?page={number} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Language: en-GB,en;q=0.5",
        "Accept-Encoding: gzip, deflate",
        f"Referer: http://{host}/",
        "Connection: keep-alive",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def _http_response() -> bytes:
    lines = (
        "HTTP/1.1 200 OK",
        "Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "Server: bench",
        "Content-Type: text/html; charset=utf-8",
        "Content-Length: 48211",
        "Cache-Control: max-age=600",
        "",
        "",
    )
    return "\r\n".join(lines).encode() + _http_body()[:1000]


def _http_body() -> bytes:
    text = b"<p>The quick brown fox jumps over the lazy dog, and over the next one too.</p>\n"
    return (text * (FILLED // len(text) + 1))[:FILLED]


def _dns(host: str, identifier: int, address: bytes | None = None) -> bytes:
    """A question for an A record with EDNS, or with `address` the answer to it (RFC 1035, RFC 6891)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in host.split(".")) + b"\x00"
    answered = address is not None
    message = struct.pack("!6H", identifier, 0x8180 if answered else 0x0120, 1, int(answered), 0, 1) + labels
    message += struct.pack("!HH", 1, 1)
    if address is not None:
        message += struct.pack("!HHHIH", 0xC00C, 1, 1, 300, len(address)) + address
    return message + struct.pack("!BHHIH", 0, 41, 1232, 0, 0)


def _ntp(mode: int, stratum: int, rng: np.random.Generator) -> bytes:
    """Version 4 (RFC 5905)."""
    seconds = 3_976_214_400  # 2026-01-01
    stamps = struct.pack(
        "!IIIIIIII", *(value for _ in range(4) for value in (seconds, int(rng.integers(1 << 32))))
    )
    return (
        struct.pack("!BBbbII4s", 4 << 3 | mode, stratum, 6, -20, 0x400, 0x300, b"\xc6\x12\x00\x01") + stamps
    )
