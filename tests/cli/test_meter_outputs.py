# SPDX-License-Identifier: Apache-2.0
"""`spanflow meter` with files: what is in them, what people see beside, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet
import pytest

from end_to_end.command import DEMO, shown, spanflow
from spanflow.cli.main import main
from spanflow.errors import ExitCode
from spanflow.features import select

NAMES = "src_ip,dst_ip,packet_count,octet_count,application,server_name"
FAST = ("--set", "dpi.enabled=false")


def test_all_formats_at_once_have_the_same(tmp_path: Path) -> None:
    """Standard output has only the flows; the summary is on standard error, and is the usual one."""
    as_json, as_parquet = tmp_path / "flows.json", tmp_path / "flows.parquet"
    files = ("--json", as_json, "--parquet", as_parquet)
    done = spanflow("meter", DEMO, "--csv", "-", *files, "--features", NAMES)
    assert done.returncode == ExitCode.OK, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(rows[0]) == NAMES.split(",")
    assert [{name: str(value) for name, value in json.loads(line).items()} for line in as_json.open()] == rows
    table = pyarrow.parquet.read_table(as_parquet).to_pylist()
    assert [{name: str(value) for name, value in row.items()} for row in table] == rows
    summary = shown(done.stderr)
    assert summary["flow records"] == str(len(rows))
    assert summary["accounted"] == str(sum(int(row["packet_count"]) for row in rows))
    assert summary["conservation"] == "exact"
    assert {"cdn.example.net", "intranet.example.org"} <= {row["server_name"] for row in rows}
    assert "TLS" in {row["application"] for row in rows}


def test_the_48_columns_of_old(tmp_path: Path) -> None:
    """The summary is on standard output, where nothing else is."""
    path = tmp_path / "flows.csv"
    done = spanflow("meter", DEMO, "--csv", path, "--features", "classic", *FAST)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    header, *rows = csv.reader(path.open())
    assert header == list(select("classic").names)
    assert shown(done.stdout)["flow records"] == str(len(rows))
    assert "→" not in done.stdout


def test_first_packets(tmp_path: Path) -> None:
    path = tmp_path / "flows.json"
    kept = ("--set", "cache.first_packets=3", "--features", "packets,packet_count")
    assert spanflow("meter", DEMO, "--json", path, *kept, *FAST).returncode == ExitCode.OK
    rows = [json.loads(line) for line in path.open()]
    for row in rows:
        lengths = row["first_packet_lengths"], row["first_packet_directions"], row["first_packet_gaps_ns"]
        assert {*map(len, lengths)} == {min(3, row["packet_count"])}


def test_a_bad_capture_leaves_what_was_read(tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(DEMO.read_bytes()[:-20])
    path = tmp_path / "flows.csv"
    done = spanflow("meter", cut, "--csv", path, "--features", "packet_count", *FAST)
    assert done.returncode == ExitCode.DATA
    _, *packets = path.read_text().split()
    assert sum(map(int, packets)) == int(shown(done.stdout)["accounted"])


def test_plugins_of_the_configuration_add_columns(tmp_path: Path) -> None:
    """Behind sets, and by their names."""
    (tmp_path / "labels.py").write_text(
        "from spanflow import flow_plugin\n"
        '@flow_plugin(columns={"large": "boolean"})\n'
        "def label(flows):\n"
        '    return {"large": flows["octet_count"] > 1000}\n'
    )
    (tmp_path / "spanflow.yaml").write_text(f"plugins:\n  - {tmp_path}/labels.py:label\n")
    done = spanflow("meter", DEMO, "-c", tmp_path / "spanflow.yaml", "--csv", "-", *FAST)
    assert done.returncode == ExitCode.OK, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["large"] for row in rows] == [str(int(row["octet_count"]) > 1000).lower() for row in rows]
    assert list(rows[0])[-1] == "large"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--csv", "{}/none/x"), 73, "{}/none/x: No such file or directory; name a file in a folder"),
        (("--parquet", "{}"), 73, "{}: Is a directory; name a file"),
        (("--json", str(DEMO)), 64, f"--json {DEMO}: this file is read; name another one"),
        (("--csv", "-", "--json", "-"), 64, "--json -: --csv writes there too; name another file"),
        (("--csv", "{}/x", "--json", "{}/./x"), 64, "--csv writes there too"),
        (("--features", "core"), 64, "--features: nothing is written; name a file with --csv"),
        (("--csv", "{}/x", "--features", "clasic"), 64, "unknown feature 'clasic'; did you mean classic?"),
        (("--csv", "{}/x", "--features", ","), 64, "features: none is named; name sets"),
        (("--csv", "{}/x", "--features", "packets"), 78, "cache.first_packets: 0 keeps none"),
        (("--csv", "/dev/full"), 74, "/dev/full: No space left on device; make room"),
        (("--csv", "{}/x", "--parquet", "/dev/full"), 74, "/dev/full: No space left on device; make room"),
    ],
)
def test_what_is_refused(
    arguments: tuple[str, ...], code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, and no file, not even a partial one."""
    given = [argument.format(tmp_path) for argument in arguments]
    assert main(["meter", str(DEMO), *given, *FAST]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert says.format(tmp_path) in line
    assert list(tmp_path.iterdir()) == []
