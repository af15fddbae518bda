# SPDX-License-Identifier: Apache-2.0
"""TCP and TLS for a Collecting Process: a listening socket, and one connection (RFC 7011 section 10.4)."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterator
from typing import Any

from spanflow.collecting.listen_address import ListenAddress, address_text, bound_socket
from spanflow.collecting.stream import MessageStream

_READ_OCTETS = 1 << 16
"""Not less than a TLS record has: of what OpenSSL keeps of one, poll() would know nothing."""

_ACCEPTED_AT_ONCE = 16


class StreamListener:
    """A listening, non-blocking TCP socket; its connections speak TLS if it has a context for that.

    Use it as a context manager.
    """

    def __init__(self, address: ListenAddress, context: ssl.SSLContext | None = None) -> None:
        """Bind and listen. Raises ListenError."""
        self.transport = "tcp" if context is None else "tls"
        self._context = context
        self._socket = bound_socket(address, socket.SOCK_STREAM)

    def __enter__(self) -> StreamListener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def address(self) -> str:
        return address_text(self._socket.getsockname())

    def accept(self) -> Iterator[tuple[socket.socket, tuple[Any, ...]]]:
        """Connections that wait, each with its peer; for TLS, the handshake is still to come."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, peer = self._socket.accept()
            except OSError:
                # None waits, or it has gone meanwhile (accept(2)).
                return
            accepted.setblocking(False)
            # A peer that has vanished says nothing, like one that has nothing to say.
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._context is not None:
                accepted = self._context.wrap_socket(
                    accepted, server_side=True, do_handshake_on_connect=False
                )
            yield accepted, peer


class Connection:
    """One connection. peer: its address as people write it. deadline: when its handshake must be done."""

    __slots__ = ("_handshaking", "_socket", "deadline", "peer", "stream")

    def __init__(
        self, accepted: socket.socket, peer: str, stream: MessageStream, handshake_deadline: float
    ) -> None:
        self.peer = peer
        self.stream = stream
        self.deadline = handshake_deadline
        self._socket = accepted
        self._handshaking = isinstance(accepted, ssl.SSLSocket)

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def handshaking(self) -> bool:
        return self._handshaking

    def receive(self) -> tuple[bytes | None, int]:
        """What has come, without waiting, and the events to wait for next.

        None: nothing yet; empty: the peer has ended the connection. Raises OSError, ssl.SSLError among them.
        """
        try:
            if self._handshaking and isinstance(self._socket, ssl.SSLSocket):
                self._socket.do_handshake()
                self._handshaking = False
            octets = self._socket.recv(_READ_OCTETS)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None, select.EPOLLIN
        except ssl.SSLWantWriteError:
            return None, select.EPOLLOUT
        return octets, select.EPOLLIN

    def close(self) -> None:
        self._socket.close()
        self.stream.close()
