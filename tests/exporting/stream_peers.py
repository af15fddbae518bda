# SPDX-License-Identifier: Apache-2.0
"""The far ends of streams for tests: listeners on loopback, and what they do."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from spanflow.exporting.transport.addresses import Address

PATIENCE_S = 10.0


def never_stops(seconds: float) -> bool:
    return False


def address_of(listening: socket.socket) -> Address:
    return Address(listening.family, listening.getsockname())


@contextmanager
def listener(host: str = "127.0.0.1", receive_octets: int = 0, port: int = 0) -> Iterator[socket.socket]:
    """A listening TCP socket; with `receive_octets`, one whose connections take little.

    port: 0: any.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        if receive_octets:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
        if port:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.settimeout(PATIENCE_S)
        listening.bind((host, port))
        listening.listen()
        yield listening


def accept(listening: socket.socket) -> socket.socket:
    peer, _ = listening.accept()
    peer.settimeout(PATIENCE_S)
    return peer


def reset(peer: socket.socket) -> None:
    """End with a RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@contextmanager
def peer(serve: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[Address]:
    """A listener that serves each connection in a thread of its own; both are over at the end."""
    with listener(host) as listening:
        connections: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def run() -> None:
            with suppress(OSError):
                while True:
                    connection = accept(listening)
                    connections.append(connection)
                    thread = threading.Thread(target=_serve, args=(serve, connection))
                    threads.append(thread)
                    thread.start()

        listening_thread = threading.Thread(target=run)
        listening_thread.start()
        try:
            yield address_of(listening)
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            listening_thread.join()
            for connection in connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def _serve(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    # What goes wrong is seen at the other side, which is the one under test.
    with connection, suppress(OSError):
        serve(connection)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the end."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def eventually(condition: Callable[[], object], what: str) -> None:
    """Look again and again, until it is so."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError(f"never: {what}")
