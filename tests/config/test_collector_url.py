# SPDX-License-Identifier: Apache-2.0
"""Collector URLs: host, port, options, encoding; everything that is wrong at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanflow.config.collector_settings import SCHEMES
from spanflow.config.collector_url import CollectorError, Problem, parse_collector
from spanflow.config.schema import Collector, Export

SECOND = 10**9

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("ipfix+udp://127.0.0.1", {"host": "127.0.0.1"}),
    ("ipfix+udp://127.0.0.1/", {"host": "127.0.0.1"}),
    ("IPFIX+UDP://collector.example:9995", {"host": "collector.example", "port": 9995}),
    ("ipfix+udp://[2001:DB8::1]:4739", {"host": "2001:db8::1"}),
    ("ipfix+udp://[fe80::1%25eth0]:1", {"host": "fe80::1%eth0", "port": 1}),
    ("ipfix+udp://[fe80::1%eth0]", {"host": "fe80::1%eth0"}),
    ("ipfix+udp://h%6Fst_1", {"host": "host_1"}),
    ("ipfix+udp://h?", {"host": "h"}),
    ("ipfix+udp://h?biflow=true&domain=7", {"host": "h", "biflow": True, "domain": 7}),
    ("ipfix+udp://h?name=a%26b%20c+d", {"host": "h", "name": "a&b c+d"}),
    ("ipfix+udp://h?mtu=auto&pace=0", {"host": "h", "max_message_size": 0, "pace": 0}),
    ("ipfix+udp://h?mtu=9000", {"host": "h", "max_message_size": 9000}),
    ("ipfix+tcp://h", {"transport": "tcp", "host": "h"}),
    ("ipfix+tls://h", {"transport": "tls", "host": "h", "port": 4740}),
    ("netflow9://h", {"protocol": "netflow9", "host": "h", "port": 2055}),
    ("netflow5://h:9", {"protocol": "netflow5", "host": "h", "port": 9}),
    ("json+tcp://h:9", {"protocol": "json", "transport": "tcp", "host": "h", "port": 9}),
    ("ipfix+file:///a%20b/%25Y", {"transport": "file", "path": "/a b/%Y", "port": 0}),
    ("ipfix+udp://h?add=flowStartSeconds,ja4Client", {"host": "h", "add": ("flowStartSeconds", "ja4Client")}),
    (
        "ipfix+udp://h?template_refresh=5s&template_refresh_packets=10&template_copies=1&queue_size=4MiB",
        {"host": "h", "template_refresh": 5 * SECOND, "template_refresh_packets": 10}
        | {"template_copies": 1, "queue_size": 4 << 20},
    ),
]

REFUSED: list[tuple[str, list[str]]] = [
    ("", ["url: '' is no URL; write ipfix+udp://HOST:PORT"]),
    ("127.0.0.1:4739", ["url: '127.0.0.1:4739' is no URL; write ipfix+udp://HOST:PORT"]),
    ("udp://h", [f"url: unknown scheme 'udp'; known: {', '.join(SCHEMES)}"]),
    ("kafka://h", [f"url: unknown scheme 'kafka'; known: {', '.join(SCHEMES)}"]),
    ("ipfix+tcpp://h", ["url: unknown scheme 'ipfix+tcpp'; did you mean ipfix+tcp?"]),
    ("json+tcp://h", ["url: the port is missing; write :PORT behind the host"]),
    ("ipfix+file://h/x", ["url: 'h' stands where a file has no host; begin the path with ///"]),
    ("ipfix+file:///", ["url: '/' names no file; write :///DIRECTORY/FILE"]),
    ("ipfix+file:///a/", ["url: '/a/' names no file; write :///DIRECTORY/FILE"]),
    (
        "netflow9://h?biflow=true",
        [
            "biflow: has no meaning for netflow9; remove it, or use ipfix+udp, ipfix+tcp, ipfix+tls,"
            " ipfix+sctp, ipfix+dtls, ipfix+file"
        ],
    ),
    ("ipfix+tls://h?certificate=/a", ["key: is missing; certificate and key go together"]),
    (
        "ipfix+udp://h?elements=flowId,octetDeltaCount&remove=flowId",
        ["remove: has no meaning beside elements; leave them out there"],
    ),
    (
        "ipfix+udp://h?anonymize=crypto-pan",
        ["anonymize_key: is missing; make one with `spanflow keygen FILE` and name it here"],
    ),
    (
        "ipfix+udp://h?add=flowId,octetDelta",
        [
            "add: unknown element 'octetDelta'; did you mean octetDeltaCount?",
            "add: flowId is sent in any case; leave it out",
        ],
    ),
    ("ipfix+udp://h?group_mode=balance", ["group_mode: has no meaning without group; add group=NAME"]),
    (
        "ipfix+udp://h?anonymize_ipv4=16",
        ["anonymize_ipv4: has no meaning without anonymize=truncate; add that, or remove it"],
    ),
    (
        "ipfix+tcp://h?anonymize=crypto-pan&anonymize_key=/k&anonymize_ipv6=32",
        ["anonymize_ipv6: has no meaning without anonymize=truncate; add that, or remove it"],
    ),
    ("ipfix+udp://", ["url: the host is missing; write a name or an address after ://"]),
    ("ipfix+udp://:4739", ["url: the host is missing; write a name or an address after ://"]),
    ("ipfix+udp://[]:4739", ["url: the host is missing; write a name or an address after ://"]),
    (
        "ipfix+udp://::1:4739",
        ["url: '::1:4739' is no HOST:PORT; an IPv6 address stands in brackets: [2001:db8::1]"],
    ),
    (
        "ipfix+udp://[::1",
        ["url: '[::1' is no HOST:PORT; an IPv6 address stands in brackets: [2001:db8::1]"],
    ),
    (
        "ipfix+udp://[10.0.0.1]",
        ["url: '[10.0.0.1]' is no IPv6 address; names and IPv4 addresses take no brackets"],
    ),
    ("ipfix+udp://10.0.0.256", ["url: '10.0.0.256' is no host name or IPv4 address; repair it"]),
    ("ipfix+udp://a b", ["url: 'a b' is no host name or IPv4 address; repair it"]),
    ("ipfix+udp://-a.example", ["url: '-a.example' is no host name or IPv4 address; repair it"]),
    ("ipfix+udp://h:", ["url: '' is no port; use 1 to 65535, or leave it out for 4739"]),
    ("ipfix+udp://h:0", ["url: '0' is no port; use 1 to 65535, or leave it out for 4739"]),
    ("ipfix+udp://h:65536", ["url: '65536' is no port; use 1 to 65535, or leave it out for 4739"]),
    ("ipfix+udp://h:http", ["url: 'http' is no port; use 1 to 65535, or leave it out for 4739"]),
    ("ipfix+udp://me@h", ["url: a user name has no meaning here; remove it, up to the @"]),
    ("ipfix+udp://h/x", ["url: '/x' after the host has no meaning; remove it (options begin with ?)"]),
    ("ipfix+udp://h#x", ["url: '#x' has no meaning; remove it, or write %23 for #"]),
    ("ipfix+udp://h%zz", ["url: 'h%zz' has a % without two hexadecimal digits; write %25 for %"]),
    ("ipfix+udp://h?name=%ff", ["name: '%ff' is not UTF-8 when it is decoded; encode it as UTF-8"]),
    ("ipfix+udp://h?biflow", ["url: the option 'biflow' has no value; write option=value, joined by &"]),
    ("ipfix+udp://h?pace=1&pace=2", ["pace: given twice; remove one"]),
    (
        "ipfix+udp://h?max_message_size=1400",
        ["max_message_size: unknown option 'max_message_size'; its name is mtu here"],
    ),
    ("ipfix+udp://h?profile=nfdumb", ["profile: unknown value 'nfdumb'; did you mean nfdump?"]),
    ("ipfix+udp://" + "h" * 3000, ["url: 3012 characters are too long; use at most 2048"]),
    (
        "ipfix+utp://h:x?biflw=true&template_refresh=5",
        [
            "url: unknown scheme 'ipfix+utp'; did you mean ipfix+udp?",
            "url: 'x' is no port; use 1 to 65535",
            "biflw: unknown option 'biflw'; did you mean biflow?",
            "template_refresh: '5' has no unit; write 5s, or another of ns, us, ms, s, m, h, d",
        ],
    ),
]


@pytest.mark.parametrize(("url", "expected"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_accepted(url: str, expected: dict[str, Any]) -> None:
    assert parse_collector(url) == Collector(**expected)


@pytest.mark.parametrize(("url", "problems"), REFUSED, ids=[row[0][:40] for row in REFUSED])
def test_refused_with_everything_that_is_wrong(url: str, problems: list[str]) -> None:
    with pytest.raises(CollectorError) as caught:
        parse_collector(url)
    assert str(caught.value).split("\n") == problems


def test_options_beside_the_url_count_as_its_own() -> None:
    beside = parse_collector("ipfix+udp://h?pace=5", {"biflow": "true"})
    assert beside == Collector(host="h", pace=5, biflow=True)


def test_the_name_is_the_url_without_options() -> None:
    assert parse_collector("ipfix+udp://h?biflow=true").name == "ipfix+udp://h:4739"
    assert parse_collector("ipfix+udp://[fe80::1%eth0]").name == "ipfix+udp://[fe80::1%25eth0]:4739"
    assert parse_collector("ipfix+udp://h?name=noc").name == "noc"


def test_a_collector_sees_export_with_its_own_options_in_place() -> None:
    export = Export(observation_domain_id=3, pace=100, max_message_size=1200)
    assert Collector(host="h").effective(export) == export
    own = parse_collector("ipfix+udp://h?domain=0&mtu=auto&pace=0&template_refresh=1s").effective(export)
    assert own == Export(observation_domain_id=0, pace=0, max_message_size=0, template_refresh=SECOND)


@given(st.ip_addresses() | st.just("collector.example"), st.integers(1, 65535))
def test_the_url_of_a_collector_gives_the_collector(host: object, port: int) -> None:
    collector = Collector(host=str(host), port=port)
    assert parse_collector(collector.url) == collector


@given(st.text() | st.text("ipfxudt+:/?#[]@%&=.0129ab -").map("ipfix+udp://".__add__))
def test_any_text_is_a_collector_or_printable_problems(url: str) -> None:
    problems: list[Problem] = []
    try:
        parse_collector(url)
    except CollectorError as error:
        problems = error.problems
    assert all(problem.text.isprintable() and problem.option.isprintable() for problem in problems)
