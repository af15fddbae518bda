# SPDX-License-Identifier: Apache-2.0
"""Application data that a classifier (and a reader of captures) recognises."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from ipaddress import ip_address


def noise(size: int, seed: str = "") -> bytes:
    """Octets that look random and are always the same."""
    blocks = (hashlib.sha256(f"{seed}{number}".encode()).digest() for number in range(-(-size // 32)))
    return b"".join(blocks)[:size]


def tls_client_hello(server_name: str, *, alpn: Iterable[str] = ("h2", "http/1.1"), seed: str = "") -> bytes:
    """A TLS 1.3 ClientHello (RFC 8446) in one record."""
    name = server_name.encode()
    protocols = b"".join(bytes([len(p)]) + p.encode() for p in alpn)
    extensions = b"".join(
        _extension(kind, value)
        for kind, value in (
            (0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name),
            (23, b""),
            (10, struct.pack("!HHHH", 6, 0x001D, 0x0017, 0x0018)),
            (11, b"\x01\x00"),
            (16, struct.pack("!H", len(protocols)) + protocols),
            (13, struct.pack("!HHHHH", 8, 0x0403, 0x0804, 0x0401, 0x0503)),
            (43, b"\x04\x03\x04\x03\x03"),
            (45, b"\x01\x01"),
            (51, struct.pack("!HHH", 36, 0x001D, 32) + noise(32, seed + "share")),
        )
    )
    ciphers = struct.pack("!HHHHHH", 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC030)
    body = b"\x03\x03" + noise(32, seed + "random") + b"\x20" + noise(32, seed + "session")
    body += (
        struct.pack("!H", len(ciphers))
        + ciphers
        + b"\x01\x00"
        + struct.pack("!H", len(extensions))
        + extensions
    )
    return _record(22, _handshake(1, body), version=0x0301)


def tls_server_hello(*, seed: str = "") -> bytes:
    """A TLS 1.3 ServerHello and the change of cipher that middleboxes like to see."""
    extensions = _extension(43, b"\x03\x04")
    extensions += _extension(51, struct.pack("!HH", 0x001D, 32) + noise(32, seed + "share"))
    body = b"\x03\x03" + noise(32, seed + "server") + b"\x20" + noise(32, seed + "session")
    body += b"\x13\x01\x00" + struct.pack("!H", len(extensions)) + extensions
    return _record(22, _handshake(2, body)) + _record(20, b"\x01")


def tls_application_data(size: int, *, seed: str = "") -> bytes:
    """A record of `size` encrypted octets."""
    return _record(23, noise(size, seed))


def http_request(host: str, path: str = "/") -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"
    return head.encode()


def http_response(body: str) -> bytes:
    head = (
        f"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def ssh_banner(software: str) -> bytes:
    return f"SSH-2.0-{software}\r\n".encode()


def ssh_key_exchange(*, seed: str = "") -> bytes:
    """SSH_MSG_KEXINIT (RFC 4253 section 7.1)."""
    lists = (
        b"curve25519-sha256,ecdh-sha2-nistp256",
        b"ssh-ed25519,rsa-sha2-512",
        *[b"chacha20-poly1305@openssh.com,aes128-ctr"] * 2,
        *[b"hmac-sha2-256-etm@openssh.com"] * 2,
        *[b"none,zlib@openssh.com"] * 2,
        *[b""] * 2,
    )
    payload = (
        b"\x14"
        + noise(16, seed)
        + b"".join(struct.pack("!I", len(names)) + names for names in lists)
        + bytes(5)
    )
    padding = 8 - (len(payload) + 5) % 8 + (8 if (len(payload) + 5) % 8 > 4 else 0)
    return struct.pack("!IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def dns_query(name: str, *, identification: int, query_type: int = 1) -> bytes:
    return struct.pack("!HHHHHH", identification, 0x0100, 1, 0, 0, 0) + _question(name, query_type)


def dns_response(name: str, *addresses: str, identification: int, query_type: int = 1) -> bytes:
    """An answer with A or AAAA records."""
    answers = b""
    for address in addresses:
        octets = ip_address(address).packed
        answers += struct.pack("!HHHIH", 0xC00C, query_type, 1, 300, len(octets)) + octets
    head = struct.pack("!HHHHHH", identification, 0x8180, 1, len(addresses), 0, 0)
    return head + _question(name, query_type) + answers


def dns_text_response(name: str, *texts: bytes, identification: int) -> bytes:
    """An answer with TXT records of up to 255 octets each: long enough to be fragmented."""
    answers = b"".join(
        struct.pack("!HHHIHB", 0xC00C, 16, 1, 300, len(text) + 1, len(text)) + text for text in texts
    )
    head = struct.pack("!HHHHHH", identification, 0x8180, 1, len(texts), 0, 0)
    return head + _question(name, 16) + answers


def ntp(mode: int, *, stratum: int = 0, transmit: int = 0xE8F0_0000_0000_0000) -> bytes:
    """NTPv4 (RFC 5905): mode 3 asks, mode 4 answers."""
    return struct.pack(
        "!BBbb11I", 4 << 3 | mode, stratum, 6, -20, 0, 0, 0, *[0] * 6, transmit >> 32, transmit & 0xFFFFFFFF
    )


def syslog(text: str) -> bytes:
    return f"<30>1 2023-11-14T22:13:20Z gateway app 411 - - {text}".encode()


def _extension(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value


def _handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def _record(kind: int, body: bytes, version: int = 0x0303) -> bytes:
    return struct.pack("!BHH", kind, version, len(body)) + body


def _question(name: str, query_type: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return labels + b"\0" + struct.pack("!HH", query_type, 1)
