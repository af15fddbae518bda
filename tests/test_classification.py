# SPDX-License-Identifier: Apache-2.0
"""Which engine is chosen, what it is asked for, and what is said when there is none."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from engines import Engines
from spanflow import _core
from spanflow.classification import (
    NOT_INSTALLED,
    UNCLASSIFIED,
    installed_engines,
    open_classification,
    without_unavailable,
)
from spanflow.config.application_rules import ApplicationRule
from spanflow.config.schema import Dpi, Settings
from spanflow.errors import ConfigError, ExitCode

FILE = "/etc/spanflow/protocols.txt"


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engines:
    return Engines.installed(monkeypatch, tmp_path, "ndpi-4.2", "ndpi-4.14", "ndpi-5.0")


def error_of(dpi: Dpi) -> str:
    with pytest.raises(ConfigError) as caught:
        open_classification(dpi)
    assert caught.value.exit_code == ExitCode.CONFIG
    assert "\n" not in str(caught.value)
    return str(caught.value)


def shims(engines: Engines) -> list[str]:
    return [Path(options["shim"]).name for options in engines.asked]


# Which one.


def test_engines_are_found_beside_the_native_module_the_newest_first(engines: Engines) -> None:
    for name in (
        "spanflow-ndpi-x.so",
        "spanflow-ndpi-4.so.1",
        "ndpi-4.6.so",
        "_core.so",
        "spanflow-ndpi-6.so~",
    ):
        (engines.folder / name).touch()
    (engines.folder / "spanflow-ndpi-4.14.1.so").touch()
    assert list(installed_engines()) == ["ndpi-5.0", "ndpi-4.14.1", "ndpi-4.14", "ndpi-4.2"]
    assert installed_engines()["ndpi-4.2"] == str(engines.folder / "spanflow-ndpi-4.2.so")
    assert installed_engines(str(engines.folder / "..")) == {}


def test_auto_is_the_newest_one(engines: Engines) -> None:
    opened = open_classification(Dpi())
    assert shims(engines) == ["spanflow-ndpi-5.0.so"]
    assert opened.applications is not None
    assert (opened.applications.engine, opened.applications.version) == ("nDPI", "5.0.0")
    assert opened.options is not None
    assert opened.missing == ""


def test_auto_passes_over_what_cannot_be_loaded(engines: Engines) -> None:
    engines.refuse = lambda options: "no libndpi.so.5.0" if "5.0" in options["shim"] else ""
    opened = open_classification(Dpi())
    assert shims(engines) == ["spanflow-ndpi-5.0.so", "spanflow-ndpi-4.14.so"]
    assert opened.applications is not None
    assert opened.applications.version == "4.14.0"


def test_auto_does_without_when_none_can_be_loaded(engines: Engines) -> None:
    engines.refuse = lambda options: "cannot\x1b"
    opened = open_classification(Dpi())
    assert (opened.options, opened.applications) == (None, None)
    assert opened.missing == "ndpi-5.0: cannot\\x1b; ndpi-4.14: cannot\\x1b; ndpi-4.2: cannot\\x1b"


def test_auto_does_without_when_none_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Engines.installed(monkeypatch, tmp_path)
    opened = open_classification(Dpi())
    assert (opened.options, opened.applications, opened.missing) == (None, None, NOT_INSTALLED)


def test_off_asks_nobody(engines: Engines) -> None:
    assert open_classification(Dpi(enabled=False, engine="ndpi-9.9")) is UNCLASSIFIED
    assert engines.asked == []


def test_a_named_one_and_no_other(engines: Engines) -> None:
    open_classification(Dpi(engine="ndpi-4.2"))
    open_classification(Dpi(engine="/opt/my engine.so"))
    assert [options["shim"] for options in engines.asked] == [
        str(engines.folder / "spanflow-ndpi-4.2.so"),
        "/opt/my engine.so",
    ]


def test_a_named_one_must_be_there(engines: Engines) -> None:
    assert error_of(Dpi(engine="ndpi-6.0")) == (
        "dpi.engine: there is no engine ndpi-6.0 (have: ndpi-5.0, ndpi-4.14, ndpi-4.2);"
        " use one of them, or auto"
    )
    engines.refuse = lambda options: "libndpi is version 4.4.0; build it again"
    for name in ("ndpi-4.2", "/opt/engine.so"):
        assert error_of(Dpi(engine=name)) == (
            f"dpi.engine: {name} cannot be used: libndpi is version 4.4.0; build it again; or use auto"
        )


def test_a_named_one_where_none_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Engines.installed(monkeypatch, tmp_path)
    assert error_of(Dpi(engine="ndpi-4.2")) == (
        f"dpi.engine: there is no engine ndpi-4.2 ({NOT_INSTALLED}); use auto"
    )


# The protocols file.


def test_a_wrong_protocols_file_is_an_error_also_with_auto(engines: Engines) -> None:
    engines.refuse = lambda options: f"{FILE}:3: no @" if options["protocols_file"] else ""
    for engine in ("auto", "ndpi-4.2"):
        assert error_of(Dpi(engine=engine, protocols_file=FILE)) == f"dpi.protocols_file: {FILE}:3: no @"


def test_the_protocols_file_is_always_named(engines: Engines) -> None:
    engines.refuse = lambda options: "cannot be read" if options["protocols_file"] else ""
    assert error_of(Dpi(protocols_file=FILE)) == f"dpi.protocols_file: {FILE}: cannot be read"


def test_an_engine_that_fails_without_the_file_too_is_at_fault_itself(engines: Engines) -> None:
    engines.refuse = lambda options: "no libndpi" if "4.2" not in options["shim"] else ""
    opened = open_classification(Dpi(protocols_file=FILE))
    assert opened.applications is not None
    assert opened.applications.version == "4.2.0"
    assert engines.asked[-1]["protocols_file"] == FILE


# What it is asked for.


def test_the_options_are_those_of_the_settings(engines: Engines) -> None:
    open_classification(
        Dpi(
            tcp_packets=1,
            udp_packets=2,
            other_packets=3,
            empty_packets=True,
            max_flows=4,
            memory=5 << 20,
            http_details=True,
            protocols_file=FILE,
            rules=(
                ApplicationRule(name="a", cidr=("10.0.0.0/8", "2001:db8::/32"), port=((80, 80), (1, 9))),
                ApplicationRule(name="b", server_name=("example.com",)),
            ),
        )
    )
    assert engines.asked == [
        {
            "shim": str(engines.folder / "spanflow-ndpi-5.0.so"),
            "protocols_file": FILE,
            "tcp_packets": 1,
            "udp_packets": 2,
            "other_packets": 3,
            "empty_packets": True,
            "max_flows": 4,
            "memory_octets": 5 << 20,
            "http_details": True,
            "rules": [
                (
                    "a",
                    [
                        (bytes(10) + b"\xff\xff\x0a\0\0\0", 104),
                        (bytes.fromhex("20010db8") + bytes(12), 32),
                    ],
                    [(80, 80), (1, 9)],
                    [],
                ),
                ("b", [], [], ["example.com"]),
            ],
        }
    ]


NETWORKS = [
    ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::ffff:0:0:1", "2001:db8::1"]),
    ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.3.0", "192.0.1.255", "::c000:201"]),
    ("192.0.2.1/32", ["192.0.2.1"], ["192.0.2.0", "192.0.2.2"]),
    ("::/0", ["::", "::1", "::fffe:ffff:ffff", "::1:0:0:0", "ffff::"], ["0.0.0.0", "192.0.2.1"]),
    ("::/64", ["::1", "::ffff:0:0:1"], ["10.0.0.1", "1::"]),
    ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff::1"], ["2001:db7::", "10.0.0.1"]),
    ("::ffff:10.0.0.0/104", ["10.0.0.1"], ["11.0.0.1", "::a00:1"]),
    ("::ffff:0:0/96", ["10.0.0.1"], ["::1"]),
]


@pytest.mark.parametrize(("cidr", "inside", "outside"), NETWORKS, ids=[row[0] for row in NETWORKS])
def test_a_network_has_its_addresses_and_no_others(
    cidr: str, inside: list[str], outside: list[str], engines: Engines
) -> None:
    """An IPv6 network never has the IPv4 addresses that are written like some of its own."""
    open_classification(Dpi(rules=(ApplicationRule(name="x", cidr=(cidr,)),)))
    ((_, networks, _, _),) = engines.asked[0]["rules"]
    assert len(networks) <= 96
    for address, expected in [*((each, True) for each in inside), *((each, False) for each in outside)]:
        assert any(_contains(network, address) for network in networks) == expected, address


def _contains(network: tuple[bytes, int], address: str) -> bool:
    octets, length = network
    parsed = ipaddress.ip_address(address)
    packed = parsed.packed if parsed.version == 6 else bytes(10) + b"\xff\xff" + parsed.packed
    differing = int.from_bytes(octets) ^ int.from_bytes(packed)
    return differing >> (128 - length) == 0


# Whether payload will be looked at.


def test_payload_is_not_captured_for_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engines = Engines.installed(monkeypatch, tmp_path)
    wanted = Settings()
    assert not without_unavailable(wanted).dpi.enabled
    # The one that is named must be there, which is found out later.
    named = Settings(dpi=Dpi(engine="ndpi-4.2"))
    assert without_unavailable(named) is named
    (tmp_path / "spanflow-ndpi-4.2.so").touch()
    assert without_unavailable(wanted) is wanted
    assert engines.asked == []


# The real one.


def test_the_engine_of_this_machine_knows_what_it_should() -> None:
    rules = (
        ApplicationRule(name="zz own", port=((9, 9),)),
        ApplicationRule(name="TLS", port=((8, 8),)),
        ApplicationRule(name="aa own", port=((7, 7),)),
        ApplicationRule(name="zz own", port=((6, 6),)),
    )
    plain, ruled = open_classification(Dpi()), open_classification(Dpi(rules=rules))
    assert plain.missing == "", "install libndpi-dev and build again"
    assert plain.applications is not None
    assert ruled.applications is not None
    assert plain.applications.engine == "nDPI"
    known = {each.name: each for each in plain.applications.by_number.values()}
    assert {"DNS", "TLS", "HTTP", "SSH", "BitTorrent"} <= known.keys()
    assert known["TLS"].application_id == 22 << 24 | known["TLS"].number
    assert plain.applications.risks
    own = [each for each in ruled.applications.by_number.values() if each.user_defined]
    assert [each.name for each in own] == ["zz own", "aa own"]
    assert min(each.number for each in own) > max(plain.applications.by_number)
    assert all(each.application_id >> 23 == 22 << 1 | 1 for each in own)


def test_numbers_of_ones_own_stay_in_another_order() -> None:
    def ids(*names: str) -> dict[str, int]:
        rules = tuple(ApplicationRule(name=name, port=((1, 1),)) for name in names)
        found = open_classification(Dpi(rules=rules)).applications
        assert found is not None
        return {each.name: each.application_id for each in found.by_number.values() if each.user_defined}

    assert ids("one", "two", "three") == ids("three", "two", "one")
    assert ids("two")["two"] == ids("one", "two")["two"]


def test_a_file_that_is_no_engine(tmp_path: Path) -> None:
    path = tmp_path / "engine.so"
    path.write_text("x")
    assert error_of(Dpi(engine=str(path))).startswith(f"dpi.engine: {path} cannot be used: {path}: ")


def test_the_native_module_is_no_engine() -> None:
    path = _core.__file__
    assert "is not a classification engine of spanflow" in error_of(Dpi(engine=path))


def test_a_protocols_file_that_is_not_there() -> None:
    assert error_of(Dpi(protocols_file="/nowhere/protocols.txt")).startswith(
        "dpi.protocols_file: /nowhere/protocols.txt: "
    )


def test_a_protocols_file_adds_applications(tmp_path: Path) -> None:
    path = tmp_path / "protocols.txt"
    path.write_text('# mine\ntcp:9981@Mine\nhost:"mine.example"@Mine\n')
    found: Any = open_classification(Dpi(protocols_file=str(path))).applications
    (own,) = [each for each in found.by_number.values() if each.user_defined]
    assert own.name == "Mine"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"other", "the name 'other' has a meaning already; use another"),
        (b"OTHER", "the name 'OTHER' has a meaning already; use another"),
        (b"Gr\xf6\x1b", "'Gr\N{REPLACEMENT CHARACTER}\\x1b' is not UTF-8"),
    ],
)
def test_names_that_a_protocols_file_must_not_have(tmp_path: Path, name: bytes, reason: str) -> None:
    """They would be two series of one name for Prometheus, or no text at all."""
    path = tmp_path / "protocols.txt"
    path.write_bytes(b"tcp:9981@" + name + b"\n")
    assert error_of(Dpi(protocols_file=str(path))) == f"dpi.protocols_file: {path}: {reason}"
