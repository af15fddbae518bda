# SPDX-License-Identifier: Apache-2.0
"""`spanflow meter` with the engine of this machine: what people see of applications, and what without."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from end_to_end.command import DEMO, spanflow
from spanflow import _core, cli
from spanflow.errors import ExitCode


def applications(summary: str) -> dict[str, list[str]]:
    """The end of a summary: packets, octets and Flows of each application."""
    _, _, after = summary.partition("\n  applications ")
    rows = [line.replace(",", " ").split() for line in after.splitlines()[1:]]
    return {name: [packets, octets, flows] for name, packets, _, octets, _, flows, _ in rows}


def test_the_table_and_the_summary_show_them() -> None:
    done = spanflow("meter", DEMO)
    assert done.returncode == ExitCode.OK
    assert "  application  " in done.stdout.splitlines()[0]
    rows = [line.split() for line in done.stdout.splitlines()]
    assert any(row[4:7] == ["192.0.2.10:33000", "→", "192.0.2.53:53"] and row[7] == "DNS" for row in rows)
    found = applications(done.stderr)
    assert len(found) == 10
    assert found["TLS"] == ["155", "48.6k", "9"]
    assert found["DNS"][2] == "22"
    assert " as nDPI 4.2.0 names them, these 10 with most octets\n" in done.stderr


def test_the_summary_is_the_same_for_any_number_of_workers() -> None:
    one, three = (
        applications(spanflow("meter", DEMO, "--set", f"capture.workers={number}").stderr)
        for number in (1, 3)
    )
    assert one == three


def test_switched_off_there_is_nothing_of_it() -> None:
    done = spanflow("meter", DEMO, "--set", "dpi.enabled=false")
    assert done.returncode == ExitCode.OK
    assert "application" not in done.stdout + done.stderr


RULES = [
    ("port: 53", "22"),
    ("cidr: 192.0.2.53", "12"),
    ("cidr: 192.0.2.53, port: 53", "11"),
    ("port: 9", None),
]


@pytest.mark.parametrize(("conditions", "flows"), RULES, ids=[row[0] for row in RULES])
def test_a_rule_names_flows(conditions: str, flows: str | None) -> None:
    done = spanflow("meter", DEMO, "--set", f"dpi.rules=[{{name: mine, {conditions}}}]")
    assert done.returncode == ExitCode.OK
    found = applications(done.stderr).get("mine")
    assert (found and found[2]) == flows


def test_a_protocols_file_names_flows(tmp_path: Path) -> None:
    path = tmp_path / "protocols.txt"
    path.write_text("udp:16386,udp:16384@Calls\n")
    done = spanflow("meter", DEMO, "--set", f"dpi.protocols_file={path}")
    assert done.returncode == ExitCode.OK
    assert "Calls" in applications(done.stderr)


def test_a_bound_that_is_reached_is_told_with_what_to_do() -> None:
    done = spanflow("meter", DEMO, "--set", "dpi.max_flows=1")
    assert done.returncode == ExitCode.OK
    (line,) = [line for line in done.stderr.splitlines() if "not inspected, too many" in line]
    assert line.endswith("named by port alone; raise dpi.max_flows")
    assert "DNS" in applications(done.stderr)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("dpi.engine=ndpi-1.0", "dpi.engine: there is no engine ndpi-1.0 (have: ndpi-4.2); use one of them,"),
        ("dpi.engine=/nowhere.so", "dpi.engine: /nowhere.so cannot be used: /nowhere.so: cannot open shared"),
        ("dpi.protocols_file=/nowhere.txt", "dpi.protocols_file: /nowhere.txt: "),
    ],
)
def test_what_was_asked_for_by_name_must_be_there(setting: str, problem: str) -> None:
    done = spanflow("meter", DEMO, "--set", setting)
    assert done.returncode == ExitCode.CONFIG
    assert done.stdout == ""
    assert done.stderr.startswith(f"spanflow: {problem}")
    assert done.stderr.count("\n") == 1


def test_without_an_engine_it_says_so_once_and_meters(tmp_path: Path) -> None:
    """A native module that stands alone, as where nDPI was not there when it was built."""
    package = tmp_path / "spanflow"
    shutil.copytree(Path(cli.__file__).parents[1], package)
    shutil.copy(_core.__file__, package)
    paths = [str(tmp_path), sysconfig.get_path("platlib")]
    script = f"import sys; sys.path[:0] = {paths}; from spanflow.cli.main import main; sys.exit(main())"
    # -S: without what the editable installation would put in first.
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, "meter", DEMO], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.OK
    first, *rest = done.stderr.splitlines()
    assert first == (
        "spanflow: applications are not named: no classification engine is installed;"
        " build spanflow where libndpi-dev is installed, or set dpi.enabled=false"
    )
    assert "application" not in done.stdout + "".join(rest)
