# SPDX-License-Identifier: Apache-2.0
"""The TCP transport: on loopback, and over a link that goes down."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from ipaddress import ip_address
from pathlib import Path

import pytest

from exporting.stream_peers import (
    accept,
    address_of,
    eventually,
    listener,
    never_stops,
    peer,
    read_all,
    reset,
)
from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.interface import LocalFlow, Sent
from spanflow.exporting.transport.marking import Marking
from spanflow.exporting.transport.tcp import TcpTransport

MESSAGE = 500
CHILD = Path(__file__).with_name("dead_link_child.py")
NOT_PERMITTED = 77


def connected(listening: socket.socket, patience_s: float = 10.0) -> TcpTransport:
    return TcpTransport(address_of(listening), never_stops, patience_s=patience_s)


def run_of(messages: int) -> memoryview:
    """Messages that differ, one after the other."""
    return memoryview(b"".join(bytes([number % 256]) * MESSAGE for number in range(messages)))


def until_full(transport: TcpTransport, octets: memoryview) -> int:
    """Send until it fails; how many octets were sent."""
    sent = 0
    while transport.send(octets, MESSAGE) is Sent.ALL:
        sent += len(octets)
    return sent


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_stream_is_the_messages(host: str) -> None:
    with listener(host) as listening:
        transport = connected(listening)
        with accept(listening) as connection:
            got: list[bytes] = []
            reader = threading.Thread(target=lambda: got.append(read_all(connection)))
            reader.start()
            whole = run_of(8000)
            assert transport.send(whole, MESSAGE) is Sent.ALL
            assert transport.send(whole[:700], MESSAGE) is Sent.ALL
            assert transport.finish(10)
            transport.close()
            reader.join(10)
        assert got[0] == bytes(whole) + bytes(whole[:700])
    assert (transport.reliable, transport.refusals, transport.path_mtu_changed) == (True, 0, False)
    assert transport.max_message_octets() == 65535
    assert transport.messages_per_call(65535) == 16
    assert transport.messages_per_call(2 << 20) == 1


def test_local_flow_and_marking() -> None:
    with listener() as listening:
        marking = Marking(source="127.0.0.9", dscp=10, ttl=3)
        transport = TcpTransport(address_of(listening), never_stops, marking=marking)
        connection, (host, port) = listening.accept()
        with connection:
            flow = LocalFlow(
                ip_address("127.0.0.9"), port, ip_address("127.0.0.1"), listening.getsockname()[1], 6
            )
            assert (host, transport.flow) == ("127.0.0.9", flow)
        transport.close()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("192.0.2.9", "source 192.0.2.9: cannot assign requested address; use an address of this machine"),
        ("::1", "source ::1: of another IP version than the collector's address; use one of the same"),
    ],
)
def test_a_source_that_cannot_be_had(source: str, said: str) -> None:
    with listener() as listening, pytest.raises(OSError, match=f"^{re.escape(said)}$"):
        TcpTransport(address_of(listening), never_stops, marking=Marking(source=source))


def test_options_of_the_socket() -> None:
    made: list[socket.socket] = []

    def new_socket(family: int, kind: int, protocol: int) -> socket.socket:
        made.append(socket.socket(family, kind, protocol))
        return made[0]

    with listener() as listening:
        transport = TcpTransport(address_of(listening), never_stops, patience_s=2.5, new_socket=new_socket)
        tcp, ours = socket.IPPROTO_TCP, made[0]
        assert ours.getsockopt(tcp, socket.TCP_NODELAY) == 1
        assert ours.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 2500
        assert ours.getsockopt(tcp, socket.TCP_KEEPIDLE) == 2
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 << 20
        transport.close()


def test_nobody_listens() -> None:
    with listener() as listening:
        address = address_of(listening)
    with pytest.raises(OSError, match="connection refused; start the collector") as failure:
        TcpTransport(address, never_stops)
    assert str(failure.value).startswith(f"127.0.0.1:{address.sockaddr[1]}: ")


def full_backlog(listening: socket.socket) -> list[socket.socket]:
    """Connections that nobody accepts, until the kernel does not answer any more."""
    waiting = []
    listening.listen(0)
    for _ in range(3):
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex(listening.getsockname())
    return waiting


def test_nobody_answers() -> None:
    with listener() as listening:
        waiting = full_backlog(listening)
        with pytest.raises(OSError, match=r"no answer for 0\.2 s; look at the route"):
            TcpTransport(address_of(listening), never_stops, connect_timeout_s=0.2)
        for connection in waiting:
            connection.close()


def test_a_stop_ends_connecting() -> None:
    with listener() as listening:
        waiting = full_backlog(listening)
        begin = time.monotonic()
        with pytest.raises(OSError, match="stopped while connecting"):
            TcpTransport(address_of(listening), lambda seconds: True)
        assert time.monotonic() - begin < 2
        for connection in waiting:
            connection.close()


def test_what_a_living_kernel_has_is_acknowledged() -> None:
    with listener() as listening:
        transport = connected(listening)
        with accept(listening):
            assert transport.send(run_of(20), MESSAGE) is Sent.ALL
            eventually(lambda: transport.unacknowledged_octets() == 0, "acknowledged, though not read")
        transport.close()


def test_a_peer_that_never_reads_and_what_it_has_to_the_octet() -> None:
    with listener(receive_octets=8192) as listening:
        transport = connected(listening, patience_s=0.8)
        connection = accept(listening)
        sent = until_full(transport, run_of(100))
        assert "the collector does not read" in transport.last_error
        assert transport.ended == transport.last_error
        connection.setblocking(False)
        missing = transport.unacknowledged_octets()
        assert missing > 0
        # Also of the Message that was broken off nothing is counted as acknowledged.
        assert sent - missing == len(connection.recv(1 << 20))
        connection.close()
        assert transport.unacknowledged_octets() == missing
        transport.close()


def test_a_reset_is_noticed_and_leaves_the_account_as_it_was() -> None:
    with listener(receive_octets=8192) as listening:
        stopping = threading.Event()
        transport = TcpTransport(address_of(listening), lambda seconds: stopping.is_set())
        connection = accept(listening)
        transport.send(run_of(500), MESSAGE)
        eventually(lambda: transport.unacknowledged_octets() < 500 * MESSAGE, "some acknowledged")
        before = transport.unacknowledged_octets()
        assert before > 0
        reset(connection)
        eventually(lambda: transport.notice() or transport.ended, "the reset")
        assert "has reset the connection" in transport.ended
        assert transport.unacknowledged_octets() == before
        assert transport.send(run_of(1), MESSAGE) is Sent.NONE_FAILED
        assert transport.last_error == transport.ended
        transport.close()


def test_an_end_is_noticed_behind_what_came_before() -> None:
    with listener() as listening:
        transport = connected(listening)
        with accept(listening) as connection:
            connection.sendall(bytes(100_000))
            transport.notice()
            assert transport.ended == ""
        eventually(lambda: transport.notice() or transport.ended, "the end")
        assert "has closed the connection" in transport.ended
        transport.close()


def test_a_peer_that_talks_without_end_holds_nobody_up() -> None:
    def talk(connection: socket.socket) -> None:
        while True:
            connection.sendall(bytes(1 << 16))

    with peer(talk) as address:
        transport = TcpTransport(address, never_stops)
        begin = time.monotonic()
        for _ in range(10):
            transport.notice()
        assert time.monotonic() - begin < 5
        assert transport.ended == ""
        transport.close()


def test_a_slow_reader_is_not_given_up() -> None:
    """It reads so little that the socket does not become writable within our patience."""
    with listener(receive_octets=8192) as listening:
        transport = connected(listening, patience_s=0.4)
        connection = accept(listening)
        until_block = run_of(8000)
        outcome: list[Sent] = []
        sender = threading.Thread(target=lambda: outcome.append(transport.send(until_block, MESSAGE)))
        sender.start()
        got, pause = 0, threading.Event()
        for _ in range(10):
            got += len(connection.recv(4096))
            pause.wait(0.1)
        while got < len(until_block):
            got += len(connection.recv(1 << 20))
        sender.join(10)
        assert outcome == [Sent.ALL]
        assert transport.finish(10)
        transport.close()
        connection.close()


def test_a_stop_ends_a_send_that_is_stuck() -> None:
    with listener(receive_octets=8192) as listening:
        stopping = threading.Event()
        transport = TcpTransport(address_of(listening), lambda seconds: stopping.is_set())
        connection = accept(listening)
        outcome: list[Sent] = []
        sender = threading.Thread(target=lambda: outcome.append(transport.send(run_of(20_000), MESSAGE)))
        sender.start()
        stopping.set()
        begin = time.monotonic()
        sender.join(10)
        assert time.monotonic() - begin < 1
        assert outcome == [Sent.NONE_FAILED]
        assert "stopped" in transport.last_error
        transport.close()
        connection.close()


def test_after_a_failure_nothing_more_is_delivered() -> None:
    """The connection is reset: else the same Messages would arrive over this one and the next."""
    with listener(receive_octets=8192) as listening:
        transport = connected(listening, patience_s=0.2)
        connection = accept(listening)
        until_full(transport, run_of(100))
        transport.close()
        with pytest.raises(ConnectionResetError):
            read_all(connection)
        connection.close()


def test_close_delivers_what_was_sent_though_something_lies_unread() -> None:
    """The kernel would throw it away with a reset, as far as it has not left."""
    with listener(receive_octets=8192) as listening:
        transport = connected(listening)
        with accept(listening) as connection:
            connection.sendall(b"hello")
            transport.send(run_of(500), MESSAGE)
            assert transport.unacknowledged_octets() > 0
            transport.close()
            assert read_all(connection) == bytes(run_of(500))


def test_finish_says_when_not_all_was_acknowledged() -> None:
    with listener(receive_octets=8192) as listening:
        transport = connected(listening)
        with accept(listening):
            transport.send(run_of(500), MESSAGE)
            assert not transport.finish(0.05)
            assert transport.unacknowledged_octets() > 0
        transport.close()


def test_a_restarted_collector_is_connected_to_again() -> None:
    with listener() as listening:
        transport = connected(listening)
        address = address_of(listening)
        accept(listening).close()
    eventually(lambda: transport.notice() or transport.ended, "the end")
    transport.close()
    with pytest.raises(OSError, match="refused"):
        TcpTransport(address, never_stops)
    with socket.create_server(address.sockaddr) as listening:
        transport = TcpTransport(Address(*address), never_stops)
        connection, _ = listening.accept()
        with connection:
            assert transport.send(run_of(1), MESSAGE) is Sent.ALL
            assert len(connection.recv(MESSAGE, socket.MSG_WAITALL)) == MESSAGE
        transport.close()


@pytest.mark.parametrize("busy", [True, False], ids=["sending", "all acknowledged before"])
def test_half_open(busy: bool) -> None:
    """The link goes down without a word, and is found dead by the kernel or by us; nothing is lost untold."""
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, CHILD, str(int(busy))],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": paths},
        timeout=60,
        check=False,
    )
    if done.returncode == NOT_PERMITTED:
        pytest.skip("network namespaces are not permitted here")
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert "no answer for 1 s" in report["error"]
    assert report["seconds"] < 8
    assert report["sent"] - report["missing"] == report["received"]
    assert (report["missing"] > 0) == busy
