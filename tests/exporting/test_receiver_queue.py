# SPDX-License-Identifier: Apache-2.0
"""Looking into a receiver's buffer, by sock_diag(7) and by /proc/net/udp."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from spanflow.exporting.receiver_queue import (
    ASSUMED_CAPACITY,
    Look,
    SocketDiagnostics,
    look_into_proc,
    receiver_look,
)
from spanflow.exporting.transport.interface import LocalFlow


def by_diagnostics(flow: LocalFlow) -> Look:
    diag = SocketDiagnostics()
    return lambda: diag.look(flow)


def by_proc(flow: LocalFlow) -> Look:
    return lambda: look_into_proc(flow)


WAYS = pytest.mark.parametrize("way", [by_diagnostics, by_proc, receiver_look])


def flow_between(sending: socket.socket, listening: socket.socket) -> LocalFlow:
    source, destination = sending.getsockname(), sending.getpeername()
    return LocalFlow(ip_address(source[0]), source[1], ip_address(destination[0]), destination[1])


@WAYS
@pytest.mark.parametrize(
    ("bound", "reached"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("::1", "::1"),
        ("::", "::1"),
    ],
)
def test_backlog_of_a_receiver(way: Callable[[LocalFlow], Look], bound: str, reached: str) -> None:
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_DGRAM) as listening,
        socket.socket(socket.AF_INET6 if ":" in reached else socket.AF_INET, socket.SOCK_DGRAM) as sending,
    ):
        listening.bind((bound, 0))
        sending.connect((reached, listening.getsockname()[1]))
        look = way(flow_between(sending, listening))
        empty = look()
        assert empty is not None
        assert empty.backlog == 0
        for _ in range(10):
            sending.send(bytes(1364))
        full = look()
        assert full is not None
        assert 10 * 1364 < full.backlog <= 10 * 2304
        assert full.capacity == listening.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


@WAYS
def test_nobody_listens(way: Callable[[LocalFlow], Look]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
            listening.bind(("127.0.0.1", 0))
            sending.connect(listening.getsockname())
            look = way(flow_between(sending, listening))
            assert look() is not None
        assert look() is None


def test_diagnostics_know_the_size_of_the_buffer() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending,
    ):
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50_000)
        listening.bind(("127.0.0.1", 0))
        sending.connect(listening.getsockname())
        queue = by_diagnostics(flow_between(sending, listening))()
        assert queue is not None
        assert queue.capacity == listening.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) != ASSUMED_CAPACITY


def test_proc_takes_the_fullest_of_several(tmp_path: Path) -> None:
    # As Linux prints it: addresses as 32-bit words of the machine, here little-endian.
    (tmp_path / "udp").write_text(
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        " 100: 0100007F:1283 00000000:0000 07 00000000:00000900 00:00000000 00000000     0        0 1 2 3 0\n"
        " 101: 00000000:1283 00000000:0000 07 00000000:00001200 00:00000000 00000000     0        0 1 2 3 0\n"
        " 102: 0200007F:1283 00000000:0000 07 00000000:0000FFFF 00:00000000 00000000     0        0 1 2 3 0\n"
        " 103: 0100007F:1284 00000000:0000 07 00000000:0000FFFF 00:00000000 00000000     0        0 1 2 3 0\n"
    )
    local = ip_address("127.0.0.1")
    queue = look_into_proc(LocalFlow(local, 50000, local, 0x1283), tmp_path)
    assert queue is not None
    assert queue.backlog == 0x1200
    assert look_into_proc(LocalFlow(local, 50000, local, 1), tmp_path) is None
