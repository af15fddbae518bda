# SPDX-License-Identifier: Apache-2.0
"""Files appear whole or not at all, and say what is wrong; what a table needs is told when it is missing."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from spanflow.errors import UsageError
from spanflow.features import FlowBatch, select
from spanflow.tables import CsvWriter, JsonWriter, OutputError, ParquetWriter, TableWriter, arrow_table
from spanflow.tables import parquet as parquet_module
from spanflow.tables.output import writes_over
from tables.flows import golden_batches


def breaks_off() -> Iterator[FlowBatch]:
    """One batch, then an error."""
    yield golden_batches()[0]
    raise ZeroDivisionError


WRITERS = [CsvWriter, JsonWriter, ParquetWriter]
CORE = select("core")


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_is_there_when_it_is_complete(writer: type[TableWriter], tmp_path: Path) -> None:
    path = tmp_path / "flows"
    path.write_text("what was there before")
    with writer(path, CORE) as table:
        table.write(golden_batches()[0])
        assert path.read_text() == "what was there before"
    assert os.listdir(tmp_path) == ["flows"]
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("writer", WRITERS)
def test_what_fails_leaves_nothing(writer: type[TableWriter], tmp_path: Path) -> None:
    path = tmp_path / "flows"
    path.write_text("what was there before")
    with pytest.raises(ZeroDivisionError):
        writer(path, CORE).write_all(breaks_off())
    assert os.listdir(tmp_path) == ["flows"]
    assert path.read_text() == "what was there before"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("target")
    assert CsvWriter(link, CORE).write_all(golden_batches()) > 0
    assert link.is_symlink()
    assert (tmp_path / "target").read_text().startswith("flow_id,")


def test_a_pipe_gets_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    CsvWriter(path, select("packet_count")).write_all([])
    assert os.read(reading, 100) == b"packet_count\n"
    os.close(reading)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("place", "says", "code"),
    [
        ("nowhere/flows", "No such file or directory; name a file in a folder that you may write to", 73),
        ("", "Is a directory; name a file", 73),
        ("/dev/full", "No space left on device; make room or write elsewhere", 74),
    ],
)
def test_errors(writer: type[TableWriter], place: str, says: str, code: int, tmp_path: Path) -> None:
    path = tmp_path / place
    with pytest.raises(OutputError) as error:
        writer(path, CORE).write_all(golden_batches())
    assert str(error.value).startswith(f"{path}: {says}")
    assert error.value.exit_code == code
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("target", "says"),
    [
        (5, "output: '5' is no path (str) and no open file; name a file"),
        (b"flows.csv", "output: 'b'flows.csv'' is no path (str) and no open file; name a file"),
        (io.StringIO(), "output: this file is open for text; open it for octets, 'wb'"),
        ("-", "output: this standard output takes text only; name a file"),
    ],
)
def test_what_is_no_target(
    writer: type[TableWriter], target: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # as in a notebook
    with pytest.raises(UsageError) as error:
        writer(target, CORE)
    assert str(error.value) == says


def test_standard_input_is_read_too(tmp_path: Path) -> None:
    """`spanflow meter - < FILE`, whatever the file is called here."""
    place = os.path.realpath("/dev/stdin")
    assert writes_over(place, ["-"]) == os.path.exists(place)
    assert not writes_over("-", ["-"])
    assert not writes_over(tmp_path / "flows.csv", ["-"])


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = golden_batches()
    path = tmp_path / "flows.parquet"
    monkeypatch.setattr(parquet_module, "MOST_ROWS", len(batches[0]))
    flows = ParquetWriter(path, CORE).write_all(batches)
    found = pyarrow.parquet.ParquetFile(path).metadata
    assert [found.row_group(group).num_rows for group in range(found.num_row_groups)] == [*map(len, batches)]
    monkeypatch.setattr(parquet_module, "MOST_OCTETS", 1)
    ParquetWriter(path, CORE).write_all([*batches, *batches])
    found = pyarrow.parquet.ParquetFile(path).metadata
    assert (found.num_row_groups, found.num_rows) == (4, 2 * flows)


@pytest.mark.parametrize("missing", ["pyarrow", "pyarrow.parquet"])
def test_a_missing_package_is_told(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        Exception, match=rf"^{missing}: cannot be loaded \(.*\); pip install 'spanflow\[parquet\]'"
    ):
        ParquetWriter(tmp_path / "flows", CORE)
    assert os.listdir(tmp_path) == []
    if missing == "pyarrow":
        with pytest.raises(Exception, match=r"pip install 'spanflow\[parquet\]'"):
            arrow_table([], CORE)
