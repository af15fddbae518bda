# SPDX-License-Identifier: Apache-2.0
"""What a transport is to the rest of the Exporting Process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from spanflow.exporting.transport.addresses import Address

Wait = Callable[[float], bool]
"""Sleep for so many seconds; true when the export is to stop."""


@dataclass(frozen=True, slots=True)
class LocalFlow:
    """The 5-tuple of our own datagrams (protocol UDP), as a Metering Process would see them."""

    source: IPv4Address | IPv6Address
    source_port: int
    destination: IPv4Address | IPv6Address
    destination_port: int

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
    """A connection to one address of a collector, for one thread.

    flow: the 5-tuple of what it sends. refusals: times that the receiver's host said that nobody listens.
    path_mtu_changed: Messages became too long for the path; ask `max_message_octets`.
    """

    address: Address
    flow: LocalFlow
    refusals: int
    last_error: str
    path_mtu_changed: bool

    def max_message_octets(self) -> int:
        """The longest Message that fits the path MTU as known now."""
        ...

    def messages_per_call(self, message_octets: int) -> int:
        """How many Messages of this length `send` takes at once."""
        ...

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        """Send Messages that lie one after the other; only the last may be shorter than `message_octets`."""
        ...

    def notice_refusals(self) -> None:
        """Count what the receiver's host has said since the last call of `send`."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...
