# SPDX-License-Identifier: Apache-2.0
"""The language of the filter: its common form, what is said of a mistake and where, and its bounds."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporting.filter_expressions import EXPRESSIONS
from spanflow.config.record_filter import DEEPEST, LONGEST, MOST_TERMS, FilterExpression, parse_filter
from spanflow.config.record_terms import Expression
from spanflow.config.values import InvalidValueError

FILTER = FilterExpression()

COMMON_FORMS = [
    ("net 10.0.0.0/8 and not port 53", "net 10.0.0.0/8 and not port 53"),
    ("  NET 10.0.0.0/8\n\tAND NOT Port 53 ", "net 10.0.0.0/8 and not port 53"),
    ("net 10.0.0.0/8&&!port 53", "net 10.0.0.0/8 and not port 53"),
    ("src host 192.0.2.1||dst host ::1", "src host 192.0.2.1 or dst host ::1"),
    ("host 2001:DB8:0:0::1", "host 2001:db8::1"),
    ("net 192.0.2.1/32", "host 192.0.2.1"),
    ("src net 0.0.0.0/0 or dst net ::/0", "src net 0.0.0.0/0 or dst net ::/0"),
    ("port 80-80 or src port 1-1023 or dst port 65535", "port 80 or src port 1-1023 or dst port 65535"),
    ("proto 6 or proto ICMP6 or proto 47", "proto tcp or proto icmp6 or proto 47"),
    ("ip or ip6 or risk", "ip or ip6 or risk"),
    ("app TLS or category Web", "app TLS or category Web"),
    ("app 'TLS' or app \"World of Warcraft\"", 'app TLS or app "World of Warcraft"'),
    ("app 'and' or app 'say \"hi\"' or app '('", 'app "and" or app \'say "hi"\' or app "("'),
    ("app 'x  y'", 'app "x  y"'),
    ("octets>=10000", "octets >= 10k"),
    ("octets == 0 or packets!=1500k", "octets = 0 or packets != 1500k"),
    ("packets < 1000000 or packets<=3G", "packets < 1M or packets <= 3G"),
    ("octets < 18446744073709551615", "octets < 18446744073709551615"),
    ("duration > 90s or duration < 1m30s", "duration > 90s or duration < 90s"),
    ("duration = 0 or duration >= 1.5ms", "duration = 0s or duration >= 1500us"),
    ("interface 0 or interface 4294967295", "interface 0 or interface 4294967295"),
    ("(risk)", "risk"),
    ("((ip or risk) or ip6) and (risk and ip)", "(ip or risk or ip6) and risk and ip"),
    ("not (not risk)", "not not risk"),
    ("not (ip and risk)", "not (ip and risk)"),
    ("! ip and ! risk", "not ip and not risk"),
]


@pytest.mark.parametrize(("text", "common"), COMMON_FORMS)
def test_common_form(text: str, common: str) -> None:
    assert FILTER.parse(text) == common
    assert FILTER.parse(common) == common


MISTAKES = [
    ("", "a filter cannot be empty; leave it out to send every record"),
    (" \n", "a filter cannot be empty; leave it out to send every record"),
    ("prot tcp", "character 1, near 'prot tcp': unknown word 'prot'; did you mean proto?"),
    ("ip and hots 1.2.3.4", "character 8, near 'hots 1.2.3.4': unknown word 'hots'; did you mean host?"),
    (
        "xyzzy",
        "character 1, near 'xyzzy': unknown word 'xyzzy'; known: src, dst, host, net, port, proto, ip, ip6,"
        " app, category, packets, octets, duration, risk, interface",
    ),
    ("tcp", "character 1, near 'tcp': tcp alone is no condition; write proto tcp"),
    (
        "1.2.3.4 or ip6",
        "character 1, near '1.2.3.4 or ip6': an address alone is no condition; write host 1.2.3.4",
    ),
    ("10.0.0.0/8", "character 1, near '10.0.0.0/8': an address alone is no condition; write net 10.0.0.0/8"),
    ("port 80 or 443", "character 12, near '443': a number alone is no condition; write port 443"),
    ("ip adn risk", "character 4, near 'adn risk': expected and, or, or the end; did you mean and?"),
    ("ip port 5", "character 4, near 'port 5': expected and, or, or the end"),
    ("ip and", "character 7, at the end: expected a condition: one of src, dst, host, net, port, proto, ip,"),
    ("ip and and risk", "character 8, near 'and risk': expected a condition: one of src, "),
    ("(ip", "character 4, at the end: expected ) for the ( at character 1"),
    ("ip)", "character 3, near ')': has no ( that it closes; remove it"),
    ("()", "character 2, near ')': expected a condition: one of src, dst, "),
    (
        "ip and risk or ip6",
        "character 13, near 'or ip6': or beside and; put what goes together in parentheses",
    ),
    ("src tcp", "character 5, near 'tcp': expected host, net, port"),
    ("src hots 1.2.3.4", "character 5, near 'hots 1.2.3.4': expected host, net, port; did you mean host?"),
    ("host", "character 5, at the end: expected an address"),
    ("host 'a'", "character 6, near ''a'': expected an address"),
    ("host example.com", "character 6, near 'example.com': 'example.com' is no network; use CIDR notation "),
    ("host fe80::1%eth0", "character 6, near 'fe80::1%eth0': 'fe80::1%eth0' is no network; use CIDR "),
    (
        "host 10.0.0.0/8",
        "character 6, near '10.0.0.0/8': '10.0.0.0/8' is no address; write net for a network",
    ),
    ("net 10.0.0.0", "character 5, near '10.0.0.0': '10.0.0.0' has no prefix length; write it as in 192."),
    (
        "net 10.0.0.1/8",
        "character 5, near '10.0.0.1/8': '10.0.0.1/8' has bits set behind the prefix; write 10.",
    ),
    ("net 10.0.0.0/33", "character 5, near '10.0.0.0/33': '10.0.0.0/33' is no network; use CIDR notation "),
    ("port 0", "character 6, near '0': '0' is no port and no range of ports; use 1 to 65535, or two of them"),
    ("port 9-1", "character 6, near '9-1': '9-1' ends before it begins; write 1-9"),
    (
        "port http",
        "character 6, near 'http': 'http' is no port and no range of ports; use 1 to 65535, or two",
    ),
    (
        "proto 256",
        "character 7, near '256': '256' is no protocol; use icmp, tcp, udp, icmp6, sctp, or 0 to 255",
    ),
    (
        "proto tpc",
        "character 7, near 'tpc': 'tpc' is no protocol; use icmp, tcp, udp, icmp6, sctp, or 0 to 255;",
    ),
    ("proto ٦", "character 7, near '٦': '٦' is no protocol; use icmp, tcp, udp, icmp6, sctp, or 0 to 255"),
    ("app", "character 4, at the end: expected a name; one that has spaces or signs stands in quotes"),
    (
        "app and ip",
        "character 5, near 'and ip': expected a name; one that has spaces or signs stands in quotes",
    ),
    ("app ''", "character 5, near '''': expected a name, this one is empty"),
    ("app 'x", "character 5, near ''x': this quote is not closed; add another at the end of the name"),
    ("app '\x1b[2J'", "character 5, near ''\\x1b[2J'': expected a name; one that has spaces or signs stands"),
    ("octets 5", "character 8, near '5': expected one of <= >= != = < >"),
    ("octets => 5", "character 9, near '> 5': expected a number"),
    ("octets > 5x", "character 10, near '5x': '5x' is no number of packets or octets; use 0 to "),
    (
        "octets > 18446744073709551616",
        "character 10, near '18446744073709551616': '18446744073709551616' is no",
    ),
    ("octets > 99999999999G", "character 10, near '99999999999G': '99999999999G' is no number of packets or"),
    ("octets > -1", "character 10, near '-1': '-1' is no number of packets or octets; use 0 to "),
    (
        "duration > 5",
        "character 12, near '5': '5' has no unit; write 5s, or another of ns, us, ms, s, m, h, d",
    ),
    (
        "duration > 5 s",
        "character 12, near '5 s': '5' has no unit; write 5s, or another of ns, us, ms, s, m,",
    ),
    ("interface eth0", "character 11, near 'eth0': 'eth0' is no ifIndex; use 0 to 4294967295"),
    (
        "interface 4294967296",
        "character 11, near '4294967296': '4294967296' is no ifIndex; use 0 to 4294967295",
    ),
    ("ip & risk", "character 4, near '& risk': expected and, or, or the end"),
    ("\x00\x1b[31m", "character 1, near '\\x00\\x1b[31m': unknown word '\\x00\\x1b[31m'; known: "),
    ("ip\n\nrsk\n\nand ip", "character 5, near 'rsk and ip': expected and, or, or the end"),
    ("x" * 1025, "1025 characters are too long for a filter; use at most 1024"),
    (
        "not " * (DEEPEST + 1) + "ip",
        "character 133, near 'ip': parentheses and nots are more than 32 deep; make",
    ),
    (
        "(" * 1000,
        "character 34, near '(((((((((((((((((((((((…': parentheses and nots are more than 32 deep; make",
    ),
    ("ip" + "||ip" * 200, "in full these are 1202 characters; use at most 1024"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_mistakes(text: str, said: str) -> None:
    with pytest.raises(InvalidValueError) as error:
        FILTER.parse(text)
    message = str(error.value)
    assert message.startswith(said)
    assert message.isprintable()
    assert len(message) < 300


def test_bounds_are_reached() -> None:
    assert FILTER.parse("not " * DEEPEST + "ip") == "not " * DEEPEST + "ip"
    assert FILTER.parse("(" * DEEPEST + "ip" + ")" * DEEPEST) == "ip"
    longest = "app '" + "x" * (LONGEST - 6) + "'"
    assert len(FILTER.parse(longest)) == LONGEST - 2


def test_number_of_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """No text that is short enough has so many today; the bound holds by itself too."""
    monkeypatch.setattr("spanflow.config.record_filter.LONGEST", 1 << 20)
    parse_filter("||".join(["ip"] * MOST_TERMS))
    with pytest.raises(InvalidValueError, match=f"more than {MOST_TERMS} conditions; use fewer"):
        parse_filter("||".join(["ip"] * (MOST_TERMS + 1)))


@given(EXPRESSIONS)
def test_common_form_says_the_same(expression: Expression) -> None:
    """Read back it has the same common form; what it matches is tested with the records."""
    common = FILTER.parse(str(expression))
    assert FILTER.parse(common) == common
    assert common.replace("(", "").replace(")", "") == str(expression).replace("(", "").replace(")", "")


def common_form_or_error(text: str) -> str:
    try:
        return FILTER.parse(text)
    except InvalidValueError as error:
        return str(error)


WORDS = [
    "(",
    ")",
    "!",
    "&&",
    "||",
    "and",
    "or",
    "not",
    "src",
    "host",
    "net",
    "port",
    "80",
    "1.2.3.4",
    "'",
    '"',
]
WORDS += [
    "::/0",
    "octets",
    ">",
    "=",
    "5k",
    "app",
    "x",
    "ip",
    "risk",
    "duration",
    "5s",
    "\n",
    "\x00",
    "é",
    "%",
]


@given(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join) | st.text(max_size=80))
def test_hostile_texts(text: str) -> None:
    """Any text is a filter whose common form is stable, or has one line of error."""
    common = common_form_or_error(text)
    assert common.isprintable()
    if not common.startswith(("character ", "a filter ")):
        assert FILTER.parse(common) == common


def test_a_long_hostile_text_is_quick() -> None:
    """Bounded work: neither deep recursion nor backtracking."""
    chosen = random.Random(1)
    for _ in range(200):
        text = "".join(chosen.choices(["(", ")", "!", "'", '"', "ip", " or ", " and ", "=", "<"], k=400))
        assert len(common_form_or_error(text[:LONGEST])) <= LONGEST


def test_as_a_setting() -> None:
    text = FILTER.parse("app 'say \"hi\"'")
    assert FILTER.render(text) == '"app \'say \\"hi\\"\'"'
    assert FILTER.json_schema() == {"type": "string", "minLength": 1, "maxLength": LONGEST}
    assert FILTER.type_text() == "filter"


def test_the_settings_do_not_need_numpy() -> None:
    """It is loaded with every command, and numpy takes longer than all the rest."""
    code = "import sys, spanflow.config.record_filter; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=20).returncode == 0
