# SPDX-License-Identifier: Apache-2.0
"""From rows of packets to the octets of a classic pcap file (Ethernet, microseconds, right checksums).

Addresses: clients 10.0.0.0/8 and 2001:db8:c::/64, servers 198.18.0.0/15 and 2001:db8:5::/64, the
host number in the low bits.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow_plan import FlowPlan, Shape
from packet_plan import SYN
from payloads import WIDTH, Payloads

EPOCH = 1_767_225_600  # seconds; 2026-01-01
ETHERNET_OCTETS = 14
LEAST_FRAME = 60  # octets without the frame check sequence; shorter frames are padded
RECORD_OCTETS = 16
LONGEST_HEADERS = ETHERNET_OCTETS + 40 + 28  # IPv6, TCP with our options
CHUNK_OCTETS = 16 << 20  # of the matrix that frames are built in
# Maximum segment size 1440, SACK permitted, two no-operations (RFC 9293 section 3.1, RFC 2018).
SYN_OPTIONS = bytes.fromhex("020405a004020101")
CLIENT_MAC = bytes.fromhex("020000000c01")
SERVER_MAC = bytes.fromhex("020000000501")
CLIENT_PREFIX = bytes.fromhex("20010db8000c0000")
SERVER_PREFIX = bytes.fromhex("20010db800050000")

_RECORD = [("seconds", "<u4"), ("microseconds", "<u4"), ("captured", "<u4"), ("wire", "<u4")]
_ETHERNET = [("mac_destination", "S6"), ("mac_source", "S6"), ("ether_type", ">u2")]
_IPV4 = [
    ("version", "u1"), ("traffic_class", "u1"), ("length", ">u2"), ("identification", ">u2"),
    ("fragment", ">u2"), ("hop_limit", "u1"), ("protocol", "u1"), ("header_checksum", ">u2"),
    ("source", ">u4"), ("destination", ">u4"),
]  # fmt: skip
_IPV6 = [
    ("version", "u1"), ("traffic_class", "u1"), ("flow_label", ">u2"), ("length", ">u2"),
    ("protocol", "u1"), ("hop_limit", "u1"), ("source_prefix", "S8"), ("source", ">u8"),
    ("destination_prefix", "S8"), ("destination", ">u8"),
]  # fmt: skip
_PORTS = [("source_port", ">u2"), ("destination_port", ">u2")]
_TCP = [
    *_PORTS, ("sequence", ">u4"), ("acknowledgement", ">u4"), ("data_offset", "u1"), ("flags", "u1"),
    ("window", ">u2"), ("checksum", ">u2"), ("urgent", ">u2"),
]  # fmt: skip
_UDP = [*_PORTS, ("udp_length", ">u2"), ("checksum", ">u2")]


@dataclass(frozen=True, slots=True)
class Layout:
    """One stack of headers: which packets have it and how their octets lie."""

    ipv6: bool
    tcp: bool
    options: bool

    @property
    def dtype(self) -> np.dtype[np.void]:
        transport = _TCP if self.tcp else _UDP
        tail = [("options", f"S{len(SYN_OPTIONS)}")] if self.options else []
        return np.dtype([*_RECORD, *_ETHERNET, *(_IPV6 if self.ipv6 else _IPV4), *transport, *tail])

    @property
    def transport_octets(self) -> int:
        return (20 if self.tcp else 8) + (len(SYN_OPTIONS) if self.options else 0)

    @property
    def ip_octets(self) -> int:
        """IP and transport headers together."""
        return (40 if self.ipv6 else 20) + self.transport_octets


def file_header(snap: int) -> bytes:
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, 1)


def ip_octets(packet: NDArray[np.void], plan: FlowPlan) -> NDArray[np.int64]:
    """Octets of each IP packet, header included; what `octetDeltaCount` counts."""
    flow = packet["flow"]
    transport = np.where(plan.tcp[flow], 20 + len(SYN_OPTIONS) * _has_options(packet, plan), 8)
    return packet["payload"] + transport + np.where(plan.ipv6[flow], 40, 20)


def wire_octets(ip: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.maximum(ip + ETHERNET_OCTETS, LEAST_FRAME)


def build_records(
    packet: NDArray[np.void], number: int, plan: FlowPlan, payloads: Payloads, snap: int
) -> NDArray[np.uint8]:
    """The pcap records of `packet` in order, as octets; `number` is the first packet's place in the file."""
    wire = wire_octets(ip_octets(packet, plan))
    captured = np.minimum(wire, snap)
    width = RECORD_OCTETS + int(captured.max())
    matrix = np.zeros((len(packet), width), np.uint8)
    ipv6 = plan.ipv6[packet["flow"]]
    tcp = plan.tcp[packet["flow"]]
    options = _has_options(packet, plan)
    for layout in (
        Layout(v6, *rest) for v6 in (False, True) for rest in ((True, False), (True, True), (False, False))
    ):
        rows = np.flatnonzero((ipv6 == layout.ipv6) & (tcp == layout.tcp) & (options == layout.options))
        if not len(rows):
            continue
        headers = _headers(packet[rows], number + rows, plan, payloads, layout)
        headers["captured"] = captured[rows]
        headers["wire"] = wire[rows]
        octets = layout.dtype.itemsize
        matrix[rows, :octets] = headers.view(np.uint8).reshape(len(rows), octets)
        room = min(width - octets, WIDTH)
        matrix[rows, octets : octets + room] = payloads.octets[packet["row"][rows], :room]
    return matrix[np.arange(width) < (RECORD_OCTETS + captured)[:, None]]


def _has_options(packet: NDArray[np.void], plan: FlowPlan) -> NDArray[np.bool_]:
    """A SYN carries options, but that of an unanswered attempt is bare (and its frame padded)."""
    syn: NDArray[np.bool_] = (packet["flags"] & SYN) != 0
    answered: NDArray[np.bool_] = plan.shape[packet["flow"]] != Shape.UNANSWERED
    return syn & answered


def _headers(
    packet: NDArray[np.void], number: NDArray[np.int64], plan: FlowPlan, payloads: Payloads, layout: Layout
) -> NDArray[np.void]:
    flow = packet["flow"]
    down = packet["from_server"]
    h = np.zeros(len(packet), layout.dtype)
    h["seconds"] = EPOCH + packet["time"] // 1_000_000
    h["microseconds"] = packet["time"] % 1_000_000
    h["mac_source"] = np.where(down, SERVER_MAC, CLIENT_MAC)
    h["mac_destination"] = np.where(down, CLIENT_MAC, SERVER_MAC)
    h["protocol"] = 6 if layout.tcp else 17
    h["hop_limit"] = np.where(down, 120, 64) - flow % 16
    client, server = plan.client[flow], plan.server[flow]
    if layout.ipv6:
        h["ether_type"] = 0x86DD
        h["version"] = 0x60
        h["length"] = layout.transport_octets + packet["payload"]
        h["source_prefix"] = np.where(down, SERVER_PREFIX, CLIENT_PREFIX)
        h["destination_prefix"] = np.where(down, CLIENT_PREFIX, SERVER_PREFIX)
    else:
        h["ether_type"] = 0x0800
        h["version"] = 0x45
        h["length"] = layout.ip_octets + packet["payload"]
        h["identification"] = number & 0xFFFF
        h["fragment"] = 0x4000  # do not fragment
        client, server = client + 0x0A000000, server + 0xC6120000
    h["source"] = np.where(down, server, client)
    h["destination"] = np.where(down, client, server)
    h["source_port"] = np.where(down, plan.server_port[flow], plan.client_port[flow])
    h["destination_port"] = np.where(down, plan.client_port[flow], plan.server_port[flow])
    if layout.tcp:
        h["sequence"] = packet["sequence"]
        h["acknowledgement"] = packet["acknowledgement"]
        h["data_offset"] = layout.transport_octets // 4 << 4
        h["flags"] = packet["flags"]
        h["window"] = 64240
    else:
        h["udp_length"] = layout.transport_octets + packet["payload"]
    if layout.options:
        h["options"] = SYN_OPTIONS
    _put_checksums(h, packet, payloads, layout)
    return h


def _put_checksums(h: NDArray[np.void], packet: NDArray[np.void], payloads: Payloads, layout: Layout) -> None:
    """RFC 1071 sums over 16-bit words; the checksum fields are still zero."""
    octets = h.view(np.uint8).reshape(len(h), -1)
    network = RECORD_OCTETS + ETHERNET_OCTETS
    transport = network + (40 if layout.ipv6 else 20)
    addresses = octets[:, network + (8 if layout.ipv6 else 12) : transport]
    total = _word_sum(addresses) + h["protocol"] + layout.transport_octets + packet["payload"]
    total += _word_sum(octets[:, transport:]) + payloads.word_sums[packet["row"], packet["payload"]]
    checksum = _fold(total)
    if not layout.tcp:
        checksum[checksum == 0] = 0xFFFF  # RFC 768: zero would mean "none"
    if not layout.ipv6:
        h["header_checksum"] = _fold(_word_sum(octets[:, network:transport]))
    h["checksum"] = checksum


def _word_sum(octets: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Sum of each row's big-endian 16-bit words; rows are of even length."""
    words = np.ascontiguousarray(octets).view(">u2")
    total: NDArray[np.uint64] = words.sum(axis=1, dtype=np.uint64)
    return total


def _fold(total: NDArray[np.uint64]) -> NDArray[np.uint64]:
    low, high = np.uint64(0xFFFF), np.uint64(16)
    total = (total & low) + (total >> high)
    total = (total & low) + (total >> high)
    return ~total & low
