# SPDX-License-Identifier: Apache-2.0
"""How a Collecting Process proves who it is, and asks exporters to (RFC 7011 section 11.3)."""

from __future__ import annotations

import ssl

from spanflow.errors import ExitCode, SpanflowError


class CertificateError(SpanflowError):
    """A file of certificates or keys cannot be used."""

    def __init__(self, text: str, exit_code: ExitCode) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def server_context(certificate: str, key: str, ca: str | None) -> ssl.SSLContext:
    """For connections with TLS 1.2 or later. Raises CertificateError.

    certificate, key: PEM files, the certificate with those that link it to its CA. ca: a PEM file of CAs; if
    it is there, an exporter must show a certificate that one of them has signed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    # Exporters never read: a ticket that lies unread when one closes would turn its end into a reset, and
    # what it sent last could be lost.
    context.num_tickets = 0
    try:
        context.load_cert_chain(certificate, key, _no_password)
    except (OSError, ValueError) as error:
        raise _error(f"--certificate {certificate} --key {key}", error) from None
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ValueError) as error:
            raise _error(f"--ca {ca}", error) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _no_password() -> str:
    """Else OpenSSL asks on the terminal."""
    raise ValueError("the key is encrypted")


def _error(where: str, error: OSError | ValueError) -> CertificateError:
    advice = "name PEM files that can be read and belong together, the key without a password"
    match error:
        case FileNotFoundError():
            return CertificateError(f"{where}: no such file; {advice}", ExitCode.NO_INPUT)
        case PermissionError():
            return CertificateError(f"{where}: not permitted to read it; {advice}", ExitCode.NO_PERMISSION)
        case ssl.SSLError():
            reason = (error.reason or str(error)).replace("_", " ").lower()
            return CertificateError(f"{where}: {reason}; {advice}", ExitCode.DATA)
        case _:
            return CertificateError(f"{where}: {error}; {advice}", ExitCode.DATA)
