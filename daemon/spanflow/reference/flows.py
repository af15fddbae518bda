# SPDX-License-Identifier: Apache-2.0
"""One Biflow: direction, the end of TCP, deadlines (sections 4, 7 and 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from spanflow.config.schema import Cache
from spanflow.reference.flow_key import FlowKey, receiver, sender
from spanflow.reference.original_names import FlowNames
from spanflow.reference.packet import ACK, FIN, RST, SYN, Packet
from spanflow.reference.records import Record
from spanflow.reference.transport import TCP

if TYPE_CHECKING:
    from spanflow.reference.detection import Classification

NEVER = 1 << 63
"""Above every time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Nanoseconds; 8.5: 0 switches one off (with tcp_linger 0 an ended Flow leaves at once)."""

    active: int
    inactive: int
    tcp_linger: int
    tcp_fin: int

    @classmethod
    def of(cls, cache: Cache) -> Timeouts:
        return cls(
            active=cache.active_timeout,
            inactive=cache.inactive_timeout,
            tcp_linger=cache.tcp_linger,
            tcp_fin=cache.tcp_fin_timeout,
        )


class Deadline(NamedTuple):
    """When it is reached; its rank among those of one time (8.2); what the Flow then leaves with."""

    time_ns: int
    rank: int
    detail: str


class Flow(FlowNames):
    """One Biflow. `record` is None before its first packet, and from an active split to the next packet.

    classification: None where applications are not looked for. metrics, classifiers: for plugins. due: its
    next deadline. scheduled_ns: where the timers have it, None when they do not. detail: what it leaves with,
    "" while it lives.
    """

    __slots__ = (
        *("flow_key", "source", "destination", "flow_start_ns", "last_ns", "record", "continuation", "fins"),
        *("ended", "classification", "metrics", "classifiers", "due", "scheduled_ns", "detail"),
        *("FIN_flag_counter", "ACK_flag_counter"),
    )

    def __init__(self, key: FlowKey, packet: Packet) -> None:
        # 4.1: the receiver of a SYN+ACK initiated; else the sender of the first packet, SYN or not.
        answers = is_tcp(packet) and packet.tcp_control_bits & (SYN | ACK) == SYN | ACK
        ends = sender(packet), receiver(packet)
        self.source, self.destination = reversed(ends) if answers else ends
        self.flow_key = key
        self.flow_start_ns = self.last_ns = packet.time_ns
        self.record: Record | None = None
        self.continuation = False
        self.fins: list[int] = []  # the directions whose first FIN was seen, in order
        self.ended: tuple[str, int] | None = None  # detail and time
        self.classification: Classification | None = None
        self.metrics: dict[str, Any] = {}
        self.classifiers: dict[str, dict[str, Any]] = {}
        self.due = Deadline(NEVER, 0, "")
        self.scheduled_ns: int | None = None
        self.detail = ""
        self.FIN_flag_counter = self.ACK_flag_counter = 0

    def direct(self, packet: Packet) -> None:
        """4.2: where both ends are the same, all packets are forward."""
        packet.direction = int(self.source != sender(packet))

    def add(self, packet: Packet, most_first_packets: int) -> None:
        """Account a packet to the current record and look at its TCP flags."""
        self.record = self.record or Record()
        self.record.add(packet, most_first_packets)
        self.last_ns = max(self.last_ns, packet.time_ns)
        if is_tcp(packet):
            self._count_flags(packet.tcp_control_bits)
            if self.ended is None:
                self._follow_tcp(packet.tcp_control_bits, packet.time_ns, packet.direction)

    def _follow_tcp(self, flags: int, time_ns: int, direction: int) -> None:
        if flags & RST:
            self.ended = ("rst", time_ns)  # 7.1
        elif flags & FIN:
            if direction not in self.fins:
                self.fins.append(direction)
        elif flags & ACK and len(self.fins) == 2 and direction == self.fins[0]:
            # 7.2: who sent the first FIN received the last one; this acknowledges it.
            self.ended = ("fin", time_ns)

    def _count_flags(self, flags: int) -> None:
        if flags & FIN:
            self.FIN_flag_counter += 1
        elif flags & ACK and self.FIN_flag_counter:
            self.ACK_flag_counter += 1

    def next_deadline(self, timeouts: Timeouts) -> Deadline:
        """Section 8: the first of those that it has."""
        if self.ended:
            detail, end_ns = self.ended
            return Deadline(end_ns + timeouts.tcp_linger + 1, 0, detail)  # 8.1: reached is t > deadline
        deadlines = [Deadline(NEVER, 3, "")]
        if timeouts.inactive:
            deadlines.append(Deadline(self.last_ns + timeouts.inactive, 0, "idle"))
        if timeouts.active and self.record:
            deadlines.append(Deadline(self.record.both.first_ns + timeouts.active, 1, "active"))
        if timeouts.tcp_fin and len(self.fins) == 1:
            deadlines.append(Deadline(self.last_ns + timeouts.tcp_fin, 2, "fin_timeout"))  # 7.4
        return min(deadlines)

    def members(self) -> dict[str, Any]:
        """Those members of spanflow.record.RECORD that stay the same across splits."""
        return {
            "source_address": self.source.address,
            "destination_address": self.destination.address,
            "source_transport_port": self.source.port,
            "destination_transport_port": self.destination.port,
            "protocol_identifier": self.flow_key.protocol_identifier,
            "ip_version": self.flow_key.ip_version,
            "flow_id": self.flow_id,
            "flow_start_ns": self.flow_start_ns,
        }


def is_tcp(packet: Packet) -> bool:
    return packet.protocol_identifier == TCP


def opens_connection(packet: Packet) -> bool:
    """A SYN without ACK."""
    return is_tcp(packet) and packet.tcp_control_bits & (SYN | ACK) == SYN
