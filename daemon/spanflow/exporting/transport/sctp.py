# SPDX-License-Identifier: Apache-2.0
"""Messages over SCTP (RFC 7011 section 10.2): each Message is one SCTP message, in order, on stream 0.

A one-to-one style socket (RFC 6458 section 4), which Linux gives where the module `sctp` is loaded.
"""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress

from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.interface import SCTP, Sent, Wait
from spanflow.exporting.transport.marking import UNMARKED, Marking
from spanflow.exporting.transport.stream_socket import NewSocket, StreamSocket
from spanflow.exporting.transport.tcp import LONGEST_MESSAGE_OCTETS, messages_per_call

# linux/sctp.h, asm-generic/socket.h, linux/sock_diag.h
_SCTP_NODELAY, _SCTP_STATUS = 3, 14
_STATUS_OCTETS = 176  # struct sctp_status
_ESTABLISHED = 3  # enum sctp_sstat_state
_SO_MEMINFO, _MEMINFO_OCTETS, _WRITE_QUEUED = 55, 36, 5


class SctpTransport:
    """An SCTP association with one address (see `Transport`). Raises OSError with one line if there is none.

    connect_timeout_s, patience_s: as of `TcpTransport`.
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
        self._sent_octets = self._acknowledged_octets = 0
        try:
            self._stream = StreamSocket(
                address,
                wait,
                SCTP,
                marking=marking,
                connect_timeout_s=connect_timeout_s,
                patience_s=patience_s,
                new_socket=new_socket,
                outstanding=_queued_octets,
            )
        except OSError as error:
            if error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
                raise OSError("this kernel has no SCTP; `modprobe sctp`, or use ipfix+tcp") from error
            raise
        with suppress(OSError):  # only for less delay
            self._stream.socket.setsockopt(SCTP, _SCTP_NODELAY, 1)
        self.flow = self._stream.flow

    @property
    def ended(self) -> str:
        """Why the association is of no more use; empty while it stands."""
        return self._stream.ended

    def max_message_octets(self) -> int:
        """The longest Message of all."""
        return LONGEST_MESSAGE_OCTETS

    def messages_per_call(self, message_octets: int) -> int:
        """How many Messages of this length `send` takes at once."""
        return messages_per_call(message_octets)

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        """Send Messages that lie one after the other, all of them or the association fails."""
        for start in range(0, len(octets), message_octets):
            # One call each, as its octets become one SCTP message.
            if not self._stream.write(octets[start : start + message_octets]):
                self.last_error = self.ended
                return Sent.NONE_FAILED
        self._sent_octets += len(octets)
        return Sent.ALL

    def notice(self) -> None:
        """Look whether the collector has ended the association."""
        self._stream.discard()

    def unacknowledged_octets(self) -> int:
        """At most so many octets of the Messages that were sent are missing in the collector's kernel."""
        queued_octets = self._stream.outstanding_octets()
        # What an association leaves behind is thrown away, which looks as if it were acknowledged.
        if not self.ended and _is_established(self._stream.socket):
            self._acknowledged_octets = max(self._acknowledged_octets, self._stream.written - queued_octets)
        return max(0, self._sent_octets - self._acknowledged_octets)

    def finish(self, timeout_s: float) -> bool:
        """Wait until all is acknowledged, then end the association; False if it was not in time."""
        self._stream.await_acknowledged(timeout_s, self.notice)
        acknowledged = not self.unacknowledged_octets()
        self._stream.end_our_half()
        return acknowledged

    def close(self) -> None:
        """Close the association; what was sent is still delivered, unless the collector was given up."""
        self._stream.close()


def _queued_octets(connected: socket.socket) -> int:
    """What the kernel holds until it is acknowledged, and some for itself; SCTP has no SIOCOUTQ."""
    information = connected.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_OCTETS)
    octets: int = struct.unpack("=9I", information)[_WRITE_QUEUED]
    return octets


def _is_established(connected: socket.socket) -> bool:
    try:
        status = connected.getsockopt(SCTP, _SCTP_STATUS, _STATUS_OCTETS)
    except OSError:  # there is no association any more
        return False
    state: int = struct.unpack_from("=i", status, 4)[0]
    return state == _ESTABLISHED
