# SPDX-License-Identifier: Apache-2.0
"""The certificates of one collector: whom we trust, and who we are; read again when the files change.

RFC 7011 section 11.3: both sides show a certificate. Every problem is one line: path · what · what to do.
"""

from __future__ import annotations

import os
import ssl
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from spanflow.exporting.transport.certificate_validity import Validity, validity_of

_NS = 1_000_000_000

# Only those with forward secrecy and authenticated encryption; TLS 1.3 has no others.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!eNULL"

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_LONGEST_FILE_OCTETS = 16 << 20

Fingerprint = tuple[tuple[int, int, int] | None, ...]
"""Of each file: when it was changed, its inode, its size; None: it cannot be looked at."""


class CertificateError(OSError):
    """A certificate or key of ours cannot be used."""


class AuthenticationError(OSError):
    """One side did not accept the certificate of the other (RFC 7011 section 11.3)."""


class Certificates:
    """Files in PEM form. ca: authorities that may have signed the collector's certificate; None: those of the
    system. certificate, key: ours, both or none.

    problem: why changed files were not taken over; empty: they all were. not_after_ns: the end of our
    certificate in use (ns since the Unix epoch), None without one. Raises CertificateError.
    One thread; `problem` and `not_after_ns` are for any.
    """

    def __init__(
        self,
        *,
        ca: str | None,
        certificate: str | None,
        key: str | None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.ca = ca
        self.certificate = certificate
        self.key = key
        self.problem = ""
        self.not_after_ns: int | None = None
        self._now_s = now_s
        self._tried = self._fingerprint()
        self._context = self._load()

    def changed(self) -> bool:
        """Whether a file is another than when it was read last."""
        return self._fingerprint() != self._tried

    def context(self) -> ssl.SSLContext:
        """What the next connection uses. Files that changed are taken over if all is well with them.

        Raises CertificateError when our certificate has expired meanwhile.
        """
        fingerprint = self._fingerprint()
        if fingerprint != self._tried:
            self._tried = fingerprint
            try:
                self._context = self._load()
                self.problem = ""
            except CertificateError as error:
                self.problem = f"{error}; what was read before stays in use"
        if self.not_after_ns is not None:
            self._check_expiry(self.not_after_ns)
        return self._context

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        # RFC 9525 section 2: the name is in subjectAltName, never in the subject.
        context.hostname_checks_common_name = False
        # An authority that is named is trusted, whether or not another one has signed it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        self._load_authorities(context)
        self.not_after_ns = self._load_own(context)
        return context

    def _load_authorities(self, context: ssl.SSLContext) -> None:
        if self.ca is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
            return
        _certificates_in(self.ca)
        try:
            context.load_verify_locations(cafile=self.ca)
        except (ssl.SSLError, OSError) as error:
            raise CertificateError(f"{self.ca}: {_reason(error)}; give authorities in PEM form") from error

    def _load_own(self, context: ssl.SSLContext) -> int | None:
        if self.certificate is None or self.key is None:
            return None
        validity = _certificates_in(self.certificate)[0]
        self._check_expiry(validity.not_after_ns)
        if self._now_ns() < validity.not_before_ns:
            begin = _date(validity.not_before_ns)
            raise CertificateError(
                f"{self.certificate}: not valid before {begin}; look at the clock, or wait"
            )
        _check_readers(self.key)
        encrypted = []

        def passphrase() -> str:
            encrypted.append(True)
            return ""

        try:
            context.load_cert_chain(self.certificate, self.key, passphrase)
        except (ssl.SSLError, OSError) as error:
            raise CertificateError(self._why_unusable(error, bool(encrypted))) from error
        return validity.not_after_ns

    def _check_expiry(self, not_after_ns: int) -> None:
        if self._now_ns() > not_after_ns:
            raise CertificateError(f"{self.certificate}: expired on {_date(not_after_ns)}; renew it")

    def _now_ns(self) -> int:
        return int(self._now_s() * _NS)

    def _why_unusable(self, error: OSError, encrypted: bool) -> str:
        if encrypted:
            return f"{self.key}: protected by a passphrase; give a key without one, readable for us alone"
        reason = getattr(error, "reason", "") or ""
        if reason == "KEY_VALUES_MISMATCH":
            return f"{self.key}: not the key of {self.certificate}; give the two that belong together"
        if reason in ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL"):
            return f"{self.certificate}: key or signature too weak; make a stronger certificate"
        return f"{self.key}: {_reason(error)}; give a private key in PEM form"

    def _fingerprint(self) -> Fingerprint:
        return tuple(_look(path) for path in (self.ca, self.certificate, self.key))


def _look(path: str | None) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_ino, found.st_size)


def _certificates_in(path: str) -> list[Validity]:
    """The validity of each certificate in a file; at least one."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(_LONGEST_FILE_OCTETS).decode("ascii", "replace")
    except OSError as error:
        raise CertificateError(f"{path}: {_reason(error)}; correct the path or the permissions") from error
    found = []
    for part in text.split(_BEGIN)[1:]:
        body, end, _ = part.partition(_END)
        try:
            found.append(validity_of(ssl.PEM_cert_to_DER_cert(f"{_BEGIN}{body}{end}")))
        except ValueError as error:
            raise CertificateError(f"{path}: broken certificate; give certificates in PEM form") from error
    if not found:
        raise CertificateError(f"{path}: no certificate in it; give certificates in PEM form")
    return found


def _check_readers(path: str) -> None:
    """A key is for us alone, unless systemd has put it where it puts credentials."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as error:
        raise CertificateError(f"{path}: {_reason(error)}; correct the path or the permissions") from error
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and Path(path).resolve().is_relative_to(Path(credentials).resolve()):
        return
    if mode & 0o066:
        raise CertificateError(f"{path}: its mode {mode:04o} lets others at the key; chmod 0600 it")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not readable").replace("_", " ").lower()
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _date(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns // _NS, UTC).strftime("%Y-%m-%d %H:%M UTC")
