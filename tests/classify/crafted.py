# SPDX-License-Identifier: Apache-2.0
"""Traffic that a classifier knows by its payload, and some that it can only guess, all made by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import count

from craft import payloads
from craft.capture import SECOND, Capture
from craft.connection import Connection, frame
from craft.conversation import EPOCH_NS, Pair
from craft.transport import echo, icmp, udp

MILLISECOND = SECOND // 1000
NAME = "www.example.org"
STUN_COOKIE = 0x2112A442


def tls(capture: Capture, pair: Pair, name: str = NAME, *, seed: str = "", at_ms: int = 0) -> Capture:
    """Handshake, hellos, some data, close."""
    talk = _connection(capture, pair, at_ms).open().send(">", payloads.tls_client_hello(name, seed=seed))
    talk.send("<", payloads.tls_server_hello(seed=seed) + payloads.tls_application_data(900, seed=seed))
    talk.send(">", payloads.tls_application_data(120, seed=seed)).close()
    return capture


def http(capture: Capture, pair: Pair, host: str = NAME, *, path: str = "/", at_ms: int = 0) -> Capture:
    talk = _connection(capture, pair, at_ms).open().send(">", payloads.http_request(host, path))
    talk.send("<", payloads.http_response("<p>It works.</p>")).close()
    return capture


def dns(
    capture: Capture, pair: Pair, name: str = NAME, *, address: str = "192.0.2.80", at_ms: int = 0
) -> Capture:
    kind = 28 if ":" in address else 1
    query = payloads.dns_query(name, identification=7, query_type=kind)
    answer = payloads.dns_response(name, address, identification=7, query_type=kind)
    return datagrams(capture, pair, [(">", query), ("<", answer)], at_ms=at_ms)


def lines(capture: Capture, pair: Pair, script: Sequence[str], *, at_ms: int = 0) -> Capture:
    """A TCP connection of text lines: "> EHLO me", "< 250 hello"."""
    talk = _connection(capture, pair, at_ms).open()
    for line in script:
        talk.send(line[0], line[2:].encode() + b"\r\n")
    talk.close()
    return capture


def datagrams(
    capture: Capture, pair: Pair, exchange: Sequence[tuple[str, bytes]], *, at_ms: int = 0
) -> Capture:
    """UDP payloads from the client (">") and the server ("<"), 10 ms apart."""
    for number, (side, payload) in enumerate(exchange):
        time_ns = EPOCH_NS + (at_ms + 10 * number) * MILLISECOND
        capture.add(time_ns, frame(pair, side, udp(*pair.ports(side), payload)))
    return capture


def application_traffic() -> Capture:
    """Flows of a dozen applications over IPv4 and IPv6."""
    capture = Capture()
    _of_one_version(capture, "192.0.2.10", "198.51.100.80", "203.0.113.7", at_ms=0)
    _of_one_version(capture, "2001:db8:1::10", "2001:db8:0:80::1", "2001:db8:7::7", at_ms=60_000)
    ping = Pair("192.0.2.10", "198.51.100.80")
    capture.add(EPOCH_NS, frame(ping, ">", icmp(8, 0, echo(1, 1, bytes(40)))))
    capture.frames.sort(key=lambda each: each.time_ns)
    return capture


def _of_one_version(capture: Capture, client: str, server: str, peer: str, *, at_ms: int) -> None:
    """peer: who shares files. nDPI remembers address and port: other Flows there would be taken for that."""
    at = count(at_ms, 1000)
    ports = count(50_000)

    def to(port: int, host: str = server) -> Pair:
        return Pair(client if host == server else f"{client}0", host, next(ports), port)

    tls(capture, to(443), at_ms=next(at))
    tls(capture, to(8443), "mail.google.com", seed="other port", at_ms=next(at))
    http(capture, to(80), at_ms=next(at))
    http(capture, to(8080), "www.wikipedia.org", at_ms=next(at))
    dns(capture, to(53), address=server, at_ms=next(at))
    dns(capture, to(53), "www.facebook.com", address=server, at_ms=next(at))
    _ssh(capture, to(22), at_ms=next(at))
    _bittorrent(capture, to(6881, peer), at_ms=next(at))
    datagrams(capture, to(6882, peer), _BITTORRENT_DHT, at_ms=next(at))
    datagrams(capture, to(3478), _STUN, at_ms=next(at))
    datagrams(capture, to(123), [(">", payloads.ntp(3)), ("<", payloads.ntp(4, stratum=2))], at_ms=next(at))
    datagrams(capture, to(514), [(">", payloads.syslog("hello"))], at_ms=next(at))
    for port, script in _TEXTS.items():
        lines(capture, to(port), script, at_ms=next(at))
    datagrams(capture, to(4711), [(">", payloads.noise(100, "unknown"))] * 30, at_ms=next(at))
    _connection(capture, to(5432), next(at)).open().close()
    _connection(capture, to(4711), next(at)).open().send(">", payloads.noise(200, "more")).close()


def _connection(capture: Capture, pair: Pair, at_ms: int) -> Connection:
    return Connection(capture, pair, EPOCH_NS + at_ms * MILLISECOND, round_trip_ns=10 * MILLISECOND)


def _ssh(capture: Capture, pair: Pair, *, at_ms: int) -> None:
    talk = _connection(capture, pair, at_ms).open()
    talk.send("<", payloads.ssh_banner("OpenSSH_9.2p1")).send(">", payloads.ssh_banner("OpenSSH_9.6"))
    talk.send(">", payloads.ssh_key_exchange(seed="c")).send("<", payloads.ssh_key_exchange(seed="s")).close()


def _bittorrent(capture: Capture, pair: Pair, *, at_ms: int) -> None:
    hello = b"\x13BitTorrent protocol" + bytes(8) + payloads.noise(20, "torrent")
    talk = _connection(capture, pair, at_ms).open()
    talk.send(">", hello + payloads.noise(20, "one")).send("<", hello + payloads.noise(20, "other")).close()


_BITTORRENT_DHT = (
    (">", b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"),
    ("<", b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re"),
)
_STUN = (
    (">", struct.pack("!HHI", 1, 0, STUN_COOKIE) + payloads.noise(12, "stun")),
    ("<", struct.pack("!HHI", 0x0101, 0, STUN_COOKIE) + payloads.noise(12, "stun")),
)
_TEXTS = {
    25: ("< 220 mail.example.org ESMTP", "> EHLO desk.example.org", "< 250 mail.example.org", "> QUIT"),
    110: ("< +OK ready", "> USER someone", "< +OK", "> PASS secret", "< -ERR no"),
    143: ("< * OK IMAP4rev1 ready", "> a1 LOGIN someone secret", "< a1 NO", "> a2 LOGOUT"),
    21: ("< 220 ftp ready", "> USER anonymous", "< 331 password please", "> PASS x", "< 530 no"),
}
