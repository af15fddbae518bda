# SPDX-License-Identifier: Apache-2.0
"""Collectors that are files, and lines of JSON: where a directory is missing, where files change."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest

from exporting.stream_peers import eventually
from faults.arrivals import MILLISECOND_NS, TIMEOUT_S, Arrivals, dropped, flows
from faults.serving import Serving
from spanflow.collecting.file import read_file
from spanflow.config.schema import Collector, Export, Settings
from spanflow.exporting.counters import NOTHING
from spanflow.exporting.exporters import Exporters
from spanflow.exporting.process import ExportingProcess

BATCH = 100


def flow_ids_of(folder: Path) -> list[int]:
    """Of all files, in the order of their names."""
    found: list[int] = []
    for path in sorted(folder.iterdir()):
        if ".json" in path.name:
            found += [json.loads(line)["flow_id"] for line in path.read_text().splitlines()]
            continue
        arrivals = Arrivals()
        for _, message in read_file(str(path)):
            arrivals.take_message(message)
        found += arrivals.flow_ids
    return found


@pytest.mark.parametrize("protocol", ["ipfix", "json"])
@pytest.mark.parametrize("spool", [False, True])
def test_a_directory_that_comes_later(protocol: str, spool: bool, tmp_path: Path) -> None:
    folder = tmp_path / "later"
    collector = Collector(
        protocol=protocol,
        transport="file",
        path=str(folder / f"flows.{protocol}"),
        retry_interval=20 * MILLISECOND_NS,
    )
    export = Export(spool_directory=str(tmp_path / "spool") if spool else "")
    process = ExportingProcess(collector, export, domain=7)
    process.start()
    for number in range(5):
        assert process.offer(flows(number * BATCH, BATCH))
    eventually(lambda: process.counters().last_error, "a failure")
    if spool:
        eventually(lambda: process.counters().spooled.records == 5 * BATCH, "spooled")
    assert not process.up
    folder.mkdir()
    eventually(lambda: process.counters().sent.records == 5 * BATCH, "written")
    assert process.offer(flows(5 * BATCH, BATCH))
    assert process.drain(TIMEOUT_S)
    process.stop()
    assert dropped(process) == {}
    assert process.counters().resent == 0
    assert flow_ids_of(folder) == list(range(6 * BATCH))


@pytest.mark.parametrize(
    ("protocol", "compression"), [("ipfix", "none"), ("ipfix", "gzip"), ("json", "none")]
)
def test_files_that_change_while_it_runs(protocol: str, compression: str, tmp_path: Path) -> None:
    """Each whole; nothing lost, nothing twice; and the collector is there all the time."""
    collector = Collector(
        protocol=protocol,
        transport="file",
        path=str(tmp_path / f"%s.{protocol}"),
        rotate_size=8192,  # less than a user may set
        compression=compression,
    )
    process = ExportingProcess(collector, Export(), domain=7)
    process.start()
    eventually(lambda: process.up, "up")
    was_down = False
    for number in range(12):
        assert process.offer(flows(number * BATCH, BATCH))
        deadline_s = time.monotonic() + TIMEOUT_S
        while process.counters().queued != NOTHING and time.monotonic() < deadline_s:
            was_down = was_down or not process.up
    assert process.drain(TIMEOUT_S)
    process.stop()
    assert dropped(process) == {}
    counters = process.counters()
    assert counters.sent.records == 12 * BATCH
    assert counters.resent == 0
    assert counters.connections > 1
    assert not was_down
    assert len(list(tmp_path.iterdir())) > 1
    if compression == "none":
        assert sorted(flow_ids_of(tmp_path)) == list(range(12 * BATCH))


def test_a_file_that_was_taken_away(tmp_path: Path) -> None:
    """Somebody removed what was being written: the next file is begun, and the loss is seen."""
    collector = Collector(
        transport="file", path=str(tmp_path / "flows.ipfix"), retry_interval=20 * MILLISECOND_NS
    )
    process = ExportingProcess(collector, Export(), domain=7)
    process.start()
    assert process.offer(flows(0, BATCH))
    assert process.drain(TIMEOUT_S)
    for path in tmp_path.iterdir():
        path.unlink()
    assert process.offer(flows(BATCH, BATCH))
    eventually(lambda: "removed while it was written" in process.counters().last_error, "noticed")
    assert process.drain(TIMEOUT_S)
    process.stop()
    assert dropped(process) == {}
    assert flow_ids_of(tmp_path) == list(range(BATCH, 2 * BATCH))


def test_json_over_tcp(tmp_path: Path) -> None:
    """With a spool before, and an end of the connection between."""
    peer = Serving(up=False)
    collector = peer.collector(protocol="json", name="noc")
    exporters = Exporters(Settings(collectors=(collector,), export=Export(spool_directory=str(tmp_path))))
    exporters.offer(flows(0, BATCH))
    eventually(lambda: exporters.statuses()[0].counters.spooled.records == BATCH, "spooled")
    peer.come()
    eventually(lambda: exporters.statuses()[0].counters.sent.records == BATCH, "replayed")
    exporters.offer(flows(BATCH, BATCH))
    eventually(lambda: exporters.statuses()[0].counters.sent.records == 2 * BATCH, "sent")
    peer.go()
    exporters.offer(flows(2 * BATCH, BATCH))
    peer.come()
    peer.wait_for(2)
    assert exporters.drain(time.monotonic() + TIMEOUT_S)
    exporters.stop()
    peer.end()
    found: list[int] = []
    for octets in peer.connections:
        *lines, rest = bytes(octets).split(b"\n")
        found += [json.loads(line)["flow_id"] for line in lines]
        with suppress(json.JSONDecodeError):
            assert not rest or json.loads(rest)
    counters = exporters.statuses()[0].counters
    assert counters.imbalance == NOTHING
    assert counters.sent.records == 3 * BATCH
    assert sorted(set(found)) == list(range(3 * BATCH))
    assert len(found) - 3 * BATCH <= counters.resent
