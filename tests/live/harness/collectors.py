# SPDX-License-Identifier: Apache-2.0
"""Collectors inside a namespace: a socket of the test's own that knows when Messages came; our command."""

from __future__ import annotations

import select
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from end_to_end.command import SPANFLOW, JsonCollector
from exporting.plain_ipfix import Reader
from exporting.running_collector import wait_for
from live.harness.namespace import Namespace

RECEIVE_BUFFER_OCTETS = 512 << 20
SO_RCVBUFFORCE = 33
LOOK_AROUND_MS = 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """A Message and when it came, on the monotonic clock."""

    seconds: float
    message: bytes


class Receiver:
    """Keeps every Message that arrives at a UDP socket, until it is closed."""

    def __init__(self, namespace: Namespace, host: str, port: int) -> None:
        self._socket = bound_socket(namespace, host, port)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_OCTETS)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"ipfix+udp://{host}:{self.port}"
        self.arrivals: list[Arrival] = []
        self._closing = False
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Takes what has arrived until now, then closes the socket."""
        if not self._closing:
            self._closing = True
            self._thread.join()
            self._socket.close()

    def messages(self) -> list[bytes]:
        return [arrival.message for arrival in self.arrivals]

    def read(self) -> Reader:
        """All Messages, read strictly; sequence numbers without a gap."""
        return Reader().read_all(self.messages())

    def flows(self) -> list[dict[str, Any]]:
        """The Data Records so far that are not options."""
        return self.read().flows()

    def wait_for_flows(self, count: int) -> list[dict[str, Any]]:
        """As soon as there are so many."""
        wait_for(lambda: len(self.flows()) >= count, f"{count} Data Records")
        return self.flows()

    def when(self, count: int) -> float:
        """When the Data Record number `count` (from 1) came, on the monotonic clock."""
        reader = Reader()
        for arrival in list(self.arrivals):
            reader.read(arrival.message)
            if len(reader.flows()) >= count:
                return arrival.seconds
        raise AssertionError(f"fewer than {count} Data Records")

    def _receive(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while poll.poll(LOOK_AROUND_MS) or not self._closing:
            try:
                while message := self._socket.recv(65536, socket.MSG_DONTWAIT):
                    self.arrivals.append(Arrival(time.monotonic(), message))
            except BlockingIOError:
                continue


def bound_socket(namespace: Namespace, host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A UDP socket inside a namespace."""
    opened = namespace.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    opened.bind((host, port))
    return opened


@contextmanager
def receiver(namespace: Namespace, host: str = "127.0.0.1", port: int = 0) -> Iterator[Receiver]:
    """Listens when it is entered."""
    listening = Receiver(namespace, host, port)
    try:
        yield listening
    finally:
        listening.close()


@contextmanager
def json_collector(namespace: Namespace, port: int = 0) -> Iterator[JsonCollector]:
    """A `spanflow collect --json` that listens when it is entered, and is killed at the end."""
    with tempfile.TemporaryFile("w+") as output:
        child = namespace.start(
            [*SPANFLOW, "collect", "--json", "--listen", f"127.0.0.1:{port}"],
            stdout=output,
            stderr=subprocess.PIPE,
        )
        try:
            assert child.stderr is not None
            address = child.stderr.readline().split()[2]
            yield JsonCollector(child, output, f"ipfix+udp://{address}")
        finally:
            child.kill()
            child.communicate()
