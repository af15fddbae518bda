# SPDX-License-Identifier: Apache-2.0
"""The progress bar of `spanflow meter`."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from spanflow.cli.tables import human

if TYPE_CHECKING:
    from spanflow.file_meter import FileMeter

_INTERVAL_SECONDS = 0.1
_BAR_WIDTH = 30
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """While entered, update() redraws one line on standard error, ten times a second at most."""

    def __init__(self, meter: FileMeter, files: Sequence[str], *, shown: bool) -> None:
        self._meter = meter
        self._shown = shown
        self._total = _total_octets(files)
        self._started = self._drawn = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            print(_CLEAR_LINE, end="", file=sys.stderr, flush=True)

    def update(self) -> None:
        now = time.monotonic()
        if not self._shown or now - self._drawn < _INTERVAL_SECONDS:
            return
        self._drawn = now
        packets = self._meter.counters().received.packets
        text = f"{human(packets)} packets  {human(int(packets / (now - self._started)))}/s"
        if self._total is not None:
            share = min(self._meter.octets_read() / self._total, 1.0)
            filled = int(share * _BAR_WIDTH)
            text = f"{'━' * filled}{'╌' * (_BAR_WIDTH - filled)} {share:4.0%}  {text}"
        print(f"{_CLEAR_LINE}{text}", end="", file=sys.stderr, flush=True)


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
