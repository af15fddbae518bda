# SPDX-License-Identifier: Apache-2.0
"""DTLS 1.2 in memory, by pyOpenSSL: datagrams in, datagrams out (RFC 6347).

The `ssl` module has no DTLS. OpenSSL has no DTLS 1.3, and no Heartbeat any more (RFC 6520).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

from cryptography import x509
from OpenSSL import SSL, crypto

from spanflow.exporting.transport.certificates import CIPHERS, AuthenticationError, Certificates
from spanflow.exporting.transport.tls_errors import explain_alert, explain_verification

_DTLS_1_2 = 0xFEFD
_RECORD_HEADER_OCTETS, _LENGTH_AT = 13, 11
_LONGEST_RECORD_OCTETS = 1 << 14
_READ_OCTETS = 1 << 16
_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH = 62, 64


class DtlsConnection:
    """The client side of one DTLS connection. One thread.

    Its methods raise OSError when DTLS fails, AuthenticationError when it is for a certificate.
    """

    def __init__(self, certificates: Certificates, server_name: str, datagram_octets: int) -> None:
        self._name = server_name
        self._verification = 0
        context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_cipher_list(CIPHERS.encode())
        context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
        context.set_verify(SSL.VERIFY_PEER, self._verify)
        if certificates.ca is None:
            context.set_default_verify_paths()
        else:
            context.load_verify_locations(certificates.ca)
        store = context.get_cert_store()
        if store is not None:
            store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        if certificates.certificate is not None and certificates.key is not None:
            context.use_certificate_chain_file(certificates.certificate)
            context.use_privatekey_file(certificates.key)
        self._dtls = SSL.Connection(context, None)
        if not _is_address(server_name):
            self._dtls.set_tlsext_host_name(server_name.encode("idna"))
        self._dtls.set_ciphertext_mtu(datagram_octets)
        self._dtls.set_connect_state()

    def shake_hands(self) -> bool:
        """Go on with the handshake; false: something must come first. Sends again what is due for it."""
        try:
            self._dtls.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise self._failure(error) from error
        self._check_name()
        return True

    def timeout_s(self) -> float | None:
        """When the last flight is due to be sent again."""
        left: float | None = self._dtls.DTLSv1_get_timeout()
        return left

    def longest_message_octets(self, datagram_octets: int) -> int:
        """What of a datagram is left for a Message."""
        self._dtls.set_ciphertext_mtu(datagram_octets)
        octets: int = self._dtls.get_cleartext_mtu()
        return min(octets, _LONGEST_RECORD_OCTETS)

    def encrypt(self, message: memoryview) -> bytes:
        """The datagram with a Message."""
        try:
            self._dtls.send(bytes(message))
        except SSL.Error as error:
            raise self._failure(error) from error
        return b"".join(self._outgoing())

    def take(self, datagram: bytes) -> None:
        """A datagram from the other side; what is not of this connection is ignored."""
        self._dtls.bio_write(datagram)

    def discard(self) -> bool:
        """Forget what the other side said; false: it has ended the connection."""
        try:
            self._dtls.recv(_READ_OCTETS)
        except SSL.WantReadError:
            return True
        except SSL.ZeroReturnError:
            return False
        except SSL.Error as error:
            raise self._failure(error) from error
        return True

    def say_goodbye(self) -> None:
        """Say that no more is to come."""
        with suppress(SSL.Error):
            self._dtls.shutdown()

    def datagrams(self, most_octets: int) -> Iterator[bytes]:
        """What is to be sent, as many records in one as fit."""
        gathered = b""
        for record in self._outgoing():
            if gathered and len(gathered) + len(record) > most_octets:
                yield gathered
                gathered = b""
            gathered += record
        if gathered:
            yield gathered

    def _outgoing(self) -> Iterator[bytes]:
        octets = b""
        with suppress(SSL.WantReadError):
            while True:
                octets += self._dtls.bio_read(_READ_OCTETS)
        while octets:
            length = int.from_bytes(octets[_LENGTH_AT:_RECORD_HEADER_OCTETS])
            end = _RECORD_HEADER_OCTETS + length
            yield octets[:end]
            octets = octets[end:]

    def _verify(
        self, connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int
    ) -> bool:
        if not ok:
            self._verification = self._verification or code
        return bool(ok)

    def _check_name(self) -> None:
        certificate = self._dtls.get_peer_certificate(as_cryptography=True)
        if certificate is None or not is_for(certificate, self._name):
            code = _ADDRESS_MISMATCH if _is_address(self._name) else _HOSTNAME_MISMATCH
            raise AuthenticationError(explain_verification(code, ""))

    def _failure(self, error: SSL.Error) -> OSError:
        if self._verification:
            return AuthenticationError(explain_verification(self._verification, f"{self._verification}"))
        details = error.args[0] if error.args else ()
        reason = details[0][-1] if details and isinstance(details, list) else ""
        text, is_authentication = explain_alert(reason.upper().replace(" ", "_"))
        return AuthenticationError(text) if is_authentication else OSError(text)


def is_for(certificate: x509.Certificate, name: str) -> bool:
    """Whether a certificate is for a host name (DNS-ID) or an address (RFC 9525 section 6)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if _is_address(name):
        return ip_address(name) in names.get_values_for_type(x509.IPAddress)
    asked = name.lower()
    _, _, parent = asked.partition(".")
    # A wildcard stands for the first label, the whole of it, below a name of at least two.
    wildcard = f"*.{parent}" if "." in parent else None
    return any(known.lower() in (asked, wildcard) for known in names.get_values_for_type(x509.DNSName))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
