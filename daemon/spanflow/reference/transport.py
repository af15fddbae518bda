# SPDX-License-Identifier: Apache-2.0
"""Ports, TCP flags, ICMP type and code: as far as the IP payload has them."""

from __future__ import annotations

from oracle.frame import DiscardError, Frame
from oracle.packet import Packet

TCP, UDP = 6, 17
WITH_PORTS = (TCP, UDP, 33, 132, 136)
"""TCP, UDP, DCCP, SCTP, UDP-Lite (semantics §2)."""

ICMP_OF_VERSION = {4: 1, 6: 58}


def decode_transport(frame: Frame, offset: int, end: int, packet: Packet) -> None:
    """Fill in what the transport header at `offset` says; `end` is where the IP payload ends by the IP
    length.

    Raises DiscardError: an IP payload too short for ports is malformed, a capture that cut what we need is
    truncated.
    """
    payload = end - offset
    protocol = packet.protocol_identifier
    if protocol in WITH_PORTS:
        if payload < 4:
            raise DiscardError("malformed")
        # TCP flags are in octets 12 and 13; a payload that ends before them has none.
        header = frame.need(offset, min(14, payload) if protocol == TCP else 4, end)
        packet.source_transport_port = int.from_bytes(header[:2], "big")
        packet.destination_transport_port = int.from_bytes(header[2:4], "big")
        if len(header) == 14:
            packet.tcp_control_bits = int.from_bytes(header[12:], "big") & 0x0FFF
    elif protocol == ICMP_OF_VERSION[packet.ip_version]:
        header = frame.need(offset, min(2, payload), end)
        packet.icmp_type_code = int.from_bytes(header, "big") if len(header) == 2 else 0
