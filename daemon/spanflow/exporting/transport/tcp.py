# SPDX-License-Identifier: Apache-2.0
"""Messages over TCP (RFC 7011 section 10.4): one connection, Messages one after the other."""

from __future__ import annotations

import socket

from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.interface import TCP, Sent, Wait
from spanflow.exporting.transport.marking import UNMARKED, Marking
from spanflow.exporting.transport.stream_socket import NewSocket, StreamSocket

LONGEST_MESSAGE_OCTETS = 65_535
"""RFC 7011 section 3.1: the Length field has 16 bits; a stream sets no other limit."""

MOST_OCTETS_PER_CALL = 1 << 20


def messages_per_call(message_octets: int) -> int:
    """How many Messages of this length a stream takes at once."""
    return max(1, MOST_OCTETS_PER_CALL // message_octets)


class TcpTransport:
    """A TCP connection to one address (see `Transport`). Raises OSError with one line if there is none.

    connect_timeout_s: for connecting. patience_s: how long nothing may move before the collector is given up,
    be it that nobody answers or that nobody reads. A `send` that fails leaves a broken Message behind: the
    connection is of no more use.
    """

    reliable = True
    rotation_due = False
    refusals = 0
    path_mtu_changed = False

    def __init__(
        self,
        address: Address,
        wait: Wait,
        *,
        marking: Marking = UNMARKED,
        connect_timeout_s: float = 10.0,
        patience_s: float = 10.0,
        new_socket: NewSocket = socket.socket,
    ) -> None:
        self.last_error = ""
        self._sent_octets = 0
        self._stream = StreamSocket(
            address,
            wait,
            TCP,
            marking=marking,
            connect_timeout_s=connect_timeout_s,
            patience_s=patience_s,
            new_socket=new_socket,
        )
        self.flow = self._stream.flow

    @property
    def ended(self) -> str:
        """Why the connection is of no more use; empty while it stands."""
        return self._stream.ended

    def max_message_octets(self) -> int:
        """The longest Message of all."""
        return LONGEST_MESSAGE_OCTETS

    def messages_per_call(self, message_octets: int) -> int:
        """How many Messages of this length `send` takes at once."""
        return messages_per_call(message_octets)

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        """Send Messages that lie one after the other, all of them or the connection fails."""
        if self._stream.write(octets):
            self._sent_octets += len(octets)
            return Sent.ALL
        self.last_error = self._stream.ended
        return Sent.NONE_FAILED

    def notice(self) -> None:
        """Look whether the collector has ended the connection; what it says otherwise is not for us."""
        self._stream.discard()

    def unacknowledged_octets(self) -> int:
        """Octets of the Messages that were sent which the collector's kernel does not have."""
        # Of a `send` that failed a part may have been written and acknowledged too: it counts for nothing.
        acknowledged = self._stream.written - self._stream.outstanding_octets()
        return max(0, self._sent_octets - acknowledged)

    def finish(self, timeout_s: float) -> bool:
        """Wait until all is acknowledged, then end the connection; False if it was not in time."""
        acknowledged = self._stream.await_acknowledged(timeout_s, self.notice)
        self._stream.end_our_half()
        return acknowledged

    def close(self) -> None:
        """Close the connection; what was sent is still delivered, unless the connection was given up."""
        self._stream.close()
