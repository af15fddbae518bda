# SPDX-License-Identifier: Apache-2.0
"""Kinds of value: what each accepts, what it says when it does not, and that it reads what it writes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanflow.config.bpf import CaptureFilter
from spanflow.config.exporting_settings import EnterpriseNumber
from spanflow.config.network_values import InterfaceName, ListenAddress
from spanflow.config.quantities import Duration, Integer, Size
from spanflow.config.values import Boolean, Choice, InvalidValueError, Kind, OrNone, SetOf, Text

DURATION = Duration(minimum=1, maximum=10**18, zero="off")
SIZE = Size(minimum=1, maximum=1 << 50)
MESSAGE = Size(minimum=512, maximum=65_507, zero="from the path MTU", zero_word="auto", bare=True)
COUNT = Integer(minimum=1, maximum=10**9)
PEN = EnterpriseNumber(minimum=1, maximum=(1 << 32) - 1)
WORDS = SetOf(Choice(("vlan", "interface")))

ACCEPTED: list[tuple[Kind[Any], str, Any]] = [
    (DURATION, "15s", 15 * 10**9),
    (DURATION, "0", 0),
    (DURATION, "0s", 0),
    (DURATION, "1ns", 1),
    (DURATION, "20us", 20_000),
    (DURATION, "20µs", 20_000),
    (DURATION, "20\N{GREEK SMALL LETTER MU}s", 20_000),
    (DURATION, "1.5ms", 1_500_000),
    (DURATION, "1m30s", 90 * 10**9),
    (DURATION, "0.000000001s", 1),
    (DURATION, "2h", 7200 * 10**9),
    (DURATION, "1d", 86_400 * 10**9),
    (SIZE, "64MiB", 64 << 20),
    (SIZE, "1.5GiB", 3 << 29),
    (SIZE, "2MB", 2_000_000),
    (SIZE, "3kB", 3000),
    (SIZE, "1400B", 1400),
    (MESSAGE, "1400", 1400),
    (MESSAGE, "9000B", 9000),
    (MESSAGE, "auto", 0),
    (MESSAGE, "0", 0),
    (COUNT, "1_000_000", 1_000_000),
    (COUNT, "7", 7),
    (PEN, "29304", 29304),
    (Boolean(), "true", True),
    (Boolean(), "FALSE", False),
    (WORDS, "", ()),
    (WORDS, "interface, vlan", ("interface", "vlan")),
    (OrNone(SIZE, "none", "no bound"), "none", None),
    (OrNone(SIZE, "none", "no bound"), "null", None),
    (OrNone(SIZE, "none", "no bound"), "1KiB", 1024),
    (CaptureFilter(), "  tcp\n  port 80 ", "tcp port 80"),
    (CaptureFilter(), "inbound and tcp", "inbound and tcp"),
    (CaptureFilter(), "", ""),
    (InterfaceName(), "eth0.100@if7", "eth0.100@if7"),
    (InterfaceName(), "any", "any"),
    (InterfaceName(), "nflog:5", "nflog:5"),
    (InterfaceName(), "bluetooth-monitor", "bluetooth-monitor"),
    (InterfaceName(), "Подключение", "Подключение"),
    (InterfaceName(), "...", "..."),
    (ListenAddress(), "127.0.0.1:9730", ("127.0.0.1", 9730)),
    (ListenAddress(), "0.0.0.0:0", ("0.0.0.0", 0)),
    (ListenAddress(), "[::1]:65535", ("::1", 65535)),
    (ListenAddress(), "[FE80::1%eth0]:80", ("fe80::1%eth0", 80)),
]

LISTEN_ADVICE = "write 127.0.0.1:9730, [::1]:9730, or 0.0.0.0:9730 for every address"
NAME_ADVICE = "use 1 to 64 printable characters without '/' and white space"

REFUSED: list[tuple[Kind[Any], str, str]] = [
    (DURATION, "15", "'15' has no unit; write 15s, or another of ns, us, ms, s, m, h, d"),
    (DURATION, "00", "'00' has no unit; write 00s, or another of ns, us, ms, s, m, h, d"),
    (DURATION, "0.5ns", "'0.5ns' is finer than 1ns; write fewer decimals or a smaller unit"),
    (
        DURATION,
        "15S",
        "'15S' is not a duration; write a number and one of ns, us, ms, s, m, h, d, such as 15s",
    ),
    (DURATION, "s", "'s' is not a duration; write a number and one of ns, us, ms, s, m, h, d, such as 15s"),
    (DURATION, "٣s", "'٣s' is not a duration; write a number and one of ns, us, ms, s, m, h, d, such as 15s"),
    (SIZE, "64", "'64' has no unit; write 64B, or another of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB"),
    (SIZE, "64mb", "unknown unit 'mb'; did you mean MB?"),
    (SIZE, "0.3B", "'0.3B' is finer than 1B; write fewer decimals or a smaller unit"),
    (SIZE, "0", "'0' is out of range; use 1B to 1024TiB"),
    (MESSAGE, "511", "'511' is out of range; use 512 to 65507, or 0 or auto (from the path MTU)"),
    (MESSAGE, "x", "'x' is no number of octets; use 512 to 65507, or 0 or auto (from the path MTU)"),
    (COUNT, "0", "'0' is out of range; use 1 to 1000000000"),
    (COUNT, "0x10", "'0x10' is not a whole number; use 1 to 1000000000"),
    (COUNT, "1__0", "'1__0' is not a whole number; use 1 to 1000000000"),
    (COUNT, "-0", "'-0' is negative; use 1 to 1000000000"),
    (PEN, "29305", "29305 is that of reverse elements (RFC 5103); use your organisation's"),
    (Boolean(), "1", "'1' is not a boolean; write true or false"),
    (WORDS, "vlan,vlan", "'vlan' is there twice; remove one"),
    (WORDS, "vlna", "unknown value 'vlna'; did you mean vlan?"),
    (Text(pattern="[a-z]+", allowed="small letters"), "A\n", "'A\\n' is not allowed here; use small letters"),
    (OrNone(COUNT, "auto", "derived"), "x", "'x' is not a whole number; use 1 to 1000000000"),
    (CaptureFilter(), "tcp\x00", "'tcp\\x00' has characters that do not print; remove them"),
    *[
        (InterfaceName(), text, f"{shown} is no interface name; {NAME_ADVICE}")
        for text, shown in [
            ("", "''"),
            (".", "'.'"),
            ("..", "'..'"),
            ("eth0 eth1", "'eth0 eth1'"),
            ("net/0", "'net/0'"),
            ("eth\u00a00", "'eth\\xa00'"),
            ("eth\udcff", "'eth\\udcff'"),
            ("e" * 65, f"'{'e' * 59}…'"),
        ]
    ],
    (ListenAddress(), "9730", f"'9730' is no ADDRESS:PORT; {LISTEN_ADVICE}"),
    (ListenAddress(), "::1:9730", f"'::1:9730' is no ADDRESS:PORT; {LISTEN_ADVICE}"),
    (ListenAddress(), ":9730", f"':9730' does not begin with an IP address; {LISTEN_ADVICE}"),
    (
        ListenAddress(),
        "localhost:9730",
        f"'localhost:9730' does not begin with an IP address; {LISTEN_ADVICE}",
    ),
    (
        ListenAddress(),
        "[127.0.0.1]:9730",
        f"'[127.0.0.1]:9730' does not begin with an IP address; {LISTEN_ADVICE}",
    ),
    (ListenAddress(), "127.0.0.1:65536", "'65536' is no port; use 0 to 65535 after the last colon"),
    (ListenAddress(), "127.0.0.1:", "'' is no port; use 0 to 65535 after the last colon"),
    (CaptureFilter(), "\ud800", "'\\ud800' has characters that do not print; remove them"),
]


@pytest.mark.parametrize(("kind", "text", "value"), ACCEPTED)
def test_accepted(kind: Kind[Any], text: str, value: Any) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize(("kind", "text", "problem"), REFUSED)
def test_refused_with_the_reason_and_what_to_do(kind: Kind[Any], text: str, problem: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        kind.parse(text)
    assert str(caught.value) == problem


@given(st.integers(0, 10**18))
def test_a_duration_reads_what_it_writes(value: int) -> None:
    assert DURATION.parse(DURATION.render(value)) == value


@given(st.integers(1, 1 << 50))
def test_a_size_reads_what_it_writes(value: int) -> None:
    assert SIZE.parse(SIZE.render(value)) == value


@pytest.mark.parametrize(
    "kind",
    [DURATION, SIZE, MESSAGE, COUNT, Boolean(), WORDS, Choice(("a",)), InterfaceName(), ListenAddress()],
)
@given(text=st.text(max_size=60) | st.from_regex(r"[0-9._]{0,45}[a-zA-Z]{0,3}", fullmatch=True))
def test_any_text_is_a_value_or_one_line_that_says_why_not(kind: Kind[Any], text: str) -> None:
    problem = ""
    try:
        kind.parse(text)
    except InvalidValueError as error:
        problem = str(error)
    assert problem.isprintable()
