# SPDX-License-Identifier: Apache-2.0
"""`spanflow check`: what it prints where, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines import Engines
from spanflow.cli.main import main
from spanflow.config.load import load
from spanflow.config.schema import Settings
from spanflow.errors import ExitCode

Captured = pytest.CaptureFixture[str]


ENGINE = "applications by nDPI 4.2.0"


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    return Engines.installed(monkeypatch, tmp_path_factory.mktemp("engines"), "ndpi-4.2")


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    path = tmp_path / "probe.yaml"
    path.write_text("cache:\n  max_flows: 5\ncollectors:\n  - ipfix+udp://h\n  - ipfix+udp://i?biflow=true\n")
    return path


def test_a_good_file_gives_one_line(probe: Path, capsys: Captured) -> None:
    assert main(["check", str(probe)]) == ExitCode.OK
    assert capsys.readouterr() == (f"{probe}: ok, 0 interfaces, 2 collectors, {ENGINE}\n", "")


@pytest.mark.parametrize(("collectors", "words"), [("[]", "0 collectors"), ("ipfix+udp://x", "1 collector")])
def test_the_number_of_collectors(probe: Path, capsys: Captured, collectors: str, words: str) -> None:
    assert main(["check", str(probe), "--set", f"collectors={collectors}"]) == ExitCode.OK
    assert capsys.readouterr().out == f"{probe}: ok, 0 interfaces, {words}, {ENGINE}\n"


def test_every_error_goes_to_standard_error(probe: Path, capsys: Captured) -> None:
    probe.write_text("cache:\n  max_flows: x\n  foo: 1\n")
    assert main(["check", str(probe), "--set", "cache.key=x", "--set", "bar=1"]) == ExitCode.CONFIG
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[:6] == [
        f"{probe}:2:14: cache.max_flows: 'x' is not a whole number; use 1 to 268435456",
        "      max_flows: x",
        "                 ^",
        f"{probe}:3:3: cache.foo: unknown key; known here: active_timeout, inactive_timeout, tcp_linger,"
        " tcp_fin_timeout, max_flows, memory, first_packets, preallocate, key",
        "      foo: 1",
        "      ^",
    ]
    assert err.splitlines()[6] == "--set cache.key=x: unknown value 'x'; known: vlan, interface"
    assert err.splitlines()[7].startswith("--set bar=1: unknown key; known: capture.workers,")


def test_one_error_without_a_source_line_has_the_name_of_the_command(probe: Path, capsys: Captured) -> None:
    assert main(["check", str(probe), "--set", "dpi.enabled=on"]) == ExitCode.CONFIG
    text = "spanflow: --set dpi.enabled=on: 'on' is not a boolean; write true or false\n"
    assert capsys.readouterr() == ("", text)


def test_the_variables_are_checked_as_well(
    probe: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANFLOW_INTERFACE", "eth0 eth1")
    assert main(["check", str(probe)]) == ExitCode.OK
    assert capsys.readouterr().out == f"{probe}: ok, 2 interfaces, 2 collectors, {ENGINE}\n"
    monkeypatch.setenv("SPANFLOW_CACHE_ACTIVE_TIMEOUT", "5")
    assert main(["check", str(probe)]) == ExitCode.CONFIG
    assert capsys.readouterr().err.startswith(
        "spanflow: SPANFLOW_CACHE_ACTIVE_TIMEOUT: cache.active_timeout: '5' has no unit; write 5s,"
    )


def test_a_missing_file(tmp_path: Path, capsys: Captured) -> None:
    assert main(["check", str(tmp_path / "no.yaml")]) == ExitCode.NO_INPUT
    assert capsys.readouterr() == ("", f"spanflow: {tmp_path}/no.yaml: no such file; check the path\n")


def test_dump_prints_a_file_with_every_setting(probe: Path, tmp_path: Path, capsys: Captured) -> None:
    overrides = ["cache.tcp_linger=1s", "interfaces=[eth0, {name: eth1, enabled: false}]"]
    assert main(["check", str(probe), "--dump", "--set", overrides[0], "--set", overrides[1]]) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.startswith(
        f'# {probe}: ok, 1 interface, 2 collectors, {ENGINE}\ninterfaces:\n  - name: "eth0"\n'
    )
    again = tmp_path / "again.yaml"
    again.write_text(out)
    assert load(again) == load(probe, overrides)
    assert load(again) != Settings()


def test_the_shipped_file_is_right(capsys: Captured) -> None:
    shipped = Path(__file__).parents[2] / "config" / "spanflow.yaml"
    assert main(["check", str(shipped)]) == ExitCode.OK
    assert capsys.readouterr().out == f"{shipped}: ok, 0 interfaces, 0 collectors, {ENGINE}\n"


# The engine.

SOUND = "0 interfaces, 2 collectors"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["dpi.rules=[{name: x, port: 1}]"], f"{ENGINE} and 1 rule"),
        (["dpi.rules=[{name: x, port: 1}, {name: y, cidr: 10.0.0.0/8}]"], f"{ENGINE} and 2 rules"),
        (["dpi.enabled=false"], "applications off"),
    ],
)
def test_who_names_applications(probe: Path, capsys: Captured, overrides: list[str], words: str) -> None:
    assert main(["check", str(probe), *(f"--set={each}" for each in overrides)]) == ExitCode.OK
    assert capsys.readouterr() == (f"{probe}: ok, {SOUND}, {words}\n", "")


def test_without_an_engine_it_says_so(probe: Path, capsys: Captured, engines: Engines) -> None:
    engines.refuse = lambda options: "libndpi.so.4.2: no such file"
    assert main(["check", str(probe)]) == ExitCode.OK
    assert capsys.readouterr() == (
        f"{probe}: ok, {SOUND}, applications without an engine\n",
        "spanflow: applications will not be named: ndpi-4.2: libndpi.so.4.2: no such file;"
        " build spanflow where libndpi-dev is installed, or set dpi.enabled=false\n",
    )


def test_a_protocols_file_with_an_error(probe: Path, capsys: Captured, engines: Engines) -> None:
    engines.refuse = lambda options: "/p.txt:3: no @" if options["protocols_file"] else ""
    assert main(["check", str(probe), "--set", "dpi.protocols_file=/p.txt"]) == ExitCode.CONFIG
    assert capsys.readouterr() == ("", "spanflow: dpi.protocols_file: /p.txt:3: no @\n")


def test_a_named_engine_that_is_not_there(probe: Path, capsys: Captured) -> None:
    assert main(["check", str(probe), "--set", "dpi.engine=ndpi-5.0"]) == ExitCode.CONFIG
    assert capsys.readouterr() == (
        "",
        "spanflow: dpi.engine: there is no engine ndpi-5.0 (have: ndpi-4.2); use one of them, or auto\n",
    )


def test_a_filter_with_names_that_the_engine_does_not_have(probe: Path, capsys: Captured) -> None:
    collectors = (
        "--set=collectors=[{url: ipfix+udp://h, filter: app gogle}, 'ipfix+udp://i?filter=app%20google']"
    )
    assert main(["check", str(probe), collectors]) == ExitCode.CONFIG
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("spanflow: collector ipfix+udp://h:4739: filter: unknown application 'gogle'; ")
    assert err.count("\n") == 1
