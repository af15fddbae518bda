# SPDX-License-Identifier: Apache-2.0
"""`spanflow protocols`: the table, the JSON, which engine is asked, and what is said when there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engines import Engines
from spanflow.cli.main import main
from spanflow.errors import ExitCode

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    return Engines.installed(monkeypatch, tmp_path_factory.mktemp("engines"), "ndpi-4.2", "ndpi-4.14")


@pytest.mark.usefixtures("engines")
def test_the_table(capsys: Captured) -> None:
    assert main(["protocols", "--set", "dpi.rules=[{name: intranet, port: 1}]"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "nDPI 4.14.0, 4 applications",
        "NUMBER  APPLICATION ID  NAME      CATEGORY     BREED",
        "     0            22:0  Unknown   Unspecified  Unrated",
        "    91           22:91  TLS       Web          Safe",
        "   126          22:126  Google    Web          Acceptable",
        "   282      22:8463173  intranet  Web          Acceptable  yours",
    ]


@pytest.mark.usefixtures("engines")
def test_json(capsys: Captured) -> None:
    assert main(["protocols", "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["engine"], found["version"]) == ("nDPI", "4.14.0")
    assert found["applications"][1] == {
        "number": 91,
        "application_id": 22 << 24 | 91,
        "name": "TLS",
        "category": "Web",
        "breed": "Safe",
        "user_defined": False,
    }
    assert found["categories"] == [{"number": 0, "name": "Unspecified"}, {"number": 5, "name": "Web"}]
    assert found["risks"] == [{"bit": 1, "name": "XSS Attack"}]


def test_names_are_shown_safely(engines: Engines, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    from spanflow import _core

    tables = engines.tables({"shim": "spanflow-ndpi-4.2.so", "rules": []})
    tables["applications"] = [(1, 1, "a\x1b[2J", "c\nd", "e\x07", True)]
    monkeypatch.setattr(_core, "classification_tables", lambda options: tables)
    assert main(["protocols"]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines()[2:] == [
        "     1             0:1  a\\x1b[2J  c\\nd      e\\x07  yours"
    ]


def test_the_engine_that_is_asked(engines: Engines, tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text("dpi: {enabled: false, engine: ndpi-4.14, protocols_file: /p.txt}\n")
    assert main(["protocols", "-c", str(path)]) == ExitCode.OK
    assert main(["protocols", "-c", str(path), "--engine", "ndpi-4.2"]) == ExitCode.OK
    assert [(Path(each["shim"]).name, each["protocols_file"]) for each in engines.asked] == [
        ("spanflow-ndpi-4.14.so", "/p.txt"),
        ("spanflow-ndpi-4.2.so", "/p.txt"),
    ]


def test_variables_count(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANFLOW_DPI_ENGINE", "ndpi-4.2")
    assert main(["protocols"]) == ExitCode.OK
    assert Path(engines.asked[0]["shim"]).name == "spanflow-ndpi-4.2.so"


def test_without_an_engine(engines: Engines, capsys: Captured) -> None:
    engines.refuse = lambda options: "no libndpi"
    assert main(["protocols"]) == ExitCode.UNAVAILABLE
    assert capsys.readouterr() == (
        "",
        "spanflow: dpi.engine: ndpi-4.14: no libndpi; ndpi-4.2: no libndpi;"
        " build spanflow where libndpi-dev is installed, or set dpi.enabled=false\n",
    )


@pytest.mark.usefixtures("engines")
def test_an_engine_that_is_not_there(capsys: Captured) -> None:
    assert main(["protocols", "--engine", "ndpi-6.0"]) == ExitCode.CONFIG
    assert "there is no engine ndpi-6.0 (have: ndpi-4.14, ndpi-4.2)" in capsys.readouterr().err


@pytest.mark.usefixtures("engines")
def test_an_engine_with_a_wrong_name(capsys: Captured) -> None:
    assert main(["protocols", "--engine", "4.2"]) == ExitCode.CONFIG
    assert "--set dpi.engine=4.2: '4.2' is no engine; use auto," in capsys.readouterr().err


def test_the_one_of_this_machine(capsys: Captured) -> None:
    assert main(["protocols", "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    numbers = [each["number"] for each in found["applications"]]
    assert numbers == sorted(set(numbers))
    assert {"DNS", "TLS"} <= {each["name"] for each in found["applications"]}
