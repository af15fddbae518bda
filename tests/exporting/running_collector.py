# SPDX-License-Identifier: Apache-2.0
"""Collectors that are not ours as child processes, fed by an ExportingProcess over loopback."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from math import inf
from typing import Any

from exporting.flow_batches import Flow, batch_of
from spanflow.applications import Applications
from spanflow.config.schema import Collector, Export
from spanflow.exporting.facts import NO_FACTS, ProbeFacts
from spanflow.exporting.process import ExportingProcess
from spanflow.exporting.receiver_queue import look_into_proc
from spanflow.exporting.transport.interface import LocalFlow

TIMEOUT_S = 60.0
SIGNAL_AGAIN_S = 5.0
POLL_S = 0.005
LOCAL = ip_address("127.0.0.1")


def free_port() -> int:
    """A UDP port on which nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probing:
        probing.bind(("127.0.0.1", 0))
        port: int = probing.getsockname()[1]
    return port


def send_to(
    port: int,
    *batches: Sequence[Flow],
    applications: Applications | None = None,
    facts: ProbeFacts = NO_FACTS,
    **options: Any,
) -> None:
    """Export the Flows (each sequence of one IP version); returns when the collector has read everything.

    options: of the collector. facts: what options tell of the probe.
    """
    collector = Collector(host="127.0.0.1", port=port, **options)
    process = ExportingProcess(
        collector, Export(), domain=7, offline=True, applications=applications, facts=facts
    )
    process.start()
    for flows in batches:
        assert process.offer(batch_of(*flows), wait_s=inf)
    assert process.drain(TIMEOUT_S)
    flow = process.local_flow()
    assert flow is not None
    wait_for(lambda: backlog(flow) == 0, "the collector to read")
    process.stop()
    assert process.counters().refusals == 0


@contextmanager
def collector_running(command: Sequence[str], port: int, *, says: str = "") -> Iterator[list[str]]:
    """A collector from the moment that it listens and says this; ended by SIGINT.

    Gives the lines that it prints; they are complete at the end.
    """
    output: list[str] = []
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert child.stdout is not None
    reading = threading.Thread(target=output.extend, args=(child.stdout,), daemon=True)
    reading.start()
    listening = LocalFlow(LOCAL, 0, LOCAL, port)

    def is_ready() -> bool:
        return backlog(listening) is not None and any(says in line for line in ["", *output])

    try:
        wait_for(lambda: is_ready() or child.poll() is not None, f"{command[0]} to be ready")
        assert child.poll() is None, output
        yield output
        _interrupt(child)
        reading.join(TIMEOUT_S)
    finally:
        child.kill()
        child.wait()


def _interrupt(child: subprocess.Popen[str]) -> None:
    """Again, if need be: nfcapd misses a signal that comes just before it waits for a datagram."""
    for _ in range(int(TIMEOUT_S / SIGNAL_AGAIN_S)):
        child.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            child.wait(SIGNAL_AGAIN_S)
            return
    raise AssertionError(f"{child.args!r} does not end")


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as a condition of another process holds; give up after TIMEOUT_S."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(POLL_S)


def backlog(flow: LocalFlow) -> int | None:
    """Octets that wait for a collector on this machine; None: nobody listens."""
    queue = look_into_proc(flow)
    return None if queue is None else queue.backlog
