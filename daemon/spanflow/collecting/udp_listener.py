# SPDX-License-Identifier: Apache-2.0
"""The UDP socket of a Collecting Process, with a large receive buffer and a count of what it lost."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

from spanflow.collecting.listen_address import ListenAddress, address_text, bound_socket

RECEIVE_BUFFER = 64 * 1024 * 1024
"""Octets asked for; without CAP_NET_ADMIN the kernel grants what net.core.rmem_max allows."""

_LARGEST_DATAGRAM = 65535

# Linux, include/uapi/asm-generic/socket.h and include/uapi/linux/sock_diag.h; not in the socket module.
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_SK_MEMINFO_DROPS = 8


class UdpListener:
    """A bound, non-blocking UDP socket. Use it as a context manager."""

    transport = "udp"

    def __init__(self, address: ListenAddress) -> None:
        """Bind. Raises ListenError."""
        self._socket = bound_socket(address, socket.SOCK_DGRAM)
        self.receive_buffer = _enlarge_receive_buffer(self._socket)
        """Octets that the kernel grants."""

    def __enter__(self) -> UdpListener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def address(self) -> str:
        return address_text(self._socket.getsockname())

    def datagrams(self, limit: int) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
        """Up to `limit` datagrams that wait, each with its sender; does not wait for more."""
        for _ in range(limit):
            try:
                yield self._socket.recvfrom(_LARGEST_DATAGRAM)
            except BlockingIOError:
                return

    def lost(self) -> int:
        """Datagrams that this socket dropped since it was opened, mostly for want of receive buffer.

        It is the number that SO_RXQ_OVFL attaches to datagrams, but asked for, so that what was lost
        behind the last datagram counts too.
        """
        size = 4 * (_SK_MEMINFO_DROPS + 1)
        information = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, size)
        (drops,) = struct.unpack_from("=I", information, 4 * _SK_MEMINFO_DROPS)
        return int(drops)


def _enlarge_receive_buffer(bound: socket.socket) -> int:
    try:
        bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    # The kernel doubles what was asked for, to pay for its own bookkeeping (socket(7)).
    return bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
