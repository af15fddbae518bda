# SPDX-License-Identifier: Apache-2.0
"""Messages over DTLS 1.2 over UDP (RFC 7011 sections 10.3 and 11.1): a Message is one record in one datagram.

A collector that restarts forgets the connection, and ignores what is sent over it. RFC 6520 has Heartbeats
against that, which OpenSSL has not any more. So a connection ends, for another one to follow, when the
collector's host refuses a datagram, and when it is `_LONGEST_SESSION_S` old in any case: so long at most is
lost what is sent to a collector that restarted unseen.
"""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING

from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.certificates import AuthenticationError, CertificateError, Certificates
from spanflow.exporting.transport.interface import Sent, Wait
from spanflow.exporting.transport.marking import UNMARKED, Marking
from spanflow.exporting.transport.socket_flow import place_of
from spanflow.exporting.transport.tls import checked_name
from spanflow.exporting.transport.udp import UdpTransport

if TYPE_CHECKING:
    from spanflow.exporting.transport.dtls_connection import DtlsConnection

_LONGEST_SESSION_S = 120.0
_SLICE_S = 0.1
_HANDSHAKE_DATAGRAM_OCTETS = 1200
_MOST_HANDSHAKE_DATAGRAMS = 1000
_MOST_DATAGRAMS_PER_LOOK = 64
_DATAGRAM_OCTETS = 1 << 16
_MOST_OVERHEAD_OCTETS = 13 + 8 + 16  # header, explicit nonce and tag of AES-GCM; ChaCha20 has no nonce there


class DtlsTransport:
    """A DTLS connection to one address (see `Transport`).

    Raises OSError with one line if there is none; AuthenticationError when one side did not accept the
    certificate of the other. discover_path_mtu: as of `UdpTransport`. handshake_timeout_s: of the whole
    handshake, in which what was lost is sent again after 1 s, then later each time.
    """

    reliable = False

    def __init__(
        self,
        address: Address,
        wait: Wait,
        *,
        certificates: Certificates,
        server_name: str,
        discover_path_mtu: bool,
        marking: Marking = UNMARKED,
        handshake_timeout_s: float = 10.0,
    ) -> None:
        self.last_error = self.ended = ""
        self._wait = wait
        self._expires_s: float | None = None
        """None: before the handshake is done."""
        self._where = f"DTLS with {server_name} at {place_of(address)}"
        self._dtls = _connection(certificates, checked_name(server_name))
        self._udp = UdpTransport(
            address,
            wait,
            discover_path_mtu=discover_path_mtu,
            marking=marking,
            new_socket=self._new_socket,
        )
        self.flow = self._udp.flow
        try:
            self._shake_hands(time.monotonic() + handshake_timeout_s)
        except AuthenticationError as error:
            self._abandon()
            raise AuthenticationError(f"{self._where}: {error}") from error
        except OSError as error:
            self._abandon()
            raise OSError(f"{self._where}: {error}") from error
        self._expires_s = time.monotonic() + _LONGEST_SESSION_S

    @property
    def refusals(self) -> int:
        """Times that the receiver's host said that nobody listens."""
        return self._udp.refusals

    @property
    def path_mtu_changed(self) -> bool:
        """Whether Messages became too long for the path."""
        return self._udp.path_mtu_changed

    def max_message_octets(self) -> int:
        """The longest Message that fits the path MTU as known now, together with what DTLS adds."""
        return self._dtls.longest_message_octets(self._udp.max_message_octets())

    def messages_per_call(self, message_octets: int) -> int:
        """How many Messages of this length `send` takes at once: as one call of UDP takes records."""
        return self._udp.messages_per_call(message_octets + _MOST_OVERHEAD_OCTETS)

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        """Send Messages that lie one after the other; only the last may be shorter than `message_octets`."""
        if self.ended:
            return self._failed()
        starts = range(0, len(octets), message_octets)
        try:
            records = [self._dtls.encrypt(octets[start : start + message_octets]) for start in starts]
        except OSError as error:
            self.ended = f"{self._where}: {error}"
            return self._failed()
        sent = self._udp.send(memoryview(b"".join(records)), len(records[0]))
        if sent is Sent.NONE_SEND_FEWER:
            # Their record numbers are taken, so go now, one by one.
            for record in records:
                sent = self._udp.send(memoryview(record), len(record))
                if sent is not Sent.ALL:
                    break
        if sent is not Sent.ALL:
            self.last_error = self._udp.last_error
        return sent

    @property
    def rotation_due(self) -> bool:
        """Whether it is time for another connection, in case that the collector has restarted."""
        return not self.ended and self._expires_s is not None and time.monotonic() > self._expires_s

    def notice(self) -> None:
        """Look at what has come back: a refusal, an alert, an end."""
        before = self.refusals
        self._udp.notice()
        for _ in range(_MOST_DATAGRAMS_PER_LOOK):
            datagram = self._receive()
            if not datagram or self.ended:
                break
            self._dtls.take(datagram)
            try:
                open_still = self._dtls.discard()
            except OSError as error:
                self.ended = f"{self._where}: {error}"
            else:
                if not open_still:
                    self.ended = f"{self._where}: the collector has closed the connection"
        if self.refusals > before:
            self.ended = f"{self._where}: refused; start the collector, or correct the port"

    def unacknowledged_octets(self) -> int:
        """Nobody acknowledges: 0."""
        return 0

    def finish(self, timeout_s: float) -> bool:
        """There is nothing to wait for."""
        return True

    def close(self) -> None:
        """Say so, and close the socket."""
        if not self.ended:
            self._dtls.say_goodbye()
            self._flush()
        self._udp.close()

    def _new_socket(self, family: int, kind: int) -> socket.socket:
        self._socket = socket.socket(family, kind)
        return self._socket

    def _shake_hands(self, deadline_s: float) -> None:
        for _ in range(_MOST_HANDSHAKE_DATAGRAMS):
            try:
                if self._dtls.shake_hands():
                    return
            finally:
                self._flush()
            datagram = self._await_datagram(deadline_s)
            if datagram:
                self._dtls.take(datagram)
        raise OSError("a handshake without an end; correct the port")

    def _await_datagram(self, deadline_s: float) -> bytes:
        """The next datagram; empty: what was sent last is due to be sent again."""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        while (left_s := deadline_s - time.monotonic()) > 0:
            again_s = self._dtls.timeout_s()
            if again_s is not None and again_s <= 0:
                return b""
            sleep_s = min(left_s, _SLICE_S, again_s if again_s is not None else _SLICE_S)
            if waiting.poll(sleep_s * 1000 + 1):
                return self._receive()
            if self._wait(0):
                raise OSError("stopped while connecting")
        raise OSError("no handshake in time; look at its log, at the port, and at firewalls")

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_DATAGRAM_OCTETS)
        except (BlockingIOError, InterruptedError):
            return b""
        except ConnectionRefusedError as error:
            self._udp.refusals += 1
            if self._expires_s is None:
                raise OSError("connection refused; start the collector, or correct the port") from error
            return b""

    def _flush(self) -> None:
        for datagram in self._dtls.datagrams(_HANDSHAKE_DATAGRAM_OCTETS):
            self._udp.send(memoryview(datagram), len(datagram))

    def _abandon(self) -> None:
        self._flush()
        self._udp.close()

    def _failed(self) -> Sent:
        self.last_error = self.ended
        return Sent.NONE_FAILED


def _connection(certificates: Certificates, server_name: str) -> DtlsConnection:
    try:
        from spanflow.exporting.transport.dtls_connection import DtlsConnection
    except ImportError as error:
        raise OSError("DTLS needs pyOpenSSL, which is missing; pip install 'spanflow[crypto]'") from error
    # Finds what is wrong with the files, and says it; unlike TLS, DTLS reads them anew each time.
    certificates.context()
    if certificates.problem:
        raise CertificateError(certificates.problem)
    return DtlsConnection(certificates, server_name, _HANDSHAKE_DATAGRAM_OCTETS)
