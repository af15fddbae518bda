# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server that slow, broken and hostile clients cannot stop, swell or shut others out of.

One thread, sockets that never block, and a bound for everything: connections, the octets and the time of a
request's head, the time to take the answer. It answers one request on each connection, then closes it.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from enum import IntEnum
from http import HTTPStatus
from typing import TypeAlias

from spanflow.errors import ExitCode, SpanflowError
from spanflow.http_messages import RefusedError, Request, Response, head_octets, parse_head, render

Handler: TypeAlias = Callable[[Request], Response]

MOST_CONNECTIONS = 32
LARGEST_HEAD = 8192
HEAD_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 10.0
LINGER_TIMEOUT_S = 2.0
LINGER_OCTETS = 256 << 10

METHODS = ("GET", "HEAD")

# Those who wait to be accepted while 1,000 others knock must not be turned away: they would only try again a
# second later. The kernel lowers it to net.core.somaxconn.
_BACKLOG = 4096
# Then those who are connected get their turn. Far fewer than MOST_CONNECTIONS, so that nobody is replaced
# before his request was read, which has begun to arrive (TCP_DEFER_ACCEPT).
_ACCEPTED_AT_ONCE = 8
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_EXHAUSTED_PAUSE_S = 1.0
_STOP_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class _Phase(IntEnum):
    """What a connection is at; the lower, the sooner it is given up for a new one."""

    LINGERING = 0
    READING = 1
    ANSWERING = 2
    OVER = 3


class _Connection:
    """One client. `deadline_s` (of the server's clock): when it is closed, whatever it is at.

    After the answer it lingers: what the client still sends is thrown away for a while. To close at once
    would make the kernel send a reset, which may overtake the answer (RFC 9112 section 9.6).
    """

    def __init__(self, connected: socket.socket, now_s: float, respond: Callable[[bytes], bytes]) -> None:
        self.socket = connected
        self.phase = _Phase.READING
        self.deadline_s = now_s + HEAD_TIMEOUT_S
        self.events = selectors.EVENT_READ
        self._respond = respond
        self._received = bytearray()
        self._answer = memoryview(b"")
        self._lingered = 0

    def advance(self, now_s: float) -> int:
        """Do all that is possible without waiting. Returns the event to wait for next, 0 when it is over."""
        steps = {
            _Phase.READING: self._read,
            _Phase.ANSWERING: self._send,
            _Phase.LINGERING: self._linger,
        }
        try:
            while self.phase is not _Phase.OVER:
                steps[self.phase](now_s)
        except BlockingIOError:
            return selectors.EVENT_WRITE if self.phase is _Phase.ANSWERING else selectors.EVENT_READ
        except OSError:  # the client is gone
            self.phase = _Phase.OVER
        return 0

    def _read(self, now_s: float) -> None:
        chunk = self.socket.recv(LARGEST_HEAD + 1 - len(self._received))
        self._received += chunk
        if not chunk:
            self.phase = _Phase.OVER
        elif head := head_octets(self._received):
            self._begin_answer(bytes(self._received[:head]), now_s)
        elif len(self._received) > LARGEST_HEAD or not self._received[:1].isalpha():
            # What begins otherwise (TLS) is no request, however it goes on.
            self._begin_answer(bytes(self._received), now_s)

    def _begin_answer(self, head: bytes, now_s: float) -> None:
        self._answer = memoryview(self._respond(head))
        self._received.clear()
        self.phase = _Phase.ANSWERING
        self.deadline_s = now_s + ANSWER_TIMEOUT_S

    def _send(self, now_s: float) -> None:
        self._answer = self._answer[self.socket.send(self._answer) :]
        if not self._answer:
            self.socket.shutdown(socket.SHUT_WR)
            self.phase = _Phase.LINGERING
            self.deadline_s = now_s + LINGER_TIMEOUT_S

    def _linger(self, now_s: float) -> None:
        chunk = self.socket.recv(LARGEST_HEAD)
        self._lingered += len(chunk)
        if not chunk or self._lingered > LINGER_OCTETS:
            self.phase = _Phase.OVER


class HttpServer:
    """Answers at `address` what `routes` has for the path of a request.

    address: an IP address and a port, 0 for any; the member `address` has the one in use. A path that is not
    in `routes` is answered with 404. Handlers run in the server's thread, so they must be quick.
    Raises SpanflowError (exit code 69) if it cannot listen there.
    """

    def __init__(
        self,
        address: tuple[str, int],
        routes: Mapping[str, Handler],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routes = routes
        self._clock = clock
        self._listener = _listen(address)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._accept_again_s: float | None = None
        self._connections: list[_Connection] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake_up, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to answer. Once only."""
        self._thread.start()

    def stop(self) -> None:
        """Close all connections and end the thread. May be called again."""
        self._stopping = True
        if self._thread.is_alive():
            self._wake_up.send(b"x")
            self._thread.join(_STOP_TIMEOUT_S)
        elif self._listener.fileno() >= 0:
            self._close()

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    # The thread.

    def _run(self) -> None:
        try:
            while not self._stopping:
                self.turn()
        finally:
            self._close()

    def turn(self, longest_wait_s: float | None = None) -> None:
        """One round of the thread: wait for something to do or to be overdue, and do it."""
        accept = False
        for key, _ in self._selector.select(self._seconds_to_wait(longest_wait_s)):
            if isinstance(key.data, _Connection):
                self._advance(key.data)
            accept = accept or key.fileobj is self._listener
        now_s = self._clock()
        for connection in [each for each in self._connections if each.deadline_s <= now_s]:
            self._drop(connection)
        if self._accept_again_s is not None and self._accept_again_s <= now_s:
            self._accept_again_s = None
            self._selector.register(self._listener, selectors.EVENT_READ)
        if accept:
            self._accept()

    def _seconds_to_wait(self, longest_s: float | None) -> float | None:
        due = [connection.deadline_s for connection in self._connections]
        if self._accept_again_s is not None:
            due.append(self._accept_again_s)
        waits = [max(0.0, min(due) - self._clock())] if due else []
        if longest_s is not None:
            waits.append(longest_s)
        return min(waits, default=None)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connected, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # accept(2): an error of the network, of a connection that is no more
                log.warning("metrics connection not accepted", extra={"error": str(error)})
                self._selector.unregister(self._listener)
                self._accept_again_s = self._clock() + _EXHAUSTED_PAUSE_S
                return
            connected.setblocking(False)
            if len(self._connections) >= MOST_CONNECTIONS:
                self._drop(min(self._connections, key=lambda each: (each.phase, each.deadline_s)))
            connection = _Connection(connected, self._clock(), self._respond)
            self._connections.append(connection)
            self._selector.register(connected, connection.events, connection)

    def _advance(self, connection: _Connection) -> None:
        events = connection.advance(self._clock())
        if not events:
            self._drop(connection)
        elif events != connection.events:
            self._selector.modify(connection.socket, events, connection)
            connection.events = events

    def _drop(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _close(self) -> None:
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.close()
        for each in (self._listener, self._wake_up, self._woken):
            each.close()

    # Answers.

    def _respond(self, received: bytes) -> bytes:
        with_body = True
        try:
            if len(received) > LARGEST_HEAD:
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                raise RefusedError(status, f"the head of the request has more than {LARGEST_HEAD} octets")
            request = parse_head(received)
            with_body = request.method != "HEAD"
            response = self._handle(request)
        except RefusedError as refused:
            response = refused.response
        return render(response, with_body=with_body, wall_s=time.time())

    def _handle(self, request: Request) -> Response:
        if request.method not in METHODS:
            allow = ", ".join(METHODS)
            text = f"this method is not allowed; use {allow}\n".encode()
            return Response(HTTPStatus.METHOD_NOT_ALLOWED, text, allow=allow)
        handler = self._routes.get(request.path)
        if handler is None:
            text = f"there is nothing at this path; use {', '.join(self._routes)}\n".encode()
            return Response(HTTPStatus.NOT_FOUND, text)
        try:
            return handler(request)
        except Exception as error:  # a defect in one answer must not end all of them
            extra = {"path": request.path, "error": f"{type(error).__name__}: {error}"}
            log.error("request failed", extra=extra)
            return Response(HTTPStatus.INTERNAL_SERVER_ERROR, b"this failed; the log says why\n")


def _listen(address: tuple[str, int]) -> socket.socket:
    """A socket that listens at an IP address and port. Raises SpanflowError."""
    host, port = address
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    listener = None
    try:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Until the first octets of a request are there, the kernel keeps a connection to itself.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        listener.listen(_BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        problem = SpanflowError(
            f"metrics.listen {shown}: {error.strerror}; free the port, or set another address"
        )
        problem.exit_code = ExitCode.UNAVAILABLE
        raise problem from error
    listener.setblocking(False)
    return listener
