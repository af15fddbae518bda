# SPDX-License-Identifier: Apache-2.0
"""What the packets to a collector have in common: where they come from, their DSCP, their TTL."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from ipaddress import ip_address

_DSCP_SHIFT = 2  # below it are the two bits of ECN (RFC 3168)


@dataclass(frozen=True, slots=True)
class Marking:
    """source: the address to send from; None: as the route says. dscp: RFC 2474. ttl: 0: as the system has
    it."""

    source: str | None = None
    dscp: int = 0
    ttl: int = 0


UNMARKED = Marking()


def mark(sending: socket.socket, marking: Marking) -> None:
    """Set the options of a socket that is not connected yet. Raises OSError with what to do."""
    ipv6 = sending.family == socket.AF_INET6
    if marking.source is not None:
        _bind(sending, marking.source, ipv6)
    if marking.dscp:
        field = marking.dscp << _DSCP_SHIFT
        if ipv6:
            sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, field)
        else:
            sending.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, field)
    if marking.ttl:
        if ipv6:
            sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, marking.ttl)
        else:
            sending.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, marking.ttl)


def _bind(sending: socket.socket, source: str, ipv6: bool) -> None:
    if (ip_address(source).version == 6) != ipv6:
        raise OSError(
            f"source {source}: of another IP version than the collector's address; use one of the same"
        )
    try:
        sending.bind((source, 0))
    except OSError as error:
        reason = os.strerror(error.errno or errno.EADDRNOTAVAIL)
        raise OSError(f"source {source}: {reason.lower()}; use an address of this machine") from error
