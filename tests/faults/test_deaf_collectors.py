# SPDX-License-Identifier: Apache-2.0
"""Collectors over streams that do not read, that die with what they have not read, and that are gone."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from exporting.stream_peers import accept, eventually, listener, reset
from faults.arrivals import (
    MILLISECOND_NS,
    SECOND_NS,
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

CHILD = Path(__file__).with_name("half_open_child.py")
NOT_PERMITTED = 77
SMALL_OCTETS = 4096
BATCH = 2000
ENOUGH = 60
"""So many batches do not fit into the buffers of both kernels."""


def process_to(
    listening: socket.socket, directory: Path | None = None, send_timeout: int = 300 * MILLISECOND_NS
) -> ExportingProcess:
    collector = Collector(
        transport="tcp",
        host="127.0.0.1",
        port=listening.getsockname()[1],
        name="noc",
        retry_interval=800 * MILLISECOND_NS,
        send_timeout=send_timeout,
        max_message_size=1400,
    )
    export = Export(spool_directory="" if directory is None else str(directory), spool_rate=0)
    process = ExportingProcess(collector, export, domain=7)
    process.start()
    return process


def unread_octets(connection: socket.socket) -> int:
    octets: int = struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, bytes(4)))[0]
    return octets


def is_full(connection: socket.socket) -> bool:
    """Whether nothing has come for a while, though the other side has more."""
    before = unread_octets(connection)
    time.sleep(0.1)  # not knowable otherwise: a window that stays shut says nothing
    return before > 0 and unread_octets(connection) == before


def test_one_that_never_reads(tmp_path: Path) -> None:
    """Live data goes into the spool; who offers it never waits. Nothing is lost when the next one reads."""
    with listener(receive_octets=SMALL_OCTETS) as listening:
        process = process_to(listening, tmp_path)
        deaf = accept(listening)
        longest_s = 0.0
        for number in range(ENOUGH):
            begin_s = time.monotonic()
            assert process.offer(flows(number * BATCH, BATCH))
            longest_s = max(longest_s, time.monotonic() - begin_s)
        eventually(lambda: "does not read" in process.counters().last_error, "given up")
        # The next connection is not read either, until all is in the spool or on its way.
        connection = accept(listening)
        eventually(lambda: process.counters().spooled != NOTHING, "spooled")
        arrivals = Arrivals()
        arrivals.take(read_to_end(deaf))
        reading = [Reading(connection)]

        def drained() -> bool:
            counters = process.counters()
            assert counters.imbalance == NOTHING
            return counters.sent.records == ENOUGH * BATCH

        listening.settimeout(0.01)
        eventually(lambda: drained() or accepted(listening, reading), "all sent")
        process.stop()
        for each in reading:
            arrivals.take(each.end())
    assert longest_s < 0.5
    counters = process.counters()
    assert dropped(process) == {}
    assert set(arrivals.flow_ids) == set(range(ENOUGH * BATCH))
    assert 0 < arrivals.duplicates <= counters.resent


def accepted(listening: socket.socket, reading: list[Reading]) -> None:
    """Take a connection, if there is one."""
    try:
        connection = accept(listening)
    except TimeoutError:
        return
    reading.append(Reading(connection))


def test_one_that_dies_with_what_it_has_not_read() -> None:
    """Lost is what its kernel had acknowledged and it had not read, and no record more."""
    with listener(receive_octets=SMALL_OCTETS) as listening:
        process = process_to(listening, send_timeout=10 * SECOND_NS)
        connection = accept(listening)
        for number in range(ENOUGH):
            assert process.offer(flows(number * BATCH, BATCH))
        begin = connection.recv(1 << 13)
        eventually(lambda: is_full(connection), "a full buffer")
        unread = connection.recv(1 << 22, socket.MSG_PEEK)
        assert len(unread) == unread_octets(connection)
        reset(connection)
        reading = Reading(accept(listening))
        assert process.drain(TIMEOUT_S)
        process.stop()
        known, rest = Arrivals(), Arrivals()
        known.take(begin + unread)
        rest.take(reading.end())
    counters = process.counters()
    assert dropped(process) == {}
    assert counters.sent.records == ENOUGH * BATCH
    # A batch is settled as a whole: what was not acknowledged to its last octet is sent again.
    whole = len(known.flow_ids) // BATCH * BATCH
    assert rest.flow_ids == list(range(whole, ENOUGH * BATCH))
    assert counters.resent % BATCH == 0
    assert len(known.flow_ids) - whole <= counters.resent < ENOUGH * BATCH


@pytest.mark.parametrize("busy", [True, False])
def test_half_open(busy: bool, tmp_path: Path) -> None:
    """The path to the collector is gone, without a word; then it is there again."""
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, CHILD, tmp_path, str(int(busy))],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": paths},
        timeout=60,
        check=False,
    )
    if done.returncode == NOT_PERMITTED:
        pytest.skip("network namespaces are not permitted here")
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["dropped"] == {}
    assert report["missing"] == 0
    assert report["spooled"] > 0
    assert report["duplicates"] <= report["resent"]
    assert report["connections"] == 2
