# SPDX-License-Identifier: Apache-2.0
"""Interfaces that go down, vanish, come again, or are not there yet."""

from __future__ import annotations

import time
from collections import Counter

from exporting.running_collector import wait_for
from live.harness.collectors import receiver
from live.harness.daemon import Daemon, spanflow_run
from live.harness.links import connect, network
from live.harness.probe import probe
from live.harness.sender import Sender
from live.harness.traffic import udp_flows

ROUNDS = 50
FRAMES = 20
ONE_SECOND = 1.0
NO_INPUT = 66


def wait_until_captured(daemon: Daemon, appearances: int) -> None:
    """Until it is bound so many times, and the link is up."""

    def captured() -> bool:
        samples = daemon.metrics()
        again = samples.total("spanflow_capture_appearances_total") >= appearances
        return again and samples.total("spanflow_capture_up") == 1

    wait_for(captured, "the interface to be captured again")


def test_down_and_up_again() -> None:
    """Captured from the moment that it is up: not a packet is missing."""
    with probe() as running:
        for number in range(1, ROUNDS + 1):
            running.link.set("down")
            running.link.set("up")
            running.link.wait_until_up()
            running.sender.send(udp_flows(FRAMES))
            running.daemon.settle(number * FRAMES)
        running.daemon.stop_in_peace()
        flows = running.collector.flows()
    assert {flow["packetDeltaCount"] for flow in flows} == {ROUNDS}
    assert len(flows) == FRAMES


def test_down_for_longer_is_said() -> None:
    with probe() as running:
        running.link.set("down")
        wait_for(lambda: running.daemon.metrics().total("spanflow_capture_up") == 0, "it to be seen as down")
        assert running.daemon.get("/readyz")[0] == 503
        assert running.daemon.get("/healthz")[0] == 200
        begin = time.monotonic()
        running.link.set("up")
        wait_for(lambda: running.daemon.metrics().total("spanflow_capture_up") == 1, "it to be seen as up")
        assert time.monotonic() - begin < ONE_SECOND
        running.sender.send(udp_flows(FRAMES))
        running.daemon.settle(FRAMES)
        running.daemon.stop_in_peace()


def test_deleted_and_created_again() -> None:
    """Captured within a second, by its new number, and exactly: what lies in the old ring too."""
    indices: Counter[int] = Counter()
    with network("eth0") as (link,), receiver(link.far) as collector:
        with spanflow_run(link.far, "-i", "eth0", "--collector", collector.url) as daemon:
            for number in range(1, ROUNDS + 1):
                indices[link.index] += FRAMES
                with Sender(link.near, link.near_name) as sender:
                    sender.send(udp_flows(FRAMES, first=number * FRAMES))
                link.remove()
                (link,) = connect(link.near, link.far, (link.near_name, link.far_name))
                begin = time.monotonic()
                wait_until_captured(daemon, number + 1)
                assert time.monotonic() - begin < ONE_SECOND
                daemon.settle(number * FRAMES)
            daemon.stop_in_peace()
        flows = collector.flows()
    assert len(indices) == ROUNDS
    assert Counter(flow["ingressInterface"] for flow in flows) == indices
    assert {flow["packetDeltaCount"] for flow in flows} == {1}


def test_other_interfaces_do_not_notice() -> None:
    with network("eth0", "eth1") as (first, second), receiver(first.far) as collector:
        with (
            spanflow_run(first.far, "-i", "eth0", "-i", "eth1", "--collector", collector.url) as daemon,
            Sender(second.near, second.near_name) as sender,
        ):
            sender.send(udp_flows(100))
            first.remove()
            sender.send(udp_flows(100))
            wait_for(
                lambda: daemon.metrics().total("spanflow_capture_bound", interface="eth0") == 0,
                "it to be missed",
            )
            sender.send(udp_flows(100))
            daemon.settle(300)
            daemon.stop_in_peace()
        assert {flow["packetDeltaCount"] for flow in collector.flows()} == {3}


def test_missing_at_the_start_is_refused() -> None:
    with network("eth0") as (link,), spanflow_run(link.far, "-i", "eth7", ready=False) as daemon:
        end = daemon.wait_for_end()
    assert end.code == NO_INPUT
    (line,) = end.stderr.splitlines()
    assert "eth7" in line
    assert "eth0" in line, "the line names those that there are"


def test_missing_at_the_start_is_waited_for() -> None:
    """The other interface is captured meanwhile; READY=1 comes when all are."""
    with (
        network("eth0") as (link,),
        receiver(link.far) as collector,
        Sender(link.near, link.near_name) as sender,
        spanflow_run(
            link.far,
            *("-i", "eth0", "-i", "eth1", "--collector", collector.url),
            settings={"capture.when_missing": "wait"},
            ready=False,
        ) as daemon,
    ):
        wait_for(lambda: "interface captured" in daemon.log, "eth0 to be captured")
        sender.send(udp_flows(FRAMES))
        daemon.settle(FRAMES)
        status, page = daemon.get("/readyz")
        assert (status, "eth1" in page) == (503, True)
        assert daemon.notifications.count("READY", "1") == 0

        (late,) = connect(link.near, link.far, ("t-eth1", "eth1"))
        begin = time.monotonic()
        daemon.wait_until_ready()
        assert time.monotonic() - begin < 2 * ONE_SECOND
        with Sender(late.near, late.near_name) as other:
            other.send(udp_flows(FRAMES, packets=2))
        daemon.settle(3 * FRAMES)
        daemon.stop_in_peace()
        assert Counter(flow["ingressInterface"] for flow in collector.flows()) == {
            link.index: FRAMES,
            late.index: FRAMES,
        }
