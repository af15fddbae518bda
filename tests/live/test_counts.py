# SPDX-License-Identifier: Apache-2.0
"""Every packet is metered exactly once: on several interfaces, on `lo`, with tags, on a silent link."""

from __future__ import annotations

import socket
import time
from collections import Counter
from typing import Any

import pytest

from craft.conversation import Pair
from craft.link import SERVICE_VLAN, Tag, ethernet
from craft.network import ipv4
from craft.transport import udp
from exporting.running_collector import wait_for
from live.harness.collectors import bound_socket, receiver
from live.harness.daemon import received, spanflow_run
from live.harness.links import network
from live.harness.messages import Transcript
from live.harness.probe import probe
from live.harness.sender import Sender, evenly
from live.harness.traffic import udp_flows

ONE_SECOND = 1.0
ROUNDS = 6
SENT_AT_ONCE = 50_000  # fits the socket's buffers
ENGINES = ("ring", "libpcap")
PACKET = ipv4("10.0.0.1", "10.0.0.2", udp(1000, 53, bytes(20)))


def packets_of(records: list[dict[str, Any]]) -> dict[int, int]:
    """Packets in the records, by the interface."""
    sums: Counter[int] = Counter()
    for record in records:
        sums[record["ingressInterface"]] += record["packetDeltaCount"]
    return dict(sums)


def test_two_interfaces_at_once() -> None:
    """Different numbers on each, frames of both in turn; the interfaces have settings of their own."""
    with network("eth0", "eth1") as (first, second), receiver(first.far) as collector:
        with (
            spanflow_run(first.far, "-i", "eth0", "-i", "eth1", "--collector", collector.url) as daemon,
            Sender(first.near, first.near_name) as one,
            Sender(second.near, second.near_name) as other,
        ):
            for start in range(0, 3_000, 300):
                one.send(udp_flows(300, first=start, packets=7))
                other.send(udp_flows(200, first=start, packets=5))
            samples = daemon.settle(21_000 + 10_000)
            by_interface = samples.by("interface", "spanflow_capture_packets_total")
            daemon.stop_in_peace()
        assert by_interface == {"eth0": 21_000, "eth1": 10_000}
        assert first.received() == 21_000
        records = collector.flows()
        assert packets_of(records) == {first.index: 21_000, second.index: 10_000}
        assert Counter(record["ingressInterface"] for record in records) == {
            first.index: 3_000,
            second.index: 2_000,
        }


def test_configured_index_and_filter() -> None:
    """An interface's own options: its number in the records, and which packets are metered."""
    options = """
interfaces:
  - name: eth0
    index: 1001
    filter: udp and port 10001
  - eth1
"""
    with network("eth0", "eth1") as (first, second), receiver(first.far) as collector:
        with (
            spanflow_run(first.far, "--collector", collector.url, configuration=options) as daemon,
            Sender(first.near, first.near_name) as one,
            Sender(second.near, second.near_name) as other,
        ):
            one.send(udp_flows(10, packets=3))
            other.send(udp_flows(10, packets=3))
            wait_for(lambda: received(daemon.metrics()) >= 33, "the frames that pass the filter")
            daemon.stop_in_peace()
        assert packets_of(collector.flows()) == {1001: 3, second.index: 30}


def test_packets_on_lo_count_once() -> None:
    """Each is there twice, leaving and arriving."""
    with network("eth0") as (link,), receiver(link.near) as collector:
        with (
            bound_socket(link.near, port=9),
            bound_socket(link.near) as sending,
            spanflow_run(link.near, "-i", "lo", "--collector", collector.url) as daemon,
        ):
            for _ in range(50):
                sending.sendto(bytes(100), ("127.0.0.1", 9))
            wait_for(lambda: received(daemon.metrics()) >= 50, "50 frames")
            daemon.stop_in_peace()
        counts = [
            flow["packetDeltaCount"] for flow in collector.flows() if flow["destinationTransportPort"] == 9
        ]
        assert counts == [50]


@pytest.mark.parametrize("interface", ["eth0", "lo"])
def test_own_exports_are_not_metered(interface: str) -> None:
    """Where they leave; what others send the same way is metered."""
    hosts = ("10.99.0.1", "10.99.0.2") if interface == "eth0" else ("127.0.0.1", "127.0.0.1")
    with network("eth0") as (link,):
        if interface == "eth0":
            link.address(*hosts)
        home = link.near if interface == "eth0" else link.far
        with (
            receiver(home, hosts[0]) as collector,
            bound_socket(home, hosts[0]) as other,
            bound_socket(link.far, hosts[1]) as stranger,
            spanflow_run(
                link.far,
                *("-i", interface, "--collector", collector.url),
                settings={"cache.inactive_timeout": "100ms", "export.template_refresh": "100ms"},
            ) as daemon,
        ):
            port = other.getsockname()[1]
            for _ in range(ROUNDS):
                stranger.sendto(b"not an export", (hosts[0], port))
                count = len(collector.flows())
                wait_for(
                    lambda count=count: len(collector.flows()) > count, "the record of the stranger's Flow"
                )
            daemon.stop_in_peace()
        flows = collector.flows()
        assert {flow["destinationTransportPort"] for flow in flows} == {port}
        assert sum(flow["packetDeltaCount"] for flow in flows) == ROUNDS


@pytest.mark.parametrize("as_host", [False, True], ids=["in the metadata", "in the frame"])
@pytest.mark.parametrize("tags", [(), (Tag(100),), (Tag(7, SERVICE_VLAN), Tag(5))], ids=["0", "1", "2"])
@pytest.mark.parametrize("engine", ENGINES)
def test_tags(engine: str, tags: tuple[Tag, ...], as_host: bool) -> None:
    """The outer VLAN is in the record wherever the kernel left the tag, and sizes are right."""
    frames = [ethernet(PACKET, tags=tags)] * 4
    with probe(settings={"capture.engine": engine}) as running:
        if as_host:
            with Sender(running.link.far, "eth0", as_host=True) as host:
                host.send(frames)
        else:
            running.sender.send(frames)
        samples = running.daemon.settle(len(frames))
        # Octets on the wire, tags included.
        assert samples.total("spanflow_capture_bytes_total") == sum(map(len, frames))
        running.daemon.stop_in_peace()
        (record,) = running.collector.flows()
    assert record["vlanId"] == (tags[0].vlan_id if tags else 0)
    assert (record["packetDeltaCount"], record["octetDeltaCount"]) == (4, 4 * len(PACKET))


@pytest.mark.parametrize("engine", ENGINES)
def test_silent_link_then_packets_in_a_trickle(engine: str) -> None:
    """100 packets in a second do not fill a block of the ring; all the same they are metered at once."""
    pairs = [Pair(client_port=2000 + number) for number in range(100)]
    with probe(settings={"capture.engine": engine}) as running:
        running.sender.pace(evenly([pair.frame(">", pair.udp(">")) for pair in pairs], seconds=1))
        begin = time.monotonic()
        running.daemon.settle(100)
        assert time.monotonic() - begin < ONE_SECOND
        running.daemon.stop_in_peace()


def test_many_packets_through_libpcap() -> None:
    """The other engine is slower, not less exact; its drops are in the sums."""
    with probe(settings={"capture.engine": "libpcap"}) as running:
        running.sender.send(udp_flows(20_000, packets=5))
        running.daemon.settle(100_000)
        running.daemon.stop_in_peace()
        running.collector.close()
        packets = Transcript(running.collector.messages()).column("packetDeltaCount")
    assert (len(packets), packets.sum()) == (20_000, 100_000)


def test_merged_frames_are_counted_and_warned_about_once() -> None:
    """Our own host's TCP gives frames of many packets to a veth, as GRO does on a network card."""
    with probe(mtu=1500) as running:
        running.link.address("10.99.0.1", "10.99.0.2")
        server = running.link.near.inside(lambda: socket.create_server(("10.99.0.1", 8080)))
        client = running.link.far.inside(lambda: socket.create_connection(("10.99.0.1", 8080)))
        accepted, _ = server.accept()
        with server, client, accepted:
            for _ in range(20):
                client.sendall(bytes(SENT_AT_ONCE))
                left = SENT_AT_ONCE
                while left:
                    left -= len(accepted.recv(left))
        merged = "spanflow_capture_merged_frames_total"
        wait_for(lambda: running.daemon.metrics().total(merged) > 0, "merged frames to be counted")
        wait_for(lambda: "ethtool" in running.daemon.log, "the warning")
        running.daemon.stop_in_peace()
        warnings = [line for line in running.daemon.log.splitlines() if "ethtool" in line]
    assert len(warnings) == 1
    assert "ethtool -K eth0" in warnings[0]
