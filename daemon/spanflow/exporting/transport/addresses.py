# SPDX-License-Identifier: Apache-2.0
"""From a collector's host and port to socket addresses."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, NamedTuple


class Address(NamedTuple):
    """A socket address: AF_INET or AF_INET6, and what `connect` takes."""

    family: int
    sockaddr: tuple[Any, ...]


Resolver = Callable[[str, int], list[Address]]
"""Addresses of a host, best first. Raises OSError; takes as long as the name servers take."""


def resolve(host: str, port: int) -> list[Address]:
    """All addresses of `host` for UDP, in the order of the system's preference (RFC 6724)."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, proto=socket.IPPROTO_UDP)
    except UnicodeError as error:  # an empty or too long label, before anyone is asked
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {host}") from error
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]


def is_numeric(host: str) -> bool:
    """Whether `host` is an address already, so that looking it up again is of no use."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
