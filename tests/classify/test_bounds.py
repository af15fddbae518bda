# SPDX-License-Identifier: Apache-2.0
"""What detection may hold at once: Flows and memory stay within the bounds, and every Flow is counted.

The Flows here send one packet that says nothing, so that the engine waits for more: whoever floods a probe
does that.
"""

from __future__ import annotations

import gc
import os
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classify.classified import UNENDING
from metering.native import SECOND, settings_of
from spanflow.classification import open_classification
from spanflow.file_meter import FileMeter
from spanflow.metering_counters import ClassificationCounters, MeteringCounters
from spanflow.record import RECORD, Array

MIB = 1 << 20
FLOWS = 400_000
OCTETS = 60
PORT_QUIC, PORT_UNKNOWN = 443, 4711


def write_unknown_flows(path: Path, flows: int, *, gap_ns: int = 1000, packets: int = 1) -> None:
    """UDP datagrams with 32 octets of 7 over raw IP; every second Flow is to port 443, the others to 4711.

    packets: of each Flow, all Flows in turn.
    """
    header = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)
    packet = np.dtype(
        {
            "names": [
                "sec",
                "ns",
                "cap",
                "wire",
                "head",
                "source",
                "destination",
                "from",
                "to",
                "udp",
                "data",
            ],
            "formats": [
                "<u4",
                "<u4",
                "<u4",
                "<u4",
                ("u1", 12),
                ">u4",
                ">u4",
                ">u2",
                ">u2",
                ">u4",
                ("u1", 32),
            ],
            "offsets": [0, 4, 8, 12, 16, 28, 32, 36, 38, 40, 44],
            "itemsize": 16 + OCTETS,
        }
    )
    rows = np.zeros(flows, packet)
    rows["cap"] = rows["wire"] = OCTETS
    rows["head"] = np.frombuffer(struct.pack("!BBHHHBBH", 0x45, 0, OCTETS, 0, 0, 64, 17, 0), "u1")
    numbers = np.arange(flows)
    rows["source"], rows["destination"] = 0x0A000000 + numbers, 0xC6336401
    rows["from"], rows["to"] = 40000, np.where(numbers % 2, PORT_QUIC, PORT_UNKNOWN)
    rows["udp"], rows["data"] = (OCTETS - 20) << 16, 7
    with path.open("wb") as file:
        file.write(header)
        for number in range(packets):
            times = 1_700_000_000 * SECOND + (number * flows + numbers.astype(np.int64)) * gap_ns
            rows["sec"], rows["ns"] = times // SECOND, times % SECOND
            file.write(rows.tobytes())


@dataclass(frozen=True, slots=True)
class Watched:
    """A run, and the most that was seen of the gauges while it ran."""

    records: Array
    counters: MeteringCounters
    most_flows: int
    most_memory: int
    most_resident: int


def watch(path: Path, dpi: dict[str, Any], **options: Any) -> Watched:
    settings = settings_of(**{**UNENDING, "dpi": dpi, **options})
    classification = open_classification(settings.dpi)
    native = FileMeter(settings, [str(path)], classification.options)
    gc.collect()
    before = resident_octets()
    native.start()
    kept, seen = [], [(0, 0, 0)]
    for batch in native.batches(wait_ms=5):
        found = native.counters().classification
        seen.append((found.under_detection, found.memory_octets, resident_octets() - before))
        if batch is not None:
            kept.append(batch.records[["application", "confidence", "destination_transport_port"]].copy())
    native.raise_if_failed()
    counters = native.counters()
    assert not any(counters.imbalance().values())
    return Watched(np.concatenate(kept), counters, *(max(column) for column in zip(*seen, strict=True)))


def resident_octets() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def by_port(records: Array) -> Counter[tuple[int, bool, int]]:
    """(port, is there an application, confidence) and how many records are so."""
    ports, applications, confidences = (
        records[name].tolist() for name in ("destination_transport_port", "application", "confidence")
    )
    return Counter(zip(ports, map(bool, applications), confidences, strict=True))


@pytest.mark.parametrize("workers", [1, 3])
def test_flows_under_detection(workers: int, tmp_path: Path) -> None:
    """One of twenty finds a place; the others are named by their port, and counted."""
    path = tmp_path / "flood.pcap"
    write_unknown_flows(path, FLOWS)
    bound = FLOWS // 20
    watched = watch(path, {"max_flows": bound}, workers=workers)
    assert watched.most_flows == bound
    # Detection ends with the input; what was refused had been named before.
    assert watched.counters.classification == ClassificationCounters(
        inspected_packets=bound, given_up=bound, refused_flows=FLOWS - bound
    )
    # What nDPI looked at is not QUIC, whatever the port says.
    assert by_port(watched.records) == {
        (PORT_QUIC, True, 1): FLOWS // 2 - bound // 2,
        (PORT_QUIC, False, 0): bound // 2,
        (PORT_UNKNOWN, False, 0): FLOWS // 2,
    }


def test_memory_of_detection(tmp_path: Path) -> None:
    """A bound on octets that is reached before that on Flows; the gauge and the process stay within it."""
    path = tmp_path / "flood.pcap"
    write_unknown_flows(path, FLOWS)
    bound = 32 * MIB
    free = watch(path, {"max_flows": 1, "memory": bound})
    watched = watch(path, {"max_flows": FLOWS, "memory": bound})
    found = watched.counters.classification
    assert bound / 4 * 0.95 < watched.most_memory <= bound  # a quarter is for states (semantics 13.3)
    assert found.refused_flows == 0
    assert found.refused_memory + found.given_up == FLOWS
    assert found.inspected_packets == found.given_up > 5_000
    # Beyond what the cache, the batches and nDPI itself take.
    assert watched.most_resident - free.most_resident < bound * 1.05 + 8 * MIB


def test_places_are_used_again(tmp_path: Path) -> None:
    """Flows that end make room: with a timeout, a bound that is small serves all of them."""
    path = tmp_path / "flood.pcap"
    write_unknown_flows(path, 100_000, gap_ns=1_000_000)
    watched = watch(path, {"max_flows": 12_000}, inactive_timeout=5 * SECOND, reorder_window=0)
    assert watched.most_flows < 12_000
    assert watched.counters.classification == ClassificationCounters(
        inspected_packets=100_000, given_up=100_000
    )


def test_the_budget_frees_what_detection_holds(tmp_path: Path) -> None:
    """Flows in the cache whose budget is used up hold nothing of the engine."""
    path = tmp_path / "flood.pcap"
    write_unknown_flows(path, 20_000, packets=3)
    watched = watch(path, {"udp_packets": 2, "max_flows": 20_000})
    assert watched.counters.classification == ClassificationCounters(
        inspected_packets=40_000, given_up=20_000
    )
    assert len(watched.records) == 20_000


def test_a_record_stays_as_small_as_it_is() -> None:
    """Names are kept apart from the records: they cost nothing where there are none."""
    assert RECORD.itemsize <= 344
