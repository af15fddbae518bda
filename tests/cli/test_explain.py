# SPDX-License-Identifier: Apache-2.0
"""`spanflow explain`: what it says of a collector by URL or name, for people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engines import Engines
from spanflow.cli.main import main
from spanflow.config.collector_settings import PROFILES, SCHEMES
from spanflow.errors import ExitCode

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    return Engines.installed(monkeypatch, tmp_path_factory.mktemp("engines"), "ndpi-4.2")


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    path = tmp_path / "probe.yaml"
    path.write_text(
        """
export: {spool_directory: /var/lib/spanflow/spool}
collectors:
  - {url: ipfix+tcp://192.0.2.1, name: noc, profile: akvorado, group: main}
  - {url: "netflow5://192.0.2.2", name: old, filter: "proto tcp or port 53", anonymize: truncate}
"""
    )
    return path


def text_of(capsys: Captured, *arguments: str) -> str:
    assert main(["explain", *arguments]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == ""
    return out


def json_of(capsys: Captured, *arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(text_of(capsys, "--json", *arguments))
    return told


def error_of(capsys: Captured, exit_code: ExitCode, *arguments: str) -> str:
    assert main(["explain", *arguments]) == exit_code
    out, err = capsys.readouterr()
    assert out == ""
    return err


def paragraphs(text: str) -> dict[str, list[str]]:
    """By their first line."""
    found = [part.splitlines() for part in text.rstrip().split("\n\n")]
    return {first: [line.strip() for line in rest] for first, *rest in found}


def test_a_url(capsys: Captured) -> None:
    found = paragraphs(text_of(capsys, "ipfix+udp://192.0.2.1?profile=nfdump&domain=7"))
    headings = list(found)
    assert headings[0] == "ipfix+udp://192.0.2.1:4739, profile nfdump, domain 7"
    assert [text.partition(": ")[2] for text in headings[1:5]] == [
        "IPv4, not ICMP; uniflow, 88 octets",
        "IPv4, ICMP; uniflow, 90 octets",
        "IPv6, not ICMP; uniflow, 112 octets",
        "IPv6, ICMP; uniflow, 114 octets",
    ]
    assert found[headings[1]][0].split() == ["sourceIPv4Address", "8", "4"]
    assert headings[5:] == [
        "options (of a probe with one interface):",
        "example record 1:",
        "example record 2:",
        "example record 3:",
        "good to know:",
    ]
    first = dict(line.split(maxsplit=1) for line in found["example record 1:"])
    assert first["sourceIPv4Address"] == "192.0.2.10"
    assert first["flowEndMilliseconds"] == "2026-01-01T00:00:02.500Z"
    assert "template 527, 1 record: samplingInterval; scope observationDomainId" in found[headings[5]]
    assert any(line.startswith("biflow: Only the counters") for line in found["good to know:"])


def test_strings_and_own_elements(capsys: Captured) -> None:
    text = text_of(capsys, "ipfix+udp://192.0.2.1?profile=rich", "--set", "export.enterprise_number=64999")
    (line,) = {line for line in text.splitlines() if line.startswith("  serverName ") and "/" in line}
    assert line.split() == ["serverName", "64999/9", "variable"]


def test_what_options_tell_stands_beside_an_example(capsys: Captured) -> None:
    told = json_of(capsys, "ipfix+udp://192.0.2.1?profile=generic")
    names = [(each["_application"], each["_ingressInterface"]) for each in told["records"][:2]]
    assert names == [("TLS", "eth0")] * 2
    assert "  by options: application          TLS" in text_of(capsys, "ipfix+udp://192.0.2.1").splitlines()


def test_a_name_in_the_configuration(capsys: Captured, probe: Path) -> None:
    text = text_of(capsys, "noc", "-c", str(probe))
    assert text.startswith("noc: ipfix+tcp://192.0.2.1:4739, profile akvorado, domain ")
    assert "\none of the group main, which shares the records\n" in text
    assert "\nkept on disk while it is away: /var/lib/spanflow/spool\n" in text


def test_version_5(capsys: Captured, probe: Path) -> None:
    """IPv6 is counted; the filter and the anonymisation are those of the collector; no spool over UDP."""
    text = text_of(capsys, "old", "-c", str(probe))
    assert "\nonly records that match: proto tcp or port 53\n" in text
    assert "\naddresses are anonymised: truncate\n" in text
    assert "kept on disk" not in text
    assert "\n  sourceIPv4Address                192.0.2.0\n" in text
    assert (
        "\nnot sent: an unanswered question to a name server over IPv6; the protocol has no form for it;"
        " counted as dropped, unexportable\n" in text
    )
    assert (
        "\n  IPv6: There is no form for it: such records are dropped, and counted as unexportable.\n" in text
    )
    assert "template" not in text


def test_what_the_filter_leaves_out(capsys: Captured) -> None:
    told = json_of(capsys, "ipfix+udp://192.0.2.1?filter=proto%20udp")
    assert [each["protocolIdentifier"] for each in told["records"]] == [17]
    assert told["left_out"] == [{"example": "an answered TCP connection over IPv4", "reason": "filtered"}]


def test_biflow(capsys: Captured) -> None:
    told = json_of(capsys, "ipfix+udp://192.0.2.1?biflow=true")
    assert {each["form"] for each in told["templates"]} == {"Biflow"}
    assert told["records"][0]["reverseOctetDeltaCount"] == 14_200


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme(capsys: Captured, scheme: str) -> None:
    url = f"{scheme}:///tmp/flows" if scheme.endswith("file") else f"{scheme}://192.0.2.1:9"
    told = json_of(capsys, url)
    assert told["protocol"] == SCHEMES[scheme].protocol
    assert told["records"]
    assert bool(told["templates"]) == bool(told["options"]) == (told["protocol"] in ("ipfix", "netflow9"))
    assert paragraphs(text_of(capsys, url))


@pytest.mark.parametrize("protocol", ["ipfix+udp", "netflow9"])
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile(capsys: Captured, profile: str, protocol: str) -> None:
    """With notes of its own, and examples that are read without an error."""
    told = json_of(capsys, f"{protocol}://192.0.2.1?profile={profile}")
    assert told["profile"] == profile
    assert len(told["notes"]) >= 2
    octets = [each.get("octetDeltaCount") for each in told["records"]]
    assert octets[:1] == [1840]
    assert 86 in octets
    assert not told["left_out"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "error"),
    [
        (
            ("noc",),
            ExitCode.USAGE,
            "explain: 'noc' is no URL, and no collector is configured; write one, as in"
            " ipfix+udp://192.0.2.1, or use -c CONFIG",
        ),
        (("noce", "-c"), ExitCode.USAGE, "explain: unknown collector 'noce'; did you mean noc?"),
        (("ipfix+udp://h?profile=nfdum",), ExitCode.CONFIG, "did you mean nfdump?"),
        (("ipfix+udp://h?add=octetDeltaCont",), ExitCode.CONFIG, "did you mean octetDeltaCount?"),
        (("netflow5://h?biflow=true",), ExitCode.CONFIG, "has no meaning for netflow5"),
        (
            ("ipfix+udp://h?profile=rich&strings=fixed&mtu=512",),
            ExitCode.CONFIG,
            "does not fit into a Message of 512",
        ),
        (
            ("ipfix+udp://h?anonymize=crypto-pan&anonymize_key=/no/such.key",),
            ExitCode.CONFIG,
            "/no/such.key",
        ),
    ],
    ids=["no configuration", "unknown name", "profile", "element", "protocol", "size", "key"],
)
def test_errors(
    capsys: Captured, probe: Path, arguments: tuple[str, ...], exit_code: ExitCode, error: str
) -> None:
    arguments = (*arguments, str(probe)) if "-c" in arguments else arguments
    assert error in error_of(capsys, exit_code, *arguments)


def test_text_of_a_configuration_is_made_harmless(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text('collectors:\n  - {url: "ipfix+file:///tmp/a%1Bb", name: x}\n')
    assert "\x1b" not in text_of(capsys, "x", "-c", str(path))
