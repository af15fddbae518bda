# SPDX-License-Identifier: Apache-2.0
"""What a transport is to the rest of the Exporting Process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol, runtime_checkable

from spanflow.record import Array

Wait = Callable[[float], bool]
"""Sleep for so many seconds; true when the export is to stop."""


UDP, TCP, SCTP = 17, 6, 132
"""Protocol numbers."""


@dataclass(frozen=True, slots=True)
class LocalFlow:
    """The 5-tuple of what we send, as a Metering Process would see it."""

    source: IPv4Address | IPv6Address
    source_port: int
    destination: IPv4Address | IPv6Address
    destination_port: int
    protocol: int = UDP

    @property
    def stays_on_machine(self) -> bool:
        """Whether the receiver is on this machine."""
        return self.destination.is_loopback or self.source == self.destination


class Sent(Enum):
    """What became of one call of `send`."""

    ALL = auto()
    NONE_SEND_FEWER = auto()
    """Not so many Messages at once: ask `messages_per_call` again, then send again."""
    NONE_TOO_LARGE = auto()
    NONE_FAILED = auto()
    """See `last_error`. The path may be gone: connect anew before sending more."""


class Transport(Protocol):
    """A connection to one address of a collector, or an open file; for one thread.

    flow: the 5-tuple of what it sends; None: nothing goes over a network. reliable: a stream: what was sent
    arrives in order or the connection ends, so Templates are sent once. refusals: times that the receiver's
    host said that nobody listens. ended: why the other side has ended the connection; empty while it stands.
    path_mtu_changed: Messages became too long for the path; ask `max_message_octets`. rotation_due: the file
    is full, or the connection used up: finish it, and begin another.
    """

    @property
    def flow(self) -> LocalFlow | None: ...

    @property
    def reliable(self) -> bool: ...

    @property
    def refusals(self) -> int: ...

    @property
    def ended(self) -> str: ...

    @property
    def last_error(self) -> str: ...

    @property
    def path_mtu_changed(self) -> bool: ...

    @property
    def rotation_due(self) -> bool: ...

    def max_message_octets(self) -> int:
        """The longest Message that fits the path MTU as known now."""
        ...

    def messages_per_call(self, message_octets: int) -> int:
        """How many Messages of this length `send` takes at once."""
        ...

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        """Send Messages that lie one after the other; only the last may be shorter than `message_octets`."""
        ...

    def notice(self) -> None:
        """Look at what has come back since the last call of `send`: refusals, or an end."""
        ...

    def unacknowledged_octets(self) -> int:
        """Octets of Messages that the other side's kernel may not have; 0 where nobody acknowledges."""
        ...

    def finish(self, timeout_s: float) -> bool:
        """At the end: wait until all is acknowledged and end the connection in order; false if it was not."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


@runtime_checkable
class SendsManyRuns(Protocol):
    """What a transport may have beside: many runs of Messages in one system call."""

    def send_many(self, buffer: Array, places: Array, message_octets: Array) -> int:
        """Send runs of a buffer (uint8): how many of them were sent, from the first on; never an error.

        places: where each starts, and where the last ends. message_octets: of the Messages of each; only the
        last of a run may be shorter, and no run has more of them than `messages_per_call`. What was not sent
        is for `send`, which says why it cannot be.
        """
        ...
