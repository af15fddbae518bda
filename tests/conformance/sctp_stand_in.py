# SPDX-License-Identifier: Apache-2.0
"""A stand-in for SCTP, which few kernels have loaded: one end of a pair that keeps message boundaries.

It shows what we ask of SCTP, and not that a kernel agrees.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from spanflow.exporting.transport.addresses import Address

SOL_SCTP, SCTP_STATUS, SO_MEMINFO = 132, 14, 55
ESTABLISHED = 3


class StandIn:
    """A factory of one socket. options: the SCTP options that were set on it."""

    # RFC 7496 section 4 and RFC 6458 section 8.1.31: with these data would be unreliable, or unordered.
    DEFAULT_PRINFO, DEFAULT_SNDINFO = 114, 34

    def __init__(self) -> None:
        self.address = Address(socket.AF_INET, ("192.0.2.1", 4739))
        self.options: set[int] = set()
        self._ours, self._peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def __call__(self, family: int, kind: int, protocol: int) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ours, name)

    def received(self) -> list[bytes]:
        """The SCTP messages that have come, one by one."""
        found = []
        self._peer.setblocking(False)
        try:
            while octets := self._peer.recv(65536):
                found.append(octets)
        except BlockingIOError:
            pass
        return found

    def abort(self) -> None:
        """The other side ends the association."""
        self._peer.close()

    def close(self) -> None:
        self._ours.close()
        self._peer.close()

    def connect_ex(self, address: object) -> int:
        return 0

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.7", 40000

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.1", 4739

    def setsockopt(self, level: int, option: int, *value: object) -> None:
        if level == SOL_SCTP:
            self.options.add(option)

    def getsockopt(self, level: int, option: int, octets: int = 0) -> bytes:
        if (level, option) == (socket.SOL_SOCKET, SO_MEMINFO):
            return bytes(36)
        assert (level, option) == (SOL_SCTP, SCTP_STATUS)
        return struct.pack("=ii", 0, ESTABLISHED).ljust(octets, b"\0")
