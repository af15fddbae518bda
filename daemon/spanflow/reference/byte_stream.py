# SPDX-License-Identifier: Apache-2.0
"""Buffered octets of a file, a pipe or standard input."""

from __future__ import annotations

import os
import select
import stat
from threading import Event

LARGEST_RECORD = 384 << 10
"""11.2: what a record or block may have."""

_CHUNK = 256 << 10
_STOP_SECONDS = 0.1


class ByteStream:
    """Reads ahead as octets are asked for. Owns the descriptor.

    stop: once it is set, the input has ended, also a pipe on which nothing comes. error: what a read failed
    with.
    """

    def __init__(self, descriptor: int, stop: Event) -> None:
        self.error: OSError | None = None
        self.octets_read = 0
        self._descriptor, self._stop = descriptor, stop
        self._may_block = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._buffer, self._at = b"", 0

    def close(self) -> None:
        os.close(self._descriptor)

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    @property
    def available(self) -> int:
        return len(self._buffer) - self._at

    @property
    def offset(self) -> int:
        """Where in the input the next octet is."""
        return self.octets_read - self.available

    def fill(self, count: int) -> bool:
        """Whether so many octets are there, after reading until they are."""
        while self.available < count:
            chunk = self._read()
            if not chunk:
                return False
            self.octets_read += len(chunk)
            self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return True

    def peek(self, count: int, at: int = 0) -> bytes:
        """The octets from `at` on; fewer where fewer are there."""
        return self._buffer[self._at + at : self._at + at + count]

    def consume(self, count: int) -> None:
        """Go on behind octets that are there."""
        self._at += count

    def skip(self, count: int) -> bool:
        """Go on behind `count` octets, however many. False: the input ended before."""
        while count > self.available:
            count -= self.available
            self._at = len(self._buffer)
            if not self.fill(1):
                return False
        self.consume(count)
        return True

    def _read(self) -> bytes:
        try:
            while self._may_block and not select.select([self._descriptor], [], [], _STOP_SECONDS)[0]:
                if self.stopped:
                    return b""
            return os.read(self._descriptor, _CHUNK)
        except OSError as error:
            self.error = error
            return b""
