# SPDX-License-Identifier: Apache-2.0
"""A collector over TCP that comes and goes at one port, and keeps what it has got."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

from exporting.stream_peers import eventually
from faults.arrivals import MILLISECOND_NS, TIMEOUT_S, Arrivals
from spanflow.config.schema import Collector


class Serving:
    """connections: what each has brought so far, the octets."""

    def __init__(self, *, up: bool = True) -> None:
        self.connections: list[bytearray] = []
        self._listening: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        with socket.socket() as probing:
            probing.bind(("127.0.0.1", 0))
            self.port: int = probing.getsockname()[1]
        if up:
            self.come()

    def collector(self, **options: Any) -> Collector:
        given: dict[str, Any] = {
            "transport": "tcp",
            "host": "127.0.0.1",
            "port": self.port,
            "retry_interval": 20 * MILLISECOND_NS,
        }
        return Collector(**given | options)

    def come(self) -> None:
        """Listen."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._run(self._accept, self._listening)

    def go(self) -> None:
        """Stop in order: take what was acknowledged, then be gone."""
        if self._listening is not None:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = None
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)

    def end(self) -> bytes:
        """What came over all connections, once they have ended."""
        self.go()
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        return b"".join(self.connections)

    def arrivals(self) -> Arrivals:
        """The same, decoded."""
        self.end()
        arrivals = Arrivals()
        for octets in self.connections:
            arrivals.take(bytes(octets))
        return arrivals

    def wait_for(self, count: int) -> None:
        """Until so many connections were made."""
        eventually(lambda: len(self.connections) >= count, f"{count} connections")

    def _run(self, *call: Any) -> None:
        thread = threading.Thread(target=call[0], args=call[1:], daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                octets = bytearray()
                self._open.append(connection)
                self.connections.append(octets)
                self._run(self._read, connection, octets)

    def _read(self, connection: socket.socket, octets: bytearray) -> None:
        with connection, suppress(OSError):
            while part := connection.recv(1 << 16):
                octets += part
