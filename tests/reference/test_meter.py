# SPDX-License-Identifier: Apache-2.0
"""The reference engine with the face of the native ones: capacity, batches, the end, filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import reference
from craft.capture import Capture
from craft.conversation import Pair, play
from golden import load
from metering import native
from metering.native import SECOND, settings_of
from metering.test_meter import write_flood
from reference.compare import compare
from spanflow.errors import ConfigError
from spanflow.record import EndDetail
from spanflow.reference.meter import ReferenceMeter


@pytest.fixture
def flood(tmp_path: Path) -> Path:
    """5,000 Flows of one packet, a millisecond apart."""
    path = tmp_path / "flood.pcap"
    write_flood(path, 5000, gap_ns=1_000_000)
    return path


def test_capacity_evicts_who_is_due_first(tmp_path: Path) -> None:
    """Of three Flows the second is heard from again before the fourth comes."""
    capture = Capture()
    for number, second in enumerate((0, 1, 2)):
        play(capture, f"{second} > udp", pair=Pair(client_port=1000 + number))
    play(capture, "3 > udp", pair=Pair(client_port=1000))
    play(capture, "4 > udp", pair=Pair(client_port=1003))
    path = tmp_path / "1.pcap"
    path.write_bytes(capture.pcap())
    outcome = reference.meter_as_users_do([path], max_flows=3)
    evicted = outcome.records[outcome.records["end_detail"] == EndDetail.EVICTED]
    assert evicted["source_transport_port"].tolist() == [1001]
    assert evicted["flow_end_reason"].tolist() == [5]
    assert outcome.counters.ended["evicted"] == 1


def test_memory_is_bounded_by_the_capacity(flood: Path) -> None:
    meter = ReferenceMeter(settings_of(max_flows=100), paths=[str(flood)])
    meter.start()
    most = records = 0
    for batch in meter.batches():
        most = max(most, meter.counters().cached_flows)
        records += 0 if batch is None else len(batch)
    assert records == 5000
    assert most <= 100
    assert meter.counters().ended["evicted"] == 4900


def test_capacity_may_change(flood: Path) -> None:
    meter = ReferenceMeter(settings_of(max_flows=1000), paths=[str(flood)])
    meter.set_capacity(7)
    meter.start()
    assert sum(len(batch) for batch in meter.batches() if batch is not None) == 5000
    assert meter.counters().ended == {**meter.counters().ended, "evicted": 4993, "flush": 7}
    with pytest.raises(ConfigError, match="too few"):
        meter.set_capacity(0)


def test_books_balance_at_every_moment(flood: Path) -> None:
    """Also while a full queue makes the reader wait."""
    meter = ReferenceMeter(settings_of(max_flows=1000), paths=[str(flood)])
    meter.start()
    for _ in meter.batches():
        assert not any(meter.counters().imbalance().values())
    counters = meter.counters()
    assert counters.handed_over.records == counters.received.packets == 5000
    assert list(meter.batches()) == []


def test_stop_in_the_middle_flushes(flood: Path) -> None:
    write_flood(flood, 50_000, gap_ns=1_000_000)
    meter = ReferenceMeter(settings_of(max_flows=100), paths=[str(flood)])
    meter.start()
    records = 0
    for batch in meter.batches():
        meter.stop()
        records += 0 if batch is None else len(batch)
    counters = meter.counters()
    assert records == counters.handed_over.records == counters.received.packets < 50_000
    assert counters.cached_flows == 0


def test_first_packets_are_in_the_order_of_accounting(tmp_path: Path) -> None:
    path = tmp_path / "1.pcap"
    path.write_bytes(play(Capture(), "0 > S", "0.5 < SA 10", "0.2 > A 20", "0.7 > A", "40 > udp").pcap())
    settings = settings_of(first_packets=3)
    meter = ReferenceMeter(settings, paths=[str(path)])
    meter.start()
    (batch,) = [batch for batch in meter.batches() if batch is not None]
    assert batch.first_packets is not None
    assert batch.first_packets.tolist() == [
        [(0, 40, 0), (SECOND // 2, 50, 1), (0, 60, 0)],
        [(0, 28, 0), (0, 0, -1), (0, 0, -1)],
    ]


@pytest.mark.parametrize("expression", ["tcp", "port 443", "not ip6", "ether host 02:00:00:00:00:99"])
def test_filters_are_those_of_the_native_engine(expression: str) -> None:
    golden = load("link_ethernet")
    theirs = native.meter([golden.capture], filter=expression)
    ours = reference.meter_as_users_do([golden.capture], filter=expression)
    assert ours.counters.discarded == theirs.counters.discarded
    assert compare(theirs.records, _as_result(ours.records)) == []


def test_a_filter_that_does_not_compile_is_told_at_the_end() -> None:
    golden = load("link_raw")
    meter = ReferenceMeter(settings_of(filter="ether host 02:00:00:00:00:99"), paths=[str(golden.capture)])
    meter.start()
    assert [batch for batch in meter.batches() if batch is not None] == []
    with pytest.raises(ConfigError, match=r"capture\.filter: .*link type"):
        meter.raise_if_failed()
    counters = meter.counters()
    assert counters.discarded["filtered"] == counters.received


def _as_result(records: np.ndarray) -> reference.Result:
    """Rows as `compare` takes what is expected: as mappings."""
    names = records.dtype.names or ()
    halves = records.dtype["forward"].names or ()

    def plain(row: np.void, name: str) -> object:
        if name in ("forward", "reverse"):
            return {each: plain(row[name], each) for each in halves}
        value = row[name]
        return value.tobytes() if value.ndim else value.item()

    return reference.Result(records=[{name: plain(row, name) for name in names} for row in records])
