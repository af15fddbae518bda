# SPDX-License-Identifier: Apache-2.0
"""The live measurements, one function each; all return plain numbers."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live_network import SENDER_END, network
from live_receivers import Place, Receiver, Ring, Softflowd, Spanflow, running
from traffic import OUT

UNPACED = 0
SETTLE_S = 0.5  # the last block of a ring may take 10 ms, softflowd's 100 ms
SINK_TIMEOUT_S = 60.0
SAMPLE_S = 10.0


def receivers(spanflow: Sequence[str]) -> dict[str, Callable[[Place], Receiver]]:
    """How each receiver is started, by name."""
    return {
        "bare ring": Ring,
        "spanflow": lambda place: Spanflow(place, spanflow),
        "softflowd": Softflowd,
    }


@dataclass(frozen=True, slots=True)
class Load:
    """What is offered: packets/s of each sender (or UNPACED); sender n runs on core n."""

    words: str
    rate: int
    senders: int = 1


LOADS = {
    "unpaced": Load("one sender, as fast as it goes", UNPACED),
    "paced": Load("one sender, 500,000/s", 500_000),
    "two senders": Load("two senders, as fast as they go", UNPACED, 2),
}


@contextmanager
def place(tools: Path) -> Iterator[tuple[Place, subprocess.Popen[str]]]:
    """A fresh network and a sink in the receiver's namespace; the sink shares core 0 with the sender."""
    with network() as made, tempfile.TemporaryDirectory(dir=OUT, prefix="live-") as folder:
        command = made.in_receiver(str(tools / "sink"), "0", "86400", core=0)
        sink = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert sink.stdout is not None
            port = json.loads(sink.stdout.readline())["port"]
            yield Place(made, tools, Path(folder), port), sink
        finally:
            sink.kill()
            sink.communicate()


def trial(
    make: Callable[[Place], Receiver], capture: Path, load: Load, seconds: float, tools: Path
) -> dict[str, Any]:
    """Offer a load for a time: what was delivered, counted, and taken of the core."""
    with place(tools) as (here, sink), running(make(here)) as receiver:
        before = receiver.ran_s
        senders = [start_sending(here, capture, load.rate, seconds, core) for core in range(load.senders)]
        sent = [json.loads(sender.communicate()[0]) for sender in senders]
        time.sleep(SETTLE_S)
        ran = receiver.ran_s - before
        delivered = here.network.delivered()
        own = receiver.stop()
        totals = ask(sink)
    counted = own.get("packets", totals["packets"] + totals["reverse_packets"])
    return {
        "sent": sum(each["sent"] for each in sent),
        "delivered": delivered,
        "counted": counted,
        "lost": delivered - counted,
        "drops": own.get("drops"),
        "sink_drops": totals["kernel_drops"],
        "rate": sum(each["sent"] / each["seconds"] for each in sent),
        "share": ran / seconds,
        "ns_per_packet": ran * 1e9 / max(1, delivered),
    }


def idle(spanflow: Sequence[str], seconds: float, tools: Path) -> dict[str, Any]:
    """What it costs to wait for packets that do not come."""
    with place(tools) as (here, _), running(Spanflow(here, spanflow)) as receiver:
        time.sleep(SETTLE_S)
        begin, ran, switches = time.monotonic(), receiver.ran_s, receiver.switches
        time.sleep(seconds)
        elapsed = time.monotonic() - begin
        ran, switches = receiver.ran_s - ran, receiver.switches - switches
        resident = receiver.resident_octets
        receiver.stop()
    return {
        "seconds": elapsed,
        "share": ran / elapsed,
        "sleeps_per_second": switches / elapsed,
        "resident_octets": resident,
    }


def start(spanflow: Sequence[str], times: int, tools: Path) -> list[float]:
    """Seconds from the start of the command to READY=1, its namespace entered and its core chosen."""
    measured = []
    for _ in range(times):
        with place(tools) as (here, _):
            receiver = Spanflow(here, spanflow)
            with running(receiver):
                measured.append(receiver.started_s)
                receiver.stop()
    return measured


def soak(
    spanflow: Sequence[str], capture: Path, rate: int, seconds: float, tools: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """A long run at a rate, with the default timeouts: resident memory every 10 s, and what was lost."""
    with place(tools) as (here, sink), running(Spanflow(here, spanflow, options=())) as receiver:
        begin, before = time.monotonic(), receiver.ran_s
        resident: list[tuple[float, int]] = []
        sending = start_sending(here, capture, rate, seconds)
        while sending.poll() is None:
            try:
                sending.wait(SAMPLE_S)
            except subprocess.TimeoutExpired:
                resident.append((time.monotonic() - begin, receiver.resident_octets))
                say(f"{resident[-1][0]:6.0f} s  {resident[-1][1] / 1048576:.1f} MiB")
        sent = json.loads(sending.communicate()[0])
        time.sleep(SETTLE_S)
        ran = receiver.ran_s - before
        delivered = here.network.delivered()
        receiver.stop()
        totals = ask(sink)
    return {
        "rate": sent["sent"] / sent["seconds"],
        "seconds": sent["seconds"],
        "delivered": delivered,
        "lost": delivered - totals["packets"] - totals["reverse_packets"],
        "records": totals["records"],
        "sequence_gaps": totals["sequence_gaps"],
        "sink_drops": totals["kernel_drops"],
        "share": ran / sent["seconds"],
        "resident": resident,
    }


def start_sending(
    here: Place, capture: Path, rate: int, seconds: float, core: int = 0
) -> subprocess.Popen[str]:
    """A sender as a child."""
    arguments = (SENDER_END, str(capture), str(rate), str(seconds))
    command = here.network.in_sender(str(here.tools / "send"), *arguments, core=core)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ask(sink: subprocess.Popen[str]) -> dict[str, Any]:
    """End the sink: its totals."""
    sink.send_signal(signal.SIGTERM)
    totals: dict[str, Any] = json.loads(sink.communicate(timeout=SINK_TIMEOUT_S)[0])
    return totals
