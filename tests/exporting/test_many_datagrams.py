# SPDX-License-Identifier: Apache-2.0
"""Messages of different lengths over UDP, many runs of them in one system call."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pytest

from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4
from exporting.clocks import FakeClock
from exporting.flow_batches import Classified, Flow, Half, batch_of
from spanflow.exporting import message_runs
from spanflow.exporting.counters import DeliveryCounters, DropReason, tally_of
from spanflow.exporting.delivery import Delivery, Refresh
from spanflow.exporting.pacing import SECOND_NS, RatePacer, Unpaced
from spanflow.exporting.profiles import RICH
from spanflow.exporting.session import IpfixSession
from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.interface import Transport
from spanflow.exporting.transport.many_datagrams import MOST_RUNS
from spanflow.exporting.transport.udp import UdpTransport
from spanflow.record import Array

RUNS: list[list[int]] = [[700], [500, 500, 20], [900, 900], [1400], [64], [64, 63]]
"""The lengths of the Messages of each run."""
REFRESH = Refresh(template_ns=30 * SECOND_NS, template_messages=10**6, options_ns=30 * SECOND_NS, copies=1)


def never_stops(seconds: float) -> bool:
    return False


@contextmanager
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        listening.settimeout(10)
        listening.bind(("127.0.0.1", 0))
        yield listening


def connected(listening: socket.socket) -> UdpTransport:
    address = Address(listening.family, listening.getsockname())
    return UdpTransport(address, never_stops, discover_path_mtu=False)


def laid_out(runs: Sequence[Sequence[int]]) -> tuple[Array, Array, Array]:
    octets = sum(sum(run) for run in runs)
    buffer = np.random.default_rng(1).integers(0, 256, octets).astype(np.uint8)
    places = np.cumsum([0, *(sum(run) for run in runs)])
    return buffer, places, np.array([run[0] for run in runs])


def test_datagrams_are_the_messages() -> None:
    """Also after a run sent by itself, whose segment size must not cut them."""
    with receiver() as listening:
        transport = connected(listening)
        transport.send(memoryview(bytes(300)), 100)
        buffer, places, octets = laid_out(RUNS)
        assert transport.send_many(buffer, places, octets) == len(RUNS)
        got = [listening.recv(65536) for _ in range(3 + sum(map(len, RUNS)))][3:]
        transport.close()
    assert [len(datagram) for datagram in got] == [length for run in RUNS for length in run]
    assert b"".join(got) == buffer.tobytes()


def test_no_more_runs_than_one_call_takes() -> None:
    with receiver() as listening:
        transport = connected(listening)
        assert transport.send_many(*laid_out([[10]] * (MOST_RUNS + 5))) == MOST_RUNS
        transport.close()


def test_what_the_kernel_refuses_is_left_to_send() -> None:
    """A run of more datagrams than offload allows stops the call; the ones before it are sent."""
    with receiver() as listening:
        transport = connected(listening)
        assert transport.send_many(*laid_out([[30], [40], [10] * 200, [50]])) == 2
        assert [len(listening.recv(65536)) for _ in range(2)] == [30, 40]
        transport.close()


def test_nobody_listens() -> None:
    with receiver() as listening:
        transport = connected(listening)
    sent = sum(transport.send_many(*laid_out([[30]])) for _ in range(4))
    assert (sent, transport.refusals) == (2, 2)
    transport.close()


class Plain:
    """A transport that sends as it is told, but not many runs at once."""

    def __init__(self, transport: UdpTransport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        if name == "send_many":
            raise AttributeError(name)
        return getattr(self._transport, name)


class Export:
    """A rich session over a real socket."""

    def __init__(self, *, many: bool = True, pace: int = 0) -> None:
        self.clock = FakeClock()
        self.counters = DeliveryCounters()
        self.asked_to_stop = 1 << 30
        self._receiver = receiver()
        self._listening = self._receiver.__enter__()
        self.transport = connected(self._listening)
        session = IpfixSession(
            RICH.templates(biflow=False),
            observation_domain_id=7,
            max_message_octets=1400,
            applications=APPLICATIONS,
        )
        self.delivery = Delivery(
            self.transport if many else cast(Transport, Plain(self.transport)),
            session,
            RatePacer(pace, self.clock, self.clock.wait) if pace else Unpaced(),
            REFRESH,
            self.clock,
            self._stopping,
            self.counters,
        )

    def _stopping(self) -> bool:
        self.asked_to_stop -= 1
        return self.asked_to_stop < 0

    def datagrams(self) -> list[bytes]:
        """What has arrived; the end of the export."""
        found = [self._listening.recv(65536) for _ in range(self.counters.messages)]
        self.transport.close()
        self._receiver.__exit__(None, None, None)
        return found


def test_the_same_datagrams_as_one_run_after_the_other() -> None:
    batch = batch_of(*(with_texts(number % 500) for number in range(5000)))
    exports = [Export(), Export(many=False)]
    assert [export.delivery.deliver(batch) for export in exports] == [{}, {}]
    ours, plain = exports
    assert ours.counters == plain.counters
    assert ours.counters.messages > MOST_RUNS
    assert ours.datagrams() == plain.datagrams()


@pytest.fixture
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data Records leave as they came, so that nearly every Message is a run."""
    monkeypatch.setattr(message_runs, "FEWEST_BY_LENGTH", 1 << 30)


@pytest.mark.parametrize("pace", [50, 1_000, 20_000])
@pytest.mark.usefixtures("short_runs")
def test_the_pace_is_that_of_one_run_after_the_other(pace: int) -> None:
    batch = batch_of(*CLASSIFIED_IPV4 * 60)
    exports = [Export(pace=pace), Export(many=False, pace=pace)]
    times = []
    for export in exports:
        export.delivery.deliver(batch)
        times.append(export.clock.now_ns - FakeClock().now_ns)
        export.datagrams()
    # What is granted and not used yet is never more than one call may use.
    assert times[0] == pytest.approx(times[1], abs=SECOND_NS // min(pace, 100))


def with_texts(octets: int) -> Flow:
    texts = {"server_name": "x" * min(octets, 250), "alpn": "x" * max(0, octets - 250)}
    return Flow(
        source="192.0.2.1",
        destination="192.0.2.2",
        protocol=17,
        forward=Half(packets=1, octets=60),
        reverse=Half(packets=0),
        classified=Classified(texts=texts),
    )


def test_what_is_left_when_the_export_stops_is_counted() -> None:
    batch = batch_of(*(with_texts(number % 500) for number in range(5000)))
    export = Export()
    export.delivery.announce()
    announced = export.counters.data_records
    export.asked_to_stop = 1
    losses = export.delivery.deliver(batch)
    sent = export.datagrams()
    assert set(losses) == {DropReason.SHUTDOWN}
    assert 0 < losses[DropReason.SHUTDOWN].records < tally_of(batch).records
    assert len(sent) >= MOST_RUNS
    # One Data Record for each.
    assert losses[DropReason.SHUTDOWN].records == 5000 - (export.counters.data_records - announced)


@pytest.mark.usefixtures("short_runs")
def test_a_kernel_without_segmentation_sends_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of(*(with_texts(number % 500) for number in range(1000)))
    ours, plain = Export(), Export(many=False)
    many: list[int] = []
    send = ours.transport.send_many
    monkeypatch.setattr(ours.transport, "send_many", lambda *runs: many.append(send(*runs)) or many[-1])
    for export in (ours, plain):
        export.transport._segmentation = False
        assert export.delivery.deliver(batch) == {}
    assert sum(many) > 10
    assert ours.datagrams() == plain.datagrams()
