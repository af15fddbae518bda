# SPDX-License-Identifier: Apache-2.0
"""A collector that is a file: files follow each other, and a full disk costs nothing that is not counted."""

from __future__ import annotations

import errno
import gzip
import json
import os
from pathlib import Path

import pytest

from exporting.clocks import FakeClock
from exporting.flow_batches import some_flows
from spanflow.config.schema import Collector, Export
from spanflow.exporting import opening
from spanflow.exporting.process import ExportingProcess
from spanflow.exporting.transport.file import FileTransport

SECOND_NS = 10**9
PER_BATCH = 200


class Disk:
    """Full when it is said to be: then it takes half of what it is given, once."""

    def __init__(self) -> None:
        self.is_full = False

    def write(self, descriptor: int, octets: memoryview) -> int:
        if self.is_full and len(octets) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(descriptor, octets[: len(octets) // 2] if self.is_full else octets)


def lines(path: Path) -> list[int]:
    """The flow_id of every line of a file, which is whole."""
    octets = path.read_bytes()
    text = gzip.decompress(octets) if path.suffix == ".gz" else octets
    assert text.endswith(b"\n")
    return [json.loads(line)["flow_id"] for line in text.splitlines()]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_rotation_and_full_disk(
    compression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file every 10 s; the disk is full from 20 s to 25 s. Nothing is lost; what is twice is counted."""
    disk, clock = Disk(), FakeClock(wall_ns=1_800_000_000 * SECOND_NS)
    monkeypatch.setattr(
        opening, "FileTransport", lambda *args, **options: FileTransport(*args, **options, write=disk.write)
    )
    collector = Collector(
        protocol="json",
        transport="file",
        path=f"{tmp_path}/%s.json",
        rotate_time=10 * SECOND_NS,
        retry_interval=SECOND_NS,
        compression=compression,
    )
    process = ExportingProcess(collector, Export(), domain=1, clock=clock)
    offered = 0
    for second in range(40):
        disk.is_full = 20 <= second < 25
        assert process.offer(some_flows(PER_BATCH))
        offered += PER_BATCH
        process.turn(0.0)
        clock.advance(1)
    for _ in range(10):
        process.turn(0.0)
        clock.advance(1)
    process.stop()
    counters = process.counters()
    found = [lines(path) for path in sorted(tmp_path.iterdir())]
    assert len(found) == 4
    assert len(found[0]) == 10 * PER_BATCH
    assert counters.sent.records == offered
    assert offered <= sum(map(len, found)) <= offered + counters.resent
    assert counters.resent > 0
    assert counters.last_error == f"{tmp_path}/%s.json: no space left on device; make room"
    assert "sending failed" in caplog.text
