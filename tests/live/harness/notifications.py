# SPDX-License-Identifier: Apache-2.0
"""A stub of systemd's notification socket: what a daemon says to it, with the time of each word."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Notification:
    """One datagram: its assignments by name. heard_s: on the monotonic clock."""

    heard_s: float
    values: dict[str, str]


class NotificationSocket:
    """Listens from the moment that it is made until it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[Notification] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def when(self, name: str, value: str) -> float | None:
        """When an assignment was heard first."""
        return next((one.heard_s for one in self.heard if one.values.get(name) == value), None)

    def count(self, name: str, value: str) -> int:
        """How often an assignment was heard."""
        return sum(one.values.get(name) == value for one in self.heard)

    def status(self) -> str:
        """The latest status line."""
        return next((one.values["STATUS"] for one in reversed(self.heard) if "STATUS" in one.values), "")

    def _listen(self) -> None:
        while datagram := self._socket.recv(65536):
            lines = datagram.decode().splitlines()
            values = dict(line.split("=", 1) for line in lines if "=" in line)
            self.heard.append(Notification(time.monotonic(), values))
