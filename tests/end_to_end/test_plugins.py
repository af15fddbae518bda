# SPDX-License-Identifier: Apache-2.0
"""`plugins:` from the file to the collector, with the example of the documentation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from end_to_end.command import DEMO, json_collector, shown, spanflow, through_nfdump

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "flow_labels.py"
FILE = f"""\
dpi: {{enabled: false}}
plugins:
  - plugin: {EXAMPLE}:rates
    columns: [{{column: is_bulk, id: 1002}}, {{column: octets_per_second, id: 1003}}]
  - plugin: {EXAMPLE}:FlowLabels
    options: {{threshold: 1, prefix: "demo "}}
    columns: [{{column: is_scan, id: 1000}}, {{column: label, id: 1001, width: 16}}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spanflow.yaml"
    path.write_text(FILE)
    return path


def test_the_columns_reach_a_collector_by_their_names(file: Path) -> None:
    with json_collector() as collector:
        done = spanflow("meter", DEMO, "-c", file, "--collector", f"{collector.url}?biflow=true")
        assert done.returncode == 0, done.stderr
        records = collector.records()
    labels = Counter((record["protocolIdentifier"], record["label"]) for record in records)
    assert {label for _, label in labels} <= {"demo connection", "demo datagrams", "demo other", "demo scan"}
    assert labels[6, "demo connection"] > 0
    for record in records:
        assert record["is_scan"] is (record["label"] == "demo scan")
        assert record["is_bulk"] is False
        starts = record["flowStartMilliseconds"], record["reverseFlowStartMilliseconds"]
        ends = record["flowEndMilliseconds"], record["reverseFlowEndMilliseconds"]
        assert record["octets_per_second"] > 0 or min(starts) == max(ends)
    summary = shown(done.stdout)
    assert summary["conservation"] == "exact"
    assert summary[f"plugin {EXAMPLE}:rates"] == summary["flow records"] == str(len(records))


def test_nfdump_reads_the_rest_as_before(file: Path, tmp_path: Path) -> None:
    with_plugins, without = tmp_path / "with", tmp_path / "without"
    for folder in (with_plugins, without):
        folder.mkdir()
    plain = through_nfdump(without, DEMO, "--set", "dpi.enabled=false")
    found = through_nfdump(with_plugins, DEMO, "-c", file)
    for record in (*plain, *found):
        del record["received at"]
    assert len(plain) > 10
    assert found == plain


def test_a_plugin_that_fails_is_told_and_costs_nothing_else(file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "from spanflow import flow_plugin\n\n\n@flow_plugin(columns={'label': 'string'})\n"
        "def label(flows):\n    raise LookupError('no\\nlabels')\n"
    )
    file.write_text(f"plugins:\n  - plugin: {broken}:label\n    columns: [{{column: label, id: 1000}}]\n")
    with json_collector() as collector:
        done = spanflow("meter", DEMO, "-c", file, "--collector", collector.url)
        assert done.returncode == 0, done.stderr
        assert {record["label"] for record in collector.records()} == {""}
    assert "LookupError: no\\nlabels (in a batch of" in done.stdout
    assert "conservation" in done.stdout


def test_check_loads_the_plugins(file: Path) -> None:
    done = spanflow("check", file)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{file}: ok, 0 interfaces, 0 collectors, applications off, 2 plugins\n"
    file.write_text(FILE.replace("threshold: 1", "threshold: 0").replace("is_bulk", "is_bulky"))
    done = spanflow("check", file)
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        f"plugins[0].columns[0].column: plugin {EXAMPLE}:rates has no column is_bulky; did you mean is_bulk?",
        f"plugins[1]: plugin {EXAMPLE}:FlowLabels: cannot be made: ValueError: threshold is below 1;"
        " check its options",
    ]


@pytest.mark.parametrize("command", ["check", "run", "meter"])
def test_a_plugin_that_is_not_there_ends_every_command(file: Path, command: str) -> None:
    file.write_text("plugins: [no_such_module:label]\n")
    arguments = {"check": [file], "run": ["-c", file, "-i", "lo"], "meter": [DEMO, "-c", file]}[command]
    done = spanflow(command, *arguments)
    assert done.returncode == 78
    assert "plugins[0]: plugin no_such_module:label: there is no module no_such_module; install it" in (
        done.stderr
    )
