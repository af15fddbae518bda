# SPDX-License-Identifier: Apache-2.0
"""A record leaves within a second after it is due, with no packet that wakes the worker (semantics §6)."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from craft.capture import Capture
from craft.conversation import EPOCH_NS, Pair, play
from exporting.running_collector import wait_for
from live.harness.collectors import Receiver
from live.harness.daemon import check_sums
from live.harness.probe import probe
from live.harness.sender import Sender

IDLE, ACTIVE, END_DETECTED = 1, 2, 3
ON_TIME_S = 1.0
EARLY_S = 0.01  # arrival is stamped by another clock than the packets

SCRIPTS = {
    "idle": ["0 > udp", "0.3 < udp"],
    "active": ["0 > udp", "0.5 > udp"],
    "reset": ["0 > S", "0.3 < R"],
    "closed": ["0 > S", "0 < SA", "0 > A", "0.1 > FA", "0.2 < FA", "0.3 > A"],
    "half closed": ["0 > S", "0.3 > FA"],
}


@pytest.mark.parametrize(
    ("script", "settings", "due_s", "reason"),
    [
        ("idle", {"cache.inactive_timeout": "1s"}, 1.3, IDLE),
        ("active", {"cache.active_timeout": "1s"}, 1.0, ACTIVE),
        ("reset", {"cache.tcp_linger": "500ms"}, 0.8, END_DETECTED),
        ("closed", {"cache.tcp_linger": "500ms"}, 0.8, END_DETECTED),
        ("half closed", {"cache.tcp_fin_timeout": "500ms"}, 0.8, END_DETECTED),
    ],
    ids=SCRIPTS,
)
@pytest.mark.parametrize("workers", [1, 3])
def test_due_record_leaves_without_traffic(
    workers: int, script: str, settings: dict[str, str], due_s: float, reason: int
) -> None:
    with probe(settings={**settings, "capture.workers": workers}, options="?biflow=true") as running:
        begin = time.monotonic()
        running.sender.pace(frames_of(SCRIPTS[script]))
        (record,) = running.collector.wait_for_flows(1)
        late_s = running.collector.when(1) - begin - due_s
        check_sums(running.daemon.metrics())
        running.daemon.stop_in_peace()
    assert record["flowEndReason"] == reason
    assert -EARLY_S <= late_s <= ON_TIME_S


def test_every_flow_of_many_leaves_on_time() -> None:
    """Flows that begin at random times, each judged by itself."""
    numbers = random.Random(4)
    starts = sorted(numbers.uniform(0, 3) for _ in range(300))
    with probe(settings={"cache.inactive_timeout": "1s"}) as running:
        sent = send_noting_times(running.sender, starts)
        running.collector.wait_for_flows(len(starts))
        lag = running.daemon.metrics()
        running.daemon.stop_in_peace()
    late_s = [seen - sent[port] - 1.0 for port, seen in arrivals(running.collector).items()]
    assert len(late_s) == len(starts)
    assert min(late_s) >= -EARLY_S
    assert max(late_s) <= ON_TIME_S
    # The daemon says the same.
    assert lag.total("spanflow_flow_expiry_lag_seconds_count") == len(starts)
    assert lag.total("spanflow_flow_expiry_lag_seconds_bucket", le="1.0") == len(starts)


def test_timers_go_on_while_the_interface_is_down() -> None:
    with probe(settings={"cache.inactive_timeout": "1s"}) as running:
        begin = time.monotonic()
        running.sender.pace(frames_of(["0 > udp"]))
        running.daemon.settle(1)
        running.link.set("down")
        wait_for(lambda: bool(running.collector.flows()), "the record")
        assert running.collector.when(1) - begin <= 1.0 + ON_TIME_S
        running.daemon.stop_in_peace()


def frames_of(script: list[str]) -> list[tuple[float, bytes]]:
    """The frames of a script of `craft.conversation.play`, for `Sender.pace`."""
    return [((frame.time_ns - EPOCH_NS) / 1e9, frame.octets) for frame in play(Capture(), *script).frames]


def send_noting_times(sender: Sender, starts: list[float]) -> dict[int, float]:
    """Send a packet at each time, each from a port of its own; when each was sent, by its port."""
    sent: dict[int, float] = {}

    def frames() -> Iterator[tuple[float, bytes]]:
        for number, due in enumerate(starts):
            pair = Pair(client_port=10_000 + number)
            yield due, pair.frame(">", pair.udp(">"))
            sent[pair.client_port] = time.monotonic()

    sender.pace(frames())
    return sent


def arrivals(collector: Receiver) -> dict[int, float]:
    """When the record of each Flow came, by its port."""
    return {
        record["sourceTransportPort"]: collector.when(number)
        for number, record in enumerate(collector.flows(), start=1)
    }
