# SPDX-License-Identifier: Apache-2.0
"""The DTLS transport, with the server of OpenSSL's own program as collector."""

from __future__ import annotations

import builtins
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporting.stream_peers import eventually, never_stops
from exporting.tls_peers import LONG_AGO, NAME, YESTERDAY, Files, write_files
from spanflow.exporting.transport import dtls as dtls_module
from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.certificates import AuthenticationError, Certificates
from spanflow.exporting.transport.dtls import DtlsTransport
from spanflow.exporting.transport.interface import Sent

LINE = b"0123456789abcde\n"


class Pki:
    """One authority that both sides know, another one, and what they signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority, self.stranger = trustme.CA(), trustme.CA()
        self.server = self.files("server", self.authority, NAME, "127.0.0.1")
        self.client = self.files("client", self.authority, "probe.example")
        self.stranger_client = self.files("stranger", self.stranger, "probe.example")

    def files(self, name: str, authority: trustme.CA, *names: str, **times: Any) -> Files:
        return write_files(self.folder / name, authority, authority.issue_cert(*names, **times))

    @property
    def trusting(self) -> Certificates:
        return Certificates(ca=self.server.ca, certificate=None, key=None)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def free_address() -> Address:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return Address(socket.AF_INET, free.getsockname())


class Server:
    """What `openssl s_server` has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def said(self) -> bytes:
        return self._output.read_bytes()


@contextmanager
def collector(
    files: Files, folder: Path, *options: str, address: Address | None = None
) -> Iterator[tuple[Address, Server]]:
    """A DTLS server that prints what it gets."""
    address = address or free_address()
    port = address.sockaddr[1]
    output = folder / f"output-{time.monotonic_ns()}"
    command = f"openssl s_server -dtls1_2 -accept 127.0.0.1:{port} -quiet -naccept 1".split()
    with (
        output.open("wb") as file,
        subprocess.Popen(
            [*command, "-cert", files.certificate, "-key", files.key, *options],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            eventually(lambda: is_bound(port), "a server")
            yield address, Server(process, output)
        finally:
            process.kill()


def is_bound(port: int) -> bool:
    """Whether a UDP socket has the port; to find out by binding another one would be in the way."""
    table = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") for line in table)


def connected(
    address: Address, certificates: Certificates, name: str = NAME, timeout_s: float = 5.0
) -> DtlsTransport:
    return DtlsTransport(
        address,
        never_stops,
        certificates=certificates,
        server_name=name,
        discover_path_mtu=True,
        handshake_timeout_s=timeout_s,
    )


@pytest.mark.parametrize("options", [(), ("-listen",)], ids=["at once", "after a cookie"])
@pytest.mark.parametrize("name", [NAME, "127.0.0.1"])
def test_messages_arrive(pki: Pki, tmp_path: Path, options: tuple[str, ...], name: str) -> None:
    """Both sides show certificates; many Messages per call, each in a datagram of its own."""
    mutual = ("-Verify", "2", "-CAfile", pki.client.ca, *options)
    with collector(pki.server, tmp_path, *mutual) as (address, server):
        transport = connected(address, pki.client.as_ours(), name)
        assert transport.send(memoryview(LINE * 20 + b"end\n"), len(LINE)) is Sent.ALL
        eventually(lambda: b"end\n" in server.said, "the Messages")
        assert server.said.count(LINE) == 20
        assert (transport.reliable, transport.ended, transport.refusals) == (False, "", 0)
        assert (transport.flow.protocol, transport.unacknowledged_octets()) == (17, 0)
        # Of a datagram on loopback, as bounded by UdpTransport, what DTLS adds is gone.
        assert 8972 - 64 <= transport.max_message_octets() < 8972 - 24
        longest = transport.max_message_octets()
        assert transport.send(memoryview(bytes(longest)), longest) is Sent.ALL
        transport.close()


def wrong_authority(pki: Pki) -> tuple[Files, Certificates]:
    return pki.server, Certificates(ca=pki.stranger_client.ca, certificate=None, key=None)


def wrong_name(pki: Pki) -> tuple[Files, Certificates]:
    return pki.files("other", pki.authority, "other.example"), pki.trusting


def expired(pki: Pki) -> tuple[Files, Certificates]:
    return pki.files("old", pki.authority, NAME, not_before=LONG_AGO, not_after=YESTERDAY), pki.trusting


@pytest.mark.parametrize(
    ("case", "error"),
    [
        (wrong_authority, "the authority of the collector's certificate is unknown; name it in `ca`"),
        (wrong_name, "is for another name; correct `server_name` or the certificate"),
        (expired, "has expired; renew it there"),
    ],
)
def test_certificates_that_are_not_accepted(
    pki: Pki, tmp_path: Path, case: Callable[[Pki], tuple[Files, Certificates]], error: str
) -> None:
    files, ours = case(pki)
    with (
        collector(files, tmp_path) as (address, _),
        pytest.raises(AuthenticationError) as failure,
    ):
        connected(address, ours)
    assert error in str(failure.value)
    assert str(failure.value).startswith(f"DTLS with {NAME} at 127.0.0.1:")


def test_a_wildcard_is_one_label(pki: Pki, tmp_path: Path) -> None:
    files = pki.files("wildcard", pki.authority, "*.site.example")
    for name, accepted in (("a.site.example", True), ("b.a.site.example", False), ("site.example", False)):
        with collector(files, tmp_path) as (address, _):
            if accepted:
                connected(address, pki.trusting, name).close()
            else:
                with pytest.raises(AuthenticationError, match="is for another name"):
                    connected(address, pki.trusting, name)


@pytest.mark.parametrize("shown", ["none", "of a stranger"])
def test_our_certificate_is_refused(pki: Pki, tmp_path: Path, shown: str) -> None:
    ours = pki.trusting if shown == "none" else pki.stranger_client.as_ours(pki.server.ca)
    options = ("-Verify", "2", "-verify_return_error", "-CAfile", pki.client.ca)
    expected = {
        "none": "it may want a certificate of ours",
        "of a stranger": "it does not know the authority of our certificate",
    }
    with (
        collector(pki.server, tmp_path, *options) as (address, _),
        pytest.raises(OSError, match=expected[shown]),
    ):
        connected(address, ours)


def test_nobody_listens(pki: Pki) -> None:
    with pytest.raises(OSError, match="connection refused; start the collector"):
        connected(free_address(), pki.trusting)


def test_nobody_answers_or_only_garbage_comes(pki: Pki) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="no handshake in time"):
            connected(Address(socket.AF_INET, silent.getsockname()), pki.trusting, timeout_s=0.2)


class LossyProxy:
    """Passes datagrams between one client and a server, but not the first."""

    def __init__(self, server: Address) -> None:
        self._server = server.sockaddr
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = Address(socket.AF_INET, self._socket.getsockname())
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> LossyProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self.address.sockaddr)  # to itself: the end
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        client = self._socket.recvfrom(65536)[1]
        while True:
            datagram, source = self._socket.recvfrom(65536)
            if not datagram:
                return
            self._socket.sendto(datagram, client if source == self._server else self._server)


def test_a_lost_flight_is_sent_again(pki: Pki, tmp_path: Path) -> None:
    """After a second, as RFC 6347 section 4.2.4.1 has it."""
    with collector(pki.server, tmp_path) as (address, server), LossyProxy(address) as proxy:
        transport = connected(proxy.address, pki.trusting)
        assert transport.send(memoryview(LINE), len(LINE)) is Sent.ALL
        eventually(lambda: LINE in server.said, "the Message")
        transport.close()


def test_a_restarted_collector(pki: Pki, tmp_path: Path) -> None:
    """Its host refuses what comes in between, so the connection ends, and another one is made."""
    with collector(pki.server, tmp_path) as (address, server):
        transport = connected(address, pki.trusting)
    assert server.process.poll() is not None

    def refused() -> bool:
        transport.send(memoryview(LINE), len(LINE))
        transport.notice()
        return bool(transport.ended)

    eventually(refused, "the refusal")
    assert transport.refusals > 0
    assert "refused; start the collector" in transport.ended
    assert transport.send(memoryview(LINE), len(LINE)) is Sent.NONE_FAILED
    transport.close()
    with collector(pki.server, tmp_path, address=address) as (_, server):
        transport = connected(address, pki.trusting)
        transport.send(memoryview(LINE), len(LINE))
        eventually(lambda: LINE in server.said, "the Message")
        transport.close()


def test_a_connection_ends_in_time(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a collector that restarted without anybody seeing it."""
    monkeypatch.setattr(dtls_module, "_LONGEST_SESSION_S", 0.2)
    with collector(pki.server, tmp_path) as (address, _):
        transport = connected(address, pki.trusting)
        assert not transport.rotation_due
        eventually(lambda: transport.rotation_due, "the end")
        transport.notice()
        assert transport.ended == ""
        transport.close()


def test_the_end_of_the_collector_is_noticed(pki: Pki, tmp_path: Path) -> None:
    with collector(pki.server, tmp_path) as (address, server):
        transport = connected(address, pki.trusting)
        transport.send(memoryview(LINE), len(LINE))
        assert server.process.stdin is not None
        eventually(lambda: LINE in server.said, "the Message")
        server.process.stdin.write(b"Q\n")
        server.process.stdin.close()
        eventually(lambda: transport.notice() or transport.ended, "the end")
        transport.close()


def test_without_the_package(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.endswith("dtls_connection"):
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        OSError, match=r"DTLS needs pyOpenSSL, which is missing; pip install 'spanflow\[crypto\]'"
    ):
        connected(free_address(), pki.trusting)
