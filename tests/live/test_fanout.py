# SPDX-License-Identifier: Apache-2.0
"""Four workers on one interface: both directions and all fragments of a Flow meet in one of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from craft.link import SERVICE_VLAN, Tag, ethernet
from craft.network import ipv4, ipv4_fragments, ipv6, ipv6_fragments
from craft.transport import Segment, tcp, udp
from live.harness.messages import Transcript
from live.harness.probe import probe

FLOWS = 200
WORKERS = 4
Wrap = Callable[[bytes], bytes]


def tagged(*tags: Tag) -> Wrap:
    return lambda packet: ethernet(packet, tags=tags)


WRAPS: dict[str, Wrap] = {
    "untagged": tagged(),
    "802.1Q": tagged(Tag(100)),
    "802.1ad": tagged(Tag(100, SERVICE_VLAN)),
    "QinQ": tagged(Tag(7, SERVICE_VLAN), Tag(100)),
    "two 802.1Q": tagged(Tag(7), Tag(100)),
}


def ends(number: int, version: int) -> tuple[str, str]:
    """Addresses of a Flow; some differ in their last octets only, some in the first."""
    numbers = random.Random(number)
    if version == 4:
        return (
            f"10.{numbers.randrange(4)}.0.{numbers.randrange(1, 255)}",
            f"192.0.{number // 250}.{number % 250}",
        )
    return f"2001:db8:{numbers.randrange(4):x}::{number:x}", f"2001:db8:ffff::{numbers.randrange(1 << 16):x}"


def packets_of_a_flow(number: int, version: int) -> Iterable[bytes]:
    """Whole packets of both sides, then a fragmented one of each: first fragments have ports, others not."""
    client, server = ends(number, version)
    plain, fragments = (ipv4, ipv4_fragments) if version == 4 else (ipv6, ipv6_fragments)
    there, back = (10_000 + number, 53), (53, 10_000 + number)
    yield plain(client, server, udp(*there, b"request"))
    yield plain(server, client, udp(*back, b"response"))
    for source, destination, ports in ((client, server, there), (server, client, back)):
        yield from fragments(source, destination, udp(*ports, bytes(1000)), size=400, identification=number)


PACKETS_OF_A_FLOW = len(list(packets_of_a_flow(0, 4)))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("wrap", WRAPS)
def test_fragments_meet_their_flow(wrap: str, version: int) -> None:
    frames = [WRAPS[wrap](packet) for number in range(FLOWS) for packet in packets_of_a_flow(number, version)]
    with probe(settings={"capture.workers": WORKERS}, options="?biflow=true") as running:
        running.sender.send(frames)
        samples = running.daemon.settle(len(frames))
        assert samples.total("spanflow_decode_fragment_orphans_total") == 0
        running.daemon.stop_in_peace()
        flows = running.collector.flows()
    counts = [(flow["packetDeltaCount"], flow["reversePacketDeltaCount"]) for flow in flows]
    assert counts == [(PACKETS_OF_A_FLOW // 2, PACKETS_OF_A_FLOW // 2)] * FLOWS


def random_frames(seed: int, flows: int, packets: int) -> list[bytes]:
    """Packets of both directions of TCP and UDP Flows, mixed, IPv4 and IPv6, some tagged."""
    numbers = random.Random(seed)
    frames = []
    for _ in range(packets):
        number = min(numbers.randrange(flows), numbers.randrange(flows))
        version = 4 if number % 3 else 6
        source, destination = ends(number, version)
        ports = (10_000 + number, 443)
        if numbers.random() < 0.5:
            source, destination, ports = destination, source, ports[::-1]
        data = bytes(numbers.randrange(100))
        segment: Segment = tcp(*ports, "PA", data) if number % 2 else udp(*ports, data)
        wrap = tagged(Tag(1 + number % 5)) if number % 4 == 0 else tagged()
        frames.append(wrap((ipv4 if version == 4 else ipv6)(source, destination, segment)))
    return frames


def record_set(workers: int, frames: list[bytes]) -> list[tuple[Any, ...]]:
    """The records of frames that are captured by so many workers, without times, in an order of their own."""
    settings = {"capture.workers": workers, "cache.inactive_timeout": "1h", "cache.active_timeout": "1h"}
    with probe(settings=settings, options="?biflow=true") as running:
        running.sender.send(frames)
        running.daemon.settle(len(frames))
        running.daemon.stop_in_peace()
        tables = Transcript(running.collector.messages()).tables()
    rows: list[tuple[Any, ...]] = []
    for table in tables.values():
        kept = [
            name for name in table.dtype.names or () if "Milliseconds" not in name and "flowId" not in name
        ]
        rows += table[kept].tolist()
    return sorted(rows, key=repr)


def test_any_number_of_workers_gives_the_same_records() -> None:
    frames = random_frames(seed=5, flows=5_000, packets=60_000)
    assert record_set(WORKERS, frames) == record_set(1, frames)
