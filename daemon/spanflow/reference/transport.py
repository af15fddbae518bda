# SPDX-License-Identifier: Apache-2.0
"""Ports, TCP flags, ICMP type and code: as far as the IP payload has them (1.2, 2.2, 5.6, 5.8)."""

from __future__ import annotations

import dpkt

from spanflow.reference.frame import DiscardError, Frame, fields
from spanflow.reference.packet import Packet

TCP, UDP, DCCP, SCTP, UDP_LITE = 6, 17, 33, 132, 136
HEADER_OCTETS = {UDP: 8, SCTP: 12, UDP_LITE: 8}
ICMP_OF_VERSION = {4: 1, 6: 58}


def decode_transport(frame: Frame, end: int, packet: Packet) -> None:
    """Fill in what the transport header says; `end` is where the IP payload ends by the IP length.

    Raises DiscardError: an IP payload too short for ports is malformed, a capture that cut what we need is
    truncated.
    """
    offset = packet.transport_offset
    payload = end - offset
    protocol = packet.protocol_identifier
    if protocol in (TCP, UDP, DCCP, SCTP, UDP_LITE):
        if payload < 4:
            raise DiscardError("malformed")  # 1.3
        needed = frame.need(offset, min(14, payload) if protocol == TCP else 4, end)
        ports = fields(dpkt.udp.UDP, needed)  # all five begin so
        packet.source_transport_port, packet.destination_transport_port = ports.sport, ports.dport
        if protocol == TCP and len(needed) == 14:
            header = fields(dpkt.tcp.TCP, needed)
            packet.tcp_control_bits = header._off_flags & 0x0FFF  # dpkt's `flags` has 9 of the 12
            packet.payload_offset = offset + header.off * 4
        elif protocol == DCCP:
            packet.payload_offset = offset + frame.octets[offset + 4 : offset + 5].ljust(1, b"\3")[0] * 4
        else:
            packet.payload_offset = offset + HEADER_OCTETS.get(protocol, payload)
    elif protocol == ICMP_OF_VERSION[packet.ip_version]:
        needed = frame.need(offset, min(2, payload), end)
        if len(needed) == 2:
            header = fields(dpkt.icmp.ICMP, needed)
            packet.icmp_type_code = header.type * 256 + header.code
        packet.payload_offset = offset + 8
