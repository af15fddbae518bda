# SPDX-License-Identifier: Apache-2.0
"""The TLS transport: with collectors as they should be, and with each kind of bad TLS."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from exporting.stream_peers import (
    eventually,
    listener,
    never_stops,
    peer,
    read_all,
)
from exporting.tls_peers import (
    LONG_AGO,
    NAME,
    TOMORROW,
    YESTERDAY,
    Files,
    server_context,
    tls_peer,
    write_files,
)
from spanflow.exporting.transport import tls as tls_module
from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.certificates import AuthenticationError, Certificates
from spanflow.exporting.transport.interface import Sent
from spanflow.exporting.transport.tls import TlsTransport

MESSAGE = 500
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Pki:
    """One authority that both sides know, another one, and what they signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.stranger = trustme.CA()
        self.server = self.files("server", self.authority, NAME, "127.0.0.1", "::1")
        self.client = self.files("client", self.authority, "probe.example")
        self.stranger_client = self.files("stranger", self.stranger, "probe.example")

    def files(self, name: str, authority: trustme.CA, *names: str, **times: object) -> Files:
        certificate = authority.issue_cert(*names, **times)  # type: ignore[arg-type]
        return write_files(self.folder / name, authority, certificate)

    @property
    def trusting(self) -> Certificates:
        """Of a probe without a certificate of its own."""
        return Certificates(ca=self.server.ca, certificate=None, key=None)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def connected(
    address: Address,
    certificates: Certificates,
    server_name: str = NAME,
    *,
    patience_s: float = 10.0,
    connect_timeout_s: float = 10.0,
) -> TlsTransport:
    return TlsTransport(
        address,
        never_stops,
        certificates=certificates,
        server_name=server_name,
        patience_s=patience_s,
        connect_timeout_s=connect_timeout_s,
    )


def run_of(messages: int) -> memoryview:
    return memoryview(b"".join(bytes([number % 256]) * MESSAGE for number in range(messages)))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [NAME, NAME + ".", "127.0.0.1", "::1%lo"])
def test_the_stream_is_the_messages(pki: Pki, version: str, name: str) -> None:
    context = server_context(pki.server, client_ca=pki.client.ca)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    got: list[bytes] = []
    seen: list[object] = []

    def serve(connection: ssl.SSLSocket) -> None:
        seen.append(connection.getpeercert())
        got.append(read_all(connection))

    with tls_peer(context, serve) as address:
        transport = connected(address, pki.client.as_ours(), name)
        assert transport.send(run_of(4001), MESSAGE) is Sent.ALL
        assert transport.send(run_of(1)[:20], MESSAGE) is Sent.ALL
        assert transport.finish(10)
        assert transport.unacknowledged_octets() == 0
        eventually(lambda: got, "the end")
        transport.close()
    assert got == [bytes(run_of(4001)) + bytes(20)]
    assert "probe.example" in str(seen)


def wrong_authority(pki: Pki) -> tuple[Files, Certificates]:
    return pki.server, Certificates(ca=pki.stranger_client.ca, certificate=None, key=None)


def wrong_name(pki: Pki) -> tuple[Files, Certificates]:
    return pki.files("other", pki.authority, "other.example"), pki.trusting


def only_a_common_name(pki: Pki) -> tuple[Files, Certificates]:
    """We trust it by itself, but the name is only in its subject."""
    files = made_by_openssl(pki.folder / "common", f"-subj /CN={NAME}")
    return files, Certificates(ca=files.certificate, certificate=None, key=None)


def expired(pki: Pki) -> tuple[Files, Certificates]:
    return pki.files("old", pki.authority, NAME, not_before=LONG_AGO, not_after=YESTERDAY), pki.trusting


def not_yet_valid(pki: Pki) -> tuple[Files, Certificates]:
    return pki.files("new", pki.authority, NAME, not_before=TOMORROW), pki.trusting


def self_signed(pki: Pki) -> tuple[Files, Certificates]:
    options = f"-subj /CN=x -addext subjectAltName=DNS:{NAME}"
    return made_by_openssl(pki.folder / "self", options), pki.trusting


def made_by_openssl(folder: Path, options: str) -> Files:
    """A certificate that is signed by itself."""
    folder.mkdir()
    certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    request = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes {options}"
    subprocess.run([*request.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return Files(certificate, certificate, key)


@pytest.mark.parametrize(
    ("case", "error"),
    [
        (wrong_authority, "the authority of the collector's certificate is unknown; name it in `ca`"),
        (wrong_name, "is for another name; correct `server_name` or the certificate"),
        (only_a_common_name, "is for another name"),
        (expired, "has expired; renew it there"),
        (not_yet_valid, "is not valid yet; look at the clocks"),
        (self_signed, "is signed by itself; name it, or use one of an authority, in `ca`"),
    ],
)
def test_certificates_that_are_not_accepted(pki: Pki, case: object, error: str) -> None:
    assert callable(case)
    files, ours = case(pki)
    with tls_peer(server_context(files), read_all) as address, pytest.raises(AuthenticationError) as failure:
        connected(address, ours)
    assert error in str(failure.value)
    assert str(failure.value).startswith(f"TLS with {NAME} at 127.0.0.1:")
    assert "\n" not in str(failure.value)


def test_an_address_that_the_certificate_is_not_for(pki: Pki) -> None:
    with (
        tls_peer(server_context(pki.server)) as address,
        pytest.raises(AuthenticationError, match="is for another address"),
    ):
        connected(address, pki.trusting, "127.0.0.2")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shown", ["none", "of a stranger"])
def test_our_certificate_is_refused(pki: Pki, version: str, shown: str) -> None:
    """With TLS 1.3 that is said after the handshake."""
    context = server_context(pki.server, client_ca=pki.client.ca)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    ours = pki.trusting if shown == "none" else pki.stranger_client.as_ours(pki.server.ca)
    with tls_peer(context, read_all) as address, pytest.raises(OSError, match="it ") as failure:
        connected(address, ours)
    expected = {
        ("none", "1.2"): "it may want a certificate of ours",
        ("none", "1.3"): "it wants a certificate of ours; give `certificate` and `key`",
        ("of a stranger", "1.2"): "it does not know the authority of our certificate; add it there",
        ("of a stranger", "1.3"): "it does not know the authority of our certificate; add it there",
    }
    assert expected[shown, version] in str(failure.value)
    assert isinstance(failure.value, AuthenticationError) == ((shown, version) != ("none", "1.2"))


@contextmanager
def held_back(address: Address, release: threading.Event) -> Iterator[Address]:
    """A proxy that passes what the collector answers to the client's second flight only after `release`."""

    def serve(connection: socket.socket) -> None:
        with socket.create_connection(address.sockaddr, timeout=10) as collector:
            collector.sendall(connection.recv(1 << 16))
            connection.sendall(collector.recv(1 << 16))

            def answer() -> None:
                with suppress(OSError):
                    release.wait(10)
                    while octets := collector.recv(1 << 16):
                        connection.sendall(octets)
                    connection.shutdown(socket.SHUT_WR)

            answering = threading.Thread(target=answer)
            answering.start()
            with suppress(OSError):
                while octets := connection.recv(1 << 16):
                    collector.sendall(octets)
            answering.join()

    with peer(serve) as place:
        yield place


@pytest.mark.parametrize("found_by", ["looking", "sending"])
def test_a_refusal_that_comes_late(pki: Pki, monkeypatch: pytest.MonkeyPatch, found_by: str) -> None:
    """What was sent until then was thrown away by the collector: none of it counts as acknowledged."""
    monkeypatch.setattr(tls_module, "_SIGN_S", 0.05)
    release = threading.Event()
    context = server_context(pki.server, client_ca=pki.client.ca)
    with tls_peer(context, read_all) as collector, held_back(collector, release) as address:
        transport = connected(address, pki.stranger_client.as_ours(pki.server.ca))
        assert transport.send(run_of(10), MESSAGE) is Sent.ALL
        sent = 10
        release.set()
        if found_by == "looking":
            eventually(lambda: transport.notice() or transport.ended, "the refusal")
        while transport.send(run_of(1), MESSAGE) is Sent.ALL:
            sent += 1
        assert "does not know the authority of our certificate" in transport.ended
        assert transport.unacknowledged_octets() == sent * MESSAGE
        assert transport.send(run_of(10), MESSAGE) is Sent.NONE_FAILED
        assert transport.last_error == transport.ended
        transport.close()


def test_a_collector_without_tickets_is_trusted_after_a_while(
    pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_module, "_SIGN_S", 0.05)
    monkeypatch.setattr(tls_module, "_TRUST_S", 0.2)
    context = server_context(pki.server)
    context.num_tickets = 0
    with tls_peer(context, read_all) as address:
        transport = connected(address, pki.trusting)
        begin = time.monotonic()
        assert transport.send(run_of(10), MESSAGE) is Sent.ALL
        assert transport.unacknowledged_octets() == 10 * MESSAGE
        eventually(lambda: transport.unacknowledged_octets() == 0, "trusted")
        assert time.monotonic() - begin > 0.1
        transport.close()


# Each case is what a listener says to whoever connects. None waits for long: the handshake is bounded.


def garbage(connection: socket.socket) -> None:
    connection.sendall(bytes(range(256)) * 100)
    read_all(connection)


def plain_text(connection: socket.socket) -> None:
    connection.sendall(b"220 collector ready\r\n")
    read_all(connection)


def huge_record(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x03\xff\xff" + bytes(0xFFFF))
    read_all(connection)


def endless_handshake(connection: socket.socket) -> None:
    """A ServerHello would end it; empty HelloRequests are ignored, for ever."""
    while True:
        connection.sendall(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00" * 1000)


def one_octet_after_the_other(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    pause = threading.Event()
    for octet in b"\x16\x03\x03\x3f\x00" + bytes(100):
        connection.sendall(bytes([octet]))
        pause.wait(0.05)


def silence(connection: socket.socket) -> None:
    read_all(connection)


def end_at_once(connection: socket.socket) -> None:
    connection.recv(1 << 16)


def end_inside_a_record(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(b"\x16\x03\x03\x10\x00" + bytes(10))


def old_version(connection: socket.socket) -> None:
    """A ServerHello of TLS 1.1."""
    connection.recv(1 << 16)
    hello = b"\x03\x02" + bytes(32) + b"\x00" + b"\xc0\x13" + b"\x00"
    body = b"\x02" + len(hello).to_bytes(3) + hello
    connection.sendall(b"\x16\x03\x02" + len(body).to_bytes(2) + body)
    read_all(connection)


def alert_protocol_version(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")
    read_all(connection)


@pytest.mark.parametrize(
    ("serve", "error"),
    [
        (garbage, "what it says is not TLS; correct the port, or turn TLS on there"),
        (plain_text, "what it says is not TLS"),
        (huge_record, "TLS fails (packet length too long)"),
        (endless_handshake, "TLS fails|a handshake without an end"),
        (one_octet_after_the_other, "no handshake in time"),
        (silence, "no handshake in time"),
        (end_at_once, "it ended the connection in the handshake; look at its log"),
        (end_inside_a_record, "it ended the connection in the handshake"),
        (old_version, "it speaks no TLS 1.2 or newer; update it"),
        (alert_protocol_version, "it speaks no TLS 1.2 or newer; update it"),
    ],
)
def test_peers_that_do_not_speak_our_tls(pki: Pki, serve: object, error: str) -> None:
    assert callable(serve)
    begin = time.monotonic()
    with peer(serve) as address, pytest.raises(OSError, match="TLS with") as failure:
        connected(address, pki.trusting, connect_timeout_s=0.3)
    assert any(words in str(failure.value) for words in error.split("|")), str(failure.value)
    assert "\n" not in str(failure.value)
    assert time.monotonic() - begin < 2


def test_nobody_listens(pki: Pki) -> None:
    with listener() as listening:
        address = Address(socket.AF_INET, listening.getsockname())
    with pytest.raises(OSError, match="connection refused; start the collector"):
        connected(address, pki.trusting)


def test_only_strong_ciphers(pki: Pki) -> None:
    names = {cipher["name"] for cipher in pki.trusting.context().get_ciphers()}
    assert names
    assert all("GCM" in name or "CHACHA20" in name for name in names)
    assert all(name.startswith(("TLS_", "ECDHE-", "DHE-")) for name in names)


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AECDH-AES128-SHA@SECLEVEL=0", "ECDHE-RSA-AES128-SHA"])
def test_weak_ciphers_are_refused(pki: Pki, cipher: str) -> None:
    context = server_context(pki.server)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    with tls_peer(context) as address, pytest.raises(OSError, match="refuses the handshake"):
        connected(address, pki.trusting)


def how_it_ends(address: Address, certificates: Certificates) -> str:
    """Why a connection is of no more use, be it found at its beginning or later."""
    try:
        transport = connected(address, certificates)
    except OSError as error:
        return str(error)
    eventually(lambda: transport.notice() or transport.ended, "the end")
    transport.close()
    return transport.ended


def test_data_that_nobody_asked_for_is_bounded(pki: Pki) -> None:
    def talk(connection: ssl.SSLSocket) -> None:
        while True:
            connection.sendall(bytes(1 << 14))

    with tls_peer(server_context(pki.server), talk) as address:
        assert "it sends data without being asked; correct the port" in how_it_ends(address, pki.trusting)


def test_an_end_is_noticed(pki: Pki) -> None:
    closing = threading.Event()

    def serve(connection: ssl.SSLSocket) -> None:
        closing.wait(10)
        connection.unwrap()

    with tls_peer(server_context(pki.server), serve) as address:
        transport = connected(address, pki.trusting)
        transport.notice()
        assert transport.ended == ""
        closing.set()
        eventually(lambda: transport.notice() or transport.ended, "the end")
        assert "has closed the connection" in transport.ended
        assert transport.send(run_of(1), MESSAGE) is Sent.NONE_FAILED
        transport.close()


def test_a_close_inside_a_record_is_noticed(pki: Pki) -> None:
    def serve(connection: ssl.SSLSocket) -> None:
        with socket.socket(fileno=connection.detach()) as plain:
            plain.sendall(b"\x17\x03\x03\x01\x00" + bytes(10))

    with tls_peer(server_context(pki.server), serve) as address:
        assert "has closed the connection" in how_it_ends(address, pki.trusting)


def test_acknowledged_ciphertext_is_whole_records_of_messages(pki: Pki) -> None:
    """A peer that never reads: of what we count as acknowledged its kernel has the records, all of them."""
    reading = threading.Event()
    got: list[int] = []

    def serve(connection: ssl.SSLSocket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        reading.wait(10)
        octets = 0
        with suppress(OSError):
            while part := connection.recv(1 << 16):
                octets += len(part)
        got.append(octets)

    context = server_context(pki.server)
    with tls_peer(context, serve) as address:
        transport = connected(address, pki.trusting, patience_s=0.5)
        sent = 0
        while transport.send(run_of(1000), MESSAGE) is Sent.ALL:
            sent += 1000 * MESSAGE
        assert "does not read" in transport.last_error
        missing = transport.unacknowledged_octets()
        assert 0 < missing < sent + 1000 * MESSAGE
        transport.close()
        reading.set()
        eventually(lambda: got, "what the peer has")
        # Never less than we say; the last record may have been there only in part.
        assert got[0] == sent - missing


def test_a_changed_certificate_is_shown_at_the_next_connection(pki: Pki, tmp_path: Path) -> None:
    names: list[str] = []

    def serve(connection: ssl.SSLSocket) -> None:
        names.append(str(connection.getpeercert()))
        read_all(connection)

    first = write_files(tmp_path, pki.authority, pki.authority.issue_cert("first.example"))
    ours = first.as_ours()
    with tls_peer(server_context(pki.server, client_ca=first.ca), serve) as address:
        connected(address, ours).close()
        write_files(tmp_path, pki.authority, pki.authority.issue_cert("second.example"))
        connected(address, ours).close()
        eventually(lambda: len(names) == 2, "both connections")
    assert "first.example" in names[0]
    assert "second.example" in names[1]


def test_keys_are_renewed_when_they_are_used_up(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_module, "_RECORDS_PER_KEY", 3)
    with tls_peer(server_context(pki.server), read_all) as address:
        transport = connected(address, pki.trusting)
        for _ in range(3):
            assert not transport.rotation_due
            transport.send(run_of(1), MESSAGE)
        eventually(lambda: transport.notice() or transport.rotation_due, "the end of the keys")
        assert transport.ended == ""
        assert transport.unacknowledged_octets() == 0
        transport.close()


def heard(transport: TlsTransport) -> bool:
    """Whether an answer waits to be sent."""
    return bool(transport._outgoing.pending)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_new_keys_and_renegotiation_of_a_real_server(pki: Pki, version: str) -> None:
    """OpenSSL's server asks for new keys (TLS 1.3) or for a new handshake (TLS 1.2, refused by us)."""
    with listener() as free:
        port = free.getsockname()[1]
    command = f"openssl s_server {version} -accept 127.0.0.1:{port} -naccept 1"
    with subprocess.Popen(
        [*command.split(), "-cert", pki.server.certificate, "-key", pki.server.key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        while b"ACCEPT" not in server.stdout.readline():
            pass
        transport = connected(Address(socket.AF_INET, ("127.0.0.1", port)), pki.trusting)
        assert transport.send(memoryview(b"first\n"), 6) is Sent.ALL
        while b"first" not in server.stdout.readline():
            pass
        stdin = server.stdin

        def is_asked() -> bool:
            # Once is not always enough: if it comes with the tickets, OpenSSL answers when we write.
            stdin.write(b"K\n" if version == "-tls1_3" else b"r\n")
            stdin.flush()
            transport.notice()
            assert transport.ended == ""
            return heard(transport)

        eventually(is_asked, "new keys, or a call for a handshake")
        assert transport.send(memoryview(b"second\n"), 7) is Sent.ALL
        if version == "-tls1_3":
            while b"second" not in server.stdout.readline():
                pass
            eventually(lambda: transport.unacknowledged_octets() == 0, "acknowledged")
        else:
            # It does not put up with it: the connection ends, in words.
            eventually(lambda: transport.notice() or transport.ended, "the end")
            assert "it refuses the handshake" in transport.ended
        transport.close()
        server.kill()
