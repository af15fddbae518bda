# SPDX-License-Identifier: Apache-2.0
"""The offloads of a card, by the ethtool ioctl (linux/ethtool.h)."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from collections.abc import Mapping

_SIOCETHTOOL = 0x8946
_ETHTOOL_GFLAGS = 0x25
_FEATURES = {"gro": 0x2B, "gso": 0x23, "tso": 0x1E}
_FLAGS = {"lro": 1 << 15, "rxvlan": 1 << 8}


def offloads(control: socket.socket, name: str) -> Mapping[str, bool]:
    """The offloads of an interface that are told, by name. control: any socket of its namespace."""
    values = {feature: _value(control, name, command) for feature, command in _FEATURES.items()}
    flags = _value(control, name, _ETHTOOL_GFLAGS)
    values |= {feature: flags if flags is None else flags & bit for feature, bit in _FLAGS.items()}
    return {feature: bool(value) for feature, value in sorted(values.items()) if value is not None}


def _value(control: socket.socket, name: str, command: int) -> int | None:
    """The value of struct ethtool_value; None if the driver or a sandbox does not tell."""
    value = array.array("I", [command, 0])
    address, _ = value.buffer_info()
    request = struct.pack("16sP", name.encode("utf-8", "surrogateescape"), address).ljust(40, b"\0")
    try:
        fcntl.ioctl(control, _SIOCETHTOOL, request)
    except OSError:
        return None
    return value[1]
