# SPDX-License-Identifier: Apache-2.0
"""The Metering Process as Python sees it: layout, memory, eviction, back-pressure, bad input."""

from __future__ import annotations

import gc
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from golden import load
from metering.native import SECOND, meter, rows, settings_of
from spanflow import _core
from spanflow.errors import ConfigError
from spanflow.file_meter import FileMeter
from spanflow.record import DIRECTION, RECORD, EndDetail


def write_flood(path: Path, flows: int, *, first: int = 0, gap_ns: int = 1000) -> None:
    """A capture of UDP packets over raw IP, each of a Flow of its own: 28 octets from 10.x.y.z, port 1000."""
    header = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)
    packet = np.dtype(
        {
            "names": ["sec", "ns", "cap", "wire", "head", "source", "destination", "ports", "udp"],
            "formats": ["<u4", "<u4", "<u4", "<u4", ("u1", 12), ">u4", ">u4", ">u4", ">u4"],
            "offsets": [0, 4, 8, 12, 16, 28, 32, 36, 40],
            "itemsize": 44,
        }
    )
    rows = np.zeros(flows, packet)
    times = 1_700_000_000 * SECOND + np.arange(flows, dtype=np.int64) * gap_ns
    rows["sec"], rows["ns"] = times // SECOND, times % SECOND
    rows["cap"] = rows["wire"] = 28
    rows["head"] = np.frombuffer(bytes.fromhex("4500001c0000000040110000"), "u1")
    rows["source"] = 0x0A000000 + first + np.arange(flows)
    rows["destination"], rows["ports"], rows["udp"] = 0x0B000001, 1000 << 16 | 53, 8 << 16
    path.write_bytes(header + rows.tobytes())


def resident_octets() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_the_layout_is_that_of_the_native_struct() -> None:
    assert RECORD.itemsize == _core.RECORD_OCTETS
    assert DIRECTION.itemsize == _core.DIRECTION_OCTETS
    assert [name for name in _core.END_DETAILS if name != "none"] == [each.name.lower() for each in EndDetail]


def test_a_batch_outlives_its_meter() -> None:
    golden = load("fin_close")
    native = FileMeter(settings_of(**golden.settings), [str(golden.capture)])
    native.start()
    (batch,) = [batch for batch in native.batches() if batch is not None]
    before = batch.records.tobytes()
    del native
    gc.collect()
    assert batch.records.tobytes() == before
    with pytest.raises(ValueError, match="read-only"):
        batch.records["flags"] = 1


def test_a_million_flows_at_once(tmp_path: Path) -> None:
    """They fit into what was configured; one more evicts one, and nothing else changes."""
    capacity = 1_000_000
    path = tmp_path / "million.pcap"
    write_flood(path, capacity, gap_ns=1000)
    full = meter([path], max_flows=capacity)
    assert full.counters.flows_opened == len(full.records) == capacity
    assert full.counters.ended["evicted"] == 0

    write_flood(path, capacity + 1, gap_ns=1000)
    over = meter([path], max_flows=capacity)
    assert len(over.records) == capacity + 1
    assert over.counters.ended == {**full.counters.ended, "evicted": 1, "flush": capacity}
    evicted = over.records[over.records["end_detail"] == EndDetail.EVICTED]
    assert evicted["flow_end_reason"].tolist() == [5]


def test_memory_stays_within_what_was_configured(tmp_path: Path) -> None:
    """A million Flows through a cache of 64 MiB: no more than that and 5 %, beside the pool of batches."""
    path = tmp_path / "million.pcap"
    write_flood(path, 1_000_000)
    bound = 64 << 20
    native = FileMeter(settings_of(memory=bound), [str(path)])
    gc.collect()
    before = resident_octets()
    native.start()
    most = 0
    for batch in native.batches():
        del batch
        most = max(most, resident_octets() - before)
    assert native.counters().ended["evicted"] > 700_000
    pool = 32 * 2048 * RECORD.itemsize
    assert most < bound * 1.05 + pool + (8 << 20)  # the reader's buffer and what the allocator keeps


def test_back_pressure_loses_nothing(tmp_path: Path) -> None:
    """Whoever takes nothing makes the reader wait; all of it is there afterwards."""
    path = tmp_path / "flood.pcap"
    write_flood(path, 400_000, gap_ns=1_000_000)
    native = FileMeter(settings_of(), [str(path)])
    native.start()
    batches = native.batches()
    first = next(batch for batch in batches if batch is not None)
    kept = [first, *(batch for batch in batches if batch is not None)]
    assert sum(map(len, kept)) == 400_000
    assert native.counters().dropped_at_handover.records == 0


def test_stop_in_the_middle_flushes(tmp_path: Path) -> None:
    path = tmp_path / "flood.pcap"
    write_flood(path, 500_000, gap_ns=1_000_000)
    native = FileMeter(settings_of(), [str(path)])
    native.start()
    records = 0
    for batch in native.batches():
        native.stop()
        records += 0 if batch is None else len(batch)
    counters = native.counters()
    assert records == counters.handed_over.records == counters.received.packets
    assert not any(counters.imbalance().values())


def test_a_cache_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cache\.max_flows"):
        FileMeter(settings_of(max_flows=4, workers=8), ["-"])


def test_a_cache_larger_than_the_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would end the process when it fills; now it costs one line."""
    monkeypatch.setattr("os.sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else 1000)
    with pytest.raises(ConfigError, match="more than this machine has"):
        FileMeter(settings_of(max_flows=100_000), ["-"])
    FileMeter(settings_of(max_flows=10_000), ["-"])


def test_chunks_do_not_matter(tmp_path: Path) -> None:
    """A pipe gives the octets in pieces, and batches of packets end with them; a file gives them all."""
    for name in ("times_running_backwards", "fragments_in_order", "pcapng_sections", "fin_linger"):
        golden = load(name)
        octets = golden.capture.read_bytes()
        for size in (1, 7, 97, 1000):
            fifo = tmp_path / f"{name}-{size}"
            os.mkfifo(fifo)
            pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
            writer = threading.Thread(target=write_pieces, args=(fifo, pieces))
            writer.start()
            piped = meter([fifo], **golden.settings)
            writer.join()
            assert rows(piped.records) == rows(meter([golden.capture], **golden.settings).records)


def write_pieces(path: Path, pieces: list[bytes]) -> None:
    with path.open("wb", buffering=0) as pipe:
        for piece in pieces:
            pipe.write(piece)


def test_flow_ids_are_the_same_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "flood.pcap"
    write_flood(path, 1000)
    runs = [meter([path], workers=workers).records["flow_id"] for workers in (1, 1, 3)]
    assert sorted(runs[0].tolist()) == sorted(runs[1].tolist()) == sorted(runs[2].tolist())
    assert len(set(runs[0].tolist())) == 1000
