# SPDX-License-Identifier: Apache-2.0
"""Sends frames out of an interface of a namespace: all at once, paced, or as a capture file holds them."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from live.harness.namespace import Namespace
from reference import read_capture

SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
SEND_BUFFER_OCTETS = 16 << 20
AT_ONCE = 1024  # UIO_MAXIOV, the most that sendmmsg takes

# struct iovec and struct mmsghdr of 64-bit Linux; what is not named is zero.
IOVEC = np.dtype([("base", np.uint64), ("length", np.uint64)])
MMSGHDR = np.dtype(
    {
        "names": ["iov", "iovlen"],
        "formats": [np.uint64, np.uint64],
        "offsets": [16, 24],
        "itemsize": 64,
    }
)

_libc = ctypes.CDLL(None, use_errno=True)


class Burst:
    """Frames, ready to be sent many at a time."""

    def __init__(self, octets: bytes, lengths: np.ndarray) -> None:
        """octets: all frames one after the other."""
        self._octets = np.frombuffer(octets, np.uint8)
        self._iovecs = np.zeros(len(lengths), IOVEC)
        self._iovecs["length"] = lengths
        self._iovecs["base"] = self._octets.ctypes.data + np.cumsum(lengths) - lengths
        self._messages = np.zeros(len(lengths), MMSGHDR)
        self._messages["iov"] = self._iovecs.ctypes.data + IOVEC.itemsize * np.arange(len(lengths))
        self._messages["iovlen"] = 1

    @classmethod
    def of(cls, frames: Sequence[bytes]) -> Burst:
        return cls(b"".join(frames), np.array([len(frame) for frame in frames], np.uint64))

    def __len__(self) -> int:
        return len(self._messages)

    def address_of(self, number: int) -> int:
        """Where in memory the message of a frame is."""
        return int(self._messages.ctypes.data) + MMSGHDR.itemsize * number


class Sender:
    """A packet socket on one interface.

    as_host: the frames take the way of the host's own, through the queue discipline, where a capture on the
    same interface sees them leave, VLAN tags in their octets. Otherwise only the other end sees them: there
    the kernel has moved the outermost VLAN tag from the octets to the metadata, as network cards do.
    """

    def __init__(self, namespace: Namespace, interface: str, *, as_host: bool = False) -> None:
        def opened() -> socket.socket:
            sending = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sending.bind((interface, 0))
            return sending

        self._socket = namespace.inside(opened)
        self._socket.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, int(not as_host))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_OCTETS)
        self.taken = 0
        """Frames that the kernel took, all calls together."""

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, frames: Burst | Sequence[bytes]) -> int:
        """Send frames as fast as it goes; returns how many the kernel took, which is all of them."""
        burst = frames if isinstance(frames, Burst) else Burst.of(frames)
        done = 0
        while done < len(burst):
            count = min(AT_ONCE, len(burst) - done)
            address = ctypes.c_void_p(burst.address_of(done))
            taken = int(_libc.sendmmsg(self._socket.fileno(), address, ctypes.c_uint(count), 0))
            if taken < 0:
                error = ctypes.get_errno()
                if error in (errno.ENOBUFS, errno.EAGAIN, errno.EINTR):
                    continue
                raise OSError(error, os.strerror(error))
            done += taken
            self.taken += taken
        return done

    def pace(self, frames: Iterable[tuple[float, bytes]]) -> int:
        """Send each frame at its time, in seconds after the call; returns how many the kernel took."""
        begin, count = time.monotonic(), 0
        for due, frame in frames:
            while (wait := begin + due - time.monotonic()) > 0:
                time.sleep(wait)
            count += self.send([frame])
        return count

    def replay(self, capture: Path, *, keep_gaps: bool = False) -> int:
        """Send the frames of a capture file, at once or as far apart as they were captured."""
        frames = list(read_capture(capture, []))
        if not keep_gaps:
            return self.send([frame.octets for frame in frames])
        first = frames[0].time_ns
        return self.pace(((frame.time_ns - first) / 1e9, frame.octets) for frame in frames)


def evenly(frames: Sequence[bytes], seconds: float) -> list[tuple[float, bytes]]:
    """Frames for `Sender.pace`, spread over a time."""
    return [(seconds * number / len(frames), frame) for number, frame in enumerate(frames)]
