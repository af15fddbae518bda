# SPDX-License-Identifier: Apache-2.0
"""The engine `libpcap`: exact counts, nothing lost at the end, every interface at once."""

from __future__ import annotations

from collections import Counter

from craft.link import ethernet
from craft.network import ipv6
from craft.transport import udp
from exporting.running_collector import wait_for
from live.harness.collectors import bound_socket, receiver
from live.harness.daemon import kernel_packets, received, spanflow_run
from live.harness.links import network
from live.harness.probe import probe
from live.harness.sender import Sender
from live.harness.traffic import udp_flows

CONFIG = 78
DISCARD = 9  # the port on which nobody answers
LIBPCAP = {"capture.engine": "libpcap"}
FLOWS, PACKETS = 500, 4
SLOW_PACKETS = 100_000


def test_counts_are_exact() -> None:
    with probe(settings=LIBPCAP) as running:
        running.sender.send(udp_flows(FLOWS, packets=PACKETS))
        running.daemon.settle(FLOWS * PACKETS)
        # Received, lost and taken in are told apart; the kernel is asked for its count now and then.
        wait_for(lambda: kernel_packets(running.daemon.metrics()) >= FLOWS * PACKETS, "the kernel's count")
        assert kernel_packets(running.daemon.metrics()) == FLOWS * PACKETS
        running.daemon.stop_in_peace()
        flows = running.collector.flows()
        assert running.link.received() == FLOWS * PACKETS
        assert {flow["ingressInterface"] for flow in flows} == {running.link.index}
    assert Counter(flow["packetDeltaCount"] for flow in flows) == {PACKETS: FLOWS}


def test_an_unfinished_block_is_metered() -> None:
    """The kernel hands a block over when it is full or its time is up; neither has happened yet."""
    with probe(settings={**LIBPCAP, "capture.block_timeout": "100ms"}) as running:
        running.sender.send(udp_flows(1000))
        running.daemon.stop_in_peace()
        flows = running.collector.flows()
    assert Counter(flow["packetDeltaCount"] for flow in flows) == {1: 1000}


def test_what_is_in_the_ring_at_the_end_is_metered() -> None:
    """The gate that closes does not throw away what came in before; a slow filter keeps it there for long."""
    hosts = [f"::{number:x}" for number in range(1, 450)]
    frame = ethernet(ipv6(hosts[-1], "2001:db8::1", udp(1000, 53)))
    settings = {**LIBPCAP, "capture.filter": f"host ({' or '.join(hosts)})", "export.drain_timeout": "5s"}
    with probe(settings=settings) as running:
        running.sender.send([frame] * SLOW_PACKETS)
        running.daemon.stop_in_peace()
        (flow,) = running.collector.flows()
    assert flow["packetDeltaCount"] == SLOW_PACKETS


def test_packets_on_lo_count_once() -> None:
    """Each is there twice, leaving and arriving."""
    with (
        network("eth0") as (link,),
        receiver(link.near) as collector,
        bound_socket(link.near, port=DISCARD),
        bound_socket(link.near) as sending,
        spanflow_run(link.near, *("-i", "lo", "--collector", collector.url), settings=LIBPCAP) as daemon,
    ):
        for _ in range(PACKETS):
            sending.sendto(bytes(100), ("127.0.0.1", DISCARD))
        wait_for(lambda: received(daemon.metrics()) >= PACKETS, "every packet")
        daemon.stop_in_peace()
        counts = [
            flow["packetDeltaCount"]
            for flow in collector.flows()
            if flow["destinationTransportPort"] == DISCARD
        ]
    assert counts == [PACKETS]


def test_every_interface_at_once() -> None:
    """`any`: each packet once, with the interface that it came in by; `lo` too."""
    with (
        network("eth0", "eth1") as (first, second),
        receiver(first.far) as collector,
        bound_socket(first.far, port=DISCARD),
        bound_socket(first.far) as sending,
        Sender(first.near, first.near_name) as one,
        Sender(second.near, second.near_name) as other,
        spanflow_run(first.far, "-i", "any", "--collector", collector.url) as daemon,
    ):
        one.send(udp_flows(FLOWS, packets=PACKETS))
        other.send(udp_flows(FLOWS, first=FLOWS, packets=PACKETS))
        for _ in range(PACKETS):
            sending.sendto(bytes(100), ("127.0.0.1", DISCARD))
        wait_for(
            lambda: received(daemon.metrics()) >= (2 * FLOWS + 1) * PACKETS,
            "every packet",
        )
        daemon.stop_in_peace()
        counts = Counter(
            (flow["ingressInterface"], flow["packetDeltaCount"])
            for flow in collector.flows()
            if flow["destinationTransportPort"] in (53, DISCARD)
        )
        loopback = 1
        assert counts == {
            (first.index, PACKETS): FLOWS,
            (second.index, PACKETS): FLOWS,
            (loopback, PACKETS): 1,
        }


def test_several_workers_are_refused() -> None:
    with (
        network("eth0") as (link,),
        spanflow_run(
            link.far, "-i", "eth0", settings={**LIBPCAP, "capture.workers": 2}, ready=False
        ) as daemon,
    ):
        end = daemon.wait_for_end()
    assert end.code == CONFIG
    assert "eth0" in end.stderr
    assert "workers: 1" in end.stderr
    assert "Traceback" not in end.stderr
