# SPDX-License-Identifier: Apache-2.0
"""The capacity of the cache changes while it is in use (semantics 8.7)."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from craft.network import ipv4
from craft.transport import udp
from metering.native import meter, rows, settings_of
from spanflow.errors import ConfigError
from spanflow.file_meter import FileMeter

HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)


def flood(flows: int, first: int = 0) -> bytes:
    """pcap records of packets of 28 octets, 1 ms apart, each of a Flow of its own."""
    records = []
    for number in range(first, first + flows):
        packet = ipv4(f"10.0.{number >> 8}.{number & 255}", "10.1.0.1", udp(1000, 53))
        seconds, millis = divmod(number, 1000)
        records.append(struct.pack("<IIII", seconds, millis * 1_000_000, len(packet), len(packet)) + packet)
    return b"".join(records)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_lower_capacity_is_as_a_smaller_cache(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "flood.pcap"
    path.write_bytes(HEADER + flood(3000))
    native = FileMeter(settings_of(max_flows=2000, workers=workers), [str(path)])
    native.set_capacity(2000)
    native.set_capacity(100)
    native.start()
    records = np.concatenate([batch.records for batch in native.batches() if batch is not None])
    native.raise_if_failed()
    assert native.counters().ended["flush"] == 100
    assert native.counters().ended["evicted"] == 2900
    assert rows(records) == rows(meter([path], max_flows=100, workers=workers).records)


def test_the_capacity_goes_down_as_new_flows_come_and_up_again(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    native = FileMeter(settings_of(max_flows=20_000), [str(fifo)])
    lowered = threading.Event()

    def write() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            pipe.write(HEADER + flood(3000))
            lowered.wait(60)
            pipe.write(flood(6000, first=3000))

    writer = threading.Thread(target=write)
    writer.start()
    native.start()
    records = 0
    for batch in native.batches(wait_ms=1):
        records += 0 if batch is None else len(batch)
        if not lowered.is_set() and native.counters().received.packets:
            assert native.counters().ended["evicted"] == 0
            native.set_capacity(50)
            lowered.set()
    writer.join()
    counters = native.counters()
    assert counters.ended["flush"] == 50
    assert records == counters.handed_over.records == 9000
    assert not any(counters.imbalance().values())


@pytest.mark.parametrize("flows", [-1, 0, 1, 1001])
def test_what_cannot_be_is_refused(flows: int) -> None:
    """Every worker needs a Flow, and no cache grows beyond what it was made for."""
    native = FileMeter(settings_of(max_flows=1000, workers=2), [])
    with pytest.raises(ConfigError, match=r"cache\.max_flows: .* Flows: the cache was made for 1000"):
        native.set_capacity(flows)
