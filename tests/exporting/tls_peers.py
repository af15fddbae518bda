# SPDX-License-Identifier: Apache-2.0
"""Certificates and TLS servers for tests."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from exporting.stream_peers import peer
from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.certificates import Certificates

NAME = "collector.example"
LONG_AGO, YESTERDAY, TOMORROW = (
    datetime.now(UTC) - timedelta(days=700),
    datetime.now(UTC) - timedelta(days=1),
    datetime.now(UTC) + timedelta(days=1),
)


@dataclass(frozen=True)
class Files:
    """An authority, and one certificate of it, as files."""

    ca: str
    certificate: str
    key: str

    def as_ours(self, ca: str | None = None) -> Certificates:
        return Certificates(ca=ca or self.ca, certificate=self.certificate, key=self.key)


def write_files(folder: Path, authority: trustme.CA, certificate: trustme.LeafCert) -> Files:
    """PEM files, the key for us alone."""
    folder.mkdir(parents=True, exist_ok=True)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    chain = folder / "certificate.pem"
    chain.unlink(missing_ok=True)
    for part in certificate.cert_chain_pems:
        part.write_to_path(chain, append=True)
    key = folder / "key.pem"
    certificate.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    return Files(str(folder / "ca.pem"), str(chain), str(key))


def server_context(files: Files, *, client_ca: str = "") -> ssl.SSLContext:
    """That of a collector; with `client_ca` it wants a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def tls_peer(
    context: ssl.SSLContext, serve: Callable[[ssl.SSLSocket], None] = lambda connection: None
) -> Iterator[Address]:
    """A TLS server that serves each connection in a thread."""

    def secured(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            serve(tls)

    with peer(secured) as address:
        yield address
