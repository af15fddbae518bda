# SPDX-License-Identifier: Apache-2.0
"""A Receiver on loopback with peers, in one thread: whoever waits lets the Receiver work meanwhile."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack

from spanflow.collecting.connection import StreamListener
from spanflow.collecting.listen_address import ListenAddress, address_text
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.receiver import Receiver, Trouble
from spanflow.collecting.udp_listener import UdpListener

LOOPBACK = ListenAddress("tcp", "127.0.0.1", 0)
_ROUNDS = 1000
_ROUND_SECONDS = 0.02
"""How long one wait takes at most; a test that waits for nothing fails after all rounds."""


class Collector:
    """now: its clock, in seconds. records: values of Data Records with their exporters, as they came."""

    def __init__(self, context: ssl.SSLContext | None = None, most_connections: int = 8) -> None:
        self.process = CollectingProcess(name_of=address_text)
        self.now = 0.0
        self.records: list[tuple[str, object]] = []
        self.troubles: list[Trouble] = []
        self._opened = ExitStack()
        self._stream = self._opened.enter_context(StreamListener(LOOPBACK, context))
        self._udp = self._opened.enter_context(UdpListener(LOOPBACK))
        self.receiver = self._opened.enter_context(
            Receiver(
                self.process,
                [self._stream, self._udp],
                most_connections=most_connections,
                clock=lambda: self.now,
            )
        )

    def close(self) -> None:
        self._opened.close()

    def round(self) -> None:
        """One round of the Receiver, when something is ready, or after a moment."""
        select.select([self.receiver], [], [], _ROUND_SECONDS)
        for arrival in self.receiver.arrivals():
            if isinstance(arrival, Trouble):
                self.troubles.append(arrival)
                continue
            session, decoded = arrival
            self.records += [
                (session.exporter, record[0]) for data_set in decoded.data_sets for record in data_set.records
            ]

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(_ROUNDS):
            if condition():
                return
            self.round()
        raise AssertionError(f"it never came: {self.records} {self.troubles} {self.process.counters}")

    def connect(self) -> socket.socket:
        """A connection that has been accepted or refused."""
        counters = self.process.counters
        before = counters.connections + counters.refused_connections
        connected = self._connect()
        self.until(lambda: counters.connections + counters.refused_connections > before)
        return connected

    def connect_tls(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """A connection whose handshake is done, as the peer sees it. Raises ssl.SSLError, OSError."""
        raw = self.connect()
        raw.setblocking(False)
        wrapped = context.wrap_socket(raw, server_hostname="127.0.0.1", do_handshake_on_connect=False)
        self._opened.callback(wrapped.close)
        for _ in range(_ROUNDS):
            try:
                wrapped.do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self.round()
                continue
            wrapped.settimeout(10)
            return wrapped
        raise AssertionError("no handshake")

    def sender(self) -> socket.socket:
        """A UDP socket that sends to it."""
        sender = self._opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sender.connect(_address(self._udp.address))
        return sender

    def has_closed(self, connected: socket.socket) -> bool:
        """Whether the collector has ended a connection."""
        for _ in range(_ROUNDS):
            self.round()
            if select.select([connected], [], [], 0)[0]:
                try:
                    return connected.recv(1) == b""
                except ConnectionResetError:
                    return True
        return False

    def _connect(self) -> socket.socket:
        connected = socket.create_connection(_address(self._stream.address), timeout=10)
        self._opened.callback(connected.close)
        return connected


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    return host, int(port)


def name_of(connected: socket.socket) -> str:
    """What the collector calls the peer with this end."""
    return address_text(connected.getsockname())
