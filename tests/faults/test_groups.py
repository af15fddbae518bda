# SPDX-License-Identifier: Apache-2.0
"""Groups of collectors whose members come and go."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import numpy as np
import pytest

from exporting.stream_peers import eventually
from faults.arrivals import MILLISECOND_NS, SECOND_NS, TIMEOUT_S, Arrivals, flows
from faults.serving import Serving
from spanflow.config.schema import Collector, Export, Settings
from spanflow.exporting import process as process_module
from spanflow.exporting.counters import NOTHING
from spanflow.exporting.exporters import Exporters
from spanflow.record import Batch

COUNT = 3000


def varied(first: int = 0, *, turned: bool = False) -> Batch:
    """COUNT Flows with addresses and ports of their own. turned: seen from the other end."""
    batch = flows(first, COUNT)
    records = batch.records.copy()
    numbers = np.arange(COUNT)
    records["source_address"][:, 14] = numbers >> 8
    records["source_address"][:, 15] = numbers & 255
    records["destination_address"][:, 13] = numbers % 7
    records["source_transport_port"] = 1024 + numbers
    if turned:
        for name in ("address", "transport_port"):
            source, destination = f"source_{name}", f"destination_{name}"
            records[source], records[destination] = records[destination].copy(), records[source].copy()
    records.flags.writeable = False
    return replace(batch, records=records)


@contextmanager
def exporters_to(*collectors: Collector, **export: int) -> Iterator[Exporters]:
    exporters = Exporters(Settings(collectors=collectors, export=Export(**export)))
    try:
        yield exporters
    finally:
        exporters.stop()
    for status in exporters.statuses():
        assert status.counters.imbalance == NOTHING
        assert sum(status.counters.dropped.values(), NOTHING) == NOTHING


def ups(exporters: Exporters) -> list[bool]:
    return [status.up for status in exporters.statuses()]


def export(exporters: Exporters, batch: Batch) -> None:
    exporters.offer(batch)
    assert exporters.drain(time.monotonic() + TIMEOUT_S)


def told_of(exporters: Exporters, what: Callable[[], object]) -> None:
    eventually(what, str(ups(exporters)))


def test_balance() -> None:
    members = [Serving() for _ in range(3)]
    collectors = [
        member.collector(name=f"c{number}", group="g", group_mode="balance")
        for number, member in enumerate(members)
    ]
    with exporters_to(*collectors) as exporters:
        told_of(exporters, lambda: all(ups(exporters)))
        export(exporters, varied())
        export(exporters, varied(COUNT, turned=True))
        members[1].go()
        told_of(exporters, lambda: ups(exporters) == [True, False, True])
        export(exporters, varied(2 * COUNT))
        members[1].come()
        told_of(exporters, lambda: all(ups(exporters)))
        export(exporters, varied(3 * COUNT))
    shares = []
    for member in members:
        ids = member.arrivals().flow_ids
        assert len(ids) == len(set(ids))
        shares.append([{each % COUNT for each in ids if each // COUNT == round_} for round_ in range(4)])
    for round_ in range(4):
        assert sum(len(share[round_]) for share in shares) == COUNT
    for share in shares:
        before, other_direction, _, after = share
        assert COUNT / 3 * 0.85 < len(before) < COUNT / 3 * 1.15
        # Every part of a Flow, and both directions, at one member; also when one has been away meanwhile.
        assert before == other_direction == after
    assert shares[1][2] == set()
    for number in (0, 2):
        assert shares[number][2] > shares[number][0], "its own stay where they were"
        assert shares[number][2] - shares[number][0] < shares[1][0]


def test_failover_over_tcp() -> None:
    """Primary, backup, primary: nothing lost, and nothing sent to two at once without need."""
    primary, backup = Serving(), Serving()
    collectors = (primary.collector(name="primary", group="g"), backup.collector(name="backup", group="g"))
    offered = 0
    with exporters_to(*collectors) as exporters:
        told_of(exporters, lambda: all(ups(exporters)))

        def offer(batches: int) -> None:
            nonlocal offered
            for _ in range(batches):
                exporters.offer(flows(offered, 50))
                offered += 50

        for turn in range(10):
            offer(5)
            primary.go()
            offer(5)
            told_of(exporters, lambda: ups(exporters) == [False, True])
            offer(2)
            primary.come()
            primary.wait_for(turn + 2)
            told_of(exporters, lambda: all(ups(exporters)))
        offer(1)
        last = offered - 50
        assert exporters.drain(time.monotonic() + TIMEOUT_S)
        resent = sum(status.counters.resent for status in exporters.statuses())
        sent = sum(status.counters.sent.records for status in exporters.statuses())
        assert sent == offered
    at_first, at_second = primary.arrivals().flow_ids, backup.arrivals().flow_ids
    assert set(at_first) | set(at_second) == set(range(offered))
    assert len(at_first) + len(at_second) - offered <= resent
    assert set(range(last, offered)) <= set(at_first)
    assert len(at_second) >= 10 * 2 * 50


def test_refusals_over_udp_are_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "_REFUSAL_TRIP_NS", 50 * MILLISECOND_NS)
    first, second = Arrivals(), Arrivals()

    def take(listening: socket.socket, arrivals: Arrivals) -> None:
        with suppress(BlockingIOError):
            while True:
                arrivals.take_datagram(listening.recv(65536, socket.MSG_DONTWAIT))

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probing,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as backup,
    ):
        backup.bind(("127.0.0.1", 0))
        probing.bind(("127.0.0.1", 0))
        address = probing.getsockname()
        probing.close()
        collectors = [
            Collector(
                host="127.0.0.1", port=port, name=name, group="g", template_refresh=100 * MILLISECOND_NS
            )
            for name, port in (("primary", address[1]), ("backup", backup.getsockname()[1]))
        ]
        with exporters_to(*collectors) as exporters:
            # It is refused each time that it gets Templates.
            told_of(exporters, lambda: ups(exporters) == [False, True])
            for number in range(10):
                export(exporters, flows(number * 10, 10))
                time.sleep(0.02)  # so that Templates are refused in between
            take(backup, second)
            assert second.flow_ids == list(range(100))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as primary:
                primary.bind(address)
                told_of(exporters, lambda: all(ups(exporters)))
                export(exporters, flows(100, 10))
                take(primary, first)
                assert first.flow_ids == list(range(100, 110))
                assert exporters.statuses()[0].counters.refusals > 1


def test_what_moves_is_anonymised_as_its_new_place_wants() -> None:
    primary, backup = Serving(up=False), Serving(up=False)
    collectors = (
        primary.collector(name="primary", group="g", anonymize="truncate", anonymize_ipv4=8),
        backup.collector(name="backup", group="g", retry_interval=200 * MILLISECOND_NS),
    )
    with exporters_to(*collectors) as exporters:
        exporters.offer(varied())
        assert exporters.statuses()[0].counters.queued.records == COUNT
        backup.come()
        eventually(lambda: exporters.statuses()[1].counters.sent.records == COUNT, "moved")
        primary.come()
        told_of(exporters, lambda: all(ups(exporters)))
        export(exporters, varied(COUNT))
        books = [status.counters for status in exporters.statuses()]
        # A counter never goes down: the first member was offered what it gave away, too.
        assert [each.offered.records for each in books] == [2 * COUNT, COUNT]
        assert [each.moved.records for each in books] == [COUNT, 0]
        assert [each.imbalance for each in books] == [NOTHING, NOTHING]
    clear, anonymised = backup.arrivals().records, primary.arrivals().records
    assert [record["flowId"] for record in clear] == list(range(COUNT))
    assert [record["sourceTransportPort"] for record in anonymised] == list(range(1024, 1024 + COUNT))
    assert {str(record["sourceIPv4Address"]) for record in anonymised} == {"192.0.0.0"}
    for number, record in enumerate(clear):
        assert str(record["sourceIPv4Address"]) == f"192.0.{number >> 8}.{number & 255}"


def test_one_that_is_asked_again_while_it_ends() -> None:
    """Draining: the member that is asked last is away; the one before gets, and sends, what it had."""
    there, away = Serving(up=False), Serving(up=False)
    collectors = (
        there.collector(name="there", group="g", group_mode="balance", retry_interval=50 * MILLISECOND_NS),
        away.collector(name="away", group="g", group_mode="balance", retry_interval=3600 * SECOND_NS),
    )
    with exporters_to(*collectors) as exporters:
        eventually(lambda: exporters.statuses()[1].counters.last_error, "away")
        exporters.offer(varied())
        there.come()
        told_of(exporters, lambda: ups(exporters)[0])
        export(exporters, varied(COUNT))
    assert sorted(there.arrivals().flow_ids) == list(range(2 * COUNT))
