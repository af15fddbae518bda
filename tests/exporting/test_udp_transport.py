# SPDX-License-Identifier: Apache-2.0
"""The UDP transport: on loopback as the kernel does it, and with a socket that fails as the test wants."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from spanflow.exporting.transport.addresses import Address, is_numeric, resolve
from spanflow.exporting.transport.interface import LocalFlow, Sent
from spanflow.exporting.transport.udp import UdpTransport

MESSAGE = 500
IP_MTU, IP_MTU_DISCOVER, UDP_SEGMENT = 14, 10, 103
DONT, DO = 0, 2


def never_stops(seconds: float) -> bool:
    return False


@contextmanager
def receiver(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        listening.bind((host, 0))
        yield listening


def connected(listening: socket.socket, *, discover: bool = False) -> UdpTransport:
    address = Address(listening.family, listening.getsockname())
    return UdpTransport(address, never_stops, discover_path_mtu=discover)


def run_of(messages: int, last_octets: int = MESSAGE) -> memoryview:
    """Messages that differ, one after the other."""
    octets = b"".join(bytes([number % 256]) * MESSAGE for number in range(messages))
    return memoryview(octets)[: (messages - 1) * MESSAGE + last_octets]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(("messages", "last_octets"), [(1, 500), (1, 20), (2, 500), (20, 500), (64, 20)])
def test_datagrams_are_the_messages(host: str, messages: int, last_octets: int) -> None:
    with receiver(host) as listening:
        transport = connected(listening)
        run = run_of(messages, last_octets)
        assert transport.send(run, MESSAGE) is Sent.ALL
        got = [listening.recv(65536) for _ in range(messages)]
        assert b"".join(got) == bytes(run)
        assert [len(datagram) for datagram in got] == [MESSAGE] * (messages - 1) + [last_octets]
        transport.close()


def test_a_long_message_alone_after_a_run_of_short_ones() -> None:
    """The kernel would cut it, if the segment size of the run were still set."""
    with receiver() as listening:
        transport = connected(listening)
        transport.send(run_of(3), MESSAGE)
        transport.send(memoryview(bytes(1400)), 1400)
        transport.send(run_of(2), MESSAGE)
        assert [len(listening.recv(65536)) for _ in range(6)] == [500, 500, 500, 1400, 500, 500]
        transport.close()


@pytest.mark.parametrize("octets", [104, 500, 1364, 1400, 9000, 30_000, 65_507])
def test_the_kernel_takes_as_many_messages_as_we_say(octets: int) -> None:
    with receiver() as listening:
        transport = connected(listening)
        several = transport.messages_per_call(octets)
        assert 1 <= several <= 64
        assert transport.send(memoryview(bytes(several * octets)), octets) is Sent.ALL
        assert transport.messages_per_call(octets) == several
        transport.close()


def test_local_flow() -> None:
    with receiver() as listening:
        transport = connected(listening)
        transport.send(run_of(1), MESSAGE)
        _, source = listening.recvfrom(65536)
        local = ip_address("127.0.0.1")
        assert transport.flow == LocalFlow(local, source[1], local, listening.getsockname()[1])
        assert transport.flow.stays_on_machine
        transport.close()


@pytest.mark.parametrize(
    ("source", "destination", "stays"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("127.0.0.1", "127.9.9.9", True),
        ("::1", "::1", True),
        ("2001:db8::1", "2001:db8::2", False),
    ],
)
def test_who_is_on_this_machine(source: str, destination: str, stays: bool) -> None:
    flow = LocalFlow(ip_address(source), 1, ip_address(destination), 2)
    assert flow.stays_on_machine == stays


def test_refusals_are_counted_and_the_call_repeated() -> None:
    with receiver() as listening:
        address = Address(socket.AF_INET, listening.getsockname())
    transport = UdpTransport(address, never_stops, discover_path_mtu=False)
    # Each call after the first finds the refusal of the one before.
    assert [transport.send(run_of(1), MESSAGE) for _ in range(5)] == [Sent.ALL] * 5
    assert transport.refusals == 4
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        listening.bind(address.sockaddr)
        assert transport.send(run_of(3), MESSAGE) is Sent.ALL
        assert transport.refusals == 5
        assert [len(listening.recv(65536)) for _ in range(3)] == [MESSAGE] * 3
    transport.close()


def test_path_mtu_of_loopback_is_bounded() -> None:
    for host in ("127.0.0.1", "::1"):
        with receiver(host) as listening:
            transport = connected(listening, discover=True)
            assert transport.max_message_octets() == 8972
            transport.close()


def test_resolve() -> None:
    assert resolve("127.0.0.1", 4739) == [Address(socket.AF_INET, ("127.0.0.1", 4739))]
    assert resolve("::1", 4739)[0].family == socket.AF_INET6
    for impossible in ("a..b", "x" * 64):
        with pytest.raises(OSError, match="not a host name"):
            resolve(impossible, 4739)
    assert [is_numeric(host) for host in ("192.0.2.1", "::1", "localhost")] == [True, True, False]


class FailingSocket:
    """A connected socket of which each `send` takes the next errno from a list (0: it is sent)."""

    family = socket.AF_INET

    def __init__(self, *errors: int, mtu: int = 1500, knows_segmentation: bool = True) -> None:
        self.errors = list(errors)
        self.mtu = mtu
        self.knows_segmentation = knows_segmentation
        self.sent: list[int] = []
        self.options: dict[int, int] = {}
        self.unreachable = self.closed = False

    def __call__(self, family: int, kind: int) -> Any:
        return self

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if option == UDP_SEGMENT and not self.knows_segmentation:
            raise OSError(errno.ENOPROTOOPT, "")
        self.options[option] = value

    def getsockopt(self, level: int, option: int) -> int:
        if option == UDP_SEGMENT:
            if not self.knows_segmentation:
                raise OSError(errno.ENOPROTOOPT, "")
            return self.options.get(option, 0)
        assert option == IP_MTU
        return self.mtu

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.1", 50000

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.2", 4739

    def send(self, octets: memoryview) -> int:
        error = self.errors.pop(0) if self.errors else 0
        if error:
            raise OSError(error, "")
        self.sent.append(len(octets))
        return len(octets)

    def setblocking(self, blocking: bool) -> None: ...

    def connect(self, address: Any) -> None:
        if self.unreachable:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

    def close(self) -> None:
        self.closed = True


def over(failing: FailingSocket, *, discover: bool = False, stops: bool = False) -> UdpTransport:
    return UdpTransport(
        Address(socket.AF_INET, ("192.0.2.2", 4739)),
        lambda seconds: stops,
        discover_path_mtu=discover,
        new_socket=failing,
    )


@pytest.mark.parametrize(
    "failing",
    [
        FailingSocket(errno.EINVAL),
        FailingSocket(errno.EIO),
        FailingSocket(errno.EOPNOTSUPP),
        FailingSocket(errno.EMSGSIZE),
    ],
    ids=["EINVAL", "EIO", "EOPNOTSUPP", "EMSGSIZE"],
)
def test_without_segmentation_message_by_message(failing: FailingSocket) -> None:
    transport = over(failing)
    assert transport.messages_per_call(MESSAGE) == 64
    assert transport.send(run_of(10), MESSAGE) is Sent.NONE_SEND_FEWER
    assert transport.messages_per_call(MESSAGE) == 1
    assert transport.send(run_of(1), MESSAGE) is Sent.ALL
    assert failing.sent == [MESSAGE]
    # The kernel compares this with the path MTU even if there is nothing to cut.
    assert failing.options.get(UDP_SEGMENT, 0) == 0


def test_a_kernel_that_cannot_cut_is_never_given_several() -> None:
    transport = over(FailingSocket(knows_segmentation=False))
    assert transport.messages_per_call(MESSAGE) == 1
    assert transport.max_message_octets() == 1472
    assert transport.messages_per_call(MESSAGE) == 1


def test_full_buffers_are_waited_for() -> None:
    failing = FailingSocket(errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)
    assert over(failing).send(run_of(2), MESSAGE) is Sent.ALL
    assert failing.sent == [2 * MESSAGE]


def test_full_buffers_are_not_waited_for_for_ever() -> None:
    transport = over(FailingSocket(*[errno.ENOBUFS] * 2000))
    assert transport.send(run_of(2), MESSAGE) is Sent.NONE_FAILED
    assert transport.last_error == "ENOBUFS"
    transport = over(FailingSocket(*[errno.EAGAIN] * 2000), stops=True)
    assert transport.send(run_of(2), MESSAGE) is Sent.NONE_FAILED


def test_refused_again_and_again() -> None:
    failing = FailingSocket(errno.ECONNREFUSED, errno.ECONNREFUSED)
    transport = over(failing)
    assert transport.send(run_of(2), MESSAGE) is Sent.ALL
    assert transport.refusals == 2
    transport = over(FailingSocket(*[errno.ECONNREFUSED] * 3))
    assert transport.send(run_of(2), MESSAGE) is Sent.NONE_FAILED


@pytest.mark.parametrize("error", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EPERM, errno.ENETDOWN])
def test_path_is_gone(error: int) -> None:
    transport = over(FailingSocket(error))
    assert transport.send(run_of(2), MESSAGE) is Sent.NONE_FAILED
    assert transport.last_error == errno.errorcode[error]


def test_message_too_large_for_udp() -> None:
    transport = over(FailingSocket(errno.EMSGSIZE))
    assert transport.send(run_of(1), MESSAGE) is Sent.NONE_TOO_LARGE


@pytest.mark.parametrize(
    ("mtu", "octets"), [(1500, 1472), (1280, 1252), (9000, 8972), (65536, 8972), (68, 512)]
)
def test_message_size_by_path_mtu(mtu: int, octets: int) -> None:
    transport = over(FailingSocket(mtu=mtu), discover=True)
    assert transport.max_message_octets() == octets


def test_path_gets_narrower() -> None:
    """Nothing is lost: one Message is fragmented, then the caller learns the new size."""
    failing = FailingSocket(errno.EMSGSIZE, errno.EMSGSIZE, 0, mtu=1500)
    transport = over(failing, discover=True)
    assert transport.max_message_octets() == 1472
    assert failing.options[IP_MTU_DISCOVER] == DO
    assert transport.send(run_of(4), MESSAGE) is Sent.NONE_SEND_FEWER
    failing.mtu = 400
    assert transport.send(run_of(1), MESSAGE) is Sent.ALL
    assert transport.path_mtu_changed
    assert failing.options[IP_MTU_DISCOVER] == DONT
    assert transport.max_message_octets() == 512
    assert failing.options[IP_MTU_DISCOVER] == DO
    assert not transport.path_mtu_changed
    assert transport.messages_per_call(MESSAGE) == 64


def test_no_way_to_the_address() -> None:
    failing = FailingSocket()
    failing.unreachable = True
    with pytest.raises(OSError, match="unreachable"):
        over(failing)
    assert failing.closed
