# SPDX-License-Identifier: Apache-2.0
"""The socket: addresses as people write them, errors that say what to do, losses that are counted."""

from __future__ import annotations

import errno
import socket

import pytest

from spanflow.collecting import udp_listener
from spanflow.collecting.listen_address import ListenAddress, ListenError, address_text, parse_address
from spanflow.collecting.udp_listener import UdpListener
from spanflow.errors import ExitCode, UsageError

LOOPBACK = ListenAddress("udp", "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:4739", ("udp", "127.0.0.1", 4739)),
        ("127.0.0.1", ("udp", "127.0.0.1", 4739)),
        ("[::1]:2055", ("udp", "::1", 2055)),
        ("[fe80::1%lo]", ("udp", "fe80::1%lo", 4739)),
        ("collector.example:0", ("udp", "collector.example", 0)),
        (":4739", ("udp", "", 4739)),
        ("udp://192.0.2.1", ("udp", "192.0.2.1", 4739)),
        ("tcp://192.0.2.1", ("tcp", "192.0.2.1", 4739)),
        ("tls://[::1]", ("tls", "::1", 4740)),
        ("tls://:9", ("tls", "", 9)),
    ],
)
def test_addresses(text: str, expected: tuple[str, str, int]) -> None:
    assert parse_address(text) == ListenAddress(*expected)


@pytest.mark.parametrize(
    "text",
    [
        "::1",
        "::1:4739",
        "[::1",
        "[::1]4739",
        "host:",
        "host:x",
        "h:-1",
        "h:65536",
        "[]:1",
        "sctp://h",
        "://h",
        "tcp:h",
        "tcp://h/x",
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--listen .*[;] "):
        parse_address(text)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("192.0.2.1", 9), "192.0.2.1:9"),
        (("2001:db8::1", 9, 0, 0), "[2001:db8::1]:9"),
        (("::ffff:192.0.2.1", 9, 0, 0), "192.0.2.1:9"),
        (("fe80::1%lo", 9, 0, 1), "[fe80::1%lo]:9"),
    ],
)
def test_address_text(address: tuple[object, ...], expected: str) -> None:
    assert address_text(address) == expected


def test_receives_with_a_large_buffer() -> None:
    with UdpListener(LOOPBACK) as bound, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        assert list(bound.datagrams(5)) == []
        host, _, port = bound.address.partition(":")
        sender.connect((host, int(port)))
        for number in range(3):
            sender.send(bytes([number]))
        received = list(bound.datagrams(2)) + list(bound.datagrams(2))
        assert received == [(bytes([number]), sender.getsockname()) for number in range(3)]
        assert bound.receive_buffer > 0
        assert bound.lost() == 0


def test_overflow_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what was lost behind the last datagram that is read."""
    monkeypatch.setattr(udp_listener, "RECEIVE_BUFFER", 4096)
    with UdpListener(LOOPBACK) as bound, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        host, _, port = bound.address.partition(":")
        for _ in range(100):
            sender.sendto(bytes(1000), (host, int(port)))
        received = len(list(bound.datagrams(1000)))
        assert 0 < received < 100
        assert received + bound.lost() == 100


def test_address_in_use() -> None:
    with UdpListener(LOOPBACK) as bound:
        port = int(bound.address.rpartition(":")[2])
        with pytest.raises(
            ListenError, match=f"^--listen 127.0.0.1:{port}: the address is in use; "
        ) as caught:
            UdpListener(ListenAddress("udp", "127.0.0.1", port))
        assert caught.value.exit_code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("number", "exit_code", "words"),
    [
        (errno.EACCES, ExitCode.NO_PERMISSION, "not permitted; choose a port above 1023"),
        (errno.EADDRNOTAVAIL, ExitCode.UNAVAILABLE, "no such address; choose one"),
        (errno.ENOBUFS, ExitCode.OS_ERROR, "No buffer space available; choose another"),
    ],
)
def test_other_errors(monkeypatch: pytest.MonkeyPatch, number: int, exit_code: ExitCode, words: str) -> None:
    def bind(self: socket.socket, address: object) -> None:
        raise OSError(number, "No buffer space available")

    monkeypatch.setattr(socket, "socket", type("Socket", (socket.socket,), {"bind": bind}))
    with pytest.raises(ListenError, match=words) as caught:
        UdpListener(ListenAddress("udp", "::1", 700))
    assert str(caught.value).startswith("--listen [::1]:700: ")
    assert caught.value.exit_code == exit_code


def test_no_such_host() -> None:
    with pytest.raises(ListenError, match="no such host; use") as caught:
        UdpListener(ListenAddress("udp", "host..invalid", 0))
    assert caught.value.exit_code == ExitCode.UNAVAILABLE
