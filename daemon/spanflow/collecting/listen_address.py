# SPDX-License-Identifier: Apache-2.0
"""Where a Collecting Process listens: the argument of `--listen`, and what can go wrong with it."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Any

from spanflow.errors import ExitCode, SpanflowError, UsageError

DEFAULT_PORT = 4739
DEFAULT_SECURE_PORT = 4740
"""IANA's ports for IPFIX, and for IPFIX over TLS."""

_TRANSPORTS = ("udp", "tcp", "tls")
_LISTEN = re.compile(
    r"(?:(?P<transport>[a-z+]*)://)?(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^\[\]:/]*))(?::(?P<port>[0-9]+))?"
)


class ListenError(SpanflowError):
    """The address cannot be listened on."""

    def __init__(self, text: str, exit_code: ExitCode) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """transport: "udp", "tcp" or "tls". host: "" for all addresses. port: 0 for any free one."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        scheme = "" if self.transport == "udp" else f"{self.transport}://"
        return f"{scheme}{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def parse_address(text: str) -> ListenAddress:
    """Read HOST, HOST:PORT, [IPV6] or [IPV6]:PORT, behind udp://, tcp:// or tls://. Raises UsageError."""
    found = _LISTEN.fullmatch(text)
    if found is None:
        raise UsageError(f"--listen {text}: not an address; write HOST:PORT, or [ADDRESS]:PORT for IPv6")
    transport = "udp" if found["transport"] is None else found["transport"]
    if transport not in _TRANSPORTS:
        raise UsageError(f"--listen {text}: unknown transport {transport!r}; use udp://, tcp:// or tls://")
    default = DEFAULT_SECURE_PORT if transport == "tls" else DEFAULT_PORT
    port = found["port"] or str(default)
    if int(port) > 65535:
        raise UsageError(f"--listen {text}: port {port} is out of range; use 0-65535, 0 takes any free one")
    return ListenAddress(transport, found["ipv6"] or found["host"] or "", int(port))


def address_text(address: tuple[Any, ...]) -> str:
    """A socket address as people write it; IPv4 that came through an IPv6 socket is shown as IPv4."""
    host, port = address[0], address[1]
    if ":" not in host:
        return f"{host}:{port}"
    mapped = ipaddress.IPv6Address(host.partition("%")[0]).ipv4_mapped
    return f"{mapped}:{port}" if mapped else f"[{host}]:{port}"


def bound_socket(address: ListenAddress, kind: socket.SocketKind) -> socket.socket:
    """A bound, non-blocking socket. Raises ListenError."""
    where = f"--listen {address}"
    try:
        found = socket.getaddrinfo(address.host or None, address.port, type=kind, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise ListenError(
            f"{where}: no such host; use an address of this host, 0.0.0.0 or [::] for all",
            ExitCode.UNAVAILABLE,
        ) from None
    family, kind_found, protocol, _, socket_address = found[0]
    bound = None
    try:
        bound = socket.socket(family, kind_found, protocol)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_STREAM:
            # Else the connections of a collector that has just ended keep the port for a minute.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind(socket_address)
        if kind == socket.SOCK_STREAM:
            bound.listen()
    except OSError as error:
        if bound is not None:
            bound.close()
        raise _listen_error(where, address.port, kind, error) from None
    return bound


def _listen_error(where: str, port: int, kind: socket.SocketKind, error: OSError) -> ListenError:
    match error.errno:
        case errno.EADDRINUSE:
            letter = "t" if kind == socket.SOCK_STREAM else "u"
            return ListenError(
                f"{where}: the address is in use; choose another port, or stop the program that "
                f"`ss -{letter}lpn sport = :{port}` shows",
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
