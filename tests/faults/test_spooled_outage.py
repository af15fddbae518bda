# SPDX-License-Identifier: Apache-2.0
"""A collector that is away for ten minutes of the clock: what was spooled comes, in order, as it was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exporting.clocks import FakeClock
from exporting.stream_peers import accept, listener
from faults.arrivals import (
    FIRST_FLOW_NS,
    MILLISECOND_NS,
    SECOND_NS,
    TIMEOUT_S,
    Arrivals,
    Reading,
    dropped,
    flows,
)
from spanflow.config.schema import Collector, Export
from spanflow.exporting.counters import NOTHING
from spanflow.exporting.process import ExportingProcess

CHILD = Path(__file__).with_name("spooling_child.py")
OUTAGE_S = 600
STEP_S = 2
BATCH = 50
RATE = 1000
LIVE = 1_000_000
"""flowIds from here on are those of live data."""


def process_to(port: int, directory: Path, clock: FakeClock | None = None, **export: int) -> ExportingProcess:
    collector = Collector(transport="tcp", host="127.0.0.1", port=port, name="noc")
    settings = Export(spool_directory=str(directory), **export)
    return ExportingProcess(collector, settings, domain=7, clock=clock)


def test_ten_minutes(tmp_path: Path) -> None:
    """With a new Exporting Process half way."""
    clock = FakeClock()
    stored = OUTAGE_S // STEP_S * BATCH
    with listener() as probing:
        port = probing.getsockname()[1]
    process = process_to(port, tmp_path, clock, spool_rate=RATE)
    for first in range(0, stored, BATCH):
        if first == stored // 2:
            process.stop()
            counters = process.counters()
            assert dropped(process) == {}
            # It is in no books while nobody has it.
            assert counters.recovered == NOTHING - counters.offered
            process = process_to(port, tmp_path, clock, spool_rate=RATE)
        assert process.offer(flows(first, BATCH))
        process.turn(0)
        process.turn(0)
        clock.advance(STEP_S)
    counters = process.counters()
    assert counters.spooled.records == stored
    assert counters.recovered.records == stored // 2
    assert counters.queued == NOTHING
    assert 1 < counters.resolutions <= OUTAGE_S / 60 + 1, "an attempt a minute"
    with listener(port=port) as listening:
        clock.advance(60)
        live = 0
        reading: Reading | None = None
        began_ns = clock.monotonic_ns()
        while process.counters().spooled != NOTHING:
            clock.advance(0.025)
            assert process.offer(flows(LIVE + live, 1))
            live += 1
            process.turn(0)
            if reading is None:
                reading = Reading(accept(listening))
            replayed = stored - process.counters().spooled.records
            seconds = (clock.monotonic_ns() - began_ns) / SECOND_NS
            assert replayed <= RATE * (seconds + 0.1) + BATCH
        assert seconds < 1.3 * stored / RATE
        process.stop()
        assert reading is not None
        arrivals = Arrivals()
        arrivals.take(reading.end())
    counters = process.counters()
    assert dropped(process) == {}
    assert counters.sent.records == stored + live
    assert counters.resent == arrivals.duplicates == 0
    ids = arrivals.flow_ids
    assert [each for each in ids if each < LIVE] == list(range(stored))
    assert [each for each in ids if each >= LIVE] == list(range(LIVE, LIVE + live))
    assert ids.index(LIVE) < BATCH * 3, "live data does not wait for the replay"
    for record in arrivals.records[:: BATCH + 1]:
        assert record["flowStartMilliseconds"] == FIRST_FLOW_NS + record["flowId"] * MILLISECOND_NS
    assert arrivals.process.counters.sequence.missing == 0
    (directory,) = tmp_path.iterdir()
    assert not [each for each in directory.iterdir() if each.stat().st_size > 4096], "nothing is left"


def child(directory: Path, port: int, first: int) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, CHILD, directory, str(port), str(first)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
    )


@pytest.mark.parametrize("seed", range(2))
def test_killed_while_it_spools_and_while_it_replays(seed: int, tmp_path: Path) -> None:
    """What was in the spool arrives, whenever SIGKILL comes; twice at the most what was under way."""
    chance = random.Random(seed)
    with listener() as probing:
        port = probing.getsockname()[1]
    spooling = child(tmp_path, port, 0)
    assert spooling.stdout is not None
    told = 0
    for _ in range(chance.randrange(10, 40)):
        told = int(spooling.stdout.readline())
    spooling.send_signal(signal.SIGKILL)
    rest = spooling.stdout.read().split()
    spooling.wait(TIMEOUT_S)
    told = int(rest[-1]) if rest else told
    arrivals = Arrivals()
    with listener(port=port) as listening:
        replaying = child(tmp_path, port, -1)
        connection = accept(listening)
        octets = b""
        while len(octets) < chance.randrange(50_000, 100_000):
            octets += connection.recv(1 << 12)
        replaying.send_signal(signal.SIGKILL)
        replaying.wait(TIMEOUT_S)
        arrivals.take(octets + Reading(connection).end())
        before = len(arrivals.records)
        process = process_to(port, tmp_path)
        process.start()
        reading = Reading(accept(listening))
        while not (process.counters().recovered != NOTHING and process.counters().spooled == NOTHING):
            process.drain(0.005)
        process.stop()
        arrivals.take(reading.end())
    counters = process.counters()
    assert dropped(process) == {}
    assert counters.sent == counters.recovered
    assert len(arrivals.records) - before == counters.sent.records
    found = sorted(set(arrivals.flow_ids))
    assert found == list(range(len(found)))
    assert told <= len(found) <= told + 100, "one batch may be stored and not told"
    assert 0 < before < len(found)
    # Sent, and not yet noted on the disk as delivered.
    assert arrivals.duplicates <= before
