# SPDX-License-Identifier: Apache-2.0
"""Messages over TLS (RFC 7011 sections 10.4 and 11.1): a TCP connection on which both sides know each other.

TLS is done in memory and its records are sent over a `StreamSocket`, so that it is known which octets of
ciphertext carry which Messages, and so which Messages the collector's kernel has acknowledged.

With TLS 1.3 the handshake is over for us before the collector has looked at our certificate (RFC 8446
section 4.4.2). What was sent by then is thrown away if it refuses. So the transport first waits for a sign,
at most `_SIGN_S`: the ticket for the next session, which a server sends when it is content, or an alert. A
server that sends no tickets is trusted when it has not complained for `_TRUST_S`; until then nothing counts
as acknowledged.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.certificates import AuthenticationError, Certificates
from spanflow.exporting.transport.interface import TCP, Sent, Wait
from spanflow.exporting.transport.marking import UNMARKED, Marking
from spanflow.exporting.transport.stream_socket import NewSocket, StreamSocket
from spanflow.exporting.transport.tcp import LONGEST_MESSAGE_OCTETS, messages_per_call
from spanflow.exporting.transport.tls_errors import explain

_SIGN_S = 1.0
_TRUST_S = 5.0

_RECORD_OCTETS = 1 << 14
_WRITE_OCTETS = 1 << 18
_MOST_HANDSHAKE_OCTETS = 1 << 18
# A collector has nothing to say but tickets and, now and then, new keys.
_MOST_UNASKED_OCTETS = 1 << 18
# RFC 8446 section 5.5: at most 2^24.5 records with one key of AES-GCM. The first pause after so many is used
# to connect anew.
_RECORDS_PER_KEY = 1 << 24


class _Mark(NamedTuple):
    """The end of a record: octets of ciphertext up to there, and octets of Messages in it and before."""

    ciphertext_octets: int
    message_octets: int


class TlsTransport:
    """A TLS connection to one address (see `Transport`).

    Raises OSError with one line if there is none; AuthenticationError when one side did not accept the
    certificate of the other; CertificateError when ours is of no use any more.
    certificates: read again if they changed. server_name: the name (DNS-ID) or address that the collector's
    certificate must be for. connect_timeout_s: for connecting, and again for the handshake. patience_s: how
    long nothing may move before the collector is given up.
    """

    reliable = True
    refusals = 0
    path_mtu_changed = False

    def __init__(
        self,
        address: Address,
        wait: Wait,
        *,
        certificates: Certificates,
        server_name: str,
        marking: Marking = UNMARKED,
        connect_timeout_s: float = 10.0,
        patience_s: float = 10.0,
        new_socket: NewSocket = socket.socket,
    ) -> None:
        self.last_error = ""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = certificates.context().wrap_bio(
            self._incoming, self._outgoing, server_hostname=checked_name(server_name)
        )
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
        self._where = f"TLS with {server_name} at {self._stream.place}"
        self._sent_octets = self._acknowledged_octets = self._unasked_octets = self._records = 0
        self._marks: deque[_Mark] = deque()
        self._proven = self._refused = self._said_goodbye = False
        try:
            self._shake_hands(time.monotonic() + connect_timeout_s)
            self._trusted_s = time.monotonic() + _TRUST_S
            self._await_sign(time.monotonic() + _SIGN_S)
        except OSError:
            self._stream.close()
            raise

    @property
    def ended(self) -> str:
        """Why the connection is of no more use; empty while it stands."""
        return self._stream.ended

    @property
    def rotation_due(self) -> bool:
        """Whether the keys are used up."""
        return self._records >= _RECORDS_PER_KEY and not self.ended and not self.unacknowledged_octets()

    def max_message_octets(self) -> int:
        """The longest Message of all."""
        return LONGEST_MESSAGE_OCTETS

    def messages_per_call(self, message_octets: int) -> int:
        """How many Messages of this length `send` takes at once."""
        return messages_per_call(message_octets)

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        """Send Messages that lie one after the other, all of them or the connection fails."""
        if self.ended:
            self.last_error = self.ended
            return Sent.NONE_FAILED
        self._look_at_acknowledgements()
        for start in range(0, len(octets), _RECORD_OCTETS):
            if not self._send_record(octets[start : start + _RECORD_OCTETS], self._sent_octets + start):
                return self._failed()
        if not self._flush():
            return self._failed()
        self._sent_octets += len(octets)
        return Sent.ALL

    def notice(self) -> None:
        """Look at what has come: new keys, a ticket, an alert, an end."""
        self._receive()

    def unacknowledged_octets(self) -> int:
        """Octets of the Messages that were sent which the collector's kernel does not have, or may refuse."""
        if not self._proven:
            if self.ended or time.monotonic() < self._trusted_s:
                return self._sent_octets
            self._proven = True
        self._look_at_acknowledgements()
        return max(0, self._sent_octets - self._acknowledged_octets)

    def finish(self, timeout_s: float) -> bool:
        """Wait until all is acknowledged, then end the connection; False if it was not in time."""
        acknowledged = self._stream.await_acknowledged(timeout_s, self.notice)
        self._say_goodbye()
        self._stream.end_our_half()
        # Who has got all of it without a word against it is content, with a ticket or without.
        self._proven = self._proven or (acknowledged and not self.ended)
        return acknowledged and self._proven

    def close(self) -> None:
        """Close the connection; what was sent is still delivered, unless the connection was given up."""
        self._say_goodbye()
        self._stream.close()

    # The beginning.

    def _shake_hands(self, deadline_s: float) -> None:
        taken_octets = 0
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                # The alert that says why.
                self._flush()
                raise self._failure(error) from error
            # What lies unread may say why it could not be written.
            sent = self._flush()
            if sent and not self._stream.await_octets(deadline_s):
                raise OSError(f"{self._where}: no handshake in time; look at its log, and at the port")
            octets = self._stream.read(_RECORD_OCTETS)
            if not octets and self.ended:
                raise OSError(f"{self._where}: it ended the connection in the handshake; look at its log")
            taken_octets += len(octets)
            if taken_octets > _MOST_HANDSHAKE_OCTETS:
                raise OSError(f"{self._where}: a handshake without an end; correct the port")
            self._incoming.write(octets)
        self._proven = self._tls.version() == "TLSv1.2"
        if not self._flush():
            self._receive()
            raise OSError(self.ended)

    def _await_sign(self, deadline_s: float) -> None:
        """Give a TLS 1.3 server the time to say what it thinks of our certificate."""
        self._receive()
        while not self._proven and not self.ended and self._stream.await_octets(deadline_s):
            self._receive()
        if self.ended:
            raise AuthenticationError(self.ended) if self._refused else OSError(self.ended)

    def _failure(self, error: ssl.SSLError) -> OSError:
        text, is_authentication = explain(error)
        kind = AuthenticationError if is_authentication else OSError
        return kind(f"{self._where}: {text}")

    # At work.

    def _send_record(self, octets: memoryview, before: int) -> bool:
        """Make one record, and send the gathered ones now and then. before: octets of Messages before it."""
        try:
            self._tls.write(octets)
        except ssl.SSLError as error:
            self._end(error)
            return False
        self._records += 1
        # All that was taken out of `outgoing` is written, or the connection has failed.
        position = self._stream.written + self._outgoing.pending
        self._marks.append(_Mark(position, before + len(octets)))
        return self._outgoing.pending < _WRITE_OCTETS or self._flush()

    def _flush(self) -> bool:
        return self._stream.write(self._outgoing.read()) if self._outgoing.pending else not self.ended

    def _failed(self) -> Sent:
        # An alert that has come says more than that nothing can be written.
        self._receive()
        self.last_error = self.ended
        return Sent.NONE_FAILED

    def _receive(self) -> None:
        while octets := self._stream.read():
            self._unasked_octets += len(octets)
            if self._unasked_octets > _MOST_UNASKED_OCTETS:
                self._stream.ended = f"{self._where}: it sends data without being asked; correct the port"
                return
            self._incoming.write(octets)
            if not self._decrypt():
                return

    def _decrypt(self) -> bool:
        """Take note of what has come, and forget it. False: there will be no more."""
        try:
            while self._tls.read(_RECORD_OCTETS):
                pass
        except ssl.SSLWantReadError:
            session = self._tls.session
            self._proven = self._proven or (session is not None and session.has_ticket)
            return True
        except ssl.SSLError as error:
            self._end(error)
            return False
        self._stream.ended = f"{self._where}: the collector has closed the connection"
        return False

    def _end(self, error: ssl.SSLError) -> None:
        if isinstance(error, ssl.SSLZeroReturnError):
            self._stream.ended = f"{self._where}: the collector has closed the connection"
            return
        failure = self._failure(error)
        self._refused = isinstance(failure, AuthenticationError)
        self._stream.ended = str(failure)

    def _look_at_acknowledgements(self) -> None:
        acknowledged = self._stream.written - self._stream.outstanding_octets()
        while self._marks and self._marks[0].ciphertext_octets <= acknowledged:
            self._acknowledged_octets = self._marks.popleft().message_octets

    def _say_goodbye(self) -> None:
        """Write the close_notify, if it can be written at once."""
        if not self._said_goodbye and not self.ended:
            self._said_goodbye = True
            with suppress(ssl.SSLError):  # that the other side has not said it
                self._tls.unwrap()
            self._stream.write_at_once(self._outgoing.read())


def checked_name(name: str) -> str:
    """The name as it stands in certificates: without the root's dot and an IPv6 zone."""
    return name.partition("%")[0].rstrip(".")
