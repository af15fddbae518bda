# SPDX-License-Identifier: Apache-2.0
"""All collectors together: who stays, goes and comes with a reload, what is counted, and how it ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from exporting.flow_batches import some_flows
from exporting.plain_ipfix import Reader
from exporting.running_collector import wait_for
from spanflow.config.schema import Collector, Export, Settings
from spanflow.exporting.counters import DropReason, tally_of
from spanflow.exporting.exporters import Exporters, FlowsChanged
from spanflow.exporting.transport.interface import LocalFlow

TIMEOUT_S = 30.0
HOUR = 3600 * 1_000_000_000
BATCH = some_flows(10)
PACKETS = tally_of(BATCH).packets
UNKNOWN, HANGING = "unknown.invalid", "hanging.invalid"


@contextmanager
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        yield listening


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with receiver() as made:
        yield made


def messages_of(listening: socket.socket) -> list[bytes]:
    """All that has arrived, without waiting."""
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(listening.recv(65536, socket.MSG_DONTWAIT))
    return found


def to(listening: socket.socket, name: str, **options: Any) -> Collector:
    return Collector(host="127.0.0.1", port=listening.getsockname()[1], name=name, **options)


def settings(*collectors: Collector, **export: int) -> Settings:
    return Settings(collectors=collectors, export=Export(**export))


@contextmanager
def exporters_of(settings: Settings, flows_changed: FlowsChanged = lambda flows: None) -> Iterator[Exporters]:
    made = Exporters(settings, flows_changed=flows_changed)
    try:
        yield made
    finally:
        made.stop()


def export(exporters: Exporters) -> None:
    """A batch to every collector; returns when all is sent."""
    deadline_s = time.monotonic() + TIMEOUT_S
    exporters.offer(BATCH, deadline_s)
    assert exporters.drain(deadline_s)


def lost(exporters: Exporters) -> int:
    """Packets that collectors did not get, those that have left included."""
    dropped = (each.counters.dropped.values() for each in exporters.statuses())
    return sum(tally.packets for tallies in dropped for tally in tallies) + exporters.lost_before()


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Name servers that know no UNKNOWN, and do not answer for HANGING before this is set."""
    answered = threading.Event()
    genuine = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        if host == HANGING:
            answered.wait(TIMEOUT_S)
        if host in (HANGING, UNKNOWN):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return genuine(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield answered
    answered.set()


def test_who_stays_keeps_the_session(listening: socket.socket) -> None:
    with receiver() as second, receiver() as third:
        stays, leaves, comes = to(listening, "stays"), to(second, "leaves"), to(third, "comes")
        with exporters_of(settings(stays, leaves)) as exporters:
            export(exporters)
            before = exporters.processes[0]
            flow = before.local_flow()
            assert exporters.reload(settings(comes, stays)) == (["comes"], ["leaves"])
            assert exporters.processes[1] is before
            export(exporters)
            assert before.local_flow() == flow
            assert [each.name for each in exporters.statuses()] == ["comes", "stays"]
        # Read strictly: sequence numbers without a gap, one session.
        counts = [len(Reader().read_all(messages_of(each)).flows()) for each in (listening, second, third)]
    assert counts == [40, 20, 20]


@pytest.mark.parametrize("change", [{"drain_timeout": HOUR}, {"pace": 1000}], ids=["drain_timeout", "pace"])
def test_what_no_session_depends_on(listening: socket.socket, change: dict[str, int]) -> None:
    collector = to(listening, "noc")
    with exporters_of(settings(collector)) as exporters:
        before = exporters.processes
        assert exporters.reload(settings(collector, **change)) == ([], [])
        assert exporters.processes == before


def test_what_a_session_depends_on(listening: socket.socket) -> None:
    collector = to(listening, "noc")
    with exporters_of(settings(collector)) as exporters:
        assert exporters.reload(settings(collector, template_refresh=HOUR)) == (["noc"], ["noc"])


def test_counters_do_not_go_back(listening: socket.socket) -> None:
    """Removed and added again: at each moment what the earlier one has counted is in the sums."""
    collector = to(listening, "noc")
    with exporters_of(settings(collector)) as exporters:
        for round in range(1, 4):
            export(exporters)
            exporters.reload(settings())
            assert exporters.lost_before() == 0
            exporters.reload(settings(collector))
            for _ in range(100):  # while it leaves, and after that
                (status,) = exporters.statuses()
                assert status.counters.sent.records == round * len(BATCH)
                assert status.counters.data_records >= 2 * round * len(BATCH)
                assert status.counters.template_sends >= round


def test_what_a_removed_collector_did_not_get(release: threading.Event) -> None:
    gone = Collector(host=UNKNOWN, name="gone")
    with exporters_of(settings(gone)) as exporters:
        exporters.offer(BATCH)
        assert exporters.lost_before() == 0
        exporters.reload(settings())
        wait_for(lambda: exporters.lost_before() == PACKETS, "the loss to be counted")
        assert exporters.queued_records() == 0
        # It comes back: the loss is its own again, and no packet is lost twice.
        exporters.reload(settings(gone))
        assert exporters.lost_before() == 0
        assert lost(exporters) == PACKETS
        (status,) = exporters.statuses()
        assert status.counters.dropped[DropReason.UNRESOLVED].packets == PACKETS


def test_end_while_name_servers_hang(release: threading.Event) -> None:
    """They are waited for side by side, and not to the end."""
    collectors = [Collector(host=HANGING, name=f"c{number}") for number in range(4)]
    exporters = Exporters(settings(*collectors))
    wait_for(lambda: all(each.counters.resolutions for each in exporters.statuses()), "them to be asked")
    exporters.offer(BATCH)
    begin = time.monotonic()
    exporters.stop()
    assert time.monotonic() - begin < 3.0
    assert lost(exporters) == 4 * PACKETS
    assert exporters.queued_records() == 0


def test_own_flows_are_told_before_the_first_datagram() -> None:
    told: list[set[LocalFlow]] = []
    early: list[bytes] = []
    with ExitStack() as stack:
        listening = [stack.enter_context(receiver()) for _ in range(3)]

        def flows_changed(flows: Iterable[LocalFlow]) -> None:
            told.append(set(flows))
            for each in listening:
                if each.getsockname()[1] not in known:
                    early.extend(messages_of(each))
            known.update(flow.destination_port for flow in told[-1])

        known: set[int] = set()
        one, other, late = (to(each, f"c{number}") for number, each in enumerate(listening))
        exporters = stack.enter_context(exporters_of(settings(one, other), flows_changed))
        export(exporters)
        exporters.reload(settings(one, late))
        export(exporters)
        assert early == []
        senders = {each.recvfrom(65536)[1][1] for each in listening}
    # Also those of the one that has left: what it sent last may be under way.
    assert senders == {flow.source_port for flow in told[-1]}


def test_flows_are_told_in_the_order_in_which_they_came() -> None:
    """Two collectors connect at once, and the first to tell is slow: the larger set is told last."""
    told: list[set[LocalFlow]] = []
    both = threading.Event()

    def flows_changed(flows: Iterable[LocalFlow]) -> None:
        known = set(flows)
        if len(known) == 1:
            both.wait(0.2)  # the other one cannot tell meanwhile
        told.append(known)
        if len(known) == 2:
            both.set()

    with ExitStack() as stack:
        one, other = (to(stack.enter_context(receiver()), f"c{number}") for number in range(2))
        stack.enter_context(exporters_of(settings(one, other), flows_changed))
        assert both.wait(TIMEOUT_S)
    assert [len(flows) for flows in told] == [1, 2]
