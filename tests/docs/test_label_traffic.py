# SPDX-License-Identifier: Apache-2.0
"""docs/examples/label_traffic.py, as a user starts it."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path

import pyarrow.parquet
import pytest

from spanflow import FlowStream

REPOSITORY = Path(__file__).parents[2]
EXAMPLE, DEMO = REPOSITORY / "docs/examples/label_traffic.py", REPOSITORY / "config/demo.pcap"
TABLE = {"203.0.113.66": "scan", "192.0.2.140/30": "voice", "192.0.2.0/24": "office"}


def run(labels: Path, output: Path, *captures: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLE), str(labels), str(output), *map(str, captures)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    lines = (f"{network},{label}" for network, label in TABLE.items())
    path.write_text("# network,label\n" + "\n".join(lines) + "\n")
    return path


def expected() -> Counter[str]:
    """The label of each flow, by the rule of the example, without its code."""

    def label(*ends: str) -> str:
        for network, name in TABLE.items():
            if any(ip_address(end) in ip_network(network) for end in ends):
                return name
        return "unlabelled"

    stream = FlowStream(DEMO, enable_ndpi=False)
    return Counter(label(flow.src_ip, flow.dst_ip) for flow in stream)


def test_csv(labels: Path, tmp_path: Path) -> None:
    output = tmp_path / "flows.csv"
    done = run(labels, output, DEMO)
    assert (done.returncode, done.stderr) == (0, "")
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["label"] for row in rows) == expected()
    assert set(expected()) == {*TABLE.values(), "unlabelled"}
    assert not {"src_ip", "dst_ip", "source_address", "destination_address"} & set(rows[0])
    assert done.stdout.splitlines()[0] == f"{len(rows)} flows in {output}"


def test_parquet(labels: Path, tmp_path: Path) -> None:
    output = tmp_path / "flows.parquet"
    assert run(labels, output, DEMO).returncode == 0
    table = pyarrow.parquet.read_table(output)
    assert Counter(table["label"].to_pylist()) == expected()


def test_a_wrong_table(tmp_path: Path) -> None:
    wrong = tmp_path / "labels.csv"
    wrong.write_text("192.0.2.0/33,office\n")
    done = run(wrong, tmp_path / "flows.csv", DEMO)
    assert done.returncode == 65
    assert done.stderr.startswith(f"{wrong}: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "flows.csv").exists()


def test_a_missing_capture(labels: Path, tmp_path: Path) -> None:
    done = run(labels, tmp_path / "flows.csv", tmp_path / "missing.pcap")
    assert (done.returncode, done.stdout) == (66, "")
    assert "missing.pcap: no such file" in done.stderr
