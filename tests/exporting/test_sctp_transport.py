# SPDX-License-Identifier: Apache-2.0
"""The SCTP transport: against this kernel if it has SCTP, and else with a socket that stands in for one.

The stand-in is a SOCK_SEQPACKET pair, which keeps the boundaries of messages as SCTP does; the answers of
the kernel to the options of SCTP are made up after its headers. So this shows how the transport uses a
socket, and not that a kernel with SCTP agrees.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

import pytest

from exporting.stream_peers import never_stops
from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.interface import Sent
from spanflow.exporting.transport.sctp import SctpTransport

MESSAGE = 500
ADDRESS = Address(socket.AF_INET, ("192.0.2.1", 4739))
SCTP, SCTP_STATUS, SO_MEMINFO = 132, 14, 55
ESTABLISHED, SHUTDOWN_SENT = 3, 6


class StandIn:
    """What the transport needs of an SCTP socket, over one end of a pair."""

    def __init__(self) -> None:
        self.socket, self.peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.peer.settimeout(10)
        self.queued_octets = 0
        self.state = ESTABLISHED
        self.made_with: tuple[int, int, int] | None = None

    def __call__(self, family: int, kind: int, protocol: int) -> Any:
        self.made_with = (family, kind, protocol)
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.socket, name)

    def connect_ex(self, address: object) -> int:
        return 0

    def getsockname(self) -> tuple[str, int]:
        return ("192.0.2.7", 40000)

    def getpeername(self) -> tuple[str, int]:
        return ADDRESS.sockaddr[0], ADDRESS.sockaddr[1]

    def setsockopt(self, *arguments: object) -> None:
        pass

    def getsockopt(self, level: int, option: int, octets: int = 0) -> bytes:
        if (level, option) == (socket.SOL_SOCKET, SO_MEMINFO):
            return struct.pack("=9I", 0, 0, 0, 0, 0, self.queued_octets, 0, 0, 0)
        assert (level, option) == (SCTP, SCTP_STATUS)
        if not self.state:
            raise OSError(errno.EINVAL, "no association")
        return struct.pack("=ii", 0, self.state).ljust(octets, b"\0")


def run_of(messages: int, last_octets: int = MESSAGE) -> memoryview:
    octets = b"".join(bytes([number % 256]) * MESSAGE for number in range(messages))
    return memoryview(octets)[: (messages - 1) * MESSAGE + last_octets]


def connected(kernel: StandIn) -> SctpTransport:
    return SctpTransport(ADDRESS, never_stops, new_socket=kernel)


def test_this_kernel() -> None:
    """Either it has SCTP, and nobody listens; or the error says what to do."""
    with pytest.raises(
        OSError, match=r"this kernel has no SCTP; `modprobe sctp`|connection refused"
    ) as failure:
        SctpTransport(Address(socket.AF_INET, ("127.0.0.1", 1)), never_stops)
    assert "\n" not in str(failure.value)


def test_a_kernel_without_sctp() -> None:
    def new_socket(family: int, kind: int, protocol: int) -> socket.socket:
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    with pytest.raises(OSError, match="use ipfix\\+tcp") as failure:
        SctpTransport(ADDRESS, never_stops, new_socket=new_socket)
    assert str(failure.value) == "this kernel has no SCTP; `modprobe sctp`, or use ipfix+tcp"


def test_each_message_is_one_of_sctp() -> None:
    kernel = StandIn()
    transport = connected(kernel)
    assert kernel.made_with == (socket.AF_INET, socket.SOCK_STREAM, SCTP)
    assert (transport.flow.protocol, transport.flow.source_port) == (SCTP, 40000)
    assert transport.send(run_of(20, last_octets=30), MESSAGE) is Sent.ALL
    got = [kernel.peer.recv(65536) for _ in range(20)]
    assert [len(message) for message in got] == [MESSAGE] * 19 + [30]
    assert b"".join(got) == bytes(run_of(20, last_octets=30))
    assert transport.max_message_octets() == 65535
    transport.close()
    kernel.peer.close()


def test_what_is_not_acknowledged() -> None:
    """The kernel's queue is an upper bound, and says nothing any more once the association is gone."""
    kernel = StandIn()
    transport = connected(kernel)
    transport.send(run_of(10), MESSAGE)
    kernel.queued_octets = 10 * (MESSAGE + 300)
    assert transport.unacknowledged_octets() == 10 * MESSAGE
    kernel.queued_octets = 2 * MESSAGE
    assert transport.unacknowledged_octets() == 2 * MESSAGE
    transport.send(run_of(4), MESSAGE)
    kernel.queued_octets, kernel.state = 0, 0
    assert transport.unacknowledged_octets() == 6 * MESSAGE
    assert not transport.finish(0)
    transport.close()
    kernel.peer.close()


def test_finish() -> None:
    kernel = StandIn()
    transport = connected(kernel)
    transport.send(run_of(1), MESSAGE)
    kernel.queued_octets = MESSAGE
    assert not transport.finish(0)
    kernel.queued_octets = 0
    assert transport.finish(1)
    transport.close()
    kernel.peer.close()


def test_an_end_is_noticed_and_told() -> None:
    kernel = StandIn()
    transport = connected(kernel)
    transport.send(run_of(3), MESSAGE)
    kernel.queued_octets = 3 * MESSAGE
    for _ in range(3):
        kernel.peer.recv(65536)
    kernel.peer.close()
    transport.notice()
    assert "has closed the connection" in transport.ended
    kernel.queued_octets = 0
    assert transport.unacknowledged_octets() == 3 * MESSAGE
    assert transport.send(run_of(1), MESSAGE) is Sent.NONE_FAILED
    assert transport.last_error == transport.ended
    transport.close()
