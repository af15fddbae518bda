# SPDX-License-Identifier: Apache-2.0
"""What NetFlow sessions send, one by one and over loopback; and what it must say, in plain Python."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dpkt

from exporting.flow_batches import Values
from exporting.running_collector import wait_for
from metering.native import meter
from spanflow.exporting.facts import ExportingFacts, MeteringFacts, ObservedInterface
from spanflow.exporting.interface import Session
from spanflow.exporting.message_runs import MessageRun
from spanflow.exporting.receiver_queue import look_into_proc
from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.interface import LocalFlow, Sent
from spanflow.exporting.transport.udp import UdpTransport
from spanflow.record import Batch

DEMO = Path(__file__).parents[2] / "config" / "demo.pcap"
RAW_IP = 101


class Interfaces:
    """A probe with two interfaces."""

    started_ns = 0
    version = 1
    more_keys: Sequence[str] = ()

    def interfaces(self) -> Sequence[ObservedInterface]:
        return (ObservedInterface(3, "eth3", "uplink"), ObservedInterface(4, "eth4"))

    def metering(self) -> MeteringFacts:
        return MeteringFacts()

    def exporting(self) -> ExportingFacts:
        return ExportingFacts()


def demo_batches() -> list[Batch]:
    """The Flows of the capture that ships with the project."""
    return meter([DEMO]).batches


def announced(session: Session, now_ns: int) -> list[bytes]:
    """Templates and all options."""
    messages = session.template_messages(now_ns)
    messages += [each.octets for each in session.options_messages(now_ns)]
    return messages + [each.octets for each in session.table_messages(now_ns)]


def messages_of(session: Session, batches: Iterable[Batch], now_ns: int) -> list[bytes]:
    """The Messages with the Flows of these batches."""
    return [
        message
        for batch in batches
        for rows in session.rows(batch)
        for run in session.messages(rows, now_ns).runs
        for message in single(run)
    ]


def single(run: MessageRun) -> list[bytes]:
    """The Messages of a run, one by one."""
    octets = bytes(run.octets)
    messages = [octets[at : at + run.message_octets] for at in range(0, len(octets), run.message_octets)]
    assert len(messages) == run.messages
    return messages


def send(port: int, messages: Iterable[bytes]) -> None:
    """Send Messages over loopback; returns when the collector has read them."""
    address = Address(socket.AF_INET, ("127.0.0.1", port))
    transport = UdpTransport(address, lambda _: False, discover_path_mtu=False)
    flow = transport.flow
    for message in messages:
        assert transport.send(memoryview(message), len(message)) is Sent.ALL
        wait_for(lambda: has_read(flow), "the collector to read")
    transport.notice()
    assert transport.refusals == 0
    transport.close()


def has_read(flow: LocalFlow) -> bool:
    """Whether nothing waits in the socket of the receiver."""
    queue = look_into_proc(flow)
    return queue is not None and queue.backlog == 0


def capture(path: Path, messages: Iterable[bytes], port: int) -> None:
    """Write a capture of Messages: each in a UDP datagram over IPv4."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=RAW_IP)
        for message in messages:
            datagram = dpkt.udp.UDP(sport=50000, dport=port, data=message, ulen=8 + len(message))
            packet = dpkt.ip.IP(src=b"\x7f\0\0\1", dst=b"\x7f\0\0\1", p=17, data=datagram)
            packet.len = 28 + len(message)
            writer.writepkt(bytes(packet), ts=0)


def halves(batches: Iterable[Batch]) -> list[Values]:
    """Every half with packets, by element name; addresses are `source` and `destination`, times in ms."""
    return [
        half
        for batch in batches
        for record in batch.records
        for half in (
            _half(record, "forward", "source", "destination"),
            _half(record, "reverse", "destination", "source"),
        )
        if half["packetDeltaCount"]
    ]


def _half(record: Any, half: str, source: str, destination: str) -> Values:
    version, direction = int(record["ip_version"]), record[half]
    protocol = int(record["protocol_identifier"])
    icmp = protocol == {4: 1, 6: 58}[version]
    port = direction["icmp_type_code"] if icmp else record[f"{destination}_transport_port"]
    return {
        "version": version,
        "source": _address(record[f"{source}_address"], version),
        "destination": _address(record[f"{destination}_address"], version),
        "protocolIdentifier": protocol,
        "sourceTransportPort": int(record[f"{source}_transport_port"]),
        "destinationTransportPort": int(port),
        "packetDeltaCount": int(direction["packet_delta_count"]),
        "octetDeltaCount": int(direction["octet_delta_count"]),
        "flowStartMilliseconds": int(direction["first_ns"]) // 1_000_000,
        "flowEndMilliseconds": int(direction["last_ns"]) // 1_000_000,
        "ingressInterface": int(direction["ingress_interface"]),
        "tcpControlBits": int(direction["tcp_control_bits"]) & 0xFF,
        "ipClassOfService": int(direction["ip_class_of_service"]),
        "vlanId": int(direction["vlan_id"]),
        "applicationId": int(record["application_id"]),
    }


def _address(octets: Any, version: int) -> str:
    return str(ip_address(bytes(octets[12:] if version == 4 else octets)))


def in_order(rows: Iterable[Values]) -> list[Values]:
    """The same rows in an order that depends on them alone."""
    return sorted(rows, key=lambda row: sorted((name, str(value)) for name, value in row.items()))
