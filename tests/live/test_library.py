# SPDX-License-Identifier: Apache-2.0
"""FlowStream on an interface, with both engines: flows as they expire, without any traffic to wake it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from craft.link import ethernet
from craft.network import ipv4
from craft.transport import udp
from exporting.running_collector import wait_for
from live.harness.links import Link, network
from live.harness.sender import Sender
from live.harness.traffic import FIRST_PORT, udp_flows
from spanflow import Flow, FlowStream

FLOWS = 500
PACKETS = 4
WARM_UP_PORT = 7


class Reader:
    """Reads a stream inside the far namespace, until it is told to stop."""

    def __init__(self, link: Link, **arguments: Any) -> None:
        self.flows: list[Flow] = []
        self.stream: FlowStream | None = None
        self._link = link
        self._arguments = arguments
        self._thread = threading.Thread(target=lambda: link.far.inside(self._read), daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.stream is not None:
            self.stream.terminate()
        self._thread.join(30)

    def _read(self) -> None:
        self.stream = FlowStream("eth0", enable_ndpi=False, **self._arguments)
        for flow in self.stream:
            self.flows.append(flow)

    @property
    def packets(self) -> int:
        return 0 if self.stream is None else self.stream.packets

    def ports(self) -> list[int]:
        """Source ports of the flows that have left, without those of the warm-up."""
        return [flow.src_port for flow in self.flows if flow.src_port >= FIRST_PORT]

    def stop(self) -> FlowStream:
        self.__exit__()
        assert self.stream is not None
        assert not self._thread.is_alive()
        return self.stream


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_flows_of_an_interface(engine: str) -> None:
    warm_up = ethernet(ipv4("10.9.9.9", "192.0.2.1", udp(WARM_UP_PORT, 53, b"")))
    with (
        network("eth0") as (link,),
        Sender(link.near, link.near_name) as sender,
        Reader(link, engine=engine, inactive_timeout=0.5) as reader,
    ):
        wait_for(lambda: bool(sender.send([warm_up])) and reader.packets > 0, "the first packet")
        sender.send(udp_flows(FLOWS, packets=PACKETS))
        # No packet comes any more: the timers alone send these.
        wait_for(lambda: len(reader.ports()) == FLOWS, "all flows, by their timers")
        before = reader.packets
        sender.send(udp_flows(1, first=FLOWS))
        wait_for(lambda: reader.packets == before + 1, "the last packet")
        stream = reader.stop()
    found = [flow for flow in reader.flows if flow.src_port >= FIRST_PORT]
    assert {(flow.packet_count, flow.end_detail) for flow in found[:FLOWS]} == {(PACKETS, "idle")}
    assert [(flow.src_port, flow.end_detail) for flow in found[FLOWS:]] == [(FIRST_PORT + FLOWS, "flush")]
    assert stream.drops["handover"] == stream.drops["kernel"] == 0
    assert stream.packets == sum(flow.packet_count for flow in reader.flows)
    assert stream.current_flows == 0


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_long_flow_comes_in_parts(engine: str) -> None:
    packet = ethernet(ipv4("10.9.9.9", "192.0.2.1", udp(1000, 53, b"")))
    with (
        network("eth0") as (link,),
        Sender(link.near, link.near_name) as sender,
        Reader(link, engine=engine, active_timeout=0.5, inactive_timeout=60) as reader,
    ):
        wait_for(lambda: bool(sender.send([packet])) and len(reader.flows) > 1, "two parts of a Flow")
        reader.stop()
    assert [(flow.end_detail, flow.continuation) for flow in reader.flows[:2]] == [
        ("active", False),
        ("active", True),
    ]
    assert len({flow.flow_id for flow in reader.flows}) == 1


def test_a_plugin_sees_the_payload() -> None:
    seen: list[bytes] = []

    def payload(packet: Any, flow: Any) -> int:
        seen.append(packet.payload)
        return len(packet.payload)

    packet = ethernet(ipv4("10.9.9.9", "192.0.2.1", udp(1000, 53, bytes(range(256)) * 5)))
    with (
        network("eth0") as (link,),
        Sender(link.near, link.near_name) as sender,
        Reader(link, user_metrics={"payload": payload}) as reader,
    ):
        wait_for(lambda: bool(sender.send([packet])) and bool(seen), "a packet")
        reader.stop()
    assert seen[0] == bytes(range(256)) * 5
