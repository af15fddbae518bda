# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, or failing, under the spool of one collector: nobody else notices."""

from __future__ import annotations

import errno
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from exporting.stream_peers import accept, eventually, listener
from faults.arrivals import MILLISECOND_NS, TIMEOUT_S, Arrivals, Reading, flows
from spanflow.config.schema import Collector, Export, Settings
from spanflow.exporting import spooling
from spanflow.exporting.counters import NOTHING, DropReason, ExporterCounters
from spanflow.exporting.exporters import Exporters
from spanflow.exporting.spool.store import Spool
from spanflow.record import RECORD

BATCH = 10
ROOM = 4


class Disk:
    """full: whether a spool can be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        self.attempts = 0
        append = Spool.append

        def failing(spool: Spool, parcel: Any) -> None:
            if self.full:
                self.attempts += 1
                raise OSError(errno.ENOSPC, "No space left on device")
            append(spool, parcel)

        monkeypatch.setattr(Spool, "append", failing)
        monkeypatch.setattr(spooling, "_WRITE_AGAIN_NS", 20 * MILLISECOND_NS)


def counters_of(exporters: Exporters, number: int) -> ExporterCounters:
    counters = exporters.statuses()[number].counters
    assert counters.imbalance == NOTHING
    return counters


def lost(counters: ExporterCounters) -> dict[DropReason, int]:
    return {reason: tally.records for reason, tally in counters.dropped.items() if tally.records}


def test_queue_then_loss_then_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    with listener() as probing:
        port = probing.getsockname()[1]
    living = Arrivals()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        away = Collector(
            transport="tcp",
            host="127.0.0.1",
            port=port,
            name="away",
            queue_size=ROOM * BATCH * RECORD.itemsize,
            retry_interval=20 * MILLISECOND_NS,
        )
        there = Collector(host="127.0.0.1", port=udp.getsockname()[1], name="there")
        exporters = Exporters(
            Settings(collectors=(away, there), export=Export(spool_directory=str(tmp_path)))
        )
        try:
            exporters.offer(flows(0, BATCH))
            eventually(lambda: disk.attempts, "the first failure")
            for number in range(1, 10):
                exporters.offer(flows(number * BATCH, BATCH))
            counters = counters_of(exporters, 0)
            assert counters.queued.records == ROOM * BATCH
            assert lost(counters) == {DropReason.SPOOL_ERROR: 6 * BATCH}
            eventually(lambda: counters_of(exporters, 1).sent.records == 10 * BATCH, "the other has all")
            with suppress(BlockingIOError):
                while True:
                    living.take_datagram(udp.recv(65536, socket.MSG_DONTWAIT))
            assert living.flow_ids == list(range(10 * BATCH))
            # There is room again.
            disk.full = False
            eventually(lambda: counters_of(exporters, 0).spooled.records == ROOM * BATCH, "spooled")
            for number in range(10, 20):
                exporters.offer(flows(number * BATCH, BATCH))
                eventually(lambda: counters_of(exporters, 0).queued == NOTHING, "spooled")
            with listener(port=port) as listening:
                reading = Reading(accept(listening))
                eventually(lambda: counters_of(exporters, 0).spooled == NOTHING, "replayed")
                assert exporters.drain(time.monotonic() + TIMEOUT_S)
                exporters.stop()
                arrivals = Arrivals()
                arrivals.take(reading.end())
        finally:
            exporters.stop()
    kept = [*range(ROOM * BATCH), *range(10 * BATCH, 20 * BATCH)]
    assert arrivals.flow_ids == kept
    counters = counters_of(exporters, 0)
    assert counters.sent.records == len(kept)
    assert lost(counters) == {DropReason.SPOOL_ERROR: 6 * BATCH}


def test_full_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be stored is lost, and counted for what it was lost."""
    Disk(monkeypatch)
    with listener() as probing:
        port = probing.getsockname()[1]
    away = Collector(transport="tcp", host="127.0.0.1", port=port)
    exporters = Exporters(Settings(collectors=(away,), export=Export(spool_directory=str(tmp_path))))
    exporters.offer(flows(0, BATCH))
    exporters.offer(flows(BATCH, BATCH))
    assert not exporters.drain(time.monotonic() + TIMEOUT_S)
    exporters.stop()
    assert lost(counters_of(exporters, 0)) == {DropReason.SPOOL_ERROR: 2 * BATCH}


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """The collector is there all the same."""
    (tmp_path / "file").touch()
    with listener() as listening:
        collector = Collector(transport="tcp", host="127.0.0.1", port=listening.getsockname()[1])
        export = Export(spool_directory=str(tmp_path / "file" / "spool"))
        exporters = Exporters(Settings(collectors=(collector,), export=export))
        reading = Reading(accept(listening))
        exporters.offer(flows(0, BATCH))
        assert exporters.drain(time.monotonic() + TIMEOUT_S)
        exporters.stop()
    arrivals = Arrivals()
    arrivals.take(reading.end())
    assert arrivals.flow_ids == list(range(BATCH))
    assert lost(counters_of(exporters, 0)) == {}


def test_a_damaged_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One parcel that cannot be read, one that is no Messages: both counted, the others arrive."""
    with listener() as probing:
        port = probing.getsockname()[1]
    collector = Collector(
        transport="tcp", host="127.0.0.1", port=port, retry_interval=20 * MILLISECOND_NS, name="noc"
    )
    exporters = Exporters(Settings(collectors=(collector,), export=Export(spool_directory=str(tmp_path))))
    for number in range(5):
        exporters.offer(flows(number * BATCH, BATCH))
        eventually(lambda: counters_of(exporters, 0).queued == NOTHING, "spooled")
    (directory,) = tmp_path.iterdir()
    segment = max(directory.iterdir(), key=lambda path: path.stat().st_size)
    octets = bytearray(segment.read_bytes())
    at = octets.rindex(flows(3 * BATCH, 1).records["flow_id"][0].item().to_bytes(8, "big"))
    octets[at] ^= 1
    segment.write_bytes(octets)
    take = Spool.take

    def cut(spool: Spool) -> Any:
        stored = take(spool)
        if stored is not None and stored.parcel.octets.find((BATCH).to_bytes(8, "big")) > 0:
            object.__setattr__(stored.parcel, "octets", stored.parcel.octets[:-1])
        return stored

    monkeypatch.setattr(Spool, "take", cut)
    with listener(port=port) as listening:
        reading = Reading(accept(listening))
        eventually(lambda: counters_of(exporters, 0).spooled == NOTHING, "replayed")
        exporters.offer(flows(5 * BATCH, BATCH))
        assert exporters.drain(time.monotonic() + TIMEOUT_S)
        exporters.stop()
    arrivals = Arrivals()
    arrivals.take(reading.end())
    whole = [number for number in range(6) if number not in (1, 3)]
    assert arrivals.flow_ids == [each for n in whole for each in range(n * BATCH, (n + 1) * BATCH)]
    counters = counters_of(exporters, 0)
    assert lost(counters) == {DropReason.SPOOL_ERROR: 2 * BATCH}
    assert arrivals.process.counters.sequence.missing == 0
