# SPDX-License-Identifier: Apache-2.0
"""A record leaves within a second after it is due, without any packet that would wake the worker (semantics §6)."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from craft.conversation import Pair
from craft.transport import Segment
from exporting.running_collector import wait_for
from live.harness.collectors import Receiver, receiver
from live.harness.daemon import check_sums, spanflow_run
from live.harness.links import network
from live.harness.sender import Sender

IDLE, ACTIVE, END_DETECTED = 1, 2, 3
PAIR = Pair()
ON_TIME_S = 1.0
EARLY_S = 0.01  # arrival is stamped by another clock than the packets

Frames = list[tuple[float, Segment]]

IDLE_FLOW: Frames = [(0.0, PAIR.udp(">"))]
LONG_FLOW: Frames = [(0.0, PAIR.udp(">")), (0.5, PAIR.udp(">"))]
RESET_FLOW: Frames = [(0.0, PAIR.tcp(">", "S")), (0.1, PAIR.tcp(">", "R"))]
CLOSED_FLOW: Frames = [
    *((0.0, PAIR.tcp(">", "S")), (0.0, PAIR.tcp("<", "SA")), (0.0, PAIR.tcp(">", "A"))),
    *((0.1, PAIR.tcp(">", "FA")), (0.1, PAIR.tcp("<", "FA")), (0.1, PAIR.tcp(">", "A"))),
]
HALF_CLOSED_FLOW: Frames = [(0.0, PAIR.tcp(">", "S")), (0.1, PAIR.tcp(">", "FA"))]


@pytest.mark.parametrize(
    ("packets", "settings", "due_s", "reason"),
    [
        (IDLE_FLOW, {"cache.inactive_timeout": "1s"}, 1.0, IDLE),
        (LONG_FLOW, {"cache.inactive_timeout": "10s", "cache.active_timeout": "1s"}, 1.0, ACTIVE),
        (RESET_FLOW, {"cache.tcp_linger": "500ms"}, 0.6, END_DETECTED),
        (CLOSED_FLOW, {"cache.tcp_linger": "500ms"}, 0.6, END_DETECTED),
        (HALF_CLOSED_FLOW, {"cache.tcp_fin_timeout": "500ms"}, 0.6, END_DETECTED),
    ],
    ids=["idle", "active", "reset", "closed", "half closed"],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_due_record_leaves_without_traffic(
    workers: int, packets: Frames, settings: dict[str, str], due_s: float, reason: int
) -> None:
    with network("eth0") as (link,), receiver(link.far) as collector:
        with (
            spanflow_run(
                link.far,
                *("-i", "eth0", "--collector", f"{collector.url}?biflow=true"),
                settings={**settings, "capture.workers": workers},
            ) as daemon,
            Sender(link.near, link.near_name) as sender,
        ):
            begin = time.monotonic()
            sender.pace((due, PAIR.frame(">", segment)) for due, segment in packets)
            (record,) = collector.wait_for_flows(1)
            late_s = collector.when(1) - begin - due_s
            check_sums(daemon.metrics())
            daemon.stop_in_peace()
    assert record["flowEndReason"] == reason
    assert -EARLY_S <= late_s <= ON_TIME_S


def test_every_flow_of_many_leaves_on_time() -> None:
    """Flows that begin at random times, each judged by itself."""
    numbers = random.Random(4)
    starts = sorted(numbers.uniform(0, 3) for _ in range(300))
    with network("eth0") as (link,), receiver(link.far) as collector:
        with (
            spanflow_run(
                link.far,
                *("-i", "eth0", "--collector", collector.url),
                settings={"cache.inactive_timeout": "1s"},
            ) as daemon,
            Sender(link.near, link.near_name) as sender,
        ):
            sent = _send_noting_times(sender, starts)
            collector.wait_for_flows(len(starts))
            lag = daemon.metrics()
            daemon.stop_in_peace()
        late_s = {port: seen - sent[port] - 1.0 for port, seen in _arrivals(collector).items()}
    assert len(late_s) == len(starts)
    assert min(late_s.values()) >= -EARLY_S
    assert max(late_s.values()) <= ON_TIME_S
    # The daemon measures the same.
    assert lag.total("spanflow_flow_expiry_lag_seconds_count") == len(starts)
    assert lag.total("spanflow_flow_expiry_lag_seconds_bucket", le="1.0") == len(starts)


def test_timers_go_on_while_the_interface_is_down() -> None:
    with network("eth0") as (link,), receiver(link.far) as collector:
        with (
            spanflow_run(
                link.far,
                *("-i", "eth0", "--collector", collector.url),
                settings={"cache.inactive_timeout": "1s"},
            ) as daemon,
            Sender(link.near, link.near_name) as sender,
        ):
            begin = time.monotonic()
            sender.send([PAIR.frame(">", PAIR.udp(">"))])
            daemon.settle(1)
            link.set("down")
            wait_for(lambda: bool(collector.flows()), "the record")
            assert collector.when(1) - begin <= 1.0 + ON_TIME_S
            daemon.stop_in_peace()


def _send_noting_times(sender: Sender, starts: list[float]) -> dict[int, float]:
    """Send a packet at each time, from ports 10,000 on; when each was sent, by its port."""
    sent: dict[int, float] = {}

    def frames() -> Any:
        for number, due in enumerate(starts):
            port = 10_000 + number
            yield due, Pair(client_port=port).frame(">", Pair(client_port=port).udp(">"))
            sent[port] = time.monotonic()

    sender.pace(frames())
    return sent


def _arrivals(collector: Receiver) -> dict[int, float]:
    """When the record of each Flow came, by its port."""
    seen: dict[int, float] = {}
    for number, record in enumerate(collector.flows(), start=1):
        seen.setdefault(record["sourceTransportPort"], collector.when(number))
    return seen
