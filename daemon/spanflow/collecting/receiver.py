# SPDX-License-Identifier: Apache-2.0
"""All sockets of a Collecting Process, served in turn by one thread: datagrams, and bounded connections."""

from __future__ import annotations

import math
import resource
import select
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from spanflow.collecting.connection import Connection, StreamListener
from spanflow.collecting.listen_address import address_text
from spanflow.collecting.malformed import MalformedMessageError
from spanflow.collecting.message import Message
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.session import TransportSession
from spanflow.collecting.stream import MessageStream
from spanflow.collecting.udp_listener import UdpListener

MOST_CONNECTIONS = 256
HANDSHAKE_SECONDS = 10

_DATAGRAMS_PER_ROUND = 256
_OTHER_DESCRIPTORS = 32
"""Of this process, beside its connections."""


class Trouble(NamedTuple):
    """Something that went wrong with one exporter; kind: what it has in common with others of its like."""

    exporter: str
    kind: str
    text: str


Arrival: TypeAlias = tuple[TransportSession, Message] | Trouble


class Receiver:
    """Listens, accepts, reads and decodes, without ever waiting for one peer.

    Each ready socket gets one turn per round, of a bounded size: 64 KiB of a connection. Connections are
    bounded too: when there is no room, the oldest that never sent a whole valid Message is closed for the new
    one; if all did, the new one is refused, so that exporters at work keep their connections.
    Use it as a context manager. Poll fileno() for reading, at most until next_deadline(), then take
    arrivals().
    """

    def __init__(
        self,
        process: CollectingProcess,
        listeners: Sequence[UdpListener | StreamListener],
        *,
        most_connections: int = MOST_CONNECTIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """listeners: open ones, which stay open."""
        self._process = process
        self._clock = clock
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most_connections = max(1, min(most_connections, descriptors - _OTHER_DESCRIPTORS))
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._connections: dict[int, Connection] = {}
        """In the order in which they were accepted."""
        self._epoll = select.epoll()
        for descriptor in self._listeners:
            self._epoll.register(descriptor, select.EPOLLIN)

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in list(self._connections.values()):
            self._close(connection)
        self._epoll.close()

    def fileno(self) -> int:
        return self._epoll.fileno()

    @property
    def connections(self) -> int:
        return len(self._connections)

    def next_deadline(self) -> float:
        """When arrivals() should be taken even if nothing comes, by the clock."""
        return min(
            (each.deadline for each in self._connections.values() if each.handshaking), default=math.inf
        )

    def arrivals(self) -> Iterator[Arrival]:
        """What the sockets that are ready have, one round of them; does not wait."""
        for descriptor, _ in self._epoll.poll(0):
            listener = self._listeners.get(descriptor)
            if isinstance(listener, UdpListener):
                yield from self._datagrams(listener)
            elif listener is not None:
                yield from self._accept(listener)
            elif (connection := self._connections.get(descriptor)) is not None:
                yield from self._read(connection)
        yield from self._expire()

    def _datagrams(self, listener: UdpListener) -> Iterator[Arrival]:
        for octets, sender in listener.datagrams(_DATAGRAMS_PER_ROUND):
            try:
                yield self._process.receive(octets, sender)
            except MalformedMessageError as error:
                yield Trouble(address_text(sender), error.reason, f"{error}; message discarded")

    def _accept(self, listener: StreamListener) -> Iterator[Arrival]:
        for accepted, address in listener.accept():
            peer = address_text(address)
            if len(self._connections) >= self._most_connections:
                idle = next((each for each in self._connections.values() if not each.stream.offset), None)
                if idle is None:
                    accepted.close()
                    self._process.counters.refused_connections += 1
                    yield Trouble(peer, "no room", "too many connections; this one was refused")
                    continue
                yield self._drop(idle, "no room", "too many connections; one without messages was closed")
            stream = MessageStream(self._process, address)
            connection = Connection(accepted, peer, stream, self._clock() + HANDSHAKE_SECONDS)
            self._connections[connection.fileno()] = connection
            self._epoll.register(connection.fileno(), select.EPOLLIN)
            self._process.counters.connections += 1

    def _read(self, connection: Connection) -> Iterator[Arrival]:
        handshaking = connection.handshaking
        try:
            octets, events = connection.receive()
            if octets is None:
                self._epoll.modify(connection.fileno(), events)
                return
            for message in connection.stream.feed(octets):
                yield connection.stream.session, message
            if not octets:
                connection.stream.end()
                self._close(connection)
        except MalformedMessageError as error:
            yield self._drop(connection, error.reason, f"{error}; connection closed")
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).replace("_", " ").lower()
            what = "TLS handshake failed" if handshaking else "TLS failed"
            yield self._drop(connection, reason, f"{what}: {reason}; check the certificates of both ends")
        except OSError as error:
            yield self._drop(connection, "lost", f"connection lost: {error.strerror or error}")

    def _expire(self) -> Iterator[Arrival]:
        now = self._clock()
        for connection in list(self._connections.values()):
            if connection.handshaking and now >= connection.deadline:
                text = f"no TLS handshake within {HANDSHAKE_SECONDS} s; connection closed"
                yield self._drop(connection, "handshake", text)

    def _drop(self, connection: Connection, kind: str, text: str) -> Trouble:
        self._close(connection)
        self._process.counters.closed_connections += 1
        return Trouble(connection.peer, kind, text)

    def _close(self, connection: Connection) -> None:
        del self._connections[connection.fileno()]
        # Closing takes it out of epoll too: no other descriptor refers to it.
        connection.close()
