# SPDX-License-Identifier: Apache-2.0
"""Finding a collector and connecting to it: when to try, which address, and whether its name has moved."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from spanflow.config.schema import Collector, Export
from spanflow.exporting.clock import Clock
from spanflow.exporting.counters import DeliveryCounters, DropReason
from spanflow.exporting.pacing import SECOND_NS
from spanflow.exporting.transport.addresses import Address, Resolver, is_numeric
from spanflow.exporting.transport.interface import Transport, Wait

RESOLVE_AGAIN_NS = 300 * SECOND_NS
RESOLVE_AGAIN_REFUSED_NS = 30 * SECOND_NS
FIRST_RETRY_NS = SECOND_NS
LAST_RETRY_NS = 60 * SECOND_NS

_LOOK_S = 0.1

_EAGER = ("udp", "file")

_NO_NAME = "correct the name, or look at the name servers"
_NO_ANSWER = "look at the name servers"

OpenTransport = Callable[[Address | None], Transport]
"""Connects to one address (None: a file needs none). Raises OSError."""


class NotConnectedError(Exception):
    """No connection: an event for the log, the reason for which records are dropped meanwhile, and why."""

    def __init__(self, event: str, reason: DropReason, error: str) -> None:
        super().__init__(error)
        self.event = event
        self.reason = reason
        self.error = error


class Connector:
    """Connects to one collector. One thread; `resolving` and `turned_ns` are for any.

    Over UDP, and for a file, attempts come after 1 s, then later each time, up to a minute. Others wait for
    `retry_interval` from one attempt to the next (RFC 7011 section 10.4.4), so that a connection that stood
    for longer is made anew at once.
    """

    def __init__(
        self,
        collector: Collector,
        settings: Export,
        open_transport: OpenTransport,
        clock: Clock,
        resolver: Resolver,
        counters: DeliveryCounters,
        wait: Wait,
    ) -> None:
        self.due_ns = clock.monotonic_ns()
        """When to try next (monotonic)."""
        self.resolving = False
        """Whether name servers are being asked: they may take their time."""
        self.turned_ns = self.due_ns
        """When they were asked last, or answered."""
        self._collector = collector
        self._settings = settings
        self._open = open_transport
        self._clock = clock
        self._resolver = resolver
        self._counters = counters
        self._wait = wait
        self._question: _Question | None = None
        self._retry_ns = FIRST_RETRY_NS
        self._attempted_ns = self.due_ns
        self._resolved_ns = self.due_ns
        self._refusals_at_resolution = 0
        self._address: Address | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next attempt."""
        return self._clock.monotonic_ns() >= self.due_ns

    def connect(self) -> Transport:
        """Look up and connect to the first address that can be. Raises NotConnectedError."""
        self._attempted_ns = self._clock.monotonic_ns()
        if self._collector.transport == "file":
            return self._connect_to([None])
        try:
            addresses = self._look_up()
        except OSError as error:
            failure = self._failure(error, _advice(error))
            raise NotConnectedError("collector not resolved", DropReason.UNRESOLVED, failure) from error
        return self._connect_to(addresses)

    def follow(self, *, refused: bool) -> Transport | None:
        """If it is time to ask for the name again and it has moved: a connection to where it is now.

        refused: nobody listens where we are; then its next address is tried, if it has several.
        Raises NotConnectedError; with reason UNRESOLVED the connection that we have may stay.
        """
        if not self._resolution_is_due() or not self._is_answered():
            return None
        try:
            addresses = self._look_up()
        except OSError as error:
            self._resolved_ns = self._clock.monotonic_ns()
            failure = self._failure(error, _advice(error))
            raise NotConnectedError("collector not resolved again", DropReason.UNRESOLVED, failure) from error
        if self._address in addresses:
            here = addresses.index(self._address)
            if not refused or len(addresses) == 1:
                return None
            addresses = addresses[here + 1 :] + addresses[: here + 1]
        return self._connect_to(addresses)

    def succeeded(self) -> None:
        """What was sent first went well."""
        self._retry_ns = FIRST_RETRY_NS

    def failed(self) -> None:
        """The collector is away; the next attempt comes later."""
        now = self._clock.monotonic_ns()
        if self._collector.transport in _EAGER:
            self.due_ns = now + self._retry_ns
            self._retry_ns = min(2 * self._retry_ns, LAST_RETRY_NS)
        else:
            self.due_ns = max(now, self._attempted_ns + self._settings.retry_interval)

    def _connect_to(self, addresses: list[Address] | list[None]) -> Transport:
        failure = "no address"
        for address in addresses:
            try:
                transport = self._open(address)
            except OSError as error:
                failure = self._failure(error, "look at the routes and the firewall of this machine")
                continue
            self._address = address
            self._counters.connections += 1
            return transport
        raise NotConnectedError("collector not connected", DropReason.SEND_ERROR, failure)

    def _look_up(self) -> list[Address]:
        self.resolving = True
        try:
            addresses = self._ask()
        finally:
            self.turned_ns = self._clock.monotonic_ns()
            self.resolving = False
        self._resolved_ns = self._clock.monotonic_ns()
        self._refusals_at_resolution = self._counters.refusals
        return addresses

    def _ask(self) -> list[Address]:
        """The answer of the resolver. Raises OSError, also when the export is to stop before there is one.

        A question that was left without an answer is taken up again: there is never more than one.
        """
        host, port = self._collector.host, self._collector.port
        if is_numeric(host):
            self._counters.resolutions += 1
            return self._resolver(host, port)
        question = self._asked()
        # Soon at first: most answers come from a cache.
        pause_s = 0.001
        while not question.answered.wait(pause_s):
            pause_s = min(2 * pause_s, _LOOK_S)
            if self._wait(0):
                raise OSError(f"{host}: no answer yet; look at the name servers")
        self._question = None
        if question.error is not None:
            raise question.error
        return question.addresses

    def _failure(self, error: OSError, advice: str) -> str:
        """One line: where, what, what to do; one that comes from the system has the what alone."""
        if error.strerror is None:
            return str(error)
        return f"{self._collector.host}: {error.strerror.lower()}; {advice}"

    def _asked(self) -> _Question:
        """The question that has no answer yet, or a new one."""
        if self._question is None:
            self._counters.resolutions += 1
            self._question = _Question(self._resolver, self._collector.host, self._collector.port)
        return self._question

    def _is_answered(self) -> bool:
        """Whether name servers have said where the collector is; asks them. Records do not wait for slow
        ones, but for a cache."""
        is_new = self._question is None
        return self._asked().answered.wait(_LOOK_S if is_new else 0)

    def _resolution_is_due(self) -> bool:
        # A stream ends when its collector moves, and is then looked up; a file does not move.
        if self._collector.transport not in ("udp", "dtls") or is_numeric(self._collector.host):
            return False
        refused = self._counters.refusals > self._refusals_at_resolution
        interval = RESOLVE_AGAIN_REFUSED_NS if refused else RESOLVE_AGAIN_NS
        return self._clock.monotonic_ns() - self._resolved_ns >= interval


@dataclass(slots=True)
class _Question:
    """One call of a resolver, in a thread of its own, as name servers may take half a minute.

    addresses, error: valid once `answered`.
    """

    resolver: Resolver
    host: str
    port: int
    addresses: list[Address] = field(default_factory=list)
    error: OSError | None = None
    answered: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._ask, name=f"resolve {self.host}"[:15], daemon=True).start()

    def _ask(self) -> None:
        try:
            self.addresses = self.resolver(self.host, self.port)
        except OSError as error:
            self.error = error
        finally:
            self.answered.set()


def _advice(error: OSError) -> str:
    """What to do about a name that was not resolved."""
    return _NO_ANSWER if error.errno == socket.EAI_AGAIN else _NO_NAME
