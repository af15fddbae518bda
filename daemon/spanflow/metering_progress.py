# SPDX-License-Identifier: Apache-2.0
"""How far the metering of files has come: a line on standard error, drawn again and again."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from spanflow.metering_counters import MeteringCounters
from spanflow.short_numbers import human

_INTERVAL_SECONDS = 0.1
_BAR_WIDTH = 30


class MetersFiles(Protocol):
    """What progress is told of."""

    def counters(self) -> MeteringCounters: ...

    def octets_read(self) -> int: ...


def watched() -> bool:
    """Whether somebody sees standard error while it is written: a terminal, or a notebook."""
    return sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)


class Progress:
    """While entered, update() redraws one line on standard error, ten times a second at most.

    after_seconds: what takes no longer shows nothing.
    """

    def __init__(
        self, meter: MetersFiles, files: Sequence[str], *, shown: bool, after_seconds: float = 0.0
    ) -> None:
        self._meter = meter
        self._shown = shown
        self._total = _total_octets(files)
        self._started = time.monotonic()
        self._due = self._started + max(after_seconds, _INTERVAL_SECONDS)
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._width:
            self._draw("", "\r")

    def update(self) -> None:
        now = time.monotonic()
        if not self._shown or now < self._due:
            return
        self._due = now + _INTERVAL_SECONDS
        packets = self._meter.counters().received.packets
        text = f"{human(packets)} packets  {human(int(packets / (now - self._started)))}/s"
        if self._total is not None:
            share = min(self._meter.octets_read() / self._total, 1.0)
            filled = int(share * _BAR_WIDTH)
            text = f"{'━' * filled}{'╌' * (_BAR_WIDTH - filled)} {share:4.0%}  {text}"
        self._draw(text)

    def _draw(self, text: str, end: str = "") -> None:
        # Blanks, not an escape sequence: a notebook knows only the carriage return.
        print(f"\r{text.ljust(self._width)}", end=end, file=sys.stderr, flush=True)
        self._width = len(text)


def _total_octets(files: Sequence[str]) -> int | None:
    """The octets of all files; None where one of them is a pipe or cannot be asked."""
    total = 0
    for name in files:
        try:
            status = os.stat(0 if name == "-" else name)
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        total += status.st_size
    return total or None
