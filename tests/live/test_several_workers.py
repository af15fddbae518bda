# SPDX-License-Identifier: Apache-2.0
"""Several workers on one interface meter each packet once: on `lo`, what this host sends, after a rename."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from craft.link import SERVICE_VLAN, Tag, ethernet
from craft.network import ipv4
from craft.transport import udp
from exporting.running_collector import wait_for
from live.harness.collectors import bound_socket, receiver
from live.harness.daemon import Daemon, check_sums, received, spanflow_run
from live.harness.links import Link, network
from live.harness.probe import probe
from live.harness.sender import Sender

DISCARD = 9  # the port on which nobody answers
HOSTS, ROUNDS = 250, 4
FLOWS = 200
LATER_FLOWS = 1000
WORKERS = 4
INTERVALS_S = (0.031, 0.043, 0.061, 0.077)
BETWEEN_S = 0.4
AWAY_S = 0.01  # much less than the time in which every worker looks at the interface
RENAMES = 3
STEADY_S = 0.5  # more than that

TAGS = {
    "untagged": (),
    "802.1Q": (Tag(100),),
    "QinQ": (Tag(7, SERVICE_VLAN), Tag(100)),
}


def test_packets_on_lo_count_once() -> None:
    """Each is there twice, leaving and arriving, for every member of the fanout group."""
    with (
        network("eth0") as (link,),
        receiver(link.near) as collector,
        bound_socket(link.near, "0.0.0.0", DISCARD),
        bound_socket(link.near) as sending,
        spanflow_run(
            link.near, *("-i", "lo", "--collector", collector.url), settings={"capture.workers": 2}
        ) as daemon,
    ):
        for _ in range(ROUNDS):
            for number in range(HOSTS):
                sending.sendto(bytes(100), (f"127.0.1.{number}", DISCARD))
        wait_for(lambda: received(daemon.metrics()) >= HOSTS * ROUNDS, "every packet")
        daemon.stop_in_peace()
        counts = Counter(
            flow["packetDeltaCount"]
            for flow in collector.flows()
            if flow["destinationTransportPort"] == DISCARD
        )
    assert counts == {ROUNDS: HOSTS}


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS)
def test_what_this_host_sends_meets_what_it_gets(tags: tuple[Tag, ...], workers: int) -> None:
    """A tag is in the octets of a frame that leaves, and beside them in one that arrives."""
    requests, responses = [], []
    for number in range(FLOWS):
        here, there = f"10.0.{number % 7}.{number + 1}", f"192.0.2.{number % 11}"
        requests.append(ethernet(ipv4(here, there, udp(1000 + number, 53, b"request")), tags=tags))
        responses.append(ethernet(ipv4(there, here, udp(53, 1000 + number, b"response")), tags=tags))
    with probe(settings={"capture.workers": workers}, options="?biflow=true") as running:
        with Sender(running.link.far, running.link.far_name, as_host=True) as host:
            host.send(requests)
        running.sender.send(responses)
        running.daemon.settle(2 * FLOWS)
        running.daemon.stop_in_peace()
        flows = running.collector.flows()
    counts = Counter((flow["packetDeltaCount"], flow["reversePacketDeltaCount"]) for flow in flows)
    assert counts == {(1, 1): FLOWS}


def test_renamed_for_a_moment() -> None:
    """Some workers notice and others cannot; in the end each packet has one worker that meters it."""
    settings = {"capture.workers": WORKERS, "cache.inactive_timeout": "1h"}
    with probe(settings=settings) as running:
        for number in range(RENAMES):
            running.sender.pace(uneven_traffic(BETWEEN_S))
            rename(running.link, running.link.far_name, "away0")
            running.sender.pace(uneven_traffic(AWAY_S))
            rename(running.link, "away0", running.link.far_name)
            running.sender.pace(uneven_traffic(AWAY_S))
            wait_until_steadily_captured(running.daemon)
            before = received(running.daemon.metrics())
            running.sender.send([frame_from(f"10.{number}.{n // 250}.{n % 250}") for n in range(LATER_FLOWS)])
            wait_for(
                lambda before=before: received(running.daemon.metrics()) >= before + LATER_FLOWS,
                "every packet",
            )
        check_sums(running.daemon.metrics())
        running.daemon.stop_in_peace()
        flows = running.collector.flows()
    counts = Counter(
        flow["packetDeltaCount"] for flow in flows if not flow["sourceIPv4Address"].startswith("10.99.")
    )
    assert counts == {1: RENAMES * LATER_FLOWS}


def frame_from(host: str) -> bytes:
    return ethernet(ipv4(host, "192.0.2.1", udp(1000, 53)))


def uneven_traffic(seconds: float) -> list[tuple[float, bytes]]:
    """For each worker a packet now and then, so that they do not look at the interface all at once."""
    return sorted(
        (number * interval_s, frame_from(f"10.99.0.{worker}"))
        for worker, interval_s in enumerate(INTERVALS_S)
        for number in range(int(seconds / interval_s) + 1)
    )


def rename(link: Link, name: str, other: str) -> None:
    """Older kernels rename only what is down."""
    lines = (f"link set {name} down", f"link set {name} name {other}", f"link set {other} up")
    link.far.run("ip", "-batch", "-", standard_input="\n".join(lines))


def wait_until_steadily_captured(daemon: Daemon) -> None:
    """Until the interface is captured, and was so for longer than any worker needs to notice."""
    wait_for(steadily(lambda: daemon.metrics().total("spanflow_capture_up") == 1), "a steady capture")


def steadily(condition: Callable[[], bool]) -> Callable[[], bool]:
    """Whether a condition has held at every look for STEADY_S."""
    since = time.monotonic()

    def held() -> bool:
        nonlocal since
        if not condition():
            since = time.monotonic()
        return time.monotonic() - since > STEADY_S

    return held
