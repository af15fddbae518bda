# SPDX-License-Identifier: Apache-2.0
"""The flow dictionary: key, direction, end of TCP, deadlines (semantics §2, §3, §6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from oracle.packet import Packet
from oracle.records import Record
from oracle.transport import TCP

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Nanoseconds; 0 switches one off (with tcp_linger 0 an ended Flow leaves at once)."""

    active: int
    inactive: int
    tcp_linger: int
    tcp_fin: int


class End(NamedTuple):
    """One end of a Flow, by address and port."""

    address: bytes
    port: int


class Flow:
    """One Biflow. `record` is None after an active split, until the next packet."""

    def __init__(self, packet: Packet) -> None:
        sender = End(packet.source_address, packet.source_transport_port)
        receiver = End(packet.destination_address, packet.destination_transport_port)
        # Semantics §3: the receiver of a SYN+ACK initiated; else the sender of the first packet, SYN or not.
        answers = is_tcp(packet) and packet.tcp_control_bits & (SYN | ACK) == SYN | ACK
        self.source, self.destination = (receiver, sender) if answers else (sender, receiver)
        self.protocol_identifier, self.ip_version = packet.protocol_identifier, packet.ip_version
        self.flow_start_ns = packet.time_ns
        self.last_ns = packet.time_ns
        self.record: Record | None = None
        self.continuation = False
        self.fins: list[bool] = []  # the directions (is it forward?) whose first FIN was seen, in order
        self.ended: tuple[str, int] | None = None  # detail and time

    def add(self, packet: Packet) -> None:
        """Account a packet to the current record and look at its TCP flags."""
        forward = self.source == End(packet.source_address, packet.source_transport_port)
        self.record = self.record or Record()
        self.record.add(packet, forward=forward)
        self.last_ns = max(self.last_ns, packet.time_ns)
        if is_tcp(packet) and self.ended is None:
            self._follow_tcp(packet.tcp_control_bits, packet.time_ns, forward)

    def _follow_tcp(self, flags: int, time_ns: int, forward: bool) -> None:
        if flags & RST:
            self.ended = ("rst", time_ns)
        elif flags & FIN:
            if forward not in self.fins:
                self.fins.append(forward)
        elif flags & ACK and len(self.fins) == 2 and forward == self.fins[0]:
            # Who sent the first FIN received the last one; this acknowledges it.
            self.ended = ("fin", time_ns)

    def reached(self, now: int, timeouts: Timeouts) -> str | None:
        """The earliest deadline that `now` has reached, by its detail; ties go idle, active, fin_timeout."""
        if self.ended:
            detail, end_ns = self.ended
            return detail if now > end_ns + timeouts.tcp_linger else None
        deadlines = []
        if timeouts.inactive:
            deadlines.append((self.last_ns + timeouts.inactive, 0, "idle"))
        if timeouts.active and self.record:
            deadlines.append((self.record.start_ns + timeouts.active, 1, "active"))
        if timeouts.tcp_fin and len(self.fins) == 1:
            deadlines.append((self.last_ns + timeouts.tcp_fin, 2, "fin_timeout"))
        return min((deadline for deadline in deadlines if now >= deadline[0]), default=(0, 0, None))[2]

    def members(self) -> dict[str, Any]:
        return {
            "source_address": self.source.address,
            "destination_address": self.destination.address,
            "source_transport_port": self.source.port,
            "destination_transport_port": self.destination.port,
            "protocol_identifier": self.protocol_identifier,
            "ip_version": self.ip_version,
            "flow_start_ns": self.flow_start_ns,
        }


class FlowTable:
    """All Flows by their key, unbounded; `records` are those that have left, in order."""

    def __init__(self, timeouts: Timeouts, key: tuple[str, ...]) -> None:
        self.timeouts, self.key = timeouts, key
        self.flows: dict[tuple[object, ...], Flow] = {}
        self.records: list[dict[str, Any]] = []

    def account(self, packet: Packet) -> None:
        """Deadlines are tested before the packet is accounted, so that no sweep can change a record."""
        key = self._key_of(packet)
        self._expire(key, packet.time_ns)
        flow = self.flows.get(key)
        if flow and flow.ended and opens_connection(packet):
            self._leave(key, flow.ended[0])
        flow = self.flows.get(key)
        if flow is None:
            flow = self.flows[key] = Flow(packet)
        flow.add(packet)
        if flow.ended and self.timeouts.tcp_linger == 0:
            self._leave(key, flow.ended[0])

    def sweep(self, now: int) -> None:
        """Send what is due at `now`."""
        for key in list(self.flows):
            self._expire(key, now)

    def flush(self, now: int) -> None:
        """The end of the input: what `now` has reached leaves with that reason, an ended Flow with its
        own.
        """
        self.sweep(now)
        for key, flow in list(self.flows.items()):
            self._leave(key, flow.ended[0] if flow.ended else "flush")

    def _expire(self, key: tuple[object, ...], now: int) -> None:
        """Apply the deadlines of a Flow that `now` has reached, in their order."""
        for detail in self._due(key, now):
            if detail == "active":
                self._split(key)
            else:
                self._leave(key, detail)

    def _due(self, key: tuple[object, ...], now: int) -> Iterator[str]:
        while (flow := self.flows.get(key)) and (detail := flow.reached(now, self.timeouts)):
            yield detail

    def _split(self, key: tuple[object, ...]) -> None:
        """Active timeout: the record leaves, the Flow lives on."""
        flow = self.flows[key]
        self._send(flow, "active")
        flow.record, flow.continuation = None, True

    def _leave(self, key: tuple[object, ...], detail: str) -> None:
        self._send(self.flows.pop(key), detail)

    def _send(self, flow: Flow, detail: str) -> None:
        """An empty record is never sent."""
        if flow.record:
            self.records.append(flow.record.members(flow.members(), detail, continuation=flow.continuation))

    def _key_of(self, packet: Packet) -> tuple[object, ...]:
        """Direction-free: (a, b) and (b, a) are one Biflow."""
        ends = (
            End(packet.source_address, packet.source_transport_port),
            End(packet.destination_address, packet.destination_transport_port),
        )
        return (
            packet.ip_version,
            packet.protocol_identifier,
            min(ends),
            max(ends),
            packet.vlan_id if "vlan" in self.key else None,
            packet.ingress_interface if "interface" in self.key else None,
        )


def is_tcp(packet: Packet) -> bool:
    return packet.protocol_identifier == TCP


def opens_connection(packet: Packet) -> bool:
    """A SYN without ACK."""
    return is_tcp(packet) and packet.tcp_control_bits & (SYN | ACK) == SYN
