# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: every cached Flow is exported, in bounded time; a second one ends the daemon at once."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from exporting.running_collector import wait_for
from live.harness.collectors import bound_socket
from live.harness.daemon import spanflow_run
from live.harness.links import network
from live.harness.messages import Transcript
from live.harness.probe import probe
from live.harness.sender import Sender
from live.harness.traffic import udp_flows

FORCED_END = 4
AT_ONCE_S, SOON_S, WITH_A_MILLION_S = 1.0, 3.0, 30.0
MILLION = 1_000_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_on_a_silent_interface(number: signal.Signals) -> None:
    """No packet comes that would wake anyone."""
    with probe() as running:
        running.daemon.send_signal(number)
        end = running.daemon.wait_for_end()
        assert running.daemon.notifications.count("STOPPING", "1") == 1
    assert (end.code, running.collector.flows()) == (0, [])
    assert end.seconds < SOON_S


def test_packets_that_lie_in_an_unfinished_block_are_metered() -> None:
    """The kernel hands a block over when it is full or its time is up; neither has happened yet."""
    with probe(settings={"capture.block_timeout": "100ms"}) as running:
        running.sender.send(udp_flows(50, packets=2))
        running.daemon.stop_in_peace()
        flows = running.collector.flows()
    assert len(flows) == 50
    assert {(flow["packetDeltaCount"], flow["flowEndReason"]) for flow in flows} == {(2, FORCED_END)}


def test_with_a_million_cached_flows() -> None:
    settings = {"cache.max_flows": 2 * MILLION, "cache.inactive_timeout": "1h", "cache.active_timeout": "1h"}
    with probe(settings=settings) as running:
        running.sender.send(udp_flows(MILLION))
        samples = running.daemon.settle(MILLION)
        assert samples.total("spanflow_cache_flows") == MILLION
        end = running.daemon.stop_in_peace()
        running.collector.close()
        transcript = Transcript(running.collector.messages())
    assert end.seconds < WITH_A_MILLION_S
    assert transcript.missing == 0
    (table,) = transcript.tables().values()
    assert len(table) == MILLION
    assert set(table["flowEndReason"]) == {FORCED_END}
    assert set(table["packetDeltaCount"]) == {1}
    # Each of them once.
    keys = table["sourceIPv4Address"].astype(np.uint64) << 16 | table["sourceTransportPort"]
    assert len(np.unique(keys)) == MILLION


def test_second_signal_means_now() -> None:
    """A collector that reads nothing would make it wait for export.drain_timeout."""
    with (
        network("eth0") as (link,),
        bound_socket(link.far) as stuck,
        spanflow_run(
            link.far,
            *("-i", "eth0", "--collector", f"ipfix+udp://127.0.0.1:{stuck.getsockname()[1]}"),
            settings={"cache.inactive_timeout": "1h", "export.drain_timeout": "1h"},
        ) as daemon,
        Sender(link.near, link.near_name) as sender,
    ):
        sender.send(udp_flows(200_000))
        daemon.settle(200_000)
        daemon.send_signal(signal.SIGTERM)
        wait_for(lambda: daemon.notifications.count("STOPPING", "1") > 0 or not daemon.alive, "STOPPING=1")
        assert daemon.alive
        end = daemon.stop()
    assert end.seconds < AT_ONCE_S
    assert end.code != 0
