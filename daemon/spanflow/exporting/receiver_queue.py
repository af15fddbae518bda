# SPDX-License-Identifier: Apache-2.0
"""How full the receive buffer of a collector on this machine is, seen from outside.

By sock_diag(7), which finds the very socket and knows the size of its buffer, in about 4 us; where netlink is
not allowed, from /proc/self/net/udp, in about 40 us and without the size.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spanflow.exporting.transport.interface import LocalFlow

ASSUMED_CAPACITY = 212_992
"""Linux's default receive buffer in octets, for where the real size cannot be seen."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_INET_DIAG_SKMEMINFO = 7
_ANY_STATE = 0xFFFF_FFFF
_NO_COOKIE = (0xFFFF_FFFF, 0xFFFF_FFFF)

_NETLINK_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_SOCKET_PORTS = struct.Struct(">HH")
_SOCKET_INTERFACE = struct.Struct("=III")
_MESSAGE_OCTETS = 72  # struct inet_diag_msg
_ATTRIBUTE = struct.Struct("=HH")
_ATTRIBUTE_ALIGNMENT = 4


@dataclass(frozen=True, slots=True)
class ReceiverQueue:
    """Octets of kernel memory: what waits in the buffer, what the buffer takes."""

    backlog: int
    capacity: int


Look = Callable[[], ReceiverQueue | None]
"""One look at the receiver; None: nobody listens there."""


def receiver_look(flow: LocalFlow) -> Look:
    """The best way to look at the receiver of this flow that works here."""
    try:
        diag = SocketDiagnostics()
    except OSError:
        return lambda: look_into_proc(flow)
    # Without the kernel's udp_diag every look says "no such socket"; our own socket surely exists.
    mirror = LocalFlow(flow.destination, flow.destination_port, flow.source, flow.source_port)
    if diag.look_if_allowed(mirror) is None:
        diag.close()
        return lambda: look_into_proc(flow)
    return lambda: diag.look_if_allowed(flow)


class SocketDiagnostics:
    """A netlink socket for sock_diag(7). Raises OSError where that is not allowed."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
        self._socket.settimeout(1.0)

    def look(self, flow: LocalFlow) -> ReceiverQueue | None:
        """The socket that a datagram of this flow would reach, or None."""
        self._socket.send(_diagnostics_request(flow))
        return _parse_diagnostics(self._socket.recv(4096))

    def look_if_allowed(self, flow: LocalFlow) -> ReceiverQueue | None:
        """The same; where the kernel or a sandbox refuses, what /proc shows."""
        try:
            return self.look(flow)
        except OSError:
            return look_into_proc(flow)

    def close(self) -> None:
        """Give the netlink socket back."""
        self._socket.close()


def _diagnostics_request(flow: LocalFlow) -> bytes:
    """struct inet_diag_req_v2 for one UDP socket, looked up as for a packet from source to destination."""
    family = socket.AF_INET if flow.destination.version == 4 else socket.AF_INET6
    body = (
        _REQUEST.pack(family, socket.IPPROTO_UDP, 1 << (_INET_DIAG_SKMEMINFO - 1), 0, _ANY_STATE)
        + _SOCKET_PORTS.pack(flow.source_port, flow.destination_port)
        + flow.source.packed.ljust(16, b"\0")
        + flow.destination.packed.ljust(16, b"\0")
        + _SOCKET_INTERFACE.pack(0, *_NO_COOKIE)
    )
    length = _NETLINK_HEADER.size + len(body)
    return _NETLINK_HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0) + body


def _parse_diagnostics(answer: bytes) -> ReceiverQueue | None:
    """The first two words of INET_DIAG_SKMEMINFO: memory in use for receiving, and its bound."""
    length, kind, *_ = _NETLINK_HEADER.unpack_from(answer)
    if kind != _SOCK_DIAG_BY_FAMILY:
        return None
    offset = _NETLINK_HEADER.size + _MESSAGE_OCTETS
    while offset + _ATTRIBUTE.size <= min(length, len(answer)):
        size, attribute = _ATTRIBUTE.unpack_from(answer, offset)
        if attribute == _INET_DIAG_SKMEMINFO:
            backlog, capacity = struct.unpack_from("=II", answer, offset + _ATTRIBUTE.size)
            return ReceiverQueue(backlog, capacity)
        offset += max(_ATTRIBUTE.size, -(-size // _ATTRIBUTE_ALIGNMENT) * _ATTRIBUTE_ALIGNMENT)
    return None


def look_into_proc(flow: LocalFlow, proc: Path = Path("/proc/self/net")) -> ReceiverQueue | None:
    """The fullest UDP socket that listens at the destination of this flow, by /proc/self/net/udp and udp6."""
    backlogs = [
        backlog
        for table in ("udp", "udp6")
        for address, port, backlog in _read_table(proc / table)
        if port == flow.destination_port and address in _listening_addresses(flow)
    ]
    return ReceiverQueue(max(backlogs), ASSUMED_CAPACITY) if backlogs else None


def _read_table(table: Path) -> list[tuple[bytes, int, int]]:
    """Local address (network order), local port and rx_queue of each socket in the table."""
    try:
        lines = table.read_text("ascii").splitlines()[1:]
    except OSError:
        return []
    sockets = []
    for line in lines:
        _, local, _, _, queues, *_ = line.split()
        address, port = local.split(":")
        sockets.append((_proc_address(address), int(port, 16), int(queues.split(":")[1], 16)))
    return sockets


def _proc_address(text: str) -> bytes:
    """The kernel prints each 32-bit word of an address as a number in its own byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    return struct.pack(f"={len(words)}I", *words)


def _listening_addresses(flow: LocalFlow) -> tuple[bytes, ...]:
    """The local addresses of sockets that take datagrams of this flow."""
    packed = flow.destination.packed
    if flow.destination.version == 4:
        return packed, bytes(4), bytes(16), bytes(10) + b"\xff\xff" + packed
    return packed, bytes(16)
