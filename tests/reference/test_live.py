# SPDX-License-Identifier: Apache-2.0
"""The reference engine on interfaces: exact counts, timers by the clock, the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from craft.capture import Capture
from craft.conversation import Pair, play
from exporting.running_collector import wait_for
from live.harness.collectors import bound_socket
from live.harness.links import Link, network
from live.harness.sender import Sender
from live.harness.traffic import udp_flows
from metering.native import SECOND, settings_of
from spanflow.errors import CaptureError, ConfigError, ExitCode
from spanflow.record import Batch, EndDetail
from spanflow.reference.flow_table import ACTIVE, END_DETAILS
from spanflow.reference.flows import Flow
from spanflow.reference.frame import Frame
from spanflow.reference.live import ClockWatch
from spanflow.reference.meter import ReferenceMeter
from spanflow.reference.metering import Metering

DISCARD = 9
FLOWS, PACKETS = 100, 4


@pytest.fixture(scope="module")
def link() -> Iterator[Link]:
    with network("eth0") as (link,):
        yield link


def _meter(link: Link, *interfaces: str, **options: object) -> ReferenceMeter:
    settings = settings_of(**options)
    return link.far.inside(lambda: ReferenceMeter(settings, interfaces=interfaces))


def _wait_for(meter: ReferenceMeter, packets: int) -> None:
    wait_for(lambda: meter.counters().received.packets >= packets, f"{packets} packets")


def _rest(meter: ReferenceMeter) -> list[Batch]:
    meter.stop()
    batches = [batch for batch in meter.batches() if batch is not None]
    meter.raise_if_failed()
    assert not any(meter.counters().imbalance().values())
    return batches


def test_counts_are_exact(link: Link) -> None:
    """What is under way when it is stopped is metered too."""
    meter = _meter(link, "eth0")
    meter.start()
    with Sender(link.near, link.near_name) as sender:
        sender.send(udp_flows(FLOWS, packets=PACKETS))
    (batch,) = _rest(meter)
    records = batch.records
    assert records["forward"]["packet_delta_count"].tolist() == [PACKETS] * FLOWS
    assert set(records["forward"]["ingress_interface"].tolist()) == {link.index}
    assert meter.counters().ended["flush"] == FLOWS
    assert meter.kernel_drops() == 0


def test_nothing_is_dropped_at_the_end(link: Link) -> None:
    """The queue is small, and nobody takes from it before the end."""
    many = 12_000
    meter = _meter(link, "eth0", queue_size=1 << 20)
    meter.start()
    with Sender(link.near, link.near_name) as sender:
        sender.send(udp_flows(many))
    _wait_for(meter, many)
    assert sum(map(len, _rest(meter))) == many


def test_what_finds_no_room_is_dropped_and_counted(link: Link) -> None:
    meter = _meter(link, "eth0", queue_size=1 << 20, max_flows=10)
    meter.start()
    with Sender(link.near, link.near_name) as sender:
        sender.send(udp_flows(5000))
    _wait_for(meter, 5000)
    left = sum(map(len, _rest(meter)))
    assert meter.counters().dropped_at_handover.records == 5000 - left > 0


def test_watchers_end_flows_without_any_traffic(link: Link) -> None:
    """One by its idle time, one by its RST; the third is split and lives on."""
    second = 1_000_000_000
    options = {"inactive_timeout": 200_000_000, "active_timeout": 150_000_000, "tcp_linger": second // 100}
    meter = _meter(link, "eth0", **options)
    meter.start()
    capture = play(Capture(), "0 > udp", pair=Pair(client_port=1))
    play(capture, "0 > S", "0 < RA", pair=Pair(client_port=2))
    with Sender(link.near, link.near_name) as sender:
        sender.send([frame.octets for frame in capture.frames])
    batches = meter.batches()
    records = []
    while len(records) < 2:
        batch = next(batches)
        records += [] if batch is None else batch.records[["source_transport_port", "end_detail"]].tolist()
    assert sorted(records) == [(1, 2), (2, 4)]
    wait_for(lambda: meter.counters().cached_flows == 0, "the split Flow leaves")
    assert sum(meter.counters().expiry_lag.buckets) == 3
    assert _rest(meter) == []


def test_packets_on_lo_count_once(link: Link) -> None:
    meter = _meter(link, "lo", filter=f"udp port {DISCARD}")
    meter.start()
    with bound_socket(link.far, port=DISCARD), bound_socket(link.far) as sending:
        for _ in range(PACKETS):
            sending.sendto(bytes(100), ("127.0.0.1", DISCARD))
    _wait_for(meter, PACKETS)
    (batch,) = _rest(meter)
    assert batch.records["forward"]["packet_delta_count"].tolist() == [PACKETS]
    assert batch.records["forward"]["octet_delta_count"].tolist() == [PACKETS * 128]


def test_several_interfaces_have_their_own_flows(link: Link) -> None:
    with network("eth1") as (other,):
        names = ("lo", "eth1")
        meter = _meter(other, *names)
        meter.start()
        with Sender(other.near, other.near_name) as sender:
            sender.send(udp_flows(3))
        with bound_socket(other.far, port=DISCARD), bound_socket(other.far) as sending:
            sending.sendto(bytes(1), ("127.0.0.1", DISCARD))
        _wait_for(meter, 4)
        records = [record for batch in _rest(meter) for record in batch.records]
        found = sorted(int(record["forward"]["ingress_interface"]) for record in records)
        assert found == [1, *[other.index] * 3]


def test_an_interface_that_goes_away_ends_its_flows(link: Link) -> None:
    with network("eth2") as (other,):
        meter = _meter(other, "eth2")
        meter.start()
        with Sender(other.near, other.near_name) as sender:
            sender.send(udp_flows(5))
        _wait_for(meter, 5)
        other.remove()
        batches = [batch for batch in meter.batches() if batch is not None]
        assert [len(batch) for batch in batches] == [5]
        meter.raise_if_failed()


def test_an_interface_that_is_down_for_a_while_is_not_gone(link: Link) -> None:
    with network("eth3") as (other,):
        meter = _meter(other, "eth3")
        meter.start()
        with Sender(other.near, other.near_name) as sender:
            sender.send(udp_flows(5))
            _wait_for(meter, 5)
            other.set("down")
            other.set("up")
            other.wait_until_up()
            sender.send(udp_flows(2))
        _wait_for(meter, 7)
        assert meter.counters().ended["flush"] == 0
        assert sum(map(len, _rest(meter))) == 5


def test_a_watcher_ends_when_it_is_told(link: Link) -> None:
    meter = _meter(link, "eth0")
    event = threading.Event()
    event.set()
    meter.inactive_watcher(event)
    meter.active_watcher(event)


def test_what_cannot_be_opened_is_refused(link: Link) -> None:
    with pytest.raises(CaptureError, match=r"capture eth9: no such interface \(have: .*eth0.*\)") as refused:
        _meter(link, "eth9")
    assert refused.value.exit_code == ExitCode.NO_INPUT
    with pytest.raises(ConfigError, match=r"interfaces: eth0: filter: .*; see pcap-filter"):
        _meter(link, "eth0", filter="inbound and nonsense")


def test_steps_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any step back; forward only one of more than an hour. What it takes to read two clocks is none."""
    hour = 3600 * 1_000_000_000
    wall, watch = [10 * hour], ClockWatch()
    monkeypatch.setattr("time.time_ns", lambda: wall[0])
    monkeypatch.setattr("time.monotonic_ns", lambda: 0)
    found = []
    for change in (0, 5_000_000, -1_000_000, -3_000_000, hour, hour + 1, -2 * hour):
        wall[0] += change
        found.append(watch.step_ns())
    assert found == [0, 0, 0, -3_000_000, 0, hour + 1, -2 * hour]


def test_an_interrupted_look_at_the_clocks_is_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread ran between the readings: 5 ms is what Python gives it."""
    hour = 3600 * 1_000_000_000
    readings = iter((0, 0, 10, 5_000_010, 5_000_020, 5_000_020, 5_000_030, 5_000_030))
    wall, watch = iter((hour, hour + 5_000_010, hour + 5_000_020, hour - 5_000_000)), ClockWatch()
    monkeypatch.setattr("time.time_ns", lambda: next(wall))
    monkeypatch.setattr("time.monotonic_ns", lambda: next(readings))
    assert [watch.step_ns() for _ in range(4)] == [0, 0, 0, -10_000_030]


def _table(*events: tuple[float, str], **options: object) -> tuple[Metering, list[tuple[str, int]]]:
    """A live one that has had packets at these seconds, and what has left it: detail and packets."""
    left: list[tuple[str, int]] = []

    def send(flow: Flow, members: Mapping[str, Any]) -> None:
        detail = EndDetail(members["end_detail"]).name.lower()
        left.append((detail, members["forward"]["packet_delta_count"]))

    metering = Metering(settings_of(**options), send, capacity=100, live=True)
    for second, line in events:
        capture = play(Capture(), f"{second} {line}")
        for frame in capture.frames:
            metering.receive(Frame(frame.time_ns, frame.octets, len(frame.octets), 1, 0))
    return metering, left


@pytest.mark.parametrize("order", [(END_DETAILS, ACTIVE), (ACTIVE, END_DETAILS)])
def test_a_step_back_leaves_no_flow_behind(order: tuple[frozenset[str], ...]) -> None:
    """Whichever watcher comes first: the Flow's next deadline is the active one, in 10 s."""
    options = {"active_timeout": 10 * SECOND, "inactive_timeout": 60 * SECOND}
    metering, left = _table((0, "> udp"), (2, "> udp"), **options)
    assert metering.clock is not None
    metering.step_clock(-1000 * SECOND)
    metering.set_clock(metering.clock + 9 * SECOND)
    for details in order:
        metering.expire(details)
    assert left == [("active", 2)]


def test_a_step_forward_makes_no_record_late() -> None:
    metering, left = _table((0, "> udp"), inactive_timeout=15 * SECOND)
    assert metering.clock is not None
    metering.step_clock(7200 * SECOND)
    metering.expire()
    assert left == []
    metering.set_clock(metering.clock + 16 * SECOND)
    metering.expire()
    assert left == [("idle", 1)]
    assert sum(metering.table.lags.buckets) == metering.table.lags.sum_ns == 0
