# SPDX-License-Identifier: Apache-2.0
"""Name servers that fail, are slow, or say something else than before."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from exporting.clocks import FakeClock
from exporting.stream_peers import accept, eventually, listener
from faults.arrivals import MILLISECOND_NS, TIMEOUT_S, Arrivals, Reading, dropped, flows, read_to_end
from spanflow.config.schema import Collector, Export
from spanflow.exporting.counters import NOTHING
from spanflow.exporting.process import ExportingProcess
from spanflow.exporting.transport.addresses import Address
from spanflow.record import RECORD

BATCH = 10
SLOW_S = 30.0


class Names:
    """A resolver. addresses: what it says; none: it fails. It waits for `answering` first."""

    def __init__(self, *addresses: Address) -> None:
        self.addresses = list(addresses)
        self.answering = threading.Event()
        self.answering.set()
        self.calls = 0

    def __call__(self, host: str, port: int) -> list[Address]:
        self.calls += 1
        self.answering.wait(SLOW_S)
        if not self.addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self.addresses


def address_of(listening: socket.socket) -> Address:
    return Address(listening.family, listening.getsockname())


def process_to(
    names: Names,
    *,
    transport: str = "tcp",
    clock: FakeClock | None = None,
    queue_size: int | None = None,
    directory: Path | None = None,
) -> ExportingProcess:
    collector = Collector(
        transport=transport,
        host="collector.test",
        retry_interval=20 * MILLISECOND_NS,
        queue_size=queue_size,
    )
    export = Export(spool_directory="" if directory is None else str(directory))
    return ExportingProcess(collector, export, domain=7, clock=clock, resolver=names)


def test_failing_at_the_start_and_later() -> None:
    names = Names()
    process = process_to(names)
    process.start()
    assert process.offer(flows(0, BATCH))
    eventually(lambda: names.calls > 2, "some attempts")
    assert process.counters().queued.records == BATCH
    assert "temporary failure" in process.counters().last_error
    assert process.counters().last_error.endswith("; look at the name servers")
    assert "correct the name" not in process.counters().last_error
    arrivals = Arrivals()
    with listener() as listening:
        names.addresses = [address_of(listening)]
        connection = accept(listening)
        eventually(lambda: process.counters().sent.records == BATCH, "all sent")
        # They fail again. While the connection stands nobody asks them.
        names.addresses = []
        asked = names.calls
        assert process.offer(flows(BATCH, BATCH))
        assert process.drain(TIMEOUT_S)
        assert names.calls == asked
        connection.shutdown(socket.SHUT_WR)
        assert process.offer(flows(2 * BATCH, BATCH))
        arrivals.take(read_to_end(connection))
        eventually(lambda: names.calls > asked + 2, "some attempts")
        assert process.offer(flows(3 * BATCH, BATCH))
        names.addresses = [address_of(listening)]
        reading = Reading(accept(listening))
        assert process.drain(TIMEOUT_S)
        process.stop()
        arrivals.take(reading.end())
    assert dropped(process) == {}
    assert sorted(set(arrivals.flow_ids)) == list(range(4 * BATCH))
    assert arrivals.duplicates <= process.counters().resent


def test_a_collector_that_moves_is_found_after_it_has_ended_the_connection() -> None:
    arrivals = Arrivals()
    with listener() as old, listener() as new:
        names = Names(address_of(old))
        process = process_to(names)
        process.start()
        connection = accept(old)
        assert process.offer(flows(0, BATCH))
        eventually(lambda: process.counters().sent.records == BATCH, "all sent")
        names.addresses = [address_of(new)]
        connection.shutdown(socket.SHUT_WR)
        assert process.offer(flows(BATCH, BATCH))
        arrivals.take(read_to_end(connection))
        reading = Reading(accept(new))
        assert process.drain(TIMEOUT_S)
        process.stop()
        arrivals.take(reading.end())
    assert dropped(process) == {}
    assert sorted(set(arrivals.flow_ids)) == list(range(2 * BATCH))


def while_they_are_slow(directory: Path, then: Callable[[ExportingProcess, Names, FakeClock], None]) -> None:
    """Half of the queue fills while name servers say nothing, and time goes on."""
    names, clock = Names(), FakeClock()
    names.answering.clear()
    process = process_to(names, clock=clock, queue_size=20 * BATCH * RECORD.itemsize, directory=directory)
    process.start()
    try:
        eventually(lambda: names.calls, "a question")
        for number in range(12):
            assert process.offer(flows(number * BATCH, BATCH))
        assert process.counters().queued.records == 12 * BATCH
        assert not process.stalled
        then(process, names, clock)
    finally:
        names.answering.set()
        process.stop()


def test_slow_ones_do_not_keep_records_out_of_the_spool(tmp_path: Path) -> None:
    def then(process: ExportingProcess, names: Names, clock: FakeClock) -> None:
        clock.advance(3)
        eventually(lambda: process.counters().spooled.records == 12 * BATCH, "all in the spool")
        # The question stands, and is not asked again.
        assert names.calls == 1
        with listener() as listening:
            names.addresses = [address_of(listening)]
            names.answering.set()
            clock.advance(1)
            process.offer(flows(12 * BATCH, BATCH))
            reading = Reading(accept(listening))

            def all_sent() -> bool:
                clock.advance(0.1)
                return process.counters().sent.records == 13 * BATCH

            eventually(all_sent, "all sent")
            process.stop()
        arrivals = Arrivals()
        arrivals.take(reading.end())
        assert names.calls == 1
        assert dropped(process) == {}
        assert sorted(arrivals.flow_ids) == list(range(13 * BATCH))

    while_they_are_slow(tmp_path, then)


def test_between_two_attempts_all_that_waits_is_spooled(tmp_path: Path) -> None:
    """Not one batch for each attempt, which may take ten seconds."""
    names = Names()
    process = process_to(names, clock=FakeClock(), directory=tmp_path)
    for number in range(10):
        assert process.offer(flows(number * BATCH, BATCH))
    process.turn(0)
    assert names.calls == 1
    assert process.counters().spooled.records == 10 * BATCH
    process.stop()
    assert dropped(process) == {}


def test_slow_ones_do_not_hold_up_the_end(tmp_path: Path) -> None:
    def then(process: ExportingProcess, names: Names, clock: FakeClock) -> None:
        begin_s = time.monotonic()
        process.stop()
        assert time.monotonic() - begin_s < 2.0
        assert dropped(process) == {}
        assert process.counters().queued == NOTHING
        # It has left the books for the next start.
        assert process.counters().recovered.records == -12 * BATCH

    while_they_are_slow(tmp_path, then)
    with listener() as listening:
        process = process_to(Names(address_of(listening)), directory=tmp_path)
        process.start()
        reading = Reading(accept(listening))
        eventually(lambda: process.counters().sent.records == 12 * BATCH, "all sent")
        process.stop()
    arrivals = Arrivals()
    arrivals.take(reading.end())
    assert arrivals.flow_ids == list(range(12 * BATCH))


def test_slow_ones_do_not_hold_up_what_goes_over_udp() -> None:
    """While they are asked again, records go on to where the collector was."""
    clock = FakeClock()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as old,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as new,
    ):
        for listening in (old, new):
            listening.bind(("127.0.0.1", 0))
        names = Names(address_of(old))
        process = process_to(names, transport="udp", clock=clock)
        process.turn(0)
        names.addresses = [address_of(new)]
        names.answering.clear()
        clock.advance(301)
        begin_s = time.monotonic()
        for number in range(4):
            assert process.offer(flows(number * BATCH, BATCH))
            process.turn(0)
        assert time.monotonic() - begin_s < SLOW_S / 3
        assert process.counters().sent.records == 4 * BATCH
        assert names.calls == process.counters().resolutions == 2
        names.answering.set()

        def moved() -> bool:
            process.turn(0)
            flow = process.local_flow()
            return flow is not None and flow.destination_port == new.getsockname()[1]

        eventually(moved, "moved")
        assert names.calls == 2
        process.stop()


def test_the_first_address_does_not_answer() -> None:
    """A name with an IPv6 address first, at a collector that listens on IPv4 alone."""
    with listener("::1") as closed:
        ipv6 = address_of(closed)
    with listener() as listening:
        process = process_to(Names(ipv6, address_of(listening)))
        process.start()
        reading = Reading(accept(listening))
        assert process.offer(flows(0, BATCH))
        assert process.drain(TIMEOUT_S)
        process.stop()
    arrivals = Arrivals()
    arrivals.take(reading.end())
    assert arrivals.flow_ids == list(range(BATCH))
    assert process.counters().connections == 1
    assert dropped(process) == {}


def test_the_first_address_refuses_datagrams() -> None:
    """Over UDP that shows later; then the other one gets them."""
    clock = FakeClock()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probing:
        probing.bind(("::1", 0))
        ipv6 = address_of(probing)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        process = process_to(Names(ipv6, address_of(listening)), transport="udp", clock=clock)
        process.turn(0)
        process.turn(0)
        assert not process.up
        clock.advance(31)
        assert process.offer(flows(0, BATCH))
        process.turn(0)
        arrivals = Arrivals()
        for _ in range(process.counters().messages):
            datagram = listening.recv(65536, socket.MSG_DONTWAIT)
            arrivals.take_datagram(datagram)
            if arrivals.flow_ids:
                break
        # It stays there while it is not refused.
        connections = process.counters().connections
        clock.advance(31)
        process.turn(0)
        clock.advance(3)
        process.turn(0)
        assert process.up
        clock.advance(400)
        process.turn(0)
        assert process.counters().connections == connections == 2
        process.stop()
    assert arrivals.flow_ids == list(range(BATCH))
