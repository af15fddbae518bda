# SPDX-License-Identifier: Apache-2.0
"""The fragment table: later fragments get the ports of the first (section 3)."""

from __future__ import annotations

from dataclasses import dataclass

from spanflow.reference.packet import Packet

LIFETIME_NS = 30_000_000_000


@dataclass(frozen=True, slots=True)
class _First:
    time_ns: int
    protocol_identifier: int
    source_transport_port: int
    destination_transport_port: int


class FragmentTable:
    """First fragments by directed addresses, protocol and identification; the oldest makes room (3.6)."""

    def __init__(self, maximum: int, vlan_in_key: bool) -> None:
        self.maximum, self.vlan_in_key = maximum, vlan_in_key
        self.firsts: dict[tuple[object, ...], _First] = {}
        self.orphans = 0

    def place(self, packet: Packet) -> None:
        """Remember a first fragment; give a later one protocol and ports of its first.

        3.2: if that was read before it and is at most 30 s away. 3.4: else it is an orphan.
        """
        fragment = packet.fragment
        if fragment is None:
            return
        key = (
            packet.ip_version,
            packet.source_address,
            packet.destination_address,
            fragment.protocol,
            fragment.identification,
            packet.vlan_id if self.vlan_in_key else 0,
        )
        if fragment.place == "first":
            self._remember(key, packet)
            return
        first = self.firsts.get(key)
        if first is None or abs(packet.time_ns - first.time_ns) > LIFETIME_NS:
            self.orphans += 1
            return
        packet.protocol_identifier = first.protocol_identifier
        packet.source_transport_port = first.source_transport_port
        packet.destination_transport_port = first.destination_transport_port

    def _remember(self, key: tuple[object, ...], packet: Packet) -> None:
        """3.3: the one read last counts."""
        self.firsts.pop(key, None)
        self.firsts[key] = _First(
            packet.time_ns,
            packet.protocol_identifier,
            packet.source_transport_port,
            packet.destination_transport_port,
        )
        while len(self.firsts) > self.maximum:
            del self.firsts[next(iter(self.firsts))]
