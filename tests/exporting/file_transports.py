# SPDX-License-Identifier: Apache-2.0
"""Transports into files, as tests use them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from exporting.clocks import FakeClock
from spanflow.exporting.transport.file import FileTransport
from spanflow.exporting.transport.interface import Sent

CHILD = Path(__file__).with_name("file_child.py")

DAY, TIME = "20270115", "080000"
"""What the wall clock of FakeClock shows at first."""


def opened(path: Path, clock: FakeClock | None = None, **options: Any) -> FileTransport:
    clock = clock or FakeClock()
    return FileTransport(str(path), lambda seconds: False, clock=clock, **options)


def send(transport: FileTransport, *messages: bytes) -> Sent:
    return transport.send(memoryview(b"".join(messages)), len(messages[0]))


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def partial(directory: Path) -> Path:
    """The one file that is being written."""
    (found,) = directory.glob(".*.partial")
    return found
