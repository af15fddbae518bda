# SPDX-License-Identifier: Apache-2.0
"""The capture that ships with the project, config/demo.pcap: a minute of a small office, all of it made up.

Addresses and names are those reserved for documentation (RFC 5737, 3849, 2606).
"""

from __future__ import annotations

import struct

from craft import payloads
from craft.capture import SECOND, Capture
from craft.connection import Connection, frame
from craft.conversation import EPOCH_NS, Pair
from craft.link import ARP, CLIENT_MAC, SERVER_MAC, Tag, ethernet
from craft.network import ipv4, ipv4_fragments, ipv6_fragments
from craft.transport import echo, icmp, icmpv6, igmp, sctp, tcp, udp

MILLISECOND = SECOND // 1000
DESK4, DESK6 = "192.0.2.10", "2001:db8:1::10"
RESOLVER4, RESOLVER6 = "192.0.2.53", "2001:db8:1::53"
WEB4, WEB6 = "198.51.100.80", "2001:db8:80::80"
STAFF, VOICE = Tag(100), Tag(200, priority=5)


def demo_capture() -> bytes:
    """A microsecond pcap of about 600 frames, in the order of their times."""
    capture = Capture()
    for scene in (
        _lookups,
        _web,
        _downloads,
        _shell,
        _clocks,
        _pings,
        _fragments,
        _scan,
        _voice,
        _background,
    ):
        scene(capture)
    capture.frames.sort(key=lambda one: one.time_ns)
    return capture.pcap(nanoseconds=False)


def _at(seconds: float) -> int:
    return EPOCH_NS + round(seconds * 1000) * MILLISECOND


def _lookups(capture: Capture) -> None:
    """DNS over IPv4 and IPv6, before each visit and now and then."""
    names = (
        "www.example.org",
        "cdn.example.net",
        "git.example.com",
        "mail.example.org",
        "updates.example.net",
    )
    for number in range(20):
        pair = (
            Pair(DESK4, RESOLVER4, 33000 + number * 7, 53)
            if number % 2 == 0
            else Pair(DESK6, RESOLVER6, 33000 + number * 7, 53)
        )
        name, kind = names[number // 2 % 5], (1, 28)[number % 2]
        address = WEB4 if kind == 1 else WEB6
        sent = _at(0.5 + number // 2 * 6) + number * 371_000
        query = payloads.dns_query(name, identification=4000 + number, query_type=kind)
        answer = payloads.dns_response(name, address, identification=4000 + number, query_type=kind)
        capture.add(sent, frame(pair, ">", udp(*pair.ports(">"), query)))
        capture.add(
            sent + 11 * MILLISECOND + number * 13_000, frame(pair, "<", udp(*pair.ports("<"), answer))
        )


def _web(capture: Capture) -> None:
    """TLS over IPv4 and IPv6 with short answers, closed by either side; one is cut off by a RST."""
    for number in range(8):
        pair = (
            Pair(DESK4, WEB4, 50100 + number, 443) if number % 3 else Pair(DESK6, WEB6, 50100 + number, 443)
        )
        name, seed = ("www.example.org", "cdn.example.net", "git.example.com")[number % 3], f"web{number}"
        talk = Connection(capture, pair, _at(0.6 + 6.1 * number), round_trip_ns=(14 + number) * MILLISECOND)
        talk.open().send(">", payloads.tls_client_hello(name, seed=seed))
        talk.send("<", payloads.tls_server_hello(seed=seed) + payloads.tls_application_data(1700, seed=seed))
        for question in range(1 + number % 3):
            talk.send(">", payloads.tls_application_data(180 + 40 * question, seed=f"{seed}q{question}"))
            talk.send("<", payloads.tls_application_data(900 * (question + 1), seed=f"{seed}a{question}"))
            talk.wait(350 * MILLISECOND)
        if number == 5:
            talk.reset("<")
        else:
            talk.close("><"[number % 2])


def _downloads(capture: Capture) -> None:
    """Plain HTTP in VLAN 100: a page and a larger file over one connection."""
    pair = Pair("192.0.2.20", "203.0.113.8", 41800, 80)
    talk = Connection(capture, pair, _at(9.2), round_trip_ns=31 * MILLISECOND, tags=[STAFF])
    page = "<!doctype html><title>Example</title>" + "<p>It works.</p>" * 60
    talk.open().send(">", payloads.http_request("intranet.example.org")).send(
        "<", payloads.http_response(page)
    )
    talk.wait(2 * SECOND).send(">", payloads.http_request("intranet.example.org", "/report.html"))
    talk.send("<", payloads.http_response("<pre>" + "0123456789abcdef\n" * 1200 + "</pre>")).close("<")


def _shell(capture: Capture) -> None:
    """An SSH session that was there for the whole minute and is still open at its end."""
    talk = Connection(capture, Pair(DESK6, "2001:db8:22::22", 51022, 22), _at(1.0), tos=0x48)
    talk.open().send("<", payloads.ssh_banner("OpenSSH_9.2p1 Debian-2")).send(
        ">", payloads.ssh_banner("OpenSSH_9.6")
    )
    talk.send(">", payloads.ssh_key_exchange(seed="c")).send("<", payloads.ssh_key_exchange(seed="s"))
    for key in range(28):
        talk.send(">", payloads.noise(36, f"key{key}")).send(
            "<", payloads.noise(36 + 44 * (key % 4), f"echo{key}")
        )
        talk.wait((1900 + 37 * (key % 5)) * MILLISECOND)


def _clocks(capture: Capture) -> None:
    """NTP with three servers."""
    for number, server in enumerate(("203.0.113.123", "198.51.100.123", "2001:db8:123::1")):
        pair = Pair(DESK6 if ":" in server else DESK4, server, 123, 123)
        for round_number in range(2):
            sent = _at(3.1 + number * 0.7 + round_number * 32)
            capture.add(sent, frame(pair, ">", udp(123, 123, payloads.ntp(3)), tos=0xB8))
            capture.add(
                sent + (9 + number) * MILLISECOND, frame(pair, "<", udp(123, 123, payloads.ntp(4, stratum=2)))
            )


def _pings(capture: Capture) -> None:
    """Echo over IPv4 and IPv6 once a second, and an unreachable port."""
    data = bytes(range(48))
    four, six = Pair(DESK4, WEB4), Pair(DESK6, WEB6)
    for number in range(12):
        sent = _at(20 + number)
        capture.add(sent, frame(four, ">", icmp(8, 0, echo(77, number, data))))
        capture.add(sent + 15 * MILLISECOND, frame(four, "<", icmp(0, 0, echo(77, number, data))))
        capture.add(sent + 300 * MILLISECOND, frame(six, ">", icmpv6(128, 0, echo(78, number, data))))
        if number != 7:
            capture.add(sent + 318 * MILLISECOND, frame(six, "<", icmpv6(129, 0, echo(78, number, data))))
    lost = ipv4(DESK4, "203.0.113.200", udp(40123, 33434, bytes(12)), ttl=1)
    capture.add(_at(25.5), ethernet(lost, source=CLIENT_MAC, destination=SERVER_MAC, minimum=60))
    capture.add(_at(25.502), frame(Pair(DESK4, "203.0.113.200"), "<", icmp(3, 3, bytes(4) + lost[:28])))


def _fragments(capture: Capture) -> None:
    """Long DNS answers: fragments in order over IPv4, in the wrong order over IPv6, and one whose first is
    missing.
    """
    texts = [payloads.noise(100, f"text{number}").hex().encode() for number in range(12)]
    answer = payloads.dns_text_response("keys.example.org", *texts, identification=99)
    question = payloads.dns_query("keys.example.org", identification=99, query_type=16)
    four, six = Pair(DESK4, RESOLVER4, 34999, 53), Pair(DESK6, RESOLVER6, 34998, 53)
    capture.add(_at(30.0), frame(four, ">", udp(34999, 53, question)))
    capture.add(_at(30.2), frame(six, ">", udp(34998, 53, question)))
    pieces4 = ipv4_fragments(
        RESOLVER4, DESK4, udp(53, 34999, answer), size=1232, identification=0x1234, ttl=53
    )
    pieces6 = ipv6_fragments(
        RESOLVER6, DESK6, udp(53, 34998, answer), size=1232, identification=0x9ABC, hop_limit=53
    )
    stray = ipv4_fragments(
        RESOLVER4, DESK4, udp(53, 34997, answer), size=1232, identification=0x4321, ttl=53
    )[1:]
    for number, packet in enumerate([*pieces4, pieces6[0], *reversed(pieces6[1:]), *stray]):
        sent = _at(30.4) + number * MILLISECOND // 5
        capture.add(sent, ethernet(packet, source=SERVER_MAC, destination=CLIENT_MAC))


def _scan(capture: Capture) -> None:
    """A port scan from outside: each SYN is answered by RST, two of them not at all."""
    for number, port in enumerate(
        (21, 22, 23, 25, 80, 110, 111, 135, 139, 143, 443, 445, 993, 1723, 3306, 3389, 5900, 8080)
    ):
        pair = Pair("203.0.113.66", DESK4, 61000, port)
        sent = _at(36) + number * 7 * MILLISECOND
        capture.add(sent, frame(pair, ">", tcp(61000, port, "S", sequence=1, window=1024)))
        if number % 9 != 4:
            capture.add(sent + 200_000, frame(pair, "<", tcp(port, 61000, "RA", acknowledgment=2, window=0)))


def _voice(capture: Capture) -> None:
    """One second and a half of RTP in VLAN 200 with DSCP EF, both ways, every 20 ms."""
    pair = Pair("192.0.2.140", "192.0.2.150", 16384, 16386)
    for number in range(75):
        for side, delay in ((">", 0), ("<", 7 * MILLISECOND)):
            head = struct.pack("!BBHII", 0x80, 0, number, number * 160, 0x5EED + ord(side))
            segment = udp(*pair.ports(side), head + payloads.noise(40, f"{side}{number}"))
            capture.add(
                _at(44) + number * 20 * MILLISECOND + delay, frame(pair, side, segment, [VOICE], tos=0xB8)
            )


def _background(capture: Capture) -> None:
    """ARP, multicast DNS, IGMP, syslog, SCTP: what is always there."""
    asked = (
        struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
        + CLIENT_MAC
        + bytes([192, 0, 2, 10])
        + bytes(6)
        + bytes([192, 0, 2, 1])
    )
    for number in range(4):
        capture.add(_at(2 + 15 * number), ethernet(asked, destination=b"\xff" * 6, ethertype=ARP, minimum=60))
        line = payloads.syslog(f"link eth{number} up")
        capture.add(
            _at(5.3 + 13 * number), frame(Pair("192.0.2.1", "192.0.2.5", 514, 514), ">", udp(514, 514, line))
        )
    group = bytes.fromhex("01005e0000fb")
    for seconds, segment in (
        (4.0, udp(5353, 5353, payloads.dns_query("_ipp._tcp.local", identification=0, query_type=12))),
        (34.0, udp(5353, 5353, payloads.dns_query("_ipp._tcp.local", identification=0, query_type=12))),
        (4.1, igmp()),
    ):
        packet = ipv4("192.0.2.30", "224.0.0.251", segment, ttl=255 if segment.protocol == 17 else 1)
        capture.add(_at(seconds), ethernet(packet, destination=group, minimum=60))
    signalling = Pair("192.0.2.140", "192.0.2.160", 2905, 2905)
    init = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65536, 10, 10, 1)
    heartbeat = struct.pack("!BBHHH4s", 4, 0, 12, 1, 8, b"ping")
    capture.add(_at(43.0), frame(signalling, ">", sctp(2905, 2905, init, tag=0), [VOICE]))
    capture.add(_at(43.9), frame(signalling, ">", sctp(2905, 2905, heartbeat, tag=7), [VOICE]))
