# SPDX-License-Identifier: Apache-2.0
"""What a connected socket is to others: its 5-tuple, and its far end in words."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.interface import LocalFlow


def flow_of(connected: socket.socket, protocol: int) -> LocalFlow:
    """The 5-tuple of what a connected socket sends."""
    source, destination = connected.getsockname(), connected.getpeername()
    return LocalFlow(_address(source[0]), source[1], _address(destination[0]), destination[1], protocol)


def place_of(address: Address) -> str:
    """`192.0.2.1:4739` or `[2001:db8::1]:4739`, for messages."""
    host, port = address.sockaddr[:2]
    return f"[{host}]:{port}" if address.family == socket.AF_INET6 else f"{host}:{port}"


def _address(host: str) -> IPv4Address | IPv6Address:
    """The address; an IPv4 address that an IPv6 socket shows as IPv6 is an IPv4 address."""
    address = ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
