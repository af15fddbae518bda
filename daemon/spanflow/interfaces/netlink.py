# SPDX-License-Identifier: Apache-2.0
"""The list of interfaces from the kernel, by rtnetlink(7)."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_STATS64 = 1, 3, 4, 23

_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_NLM_F_REQUEST, _NLM_F_DUMP_INTR, _NLM_F_DUMP = 0x1, 0x10, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLA_TYPE_MASK = 0x3FFF

_MESSAGE = struct.Struct("=IHHII")
_LINK_HEADER = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")

# The kernel makes the parts of a dump as long as the reader's buffer, up to 32 KiB.
_LARGEST_PART = 1 << 16
_DUMP_ATTEMPTS = 5
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Link:
    """What the kernel tells of one interface: struct ifinfomsg, and its attributes by IFLA number."""

    link_type: int
    index: int
    flags: int
    attributes: Mapping[int, bytes]

    @property
    def name(self) -> str:
        """As text; octets that are not UTF-8 as surrogates."""
        return self.attributes[IFLA_IFNAME].rstrip(b"\0").decode("utf-8", "surrogateescape")


def links() -> list[Link]:
    """Every interface of this namespace, by RTM_GETLINK. Raises OSError where netlink is not allowed."""
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
    ) as netlink:
        netlink.settimeout(_TIMEOUT_S)
        for attempt in range(_DUMP_ATTEMPTS):
            found, interrupted = _dump(netlink, attempt)
            if not interrupted:
                break
    return found


def _dump(netlink: socket.socket, sequence: int) -> tuple[list[Link], bool]:
    """One dump, and whether the list of interfaces changed under it (NLM_F_DUMP_INTR)."""
    length = _MESSAGE.size + _LINK_HEADER.size
    dump = _NLM_F_REQUEST | _NLM_F_DUMP
    netlink.send(_MESSAGE.pack(length, _RTM_GETLINK, dump, sequence, 0) + bytes(_LINK_HEADER.size))
    found: list[Link] = []
    interrupted = False
    while True:
        for kind, flags, body in _messages(netlink.recv(_LARGEST_PART)):
            interrupted = interrupted or bool(flags & _NLM_F_DUMP_INTR)
            if kind == _NLMSG_DONE:
                return found, interrupted
            if kind == _NLMSG_ERROR:
                (number,) = struct.unpack_from("=i", body)
                raise OSError(-number, os.strerror(-number))
            if kind == _RTM_NEWLINK:
                _, link_type, index, link_flags, _ = _LINK_HEADER.unpack_from(body)
                found.append(Link(link_type, index, link_flags, dict(_attributes(body[_LINK_HEADER.size :]))))


def _messages(octets: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Type, flags and body of each netlink message."""
    while len(octets) >= _MESSAGE.size:
        length, kind, flags, _, _ = _MESSAGE.unpack_from(octets)
        yield kind, flags, octets[_MESSAGE.size : length]
        octets = octets[_aligned(length) :]


def _attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each attribute."""
    while len(octets) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(octets)
        yield kind & _NLA_TYPE_MASK, octets[_ATTRIBUTE.size : length]
        octets = octets[_aligned(length) :]


def _aligned(length: int) -> int:
    # A length of 0 would never end.
    return max(4, -(-length // 4) * 4)
