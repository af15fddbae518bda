# SPDX-License-Identifier: Apache-2.0
"""TLS: who may connect, and what becomes of those who may not or never finish (RFC 7011 section 11.3)."""

from __future__ import annotations

import select
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from collecting.messages import ipfix_set, message, template
from collecting.receiving import Collector, name_of
from spanflow.collecting.receiver import HANDSHAKE_SECONDS
from spanflow.collecting.tls import CertificateError, server_context
from spanflow.errors import ExitCode

VLAN = message(ipfix_set(2, template(256, "vlanId")), ipfix_set(256, b"\0\7"))


class Files(NamedTuple):
    ca: str
    certificate: str
    key: str


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("pki")
    found = Files(*(str(folder / name) for name in Files._fields))
    issued = ca.issue_cert("127.0.0.1")
    ca.cert_pem.write_to_path(found.ca)
    issued.private_key_pem.write_to_path(found.key)
    for pem in issued.cert_chain_pems:
        pem.write_to_path(found.certificate, append=True)
    return found


@pytest.fixture
def start(files: Files) -> Iterator[Callable[[bool], Collector]]:
    started: list[Collector] = []

    def run(mutual: bool) -> Collector:
        context = server_context(files.certificate, files.key, files.ca if mutual else None)
        started.append(Collector(context))
        return started[-1]

    yield run
    for each in started:
        each.close()


def client(ca: trustme.CA, certified_by: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if certified_by is not None:
        certified_by.issue_cert("exporter.example").configure_cert(context)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("mutual", [False, True])
def test_messages(
    ca: trustme.CA, start: Callable[[bool], Collector], mutual: bool, version: ssl.TLSVersion
) -> None:
    """Some more than one TLS record has."""
    collector = start(mutual)
    context = client(ca, ca if mutual else None)
    context.minimum_version = context.maximum_version = version
    peer = collector.connect_tls(context)
    peer.sendall(VLAN + message(ipfix_set(256, b"\0\1")) * 3000)
    collector.until(lambda: len(collector.records) == 3001)
    assert collector.records[0] == (name_of(peer), 7)
    peer.close()
    collector.until(lambda: collector.receiver.connections == 0)
    assert collector.troubles == []


def test_nothing_is_sent_that_an_exporter_would_have_to_read(
    ca: trustme.CA, start: Callable[[bool], Collector]
) -> None:
    """Unread, a session ticket would turn the end of the connection into a reset."""
    collector = start(False)
    peer = collector.connect_tls(client(ca))
    peer.sendall(VLAN)
    collector.until(lambda: len(collector.records) == 1)
    assert select.select([peer], [], [], 0)[0] == []


REFUSED = [
    ("no certificate", lambda ca: client(ca), "peer did not return a certificate"),
    ("one of another CA", lambda ca: client(ca, trustme.CA()), "certificate verify failed"),
]


@pytest.mark.parametrize(("context_of", "reason"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_an_exporter_that_may_not(
    ca: trustme.CA,
    start: Callable[[bool], Collector],
    context_of: Callable[[trustme.CA], ssl.SSLContext],
    reason: str,
) -> None:
    collector = start(True)
    collector.connect_tls(context_of(ca))
    collector.until(lambda: bool(collector.troubles))
    assert [trouble.text for trouble in collector.troubles] == [
        f"TLS handshake failed: {reason}; check the certificates of both ends"
    ]
    assert collector.process.counters.messages == 0
    assert collector.receiver.connections == 0


def test_old_tls_is_refused(ca: trustme.CA, start: Callable[[bool], Collector]) -> None:
    collector = start(False)
    context = client(ca)
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises(OSError, match=r"(?i)protocol|alert|version"):
        collector.connect_tls(context)
    collector.until(lambda: bool(collector.troubles))
    assert collector.troubles[0].text.startswith("TLS handshake failed: unsupported protocol")


def test_plain_text_is_no_tls(start: Callable[[bool], Collector]) -> None:
    collector = start(False)
    peer = collector.connect()
    peer.sendall(VLAN)
    assert collector.has_closed(peer)
    assert collector.troubles[0].text.startswith("TLS handshake failed: ")


def test_a_handshake_that_never_ends(ca: trustme.CA, start: Callable[[bool], Collector]) -> None:
    """Others connect meanwhile; after a while it is closed."""
    collector = start(False)
    silent = collector.connect()
    collector.connect_tls(client(ca)).sendall(VLAN)
    collector.until(lambda: len(collector.records) == 1)
    assert collector.receiver.next_deadline() == HANDSHAKE_SECONDS
    collector.now = HANDSHAKE_SECONDS - 0.001
    collector.round()
    assert collector.receiver.connections == 2
    collector.now = HANDSHAKE_SECONDS
    assert collector.has_closed(silent)
    assert [trouble.kind for trouble in collector.troubles] == ["handshake"]
    assert collector.receiver.connections == 1


def test_wrong_files(files: Files, tmp_path: Path) -> None:
    other = trustme.CA().issue_cert("127.0.0.1")
    other_key, encrypted, text = (str(tmp_path / name) for name in ("other", "encrypted", "text"))
    other.private_key_pem.write_to_path(other_key)
    Path(text).write_text("no PEM")
    key = serialization.load_pem_private_key(other.private_key_pem.bytes(), None)
    Path(encrypted).write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    cases = [
        (files._replace(certificate="/nonexistent"), "no such file", ExitCode.NO_INPUT),
        (files._replace(key=other_key), "key values mismatch", ExitCode.DATA),
        (files._replace(key=text), "", ExitCode.DATA),
        (files._replace(key=encrypted), "the key is encrypted", ExitCode.DATA),
        (files._replace(ca="/nonexistent"), "no such file", ExitCode.NO_INPUT),
        (files._replace(ca=text), "", ExitCode.DATA),
    ]
    for case, words, exit_code in cases:
        with pytest.raises(CertificateError) as caught:
            server_context(case.certificate, case.key, case.ca)
        text_shown = str(caught.value)
        assert text_shown.startswith("--ca " if case.ca != files.ca else "--certificate ")
        assert words in text_shown
        assert "\n" not in text_shown
        assert caught.value.exit_code == exit_code
