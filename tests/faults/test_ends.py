# SPDX-License-Identifier: Apache-2.0
"""How an export ends: in order, with something under way, with a spool and without; and how a reload goes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from exporting.stream_peers import accept, eventually, listener
from faults.arrivals import MILLISECOND_NS, SECOND_NS, TIMEOUT_S, Arrivals, dropped, flows, read_to_end
from faults.serving import Serving
from spanflow.config.schema import Collector, Export, Settings
from spanflow.exporting.counters import NOTHING, DropReason
from spanflow.exporting.exporters import Exporters
from spanflow.exporting.process import ExportingProcess

BATCH = 100
LARGE, ENOUGH = 2000, 40


def process_to(collector: Collector, directory: Path | None = None) -> ExportingProcess:
    export = Export(spool_directory="" if directory is None else str(directory))
    return ExportingProcess(collector, export, domain=7)


@pytest.mark.parametrize("drained", [True, False])
def test_in_order(drained: bool) -> None:
    """Everything acknowledged before it ends: nothing is given back, nothing sent twice, no reset."""
    peer = Serving()
    process = process_to(peer.collector())
    process.start()
    for number in range(50):
        assert process.offer(flows(number * BATCH, BATCH))
    if drained:
        assert process.drain(TIMEOUT_S)
    else:
        eventually(lambda: process.counters().sent.records >= 25 * BATCH, "half of it")
    process.stop()
    counters = process.counters()
    arrivals = peer.arrivals()
    assert counters.resent == 0
    lost = dropped(process).get(DropReason.SHUTDOWN, 0)
    assert counters.sent.records + lost == 50 * BATCH
    assert not drained or not lost
    assert arrivals.flow_ids == list(range(len(arrivals.flow_ids)))
    assert len(arrivals.flow_ids) == counters.sent.records


@pytest.mark.parametrize("spool", [True, False])
def test_with_something_under_way(spool: bool, tmp_path: Path) -> None:
    """The collector does not read. What it has not acknowledged is spooled, or lost and counted."""
    with listener(receive_octets=4096) as listening:
        collector = Collector(
            transport="tcp",
            host="127.0.0.1",
            port=listening.getsockname()[1],
            name="noc",
            max_message_size=1400,
        )
        process = process_to(collector, tmp_path if spool else None)
        process.start()
        deaf = accept(listening)
        for number in range(ENOUGH):
            assert process.offer(flows(number * LARGE, LARGE))
        eventually(lambda: process.local_flow() and process.counters().messages > 10, "something under way")
        begin_s = time.monotonic()
        process.stop()
        assert time.monotonic() - begin_s < 4.0
        process.stop()
        arrivals = Arrivals()
        arrivals.take(read_to_end(deaf))
    counters = process.counters()
    assert counters.queued == counters.spooled == NOTHING
    known = set(arrivals.flow_ids)
    if not spool:
        assert counters.resent == 0
        lost = dropped(process)
        # What was under way was lost as the collector did not read; the rest as we had to stop.
        assert set(lost) == {DropReason.SEND_ERROR, DropReason.SHUTDOWN}
        assert sum(lost.values()) == ENOUGH * LARGE - counters.sent.records
        assert counters.sent.records <= len(known)
        return
    assert dropped(process) == {}
    left = NOTHING - counters.recovered
    assert left == counters.offered - counters.sent
    peer = Serving()
    after = process_to(replace(peer.collector(), name="noc"), tmp_path)
    after.start()
    eventually(lambda: after.counters().sent == left, "the rest")
    after.stop()
    rest = peer.arrivals().flow_ids
    assert known | set(rest) == set(range(ENOUGH * LARGE))
    assert len(rest) == left.records
    assert len(known & set(rest)) <= counters.resent


def test_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    """It is kept as a whole for the next start, though a part of it may have arrived."""
    peer = Serving()
    collector = peer.collector(name="noc")
    processes: list[ExportingProcess] = []
    export = Export(spool_directory=str(tmp_path))
    process = ExportingProcess(collector, export, domain=7, connected=lambda flow: processes[0].close())
    processes.append(process)
    assert process.offer(flows(0, BATCH))
    process.start()
    process.stop()
    assert dropped(process) == {}
    assert process.counters().recovered.records + BATCH == process.counters().sent.records
    after = process_to(collector, tmp_path)
    after.start()
    eventually(lambda: process.counters().sent.records + after.counters().sent.records == BATCH, "it comes")
    after.stop()
    assert peer.arrivals().flow_ids == list(range(BATCH))


def test_before_it_has_begun(tmp_path: Path) -> None:
    peer = Serving()
    process = process_to(peer.collector(name="noc"), tmp_path)
    assert process.offer(flows(0, BATCH))
    process.stop()
    process.stop()
    assert not process.offer(flows(BATCH, BATCH), TIMEOUT_S)
    assert dropped(process) == {DropReason.SHUTDOWN: BATCH}
    after = process_to(peer.collector(name="noc"), tmp_path)
    after.start()
    eventually(lambda: after.counters().sent.records == BATCH, "it comes")
    after.stop()
    assert peer.arrivals().flow_ids == list(range(BATCH))


def test_a_drain_tries_once_and_leaves_it_to_the_spool(tmp_path: Path) -> None:
    """One attempt for the whole queue, not one for each batch."""
    peer = Serving(up=False)
    process = process_to(peer.collector(retry_interval=3600 * SECOND_NS, name="noc"), tmp_path)
    process.start()
    eventually(lambda: process.counters().last_error, "away")
    attempts = process.counters().resolutions
    assert process.offer(flows(0, BATCH))
    for number in range(1, 20):
        assert process.offer(flows(number * BATCH, BATCH))
    assert process.drain(TIMEOUT_S)
    assert process.counters().resolutions <= attempts + 1
    process.stop()
    assert dropped(process) == {}
    assert process.counters().recovered.records == -20 * BATCH


@pytest.mark.parametrize("change", ["options", "spool_rate"])
def test_reload_with_a_spool(change: str, tmp_path: Path) -> None:
    """The new Exporting Process takes over the spool of the old one, when that has let it go."""
    peer = Serving(up=False)
    collector = peer.collector(name="noc")
    export = Export(spool_directory=str(tmp_path))
    exporters = Exporters(Settings(collectors=(collector,), export=export))
    offered = 0

    def offer(batches: int) -> None:
        nonlocal offered
        for _ in range(batches):
            exporters.offer(flows(offered, BATCH))
            offered += BATCH

    offer(5)
    eventually(lambda: exporters.statuses()[0].counters.spooled.records == offered, "spooled")
    if change == "options":
        collector = replace(collector, max_message_size=600, biflow=True)
    else:
        export = replace(export, spool_rate=10_000)
    assert exporters.reload(Settings(collectors=(collector,), export=export)) == (["noc"], ["noc"])
    offer(5)
    eventually(lambda: exporters.statuses()[0].counters.spooled.records == offered, "spooled by the new one")
    peer.come()
    eventually(lambda: exporters.statuses()[0].counters.sent.records == offered, "all sent")
    offer(1)
    assert exporters.drain(time.monotonic() + TIMEOUT_S)
    exporters.stop()
    (status,) = exporters.statuses()
    assert status.counters.imbalance == NOTHING
    assert status.counters.recovered == NOTHING, "what the old one left the new one has found"
    assert sum(status.counters.dropped.values(), NOTHING) == NOTHING
    arrivals = peer.arrivals()
    assert arrivals.flow_ids == list(range(offered))
    assert arrivals.process.counters.sequence.missing == 0


def test_books_of_many_threads(tmp_path: Path) -> None:
    """They balance at every moment, while the collector comes and goes."""
    peer = Serving()
    exporters = Exporters(
        Settings(
            collectors=(peer.collector(name="noc", retry_interval=5 * MILLISECOND_NS),),
            export=Export(spool_directory=str(tmp_path)),
        )
    )
    over = threading.Event()
    wrong: list[object] = []

    def look() -> None:
        while not over.wait(0.0005):
            counters = exporters.statuses()[0].counters
            if counters.imbalance != NOTHING or min(counters.spooled.records, counters.queued.records) < 0:
                wrong.append(counters)

    looking = threading.Thread(target=look)
    looking.start()
    offered = 0
    for _ in range(15):
        for _ in range(4):
            exporters.offer(flows(offered, BATCH))
            offered += BATCH
            exporters.drain(time.monotonic() + 0.01)
        peer.go()
        exporters.offer(flows(offered, BATCH))
        offered += BATCH
        eventually(lambda: not exporters.statuses()[0].up, "away")
        peer.come()
    eventually(lambda: exporters.statuses()[0].counters.sent.records == offered, "all sent")
    exporters.stop()
    over.set()
    looking.join()
    assert wrong == []
    counters = exporters.statuses()[0].counters
    arrivals = peer.arrivals()
    assert set(arrivals.flow_ids) == set(range(offered))
    assert arrivals.duplicates <= counters.resent


def test_a_collector_that_ends_the_connection_in_a_drain_gets_one_more_attempt() -> None:
    peer = Serving()
    process = ExportingProcess(peer.collector(retry_interval=3_600_000 * MILLISECOND_NS), Export(), domain=7)
    process.turn(0)
    peer.wait_for(1)
    assert process.offer(flows(0, BATCH))
    with ThreadPoolExecutor() as pool:
        draining = pool.submit(process.drain, TIMEOUT_S)
        eventually(lambda: process._draining, "draining")
        peer.go()
        peer.come()
        while not draining.done():
            process.turn(0)
        assert draining.result()
    process.stop()
    assert process.counters().sent.records == BATCH
    assert sorted(set(peer.arrivals().flow_ids)) == list(range(BATCH))


def test_a_process_that_was_never_started_makes_no_spool(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    process = ExportingProcess(Serving(up=False).collector(), Export(spool_directory=str(spool)), domain=7)
    process.stop()
    assert not spool.exists()
