# SPDX-License-Identifier: Apache-2.0
"""Many runs of Messages in one system call: sendmmsg(2), which Python does not have.

Each run is one buffer that the kernel cuts into datagrams (UDP_SEGMENT in a control message). The structures
are laid out with numpy, so that a run costs no Python.
"""

from __future__ import annotations

import ctypes
import socket
from typing import Any

import numpy as np

from spanflow.record import Array

UDP_SEGMENT = 103
"""linux/udp.h: not in the `socket` module."""

MOST_RUNS = 256
"""In one call; the kernel takes 1,024 (UIO_MAXIOV)."""

_POINTER, _SIZE, _INT = f"u{ctypes.sizeof(ctypes.c_void_p)}", f"u{ctypes.sizeof(ctypes.c_size_t)}", "i4"

# struct iovec, struct mmsghdr and struct cmsghdr of linux/socket.h.
_IOVEC = np.dtype([("base", _POINTER), ("octets", _SIZE)], align=True)
_HEADER = np.dtype(
    [
        ("name", _POINTER),
        ("name_octets", "u4"),
        ("vectors", _POINTER),
        ("vector_count", _SIZE),
        ("control", _POINTER),
        ("control_octets", _SIZE),
        ("flags", _INT),
    ],
    align=True,
)
_MESSAGE = np.dtype([("header", _HEADER), ("sent_octets", "u4")], align=True)
_CONTROL = np.dtype([("octets", _SIZE), ("level", _INT), ("type", _INT), ("segment", "u2")], align=True)
_CONTROL_OCTETS = ctypes.sizeof(ctypes.c_size_t) + 4 + 4 + 2
"""Without what aligns the next one: CMSG_LEN of two octets."""


class ManyDatagrams:
    """The structures for one socket. One thread."""

    def __init__(self) -> None:
        self._sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self._vectors = np.zeros(MOST_RUNS, _IOVEC)
        controls = np.zeros(MOST_RUNS, _CONTROL)
        controls["octets"] = _CONTROL_OCTETS
        controls["level"], controls["type"] = socket.IPPROTO_UDP, UDP_SEGMENT
        self._segments = controls["segment"]
        self._messages: np.ndarray[Any, np.dtype[Any]] = np.zeros(MOST_RUNS, _MESSAGE)
        self._headers = self._messages["header"]
        self._headers["vectors"] = _addresses(self._vectors)
        self._headers["vector_count"] = 1
        self._control_addresses = _addresses(controls)
        self._controls = controls

    def send(self, descriptor: int, buffer: Array, places: Array, message_octets: Array) -> tuple[int, int]:
        """Send runs of a buffer (uint8): how many were taken, from the first on, and the errno if it is none.

        places: where each of at most MOST_RUNS runs starts, and the last ends. message_octets: of each run.
        """
        count = len(message_octets)
        octets = np.diff(places)
        vectors, headers = self._vectors[:count], self._headers[:count]
        vectors["base"] = places[:-1] + buffer.ctypes.data
        vectors["octets"] = octets
        several = octets > message_octets
        self._segments[:count] = message_octets
        headers["control"] = np.where(several, self._control_addresses[:count], 0)
        headers["control_octets"] = np.where(several, _CONTROL.itemsize, 0)
        taken = int(self._sendmmsg(descriptor, self._messages.ctypes.data, count, 0))
        return (taken, 0) if taken > 0 else (0, ctypes.get_errno())


def _addresses(items: Array) -> Array:
    return np.arange(len(items), dtype=_POINTER) * items.itemsize + items.ctypes.data
