# SPDX-License-Identifier: Apache-2.0
"""A filter takes the same packets live as from a file, wherever the kernel left the tags and the program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from craft.capture import Capture, Frame
from craft.conversation import EPOCH_NS
from craft.link import SERVICE_VLAN, Tag, ethernet
from craft.network import ipv4, ipv6
from craft.transport import udp
from exporting.running_collector import wait_for
from live.harness.collectors import receiver
from live.harness.daemon import check_sums, received, spanflow_run
from live.harness.links import network
from live.harness.namespace import Namespace
from live.harness.sender import Sender
from metering.native import meter

LITTLE_OPTION_MEMORY = 4096
LISTED, OTHERS = 200, 50
"""Hosts that a long filter has, and that it has not."""

HOST = "host 192.0.2.1"
FILTERS = {
    "eth0": "vlan 10",
    "eth1": "not vlan",
    "eth2": HOST,
    "eth3": f"vlan and {HOST}",
    "eth4": f"{HOST} or (vlan and {HOST}) or (vlan and {HOST})",
    "eth5": "less 60",
}
ALL_TAGS = ((), (Tag(10),), (Tag(20),), (Tag(10, SERVICE_VLAN), Tag(20)))


def mixed_frames() -> list[bytes]:
    """Each with a source port of its own: tagged and not, to one host and to another, of two sizes."""
    kinds = [
        (tags, host, size) for tags in ALL_TAGS for host in ("192.0.2.1", "192.0.2.2") for size in (0, 10, 90)
    ]
    return [
        ethernet(ipv4("10.0.0.1", host, udp(1000 + number, 53, bytes(size))), tags=tags)
        for number, (tags, host, size) in enumerate(kinds)
    ]


def offline(frames: Sequence[bytes], expression: str, folder: Path) -> list[int]:
    """Source ports of the packets that are accounted when a file has these frames."""
    path = folder / "frames.pcap"
    path.write_bytes(Capture([Frame(EPOCH_NS + number, frame) for number, frame in enumerate(frames)]).pcap())
    outcome = meter([path], filter=expression)
    assert outcome.counters.accounted.packets == len(outcome.records)
    return sorted(int(port) for port in outcome.records["source_transport_port"])


@pytest.mark.parametrize(
    ("engine", "as_host"),
    [("ring", False), ("ring", True), ("libpcap", False), ("libpcap", True)],
    ids=["ring, arriving", "ring, leaving", "libpcap, arriving", "libpcap, leaving"],
)
def test_live_as_offline(engine: str, as_host: bool, tmp_path: Path) -> None:
    """What arrives has its outer tag beside the octets, what this host sends has it in them."""
    frames = mixed_frames()
    expected = {name: offline(frames, expression, tmp_path) for name, expression in FILTERS.items()}
    assert all(0 < len(ports) < len(frames) for ports in expected.values())
    items = "".join(f'  - {{name: {name}, filter: "{filter}"}}\n' for name, filter in FILTERS.items())
    configuration = f"capture: {{engine: {engine}}}\ninterfaces:\n{items}"
    with network(*FILTERS) as links, receiver(links[0].far) as collector:
        with spanflow_run(links[0].far, "--collector", collector.url, configuration=configuration) as daemon:
            for link in links:
                ends = (link.far, link.far_name) if as_host else (link.near, link.near_name)
                with Sender(*ends, as_host=as_host) as sender:
                    sender.send(frames)
            accounted = sum(map(len, expected.values()))
            wait_for(
                lambda: daemon.metrics().total("spanflow_cache_packets_total") >= accounted,
                "the packets that pass",
            )
            check_sums(daemon.metrics())
            daemon.stop_in_peace()
        flows = collector.flows()
        live = {
            link.far_name: sorted(
                flow["sourceTransportPort"] for flow in flows if flow["ingressInterface"] == link.index
            )
            for link in links
        }
    assert live == expected


def ipv4_hosts(count: int) -> list[str]:
    return [f"10.1.{number // 250}.{number % 250}" for number in range(count)]


@pytest.mark.parametrize("memory", [None, LITTLE_OPTION_MEMORY], ids=["enough memory", "little memory"])
def test_two_hundred_hosts(memory: int | None) -> None:
    """The kernel bounds the memory of a socket's programs; what does not fit is left to the worker."""
    hosts = ipv4_hosts(LISTED + OTHERS)
    frames = [ethernet(ipv4(host, "192.0.2.1", udp(7, 53))) for host in reversed(hosts)]
    outcome = filtered(" or ".join(f"host {host}" for host in hosts[:LISTED]), frames, LISTED, memory)
    assert outcome.sources == sorted(hosts[:LISTED])
    if outcome.memory_is_limited:
        assert outcome.refused == OTHERS


def test_more_instructions_than_the_kernel_takes() -> None:
    """8000 in less than 4096 characters."""
    listed = 450
    hosts = [f"::{number:x}" for number in range(1, 1 + listed + OTHERS)]
    frames = [ethernet(ipv6(host, "2001:db8::1", udp(7, 53))) for host in reversed(hosts)]
    outcome = filtered(f"host ({' or '.join(hosts[:listed])})", frames, listed)
    assert outcome.refused == OTHERS
    assert outcome.sources == sorted(hosts[:listed])


@dataclass(frozen=True, slots=True)
class Outcome:
    """Frames that a worker refused, and the sources in the records."""

    refused: int
    sources: list[str]
    memory_is_limited: bool


def filtered(expression: str, frames: Sequence[bytes], expected: int, memory: int | None = None) -> Outcome:
    """Meters frames, the last `expected` of which pass. memory: octets for the options of one socket."""
    with network("eth0") as (link,), receiver(link.far) as collector:
        limited = memory is not None and limit_option_memory(link.far, memory)
        with (
            spanflow_run(
                link.far,
                *("-i", "eth0", "--collector", collector.url),
                settings={"capture.filter": expression},
            ) as daemon,
            Sender(link.near, link.near_name) as sender,
        ):
            sender.send(frames)
            wait_for(
                lambda: daemon.metrics().total("spanflow_cache_packets_total") >= expected,
                "the packets that pass",
            )
            samples = daemon.metrics()
            check_sums(samples)
            daemon.stop_in_peace()
        refused = samples.total("spanflow_decode_discards_total", reason="filtered")
        assert received(samples) == expected + refused
        sources = [flow.get("sourceIPv4Address") or flow["sourceIPv6Address"] for flow in collector.flows()]
    return Outcome(refused, sorted(sources), limited)


def limit_option_memory(namespace: Namespace, octets: int) -> bool:
    """False with kernels before 6.9, which have one limit for all namespaces."""
    switch = Path("/proc/sys/net/core/optmem_max")
    return namespace.inside(lambda: switch.exists() and switch.write_text(str(octets)) > 0)
