# SPDX-License-Identifier: Apache-2.0
"""A server whose clock and turns a test owns, and clients that do to it whatever the test wants."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from spanflow.http import Handler, HttpServer
from spanflow.http_messages import Request, Response

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
TIMEOUT_S = 30.0


def hello(request: Request) -> Response:
    return Response(HTTPStatus.OK, b"hello\n")


class Served:
    """A server without its thread: it does something only when the test lets it."""

    def __init__(self, routes: Mapping[str, Handler]) -> None:
        self.now_s = 1000.0
        self.server = HttpServer(("127.0.0.1", 0), routes, clock=lambda: self.now_s)

    def turn_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self.server.turn(0.01)

    def settle(self) -> None:
        """Let the server do all that it can; the kernel hands octets on loopback over at once."""
        for _ in range(20):
            self.server.turn(0.001)

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
        self.settle()


@contextmanager
def serving(routes: Mapping[str, Handler] | None = None) -> Iterator[Served]:
    served = Served({"/": hello} if routes is None else routes)
    try:
        yield served
    finally:
        served.server.stop()


class Client:
    """A connection that never blocks the test. `received` grows in `look`; `ended`: closed, or `reset`."""

    def __init__(self, served: Served, sends: bytes = b"", *, receive_octets: int = 0) -> None:
        self._served = served
        self.socket = socket.socket()
        if receive_octets:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
        self.socket.connect(served.server.address)
        self.socket.setblocking(False)
        if sends:
            self.send(sends)
        self.received = b""
        self.ended = self.reset = False

    def send(self, octets: bytes) -> None:
        self.socket.send(octets)

    def look(self) -> bool:
        """Take what is there; whether the connection has ended."""
        try:
            while chunk := self.socket.recv(1 << 20):
                self.received += chunk
            self.ended = True
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.ended = self.reset = True
        return self.ended

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, fields and body of the one answer, once the server has closed its side."""
        self._served.turn_until(self.look, "the end of the answer")
        assert not self.reset
        head, _, body = self.received.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        return int(line.split()[1]), dict(field.split(": ", 1) for field in fields), body
