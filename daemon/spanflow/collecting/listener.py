# SPDX-License-Identifier: Apache-2.0
"""The UDP socket of a Collecting Process, with a large receive buffer and a count of what it lost."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
import struct
from collections.abc import Iterator
from typing import Any

from spanflow.errors import ExitCode, SpanflowError, UsageError

DEFAULT_PORT = 4739
RECEIVE_BUFFER = 64 * 1024 * 1024
"""Octets asked for; without CAP_NET_ADMIN the kernel grants what net.core.rmem_max allows."""

_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^\[\]:]*))(?::(?P<port>[0-9]+))?")
_LARGEST_DATAGRAM = 65535

# Linux, include/uapi/asm-generic/socket.h and include/uapi/linux/sock_diag.h; not in the socket module.
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_SK_MEMINFO_DROPS = 8


class ListenError(SpanflowError):
    """The address cannot be listened on."""

    def __init__(self, text: str, exit_code: ExitCode) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def parse_address(text: str) -> tuple[str, int]:
    """Split HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; "" as host means all addresses. Raises UsageError."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise UsageError(f"--listen {text}: not an address; write HOST:PORT, or [ADDRESS]:PORT for IPv6")
    port = found["port"] or str(DEFAULT_PORT)
    if int(port) > 65535:
        raise UsageError(f"--listen {text}: port {port} is out of range; use 0-65535, 0 takes any free one")
    return found["ipv6"] or found["host"] or "", int(port)


def address_text(address: tuple[Any, ...]) -> str:
    """A socket address as people write it; IPv4 that came through an IPv6 socket is shown as IPv4."""
    host, port = address[0], address[1]
    if ":" not in host:
        return f"{host}:{port}"
    mapped = ipaddress.IPv6Address(host.partition("%")[0]).ipv4_mapped
    return f"{mapped}:{port}" if mapped else f"[{host}]:{port}"


class UdpListener:
    """A bound, non-blocking UDP socket. Use it as a context manager, or close() it."""

    def __init__(self, host: str, port: int) -> None:
        """Bind; port 0 takes any free one. Raises ListenError."""
        self._socket = _bind(host, port)
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


def _bind(host: str, port: int) -> socket.socket:
    where = f"--listen {f'[{host}]' if ':' in host else host}:{port}"
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise ListenError(
            f"{where}: no such host; use an address of this host, 0.0.0.0 or [::] for all",
            ExitCode.UNAVAILABLE,
        ) from None
    family, kind, protocol, _, address = found[0]
    bound = None
    try:
        bound = socket.socket(family, kind, protocol)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.setblocking(False)
        bound.bind(address)
    except OSError as error:
        if bound is not None:
            bound.close()
        raise _listen_error(where, port, error) from None
    return bound


def _listen_error(where: str, port: int, error: OSError) -> ListenError:
    match error.errno:
        case errno.EADDRINUSE:
            return ListenError(
                f"{where}: the address is in use; choose another port, or stop the program that "
                f"`ss -ulpn sport = :{port}` shows",
                ExitCode.UNAVAILABLE,
            )
        case errno.EACCES | errno.EPERM:
            return ListenError(
                f"{where}: not permitted; choose a port above 1023, or grant CAP_NET_BIND_SERVICE",
                ExitCode.NO_PERMISSION,
            )
        case errno.EADDRNOTAVAIL:
            return ListenError(
                f"{where}: this host has no such address; choose one that `ip address` shows, "
                "or 0.0.0.0 or [::] for all",
                ExitCode.UNAVAILABLE,
            )
        case _:
            reason = error.strerror or str(error)
            return ListenError(f"{where}: {reason}; choose another address", ExitCode.OS_ERROR)


def _enlarge_receive_buffer(bound: socket.socket) -> int:
    try:
        bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    # The kernel doubles what was asked for, to pay for its own bookkeeping (socket(7)).
    return bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
