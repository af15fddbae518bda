# SPDX-License-Identifier: Apache-2.0
"""Settings of classification: rules, engine and files; what is wrong with them, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.broken import findings_of
from spanflow.config.application_rules import (
    MOST_RULES,
    ApplicationName,
    ApplicationRule,
    Cidr,
    PortRange,
    ServerName,
)
from spanflow.config.engine_values import EngineName, FilePath
from spanflow.config.lists import ListOf
from spanflow.config.load import load
from spanflow.config.render import to_yaml
from spanflow.config.values import InvalidValueError, Kind
from spanflow.errors import ConfigError

NAME, CIDR, PORT, SERVER = ApplicationName(), Cidr(), PortRange(), ServerName()
ENGINE, PATH = EngineName(), FilePath()
PORTS = ListOf(item=PORT, noun="port", most=3)

ACCEPTED: list[tuple[Kind[Any], str, Any]] = [
    (NAME, "x", "x"),
    (NAME, "Intranet: Wiki & more 1", "Intranet: Wiki & more 1"),
    (CIDR, "10.0.0.0/8", "10.0.0.0/8"),
    (CIDR, "192.0.2.1", "192.0.2.1/32"),
    (CIDR, "0.0.0.0/0", "0.0.0.0/0"),
    (CIDR, "2001:DB8::/32", "2001:db8::/32"),
    (CIDR, "2001:db8:0::1", "2001:db8::1/128"),
    (CIDR, "::/0", "::/0"),
    (PORT, "443", (443, 443)),
    (PORT, "1-65535", (1, 65535)),
    (PORT, "8000 - 8010", (8000, 8010)),
    (SERVER, "Example.COM", "example.com"),
    (SERVER, "*.example.com", "example.com"),
    (SERVER, ".example.com.", "example.com"),
    (SERVER, "_dmarc.xn--bcher-kva.example", "_dmarc.xn--bcher-kva.example"),
    (SERVER, "localhost", "localhost"),
    (SERVER, ".".join(["a" * 49] * 5), ".".join(["a" * 49] * 5)),
    (PORTS, "", ()),
    (PORTS, "80, 8000-8010", ((80, 80), (8000, 8010))),
    (ENGINE, "auto", "auto"),
    (ENGINE, "ndpi-4.2", "ndpi-4.2"),
    (ENGINE, "/opt/my engine.so", "/opt/my engine.so"),
    (PATH, "", ""),
    (PATH, "protocols.txt", "protocols.txt"),
]

NAME_ADVICE = "use 1 to 23 printable ASCII characters, no space at either end"
CIDR_ADVICE = "use CIDR notation such as 192.0.2.0/24 or 2001:db8::/32, or an address"
PORT_ADVICE = "use 1 to 65535, or two of them as in 8000-8010"
SERVER_ADVICE = "use letters, digits, - and _ with dots between them, such as example.com"
ENGINE_ADVICE = "use auto, a name such as ndpi-4.2, or an absolute path"

REFUSED: list[tuple[Kind[Any], str, str]] = [
    *[
        (NAME, text, f"{shown} is no name of an application; {NAME_ADVICE}")
        for text, shown in [
            ("", "''"),
            (" x", "' x'"),
            ("x ", "'x '"),
            ("x" * 24, f"'{'x' * 24}'"),
            ("bücher", "'bücher'"),
            ("a\x1bb", "'a\\x1bb'"),
            ("a\n", "'a\\n'"),
        ]
    ],
    (NAME, "Unknown", "'Unknown' has a meaning already; use another name"),
    (NAME, "other", "'other' has a meaning already; use another name"),
    *[
        (CIDR, text, f"'{text}' is no network; {CIDR_ADVICE}")
        for text in [
            "",
            "10/8",
            "10.0.0.0/33",
            "10.0.0.0/255.0.0.0",
            "::/129",
            "fe80::%eth0/64",
            "x",
            "1.2.3.4/",
        ]
    ],
    (CIDR, "10.0.0.0/-1", f"'10.0.0.0/-1' is no network; {CIDR_ADVICE}"),
    (
        CIDR,
        "10.1.2.3/8",
        "'10.1.2.3/8' has bits set behind the prefix; write 10.0.0.0/8, or 10.1.2.3 for that address alone",
    ),
    (
        CIDR,
        "2001:db8::1/32",
        "'2001:db8::1/32' has bits set behind the prefix; write 2001:db8::/32, or 2001:db8::1 for that",
    ),
    *[
        (PORT, text, f"'{text}' is no port and no range of ports; {PORT_ADVICE}")
        for text in ["", "0", "65536", "443-", "-443", "1-2-3", "https", "1-65536", "0-5", "٣", "1e3"]
    ],
    (PORT, "90-80", "'90-80' ends before it begins; write 80-90"),
    *[
        (SERVER, text, f"'{text}' is no server name; {SERVER_ADVICE}")
        for text in ["", ".", "*.", "a..b", "a b", "https://a", "a/b", "10.0.0.0/8", "a\\b"]
    ],
    *[
        (SERVER, text, f"'{text}' has a * in it; everything below a name is meant anyway")
        for text in ["*", "*a.b", "a.*.b"]
    ],
    (SERVER, "-" * 64, "-…' is no server name; "),
    (SERVER, "bücher.example", "'bücher.example' is not ASCII; write it as it is on the wire, xn--…"),
    (SERVER, ".".join(["a" * 63] * 4), "is no server name"),
    (PORTS, "1,2,3,4", "more than 3 ports; remove some"),
    (PORTS, "1,,2", f"'' is no port and no range of ports; {PORT_ADVICE}"),
    (ENGINE, "4.2", f"'4.2' is no engine; {ENGINE_ADVICE}"),
    (ENGINE, "./engine.so", f"'./engine.so' is no engine; {ENGINE_ADVICE}"),
    (ENGINE, "ndpi-4.2.so", f"'ndpi-4.2.so' is no engine; {ENGINE_ADVICE}"),
    (ENGINE, "", f"'' is no engine; {ENGINE_ADVICE}"),
    (ENGINE, "/a\0b", "'/a\\x00b' is no path; use up to 4095 octets of printable characters, or nothing"),
    (
        PATH,
        "/" * 4096,
        f"'{'/' * 59}…' is no path; use up to 4095 octets of printable characters, or nothing",
    ),
]


@pytest.mark.parametrize(("kind", "text", "value"), ACCEPTED)
def test_accepted(kind: Kind[Any], text: str, value: Any) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize(("kind", "text", "problem"), REFUSED)
def test_refused_with_the_reason_and_what_to_do(kind: Kind[Any], text: str, problem: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        kind.parse(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize("kind", [NAME, CIDR, PORT, SERVER, PORTS, ENGINE, PATH])
@given(text=st.text(max_size=60) | st.from_regex(r"[*.]{0,2}[a-z0-9./:-]{0,45}", fullmatch=True))
def test_any_text_is_a_value_or_one_line_that_says_why_not(kind: Kind[Any], text: str) -> None:
    problem = ""
    try:
        kind.parse(text)
    except InvalidValueError as error:
        problem = str(error)
    assert problem.isprintable()


RULES = """\
dpi:
  rules:
    - name: intranet
      cidr: [10.0.0.0/8, 2001:db8::/32]
      port: [443, 8000-8010]
    - {name: wiki, server_name: "*.wiki.example, wiki.example"}
    - {name: wiki, port: 8080}
"""
INTRANET = ApplicationRule(
    name="intranet", cidr=("10.0.0.0/8", "2001:db8::/32"), port=((443, 443), (8000, 8010))
)


def test_rules_of_a_file_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text(RULES)
    settings = load(path)
    assert settings.dpi.rules == (
        INTRANET,
        ApplicationRule(name="wiki", server_name=("wiki.example", "wiki.example")),
        ApplicationRule(name="wiki", port=((8080, 8080),)),
    )
    path.write_text(to_yaml(settings))
    assert load(path) == settings


@pytest.mark.parametrize(
    "override", ["dpi.rules=[{name: x, port: 1}]", 'dpi.rules=[{"name": "x", "port": [1]}]']
)
def test_rules_of_the_command_line_replace_those_of_the_file(override: str, tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text(RULES)
    assert load(path, [override]).dpi.rules == (ApplicationRule(name="x", port=((1, 1),)),)
    assert load(path, ["dpi.rules="]).dpi.rules == load(path, ["dpi.rules=[]"]).dpi.rules == ()


def test_rules_of_the_environment() -> None:
    variables = {"SPANFLOW_DPI_RULES": "[{name: x, cidr: 192.0.2.1}]"}
    assert load(None, environment=variables).dpi.rules == (ApplicationRule(name="x", cidr=("192.0.2.1/32",)),)


def test_a_wrong_rule_of_the_command_line_names_the_argument() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, ["dpi.rules=[{name: x, port: 0}]"])
    assert str(caught.value) == (
        "--set dpi.rules=[{name: x, port: 0}]: dpi.rules[0].port: '0' is no port and no range of ports;"
        f" {PORT_ADVICE}"
    )


# Name, content, and how each line must begin after the name of the file.
BROKEN: list[tuple[str, str, list[str]]] = [
    (
        "values_of_rules",
        "dpi:\n  rules:\n    - name: " + "x" * 25 + "\n      cidr: [10.0.0.0/8, 10.1.1.1/8, x]\n"
        "      port:\n        - 443\n        - 70000\n        - [1]\n        -\n"
        "      server_name: [a b, {a: b}]\n",
        [
            f"3:13: dpi.rules[0].name: '{'x' * 25}' is no name of an application; use 1 to 23 printable",
            "4:26: dpi.rules[0].cidr[1]: '10.1.1.1/8' has bits set behind the prefix; write 10.0.0.0/8,",
            "4:38: dpi.rules[0].cidr[2]: 'x' is no network; use CIDR notation such as",
            "7:11: dpi.rules[0].port[1]: '70000' is no port and no range of ports;",
            "8:11: dpi.rules[0].port[2]: a list is not allowed here; write a port",
            "9:10: dpi.rules[0].port[3]: has no value; write a port",
            "10:21: dpi.rules[0].server_name[0]: 'a b' is no server name;",
            "10:26: dpi.rules[0].server_name[1]: a mapping is not allowed here; write a server name",
        ],
    ),
    (
        "shapes_of_rules",
        "dpi:\n  rules:\n    - name: x\n    - port: 443\n    - intranet\n    - [x]\n    -\n"
        "    - {name: y, ports: 1, port: 1}\n    - {name: , cidr: , port: 1}\n",
        [
            "3:7: dpi.rules[0]: matches every Flow; give it cidr, port or server_name",
            "4:7: dpi.rules[1]: has no name; add name: intranet",
            "5:7: dpi.rules[2]: 'intranet' is no rule; write a mapping with name:",
            "6:7: dpi.rules[3]: a list is no rule; write a mapping with name:",
            "7:6: dpi.rules[4]: nothing is no rule; write a mapping with name:",
            "8:17: dpi.rules[5].ports: unknown key; did you mean port?",
            "9:14: dpi.rules[6].name: has no value; write a name such as intranet",
            "9:22: dpi.rules[6].cidr: has no value; write a list such as [10.0.0.0/8, 2001:db8::/32], or",
        ],
    ),
    (
        "rules_no_list",
        "dpi:\n  rules: {name: x, port: 1}\n  tcp_packets: 0\n  udp_packets: 256\n  other_packets: many\n"
        "  memory: 5\n  engine: [auto]\n  protocols_file:\n",
        [
            "2:10: dpi.rules: a mapping is not allowed here; write a list such as [{name: intranet,",
            "3:16: dpi.tcp_packets: '0' is out of range; use 1 to 255",
            "4:16: dpi.udp_packets: '256' is out of range; use 1 to 255",
            "5:18: dpi.other_packets: 'many' is not a whole number; use 1 to 255",
            "6:11: dpi.memory: '5' has no unit; write 5B,",
            "7:11: dpi.engine: a list is not allowed here; write a name of an engine such as ndpi-4.2",
            "8:18: dpi.protocols_file: has no value; write a path such as /etc/spanflow/protocols.txt, or",
        ],
    ),
    ("rules_as_text", "dpi: {rules: x}\n", ["1:14: dpi.rules: 'x' is no rule; write a mapping with name:"]),
    (
        "too_many_rules",
        "dpi:\n  rules:\n" + "    - {name: x, port: 1}\n" * (MOST_RULES + 2),
        [f"{MOST_RULES + 3}:7: dpi.rules: more than {MOST_RULES} rules; remove some"],
    ),
    (
        "fewer_flows_than_workers",
        "dpi: {max_flows: 3}\ncapture: {workers: 4}\n",
        ["1:18: dpi.max_flows: 3 flows do not do for 4 workers; raise it"],
    ),
]


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_every_error_is_located_and_explained(tmp_path: Path, content: str, expected: list[str]) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text(content)
    found = findings_of(path)
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


def test_the_caret_stands_under_the_value(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text("dpi:\n  rules:\n    - {name: x, port: [1, 0]}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).splitlines()[1:] == [
        "        - {name: x, port: [1, 0]}",
        "                              ^",
    ]
