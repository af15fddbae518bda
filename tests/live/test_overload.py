# SPDX-License-Identifier: Apache-2.0
"""Too much at once: what cannot be kept is counted where it was lost, and nothing else is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporting.running_collector import wait_for
from live.harness.daemon import METRICS_PORT, Daemon, check_sums, kernel_packets, received
from live.harness.messages import Transcript
from live.harness.namespace import Namespace
from live.harness.probe import probe
from live.harness.traffic import udp_flows

FLOWS = 200_000
SLOW_CLIENTS = Path(__file__).parents[1] / "metrics" / "slow_clients_child.py"
CLIENTS = 1000
PAUSE_S = 0.1
SCRAPES = 100
SCRAPE_P99_S = 0.1


def test_full_queue_at_the_hand_over() -> None:
    """All Flows end at once while the main thread reads its settings again and again.

    The queue takes one batch. What finds no room is dropped and counted, capture goes on meanwhile.
    """
    settings = {
        "capture.queue_size": "1MiB",
        "cache.inactive_timeout": "1s",
        "export.queue_size": "1GiB",  # what is dropped, is dropped at the hand-over
    }
    with probe(settings=settings) as running:
        running.sender.send(udp_flows(FLOWS, packets=2))

        def ended() -> bool:
            running.daemon.send_signal(signal.SIGHUP)
            samples = running.daemon.metrics()
            check_sums(samples)
            return received(samples) >= 2 * FLOWS and samples.total("spanflow_cache_flows") == 0

        wait_for(ended, "all Flows to end")
        samples = running.daemon.settle(2 * FLOWS)
        dropped = samples.total("spanflow_handover_dropped_packets_total")
        assert dropped >= samples.total("spanflow_handover_dropped_records_total") > 0
        assert samples.total("spanflow_export_drops_total") == 0
        end = running.daemon.stop_in_peace()
        running.collector.close()
        transcript = Transcript(running.collector.messages())
    assert transcript.missing == 0
    assert transcript.column("packetDeltaCount").sum() == 2 * FLOWS - dropped
    assert "records dropped at the hand-over" in end.stderr
    assert f"lost={dropped}" in end.stderr


def test_full_ring_in_the_kernel() -> None:
    """A daemon that is kept from running; what the kernel found no room for is counted to the packet."""
    settings = {"capture.ring_size": "1MiB"}
    with probe(settings=settings) as running:
        running.daemon.send_signal(signal.SIGSTOP)
        running.sender.send(udp_flows(50_000))
        running.daemon.send_signal(signal.SIGCONT)

        def all_counted() -> bool:
            samples = running.daemon.metrics()
            lost = samples.total("spanflow_capture_drops_total", stage="kernel_ring")
            return received(samples) + lost >= 50_000 and kernel_packets(samples) >= 50_000

        wait_for(all_counted, "all packets to be counted, as received or as lost")
        samples = running.daemon.metrics()
        lost = samples.total("spanflow_capture_drops_total", stage="kernel_ring")
        assert lost > 0
        assert received(samples) + lost == 50_000
        assert kernel_packets(samples) == 50_000
        assert samples.total("spanflow_capture_ring_freezes_total") > 0
        check_sums(samples)
        end = running.daemon.stop_in_peace()
        running.collector.close()
    assert Transcript(running.collector.messages()).column("packetDeltaCount").sum() == 50_000 - lost
    assert f"lost={lost}" in end.stderr


def test_thousand_slow_clients_of_the_metrics() -> None:
    """Each sends an octet now and then and never ends its request: capture and scrapes do not notice."""
    with probe() as running:
        threads = thread_count(running.daemon.pid)
        with slow_clients(running.link.far):
            seconds = []
            for number in range(SCRAPES):
                running.sender.send(udp_flows(FLOWS // SCRAPES, first=number * FLOWS // SCRAPES))
                seconds.append(scrape_seconds(running.daemon))
            running.daemon.settle(FLOWS)
            assert thread_count(running.daemon.pid) == threads
        running.daemon.stop_in_peace()
        running.collector.close()
    assert sorted(seconds)[SCRAPES * 99 // 100 - 1] < SCRAPE_P99_S
    assert Transcript(running.collector.messages()).column("packetDeltaCount").sum() == FLOWS


@contextmanager
def slow_clients(namespace: Namespace) -> Iterator[None]:
    """All have been connected once when it is entered."""
    arguments = [sys.executable, SLOW_CLIENTS, str(METRICS_PORT), str(CLIENTS), str(PAUSE_S)]
    child = namespace.start(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "all connected\n"
        yield
    finally:
        child.kill()
        child.communicate()


def scrape_seconds(daemon: Daemon) -> float:
    begin = time.monotonic()
    assert daemon.get("/metrics")[0] == 200
    return time.monotonic() - begin


def thread_count(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
