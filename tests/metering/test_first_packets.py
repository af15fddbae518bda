# SPDX-License-Identifier: Apache-2.0
"""The first packets of each record (semantics 6.7), by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from craft.capture import Capture
from craft.conversation import EPOCH_NS, Pair, play
from metering.native import SECOND, meter, settings_of
from spanflow import _core
from spanflow.meter import cache_flows, flow_octets
from spanflow.record import FIRST_PACKET

NONE = (0, 0, -1)
MS = 1_000_000


def first_packets(path: Path, **options: object) -> dict[int, list[list[tuple[int, ...]]]]:
    """By source port, the packets of each record in the order of time: (gap in ms, octets, direction)."""
    found: dict[int, list[tuple[int, list[tuple[int, ...]]]]] = {}
    for batch in meter([path], **options).batches:
        assert batch.first_packets is not None
        assert batch.first_packets.dtype == FIRST_PACKET
        assert not batch.first_packets.flags.writeable
        for record, packets in zip(batch.records, batch.first_packets, strict=True):
            assert not any(gap % MS for gap in packets["gap_ns"].tolist())
            rows = [(gap // MS, octets, direction) for gap, octets, direction in packets.tolist()]
            start = min(
                half["first_ns"] for half in (record["forward"], record["reverse"]) if half["last_ns"]
            )
            found.setdefault(int(record["source_transport_port"]), []).append((int(start), rows))
    return {port: [rows for _, rows in sorted(records)] for port, records in found.items()}


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Three Flows, 40 octets of headers on each packet."""
    connection = ("0 > S", "0.010 < SA", "0.020 > A", "0.050 > PA 100", "0.040 < A", "0.100 < PA 1000")
    frames = play(Capture(), *connection, pair=Pair(client_port=1001))
    # The client is the higher end of the key; its SYN was not captured.
    play(frames, "0.003 < SA", "0.004 > A", pair=Pair("10.0.0.9", "10.0.0.2", 1002), start_ns=EPOCH_NS)
    # In parts, by the active timeout: at 1.0 s, and at 2.5 s after the first packet of the second record.
    play(frames, "0 > A", "0.9 < A 10", "1.2 > A 20", "1.3 < A 30", "2.5 < A 40", pair=Pair(client_port=1003))
    path = tmp_path / "first.pcap"
    path.write_bytes(Capture(sorted(frames.frames, key=lambda frame: frame.time_ns)).pcap())
    return path


CONNECTION = [(0, 40, 0), (10, 40, 1), (10, 40, 0), (20, 40, 1), (10, 140, 0), (50, 1040, 1)]
PARTS = [[(0, 40, 0), (900, 50, 1)], [(0, 60, 0), (100, 70, 1)], [(0, 80, 1)]]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("each", [1, 3, 6, 64])
def test_what_is_kept(capture: Path, each: int, workers: int) -> None:
    def padded(packets: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        return [*packets, *[NONE] * 64][:each]

    found = first_packets(capture, first_packets=each, workers=workers, active_timeout=SECOND)
    assert found == {
        1001: [padded(CONNECTION)],
        1002: [padded([(0, 40, 1), (1, 40, 0)])],
        1003: [padded(part) for part in PARTS],
    }


def test_time_that_runs_backwards_counts_as_nothing(tmp_path: Path) -> None:
    """The gap is to the highest time so far, as in 6.2; packets stay in the order in which they came."""
    path = tmp_path / "backwards.pcap"
    lines = ("0.5 > udp 1", "0.3 < udp 2", "0.4 > udp 3", "0.6 > udp 4")
    path.write_bytes(play(Capture(), *lines, pair=Pair(client_port=1004)).pcap())
    kept = first_packets(path, first_packets=5)
    assert kept == {1004: [[(0, 29, 0), (0, 30, 1), (0, 31, 0), (100, 32, 0), NONE]]}


def test_off_nothing_is_handed_over(capture: Path) -> None:
    """And the memory of a Flow in the cache is told with it."""
    assert all(batch.first_packets is None for batch in meter([capture]).batches)
    off, on = settings_of(memory=1 << 20), settings_of(memory=1 << 20, first_packets=20)
    assert flow_octets(on) - flow_octets(off) == pytest.approx(20 * FIRST_PACKET.itemsize)
    assert FIRST_PACKET.itemsize == _core.FIRST_PACKET_OCTETS
    assert cache_flows(on) < cache_flows(off) / 2


def test_the_packets_outlive_the_meter(capture: Path) -> None:
    """A view of them keeps their batch."""
    packets = [batch.first_packets for batch in meter([capture], first_packets=3).batches]
    assert sum(int(np.count_nonzero(each["octets"])) for each in packets if each is not None) == 8
