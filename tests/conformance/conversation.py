# SPDX-License-Identifier: Apache-2.0
"""A capture with one TCP connection, for the lines that are about metering too."""

from __future__ import annotations

from pathlib import Path

import dpkt

CLIENT, SERVER = "192.0.2.1", "192.0.2.2"
RAW_IP = 101
SYN, SYN_ACK, ACK, PUSH_ECE_CWR = 0x02, 0x12, 0x10, 0xC8


def conversation(folder: Path, *, seconds: int) -> Path:
    """The file of a connection with a packet each way in each second."""
    path = folder / "conversation.pcap"
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=RAW_IP)
        for second in range(seconds):
            there, back = (PUSH_ECE_CWR | ACK, ACK) if second else (SYN, SYN_ACK)
            for source, destination, ports, flags in (
                (CLIENT, SERVER, (40000, 80), there),
                (SERVER, CLIENT, (80, 40000), back),
            ):
                tcp = dpkt.tcp.TCP(sport=ports[0], dport=ports[1], flags=flags, data=b"x" * 10)
                addresses = {"src": _octets(source), "dst": _octets(destination)}
                ip = dpkt.ip.IP(p=6, len=20 + len(tcp), data=tcp, **addresses)
                writer.writepkt(bytes(ip), ts=1_700_000_000 + second)
    return path


def _octets(address: str) -> bytes:
    return bytes(map(int, address.split(".")))
