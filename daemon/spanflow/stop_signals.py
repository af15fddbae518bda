# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM as a flag that a poll loop sees at once."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_INIT = 1
"""The first process of a container: the kernel spares it what signals do by default."""


class StopSignals:
    """While entered, the first SIGINT or SIGTERM sets `requested`; the second has its usual effect.

    `number` is that of the signal. So a process that is stuck, in a write to a pipe that nobody reads for
    instance, can still be ended.
    Poll fileno() for reading to wake up when a signal comes. Use it in the main thread.
    """

    def __init__(self) -> None:
        self.requested = False
        self.number = 0

    def __enter__(self) -> StopSignals:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._handlers_before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        return self._read

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self.number = number
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL if os.getpid() != _INIT else _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)
