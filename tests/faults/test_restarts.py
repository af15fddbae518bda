# SPDX-License-Identifier: Apache-2.0
"""A collector that restarts a hundred times, and what it costs: over UDP the gap, over streams nothing."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
import trustme

from exporting.running_collector import backlog, collector_running, free_port, wait_for
from exporting.stream_peers import accept, listener
from exporting.test_nfdump import nfdump
from exporting.tls_peers import NAME, server_context, write_files
from faults.arrivals import (
    FIRST_PORT,
    MILLISECOND_NS,
    TIMEOUT_S,
    Arrivals,
    Reading,
    dropped,
    flows,
    read_to_end,
)
from spanflow.config.schema import Collector, Export
from spanflow.exporting.counters import NOTHING
from spanflow.exporting.process import ExportingProcess

RESTARTS = 100
SOON_NS = 20 * MILLISECOND_NS
"""Less than a user may set, so that a hundred times are quick."""
BATCH = 40


def export(process: ExportingProcess, first: int) -> range:
    """Send a batch; the flowIds in it."""
    assert process.offer(flows(first, BATCH), TIMEOUT_S)
    assert process.drain(TIMEOUT_S)
    return range(first, first + BATCH)


def test_over_udp_only_the_gap_is_lost() -> None:
    """And the collector sees by the sequence numbers how much that is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probing:
        probing.bind(("127.0.0.1", 0))
        address = probing.getsockname()
    process = ExportingProcess(Collector(host=address[0], port=address[1]), Export(), domain=7)
    process.start()
    through = Arrivals()  # a collector that remembers across the restarts
    got: list[int] = []
    numbers = count(0, BATCH)
    gaps: list[int] = []
    for _ in range(RESTARTS):
        fresh = Arrivals()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
            listening.bind(address)
            listening.setblocking(False)
            export(process, next(numbers))
            with suppress(BlockingIOError):
                while True:
                    datagram = listening.recv(65536)
                    fresh.take_datagram(datagram)
                    through.take_datagram(datagram)
        got += fresh.flow_ids
        gaps += export(process, next(numbers))
    process.stop()
    counters = process.counters()
    assert dropped(process) == {}
    assert counters.sent == counters.offered
    assert sorted(got) == sorted(set(range(next(numbers))) - set(gaps))
    assert len(gaps) == RESTARTS * BATCH
    seen = through.process.counters
    arrived = seen.records + seen.options_records
    # What was sent in the last gap is followed by nothing that shows it.
    last_gap = counters.data_records - arrived - seen.sequence.missing
    assert BATCH <= last_gap < 2 * BATCH
    assert seen.sequence.gaps == RESTARTS - 1
    assert seen.sequence.restarts == seen.sequence.reordered == seen.sequence.duplicated == 0


def test_nfcapd_has_all_that_was_sent_while_it_ran(tmp_path: Path) -> None:
    """The Templates are sent again as soon as it is there again, before any Flow."""
    port = free_port()
    process = ExportingProcess(Collector(host="127.0.0.1", port=port), Export(), domain=7)
    process.start()
    numbers = count(0, BATCH)
    sent: dict[Path, range] = {}
    for number in range(RESTARTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = ["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", str(folder), "-t", "3600"]
        with collector_running(command, port):
            sent[folder] = export(process, next(numbers))
            flow = process.local_flow()
            assert flow is not None
            wait_for(lambda flow=flow: backlog(flow) == 0, "nfcapd to read")  # type: ignore[misc]
        export(process, next(numbers))
    process.stop()
    assert dropped(process) == {}
    for folder, flow_ids in sent.items():
        (file,) = folder.glob("nfcapd.2*")
        ports = nfdump("-q", "-r", str(file), "-o", "fmt:%sp").split()
        assert sorted(map(int, ports)) == [FIRST_PORT + number for number in flow_ids]


def secured(context: ssl.SSLContext) -> Callable[[socket.socket], socket.socket]:
    def secure(connection: socket.socket) -> socket.socket:
        return context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True)

    return secure


def say_end(connection: socket.socket) -> None:
    """A collector that stops takes what is there, and says that it wants no more."""
    socket.socket.shutdown(connection, socket.SHUT_WR)


def restart(
    process: ExportingProcess, listening: socket.socket, secure: Callable[[socket.socket], socket.socket]
) -> tuple[Arrivals, int]:
    """Restart the collector; what has arrived, and how many Flows were offered."""
    arrivals, offered = Arrivals(), 0

    def offer(batches: int) -> None:
        nonlocal offered
        for _ in range(batches):
            assert process.offer(flows(offered, BATCH))
            offered += BATCH

    for number in range(RESTARTS):
        connection = secure(accept(listening))
        offer(1 + number % 3)
        begin = connection.recv(1 << 16)
        offer(number % 4)
        say_end(connection)
        # Some more is under way when it stops.
        offer(1 + number % 2)
        arrivals.take(begin + read_to_end(connection))
    reading = Reading(secure(accept(listening)))
    assert process.drain(TIMEOUT_S)
    process.stop()
    arrivals.take(reading.end())
    return arrivals, offered


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_over_a_stream_nothing_is_lost(transport: str, tmp_path: Path) -> None:
    """What a living collector's kernel has acknowledged arrives; the rest is sent again, and counted."""
    authority = trustme.CA()
    files = write_files(tmp_path, authority, authority.issue_cert(NAME))
    context = server_context(files)
    with listener() as listening:
        host, port = listening.getsockname()
        collector = Collector(
            transport=transport,
            host=host,
            port=port,
            ca=files.ca,
            server_name=NAME,
            retry_interval=SOON_NS,
        )
        process = ExportingProcess(collector, Export(), domain=7)
        process.start()
        secure = secured(context) if transport == "tls" else lambda connection: connection
        arrivals, offered = restart(process, listening, secure)
    counters = process.counters()
    assert dropped(process) == {}
    assert counters.sent == counters.offered
    assert counters.queued == NOTHING
    assert counters.sent.records == offered
    assert set(arrivals.flow_ids) == set(range(offered))
    assert counters.connections == arrivals.connections == RESTARTS + 1
    # At the most what was offered since the restart before.
    assert arrivals.duplicates <= counters.resent <= RESTARTS * 8 * BATCH
    assert counters.resent > 0
    assert arrivals.process.counters.sequence.missing == 0


def test_certificates_that_changed_for_the_worse(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Those that were read before stay in use, and one line says so."""
    authority = trustme.CA()
    files = write_files(tmp_path, authority, authority.issue_cert(NAME))
    secure = secured(server_context(files, client_ca=files.ca))
    arrivals = Arrivals()
    with listener() as listening:
        collector = Collector(
            transport="tls",
            host="127.0.0.1",
            port=listening.getsockname()[1],
            ca=files.ca,
            certificate=files.certificate,
            key=files.key,
            server_name=NAME,
            retry_interval=SOON_NS,
        )
        process = ExportingProcess(collector, Export(), domain=7)
        process.start()
        for number in range(4):
            connection = secure(accept(listening))
            assert process.offer(flows(number * BATCH, BATCH))
            begin = connection.recv(1 << 16)
            Path(files.certificate).write_text("nothing")
            if number == 3:
                reading = Reading(connection)
                assert process.drain(TIMEOUT_S)
                process.stop()
                arrivals.take(begin + reading.end())
                continue
            say_end(connection)
            assert process.offer(flows((number + 4) * BATCH, BATCH))
            arrivals.take(begin + read_to_end(connection))
    assert dropped(process) == {}
    assert set(arrivals.flow_ids) == set(range(7 * BATCH))
    said = [record for record in caplog.records if "certificates" in record.message]
    assert len(said) == 1
    assert "no certificate in it" in said[0].__dict__["error"]
