# SPDX-License-Identifier: Apache-2.0
"""The life of one collector. Most tests turn the crank of its thread themselves; no test sleeps."""

from __future__ import annotations

import errno
import logging
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4, application_of, rich_of
from exporting.clocks import FakeClock
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, batch_of, some_flows, uniflows_of
from exporting.plain_ipfix import Reader
from spanflow.config.schema import Collector, Export
from spanflow.exporting.connecting import Connector, NotConnectedError
from spanflow.exporting.counters import NOTHING, DeliveryCounters, DropReason
from spanflow.exporting.process import ExportingProcess
from spanflow.exporting.spool.store import Spool
from spanflow.exporting.transport.addresses import Address, Resolver, resolve
from spanflow.exporting.transport.interface import Transport
from spanflow.record import RECORD, Batch

TIMEOUT_S = 30.0
SMALL_QUEUE = 4 * RECORD.itemsize

FIRST_OPTIONS = 2
"""Of the profile `generic`, with each Template: how packets are sampled, when the probe was started."""
TABLES = 4 + 4
"""More slowly: the Flow Keys of each Template; what was metered, selected, exported, not exported."""


@contextmanager
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.settimeout(TIMEOUT_S)
        listening.bind(("127.0.0.1", 0))
        yield listening


def messages_of(listening: socket.socket) -> list[bytes]:
    """All that has arrived, without waiting."""
    found = []
    listening.setblocking(False)
    try:
        while True:
            found.append(listening.recv(65536))
    except BlockingIOError:
        return found


@contextmanager
def collecting() -> Iterator[tuple[int, list[bytes]]]:
    """A collector in a thread, with the default receive buffer: its port, and what it got by the end."""
    found: list[bytes] = []
    with receiver() as listening:

        def collect() -> None:
            while message := listening.recv(65536):
                found.append(message)

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        yield listening.getsockname()[1], found
        # An empty datagram, behind all others in the queue, ends it.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.sendto(b"", listening.getsockname())
        thread.join(TIMEOUT_S)


class Names:
    """A resolver that says what the test wants."""

    def __init__(self, *ports: int) -> None:
        self.addresses = [Address(socket.AF_INET, ("127.0.0.1", port)) for port in ports]
        self.calls = 0

    def __call__(self, host: str, port: int) -> list[Address]:
        self.calls += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.addresses


def process_to(
    port: int,
    *,
    host: str = "127.0.0.1",
    clock: FakeClock | None = None,
    resolver: Resolver = resolve,
    export: Export | None = None,
    queue_size: int | None = None,
) -> ExportingProcess:
    collector = Collector(host=host, port=port, queue_size=queue_size)
    return ExportingProcess(
        collector, export or Export(), domain=7, offline=True, clock=clock, resolver=resolver
    )


def dropped(process: ExportingProcess) -> dict[DropReason, int]:
    """Records dropped, by reason, without the zeros; the books balance."""
    counters = process.counters()
    assert counters.imbalance == NOTHING
    return {reason: tally.records for reason, tally in counters.dropped.items() if tally.records}


def test_from_start_to_stop() -> None:
    with receiver() as listening:
        process = process_to(listening.getsockname()[1])
        process.start()
        for flows in (IPV4_FLOWS, IPV6_FLOWS):
            assert process.offer(batch_of(*flows), wait_s=inf)
        assert process.drain(TIMEOUT_S)
        process.stop()
        reader = Reader().read_all(messages_of(listening))
    expected = [
        values
        for flows in (IPV4_FLOWS, IPV6_FLOWS)
        for flow in sorted(flows, key=lambda flow: flow.is_icmp)
        for values in uniflows_of(flow)
    ]
    assert reader.flows() == expected
    counters = process.counters()
    assert counters.sent == counters.offered
    assert counters.sent.records == len(IPV4_FLOWS) + len(IPV6_FLOWS)
    assert counters.sent.packets == sum(values["packetDeltaCount"] for values in expected)
    assert counters.sent.octets == sum(values["octetDeltaCount"] for values in expected)
    assert counters.data_records == len(reader.records) == len(expected) + 3 * FIRST_OPTIONS + TABLES
    assert counters.messages == len(reader.sequence_numbers)
    assert counters.template_sends == 3
    assert counters.resolutions == 1
    assert counters.refusals == 0
    assert counters.last_error == ""


def test_settings_of_the_collector_win() -> None:
    with receiver() as listening:
        collector = Collector(
            host="127.0.0.1",
            port=listening.getsockname()[1],
            biflow=True,
            template_copies=1,
            max_message_size=600,
        )
        process = ExportingProcess(collector, Export(), domain=9)
        process.offer(some_flows(100), wait_s=0)
        process.turn(0)
        messages = messages_of(listening)
        process.stop()
    reader = Reader().read_all(messages)
    assert reader.template_messages[-1] < 3
    assert len(reader.flows()) == 100
    assert max(map(len, messages)) <= 600
    assert {message[12:16] for message in messages} == {bytes([0, 0, 0, 9])}


@pytest.mark.parametrize(
    ("options", "first_template", "fixed"),
    [
        ({}, 272, None),
        ({"profile": "rich"}, 288, False),
        ({"profile": "rich", "strings": "fixed"}, 304, True),
        ({"profile": "rich", "biflow": True}, 296, False),
    ],
    ids=str,
)
def test_what_classification_found(options: dict[str, Any], first_template: int, fixed: bool | None) -> None:
    with receiver() as listening:
        collector = Collector(host="127.0.0.1", port=listening.getsockname()[1], **options)
        process = ExportingProcess(collector, Export(), domain=7, applications=APPLICATIONS)
        process.offer(batch_of(*CLASSIFIED_IPV4), wait_s=0)
        process.turn(0)
        process.stop()
        reader = Reader().read_all(messages_of(listening))
    assert first_template == min(reader.templates)
    values = reader.flows()[0]
    flow = CLASSIFIED_IPV4[0]
    added = application_of(flow) if fixed is None else rich_of(flow, fixed=fixed)
    assert added.items() <= values.items()
    assert (fixed is None) == ("serverName" not in values)
    told = [each.get("applicationDescription", "") for each in reader.options()]
    assert "TLS, as nDPI 4.2.0 names it" in told


def test_enterprise_number_that_is_set() -> None:
    with receiver() as listening:
        collector = Collector(host="127.0.0.1", port=listening.getsockname()[1], profile="rich")
        process = ExportingProcess(collector, Export(enterprise_number=64999), domain=7)
        process.turn(0)
        process.stop()
        messages = messages_of(listening)
    # Enterprise bit and number 9 (serverName), a variable length, the PEN (RFC 7011 section 3.2).
    assert struct.pack(">HHI", 0x8009, 65535, 64999) in messages[0]
    # The scope of a record of type information: PEN and number.
    assert any(struct.pack(">IH", 64999, 9) in each for each in messages)
    assert not any(struct.pack(">I", 32473) in each for each in messages)


def test_an_idle_collector_is_refreshed_by_time() -> None:
    clock = FakeClock()
    with receiver() as listening:
        process = process_to(listening.getsockname()[1], clock=clock)
        for seconds, expected in ((0, 3), (29, 3), (2, 4), (31, 5)):
            clock.advance(seconds)
            process.turn(0)
            assert process.counters().template_sends == expected
        assert len(Reader().read_all(messages_of(listening)).options()) == 5 * FIRST_OPTIONS + 3 * TABLES
        process.stop()


def test_our_own_datagrams_can_be_told() -> None:
    with receiver() as listening:
        process = process_to(listening.getsockname()[1])
        assert process.local_flow() is None
        process.turn(0)
        flow = process.local_flow()
        assert flow is not None
        _, source = listening.recvfrom(65536)
        assert (str(flow.source), flow.source_port) == source
        assert (str(flow.destination), flow.destination_port) == listening.getsockname()
        process.stop()


def test_message_size_from_the_path() -> None:
    with receiver() as listening:
        process = process_to(listening.getsockname()[1], export=Export(max_message_size=0))
        process.offer(some_flows(100), wait_s=0)
        process.turn(0)
        longest = max(map(len, messages_of(listening)))
        assert 8972 - 84 < longest <= 8972
        process.stop()


class TestUnresolvable:
    def test_attempts_come_later_each_time(self) -> None:
        clock, names = FakeClock(), Names()
        process = process_to(4739, host="collector.invalid", clock=clock, resolver=names)
        attempts = []
        for second in range(400):
            before = names.calls
            process.turn(0)
            if names.calls > before:
                attempts.append(second)
            clock.advance(1)
        assert attempts == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]
        assert process.counters().resolutions == len(attempts)
        assert "not known" in process.counters().last_error
        process.stop()

    def test_nobody_waits_and_what_fits_is_kept(self) -> None:
        clock, names = FakeClock(), Names()
        process = process_to(
            4739, host="collector.invalid", clock=clock, resolver=names, queue_size=SMALL_QUEUE
        )
        process.turn(0)
        assert process.offer(some_flows(3), wait_s=inf)
        assert not process.offer(some_flows(2), wait_s=inf)
        assert dropped(process) == {DropReason.UNRESOLVED: 2}
        with receiver() as listening:
            # The name appears.
            names.addresses = [Address(socket.AF_INET, listening.getsockname())]
            clock.advance(1)
            process.turn(0)
            assert len(Reader().read_all(messages_of(listening)).flows()) == 6
        assert process.counters().sent.records == 3
        assert dropped(process) == {DropReason.UNRESOLVED: 2}
        process.stop()

    def test_drain_tries_once_more_and_gives_up(self) -> None:
        names = Names()
        process = process_to(4739, host="collector.invalid", resolver=names)
        process.start()
        process.offer(some_flows(3), wait_s=inf)
        assert not process.drain(TIMEOUT_S)
        process.stop()
        assert dropped(process) == {DropReason.UNRESOLVED: 3}

    def test_drain_without_records_has_nothing_to_wait_for(self) -> None:
        process = process_to(4739, host="collector.invalid", resolver=Names())
        process.start()
        assert process.drain(TIMEOUT_S)
        process.stop()

    def test_logged_once_a_minute(self, caplog: pytest.LogCaptureFixture) -> None:
        clock = FakeClock()
        process = process_to(4739, host="collector.invalid", clock=clock, resolver=Names())
        with caplog.at_level(logging.WARNING):
            for _ in range(180):
                process.turn(0)
                clock.advance(1)
        assert [record.message for record in caplog.records] == ["collector not resolved"] * 3
        assert caplog.records[0].__dict__["collector"] == "ipfix+udp://collector.invalid:4739"
        assert caplog.records[0].__dict__["error"] == (
            "collector.invalid: name or service not known; correct the name, or look at the name servers"
        )
        process.stop()


def test_a_name_that_moves_is_followed() -> None:
    clock = FakeClock()
    with receiver() as old, receiver() as new:
        names = Names(old.getsockname()[1])
        process = process_to(4739, host="collector.test", clock=clock, resolver=names)
        process.offer(some_flows(1), wait_s=0)
        process.turn(0)
        names.addresses = [Address(socket.AF_INET, new.getsockname())]
        clock.advance(299)
        process.offer(some_flows(2), wait_s=0)
        process.turn(0)
        assert len(Reader().read_all(messages_of(old)).flows()) == 2 * 3
        clock.advance(2)
        process.offer(some_flows(4), wait_s=0)
        process.turn(0)
        reader = Reader().read_all(messages_of(new))
        assert len(reader.flows()) == 2 * 4
        assert reader.sequence_numbers[0] == 0, "RFC 7011 section 3.1: a new Transport Session"
        assert messages_of(old) == []
        # The name servers fail: we stay where we are, and ask again later.
        names.addresses = []
        clock.advance(301)
        process.offer(some_flows(1), wait_s=0)
        process.turn(0)
        assert len(messages_of(new)) > 0
        assert names.calls == 3
        process.turn(0)
        assert names.calls == 3
        process.stop()


def test_a_refusing_collector_is_looked_up_earlier() -> None:
    clock = FakeClock()
    with receiver() as listening:
        port = listening.getsockname()[1]
    names = Names(port)
    process = process_to(4739, host="collector.test", clock=clock, resolver=names)
    process.turn(0)
    assert process.counters().refusals > 0
    clock.advance(31)
    process.turn(0)
    assert names.calls == 2
    process.stop()


def test_addresses_are_numbers_and_looked_up_once() -> None:
    clock = FakeClock()
    with receiver() as listening:
        process = process_to(listening.getsockname()[1], clock=clock)
        for _ in range(10):
            process.turn(0)
            clock.advance(1000)
        assert process.counters().resolutions == 1
        process.stop()


def test_a_spool_that_takes_long_to_look_through_is_no_stall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, begun, go_on = FakeClock(), threading.Event(), threading.Event()

    def slow_spool(*_: object, **__: object) -> Spool:
        begun.set()
        assert go_on.wait(TIMEOUT_S)
        clock.advance(100)
        raise OSError("in use")

    monkeypatch.setattr("spanflow.exporting.opening.Spool", slow_spool)
    process = ExportingProcess(
        Collector(transport="tcp", host="127.0.0.1", port=9),
        Export(spool_directory=str(tmp_path)),
        domain=7,
        clock=clock,
    )
    looking = threading.Thread(target=process.turn, args=(0,), daemon=True)
    monkeypatch.setattr(process, "_thread", looking)
    looking.start()
    assert begun.wait(TIMEOUT_S)
    clock.advance(100)
    assert not process.stalled
    go_on.set()
    looking.join(TIMEOUT_S)
    monkeypatch.setattr(process, "_thread", threading.current_thread())
    assert not process.stalled
    clock.advance(31)
    assert process.stalled


def test_first_address_that_can_be_connected() -> None:
    with receiver() as listening:
        names = Names(listening.getsockname()[1])
        # Connecting to a broadcast address is not permitted without an option that we do not set.
        names.addresses.insert(0, Address(socket.AF_INET, ("255.255.255.255", 4739)))
        process = process_to(4739, host="collector.test", resolver=names)
        process.turn(0)
        assert process.local_flow() is not None
        assert len(messages_of(listening)) > 0
        process.stop()


def test_no_way_to_the_collector() -> None:
    names = Names()
    names.addresses = [Address(socket.AF_INET, ("255.255.255.255", 4739))]
    process = process_to(4739, host="collector.test", resolver=names, queue_size=SMALL_QUEUE)
    process.start()
    for _ in range(3):
        process.offer(some_flows(3), wait_s=inf)
    assert not process.drain(TIMEOUT_S)
    process.stop()
    assert dropped(process) == {DropReason.SEND_ERROR: 9}
    assert process.counters().last_error != ""


def test_refused_all_the_way() -> None:
    """Nobody listens: everything is sent, as UDP can tell, and the refusals are counted."""
    with receiver() as listening:
        port = listening.getsockname()[1]
    process = process_to(port)
    process.start()
    for _ in range(50):
        assert process.offer(some_flows(100), wait_s=inf)
    assert process.drain(TIMEOUT_S)
    process.stop()
    assert process.counters().sent.records == 5000
    assert process.counters().refusals >= 50


def test_late_collector() -> None:
    """One that starts after the export began reads everything from then on."""
    with receiver() as listening:
        address = listening.getsockname()
    process = process_to(address[1])
    process.offer(some_flows(10), wait_s=0)
    process.turn(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        # The refusal is known before the first call, so Templates go first.
        for _ in range(5):
            process.offer(some_flows(10), wait_s=0)
            process.turn(0)
        messages = messages_of(listening)
        at = next(number for number, message in enumerate(messages) if message[16:18] == b"\0\x02")
        assert len(Reader().read_all(messages[at:]).flows()) == 5 * 20
    process.stop()


def test_collector_with_a_small_buffer_loses_nothing() -> None:
    """Fifty times more than the receiver's buffer holds, as fast as it takes them."""
    with collecting() as (port, found):
        process = process_to(port)
        process.start()
        for _ in range(20):
            assert process.offer(some_flows(2000), wait_s=inf)
        assert process.drain(TIMEOUT_S)
        process.stop()
    assert process.counters().messages == len(found) > 5000
    assert len(Reader().read_all(found).flows()) == 20 * 2000 * 2


def test_one_that_is_away_disturbs_nobody() -> None:
    with receiver() as listening:
        processes = [
            process_to(listening.getsockname()[1]),
            process_to(4739, host="collector.invalid", resolver=Names(), queue_size=SMALL_QUEUE),
        ]
        for process in processes:
            process.start()
        for _ in range(10):
            for process in processes:
                process.offer(some_flows(3), wait_s=inf)
        assert processes[0].drain(TIMEOUT_S)
        assert not processes[1].drain(TIMEOUT_S)
        for process in processes:
            process.stop()
        assert len(Reader().read_all(messages_of(listening)).flows()) == 10 * 3 * 2
    assert dropped(processes[0]) == {}
    assert dropped(processes[1]) == {DropReason.UNRESOLVED: 30}


def test_full_queue_drops_live() -> None:
    process = process_to(4739, queue_size=SMALL_QUEUE)
    assert [process.offer(some_flows(2), wait_s=0) for _ in range(4)] == [True, True, False, False]
    assert dropped(process) == {DropReason.QUEUE_FULL: 4}
    process.stop()


def test_stop_drops_what_is_queued() -> None:
    process = process_to(4739)
    process.offer(some_flows(5), wait_s=0)
    process.stop()
    process.stop()
    assert not process.offer(some_flows(1), wait_s=inf)
    assert dropped(process) == {DropReason.SHUTDOWN: 6}


def test_drain_that_takes_too_long() -> None:
    process = process_to(4739)  # never started
    process.offer(some_flows(5), wait_s=0)
    assert not process.drain(0)
    assert dropped(process) == {}
    process.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_a_thread_that_died() -> None:
    """A batch that no Metering Process makes; the error is not hidden, and nobody hangs."""
    impossible = Batch(np.zeros(3, RECORD))
    with receiver() as listening:
        process = process_to(listening.getsockname()[1], queue_size=SMALL_QUEUE)
        process.start()
        process.offer(impossible, wait_s=inf)
        assert not process.offer(some_flows(3), wait_s=inf) or not process.offer(some_flows(3), wait_s=inf)
        assert not process.drain(TIMEOUT_S) or process.counters().queued == NOTHING
        process.stop()
    assert process.counters().imbalance == NOTHING
    assert process.counters().sent == NOTHING


def test_books_balance_all_the_time() -> None:
    with collecting() as (port, _):
        process = process_to(port, queue_size=1 << 20)
        process.start()
        for _ in range(200):
            process.offer(some_flows(100), wait_s=0)
            assert process.counters().imbalance == NOTHING
        process.drain(TIMEOUT_S)
        process.stop()
    counters = process.counters()
    assert counters.imbalance == NOTHING
    assert counters.queued == NOTHING
    assert counters.offered.records == 20_000


def test_an_address_that_is_refused_is_named() -> None:
    """The system says a number and what is wrong; where, and what to do, is ours to say."""

    def refused(address: Address | None) -> Transport:
        raise PermissionError(errno.EACCES, "Permission denied")

    clock, names = FakeClock(), Names(4739)
    connector = Connector(
        Collector(host="192.0.2.2"), Export(), refused, clock, names, DeliveryCounters(), clock.wait
    )
    with pytest.raises(NotConnectedError) as caught:
        connector.connect()
    assert caught.value.error == (
        "192.0.2.2: permission denied; look at the routes and the firewall of this machine"
    )
