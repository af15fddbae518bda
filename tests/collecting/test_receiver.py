# SPDX-License-Identifier: Apache-2.0
"""One thread serves datagrams and connections: none holds up another, and what one can take is bounded."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from functools import partial

import pytest

from collecting.messages import ipfix_set, message, template
from collecting.netflow import packet5, record5
from collecting.receiving import LOOPBACK, Collector, name_of
from spanflow.collecting.connection import StreamListener
from spanflow.collecting.listen_address import ListenAddress, ListenError
from spanflow.collecting.malformed import Reason
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.receiver import Receiver
from spanflow.errors import ExitCode

VLAN = message(ipfix_set(2, template(256, "vlanId")))


def vlan(number: int) -> bytes:
    return message(ipfix_set(256, number.to_bytes(2, "big")))


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def test_streams_and_datagrams_come_together(collector: Collector) -> None:
    first, second, sender = collector.connect(), collector.connect(), collector.sender()
    first.sendall(VLAN + vlan(1))
    second.sendall(VLAN + vlan(2))
    sender.send(VLAN)
    sender.send(vlan(3))
    sender.send(packet5(record5()))
    collector.until(lambda: len(collector.records) == 4)
    assert sorted(collector.records, key=str) == sorted(
        [
            (name_of(first), 1),
            (name_of(second), 2),
            (name_of(sender), 3),
            (name_of(sender), "192.0.2.1"),
        ],
        key=str,
    )
    assert collector.process.counters.sessions == 4
    assert collector.troubles == []


def test_a_slow_peer_holds_up_nobody(collector: Collector) -> None:
    """Octet by octet; the other one is served between each two."""
    slow, fast = collector.connect(), collector.connect()
    octets = VLAN + vlan(1)
    fast.sendall(VLAN)
    for number in range(len(octets)):
        slow.sendall(octets[number : number + 1])
        fast.sendall(vlan(1000 + number))
        collector.until(partial(collector.records.__contains__, (name_of(fast), 1000 + number)))
    collector.until(partial(collector.records.__contains__, (name_of(slow), 1)))
    assert len(collector.records) == len(octets) + 1


def test_a_flood_gets_one_turn_a_round(collector: Collector) -> None:
    flood, other = collector.connect(), collector.connect()
    other.sendall(VLAN)
    flood.sendall(VLAN)
    collector.until(lambda: collector.process.counters.messages == 2)
    flood.setblocking(False)
    sent = 0
    piece = vlan(7) * 1000
    try:
        while sent < 4 << 20:
            sent += flood.send(piece)
    except BlockingIOError:
        pass
    assert sent > 1 << 17
    other.sendall(vlan(1))
    collector.round()
    collector.round()
    assert (name_of(other), 1) in collector.records
    assert len(collector.records) <= 2 * (1 << 16) // len(vlan(7)) + 2


def test_a_malformed_message_ends_its_connection_alone(collector: Collector) -> None:
    """RFC 7011 section 9.1; what came before it counts."""
    bad, good = collector.connect(), collector.connect()
    bad.sendall(VLAN + vlan(1) + message(b"\1\0\0\0") + vlan(2))
    assert collector.has_closed(bad)
    good.sendall(VLAN + vlan(3))
    collector.until(lambda: len(collector.records) == 2)
    assert collector.records == [(name_of(bad), 1), (name_of(good), 3)]
    (trouble,) = collector.troubles
    assert (trouble.exporter, trouble.kind) == (name_of(bad), Reason.SET_LENGTH)
    assert trouble.text.startswith("offset 18: wrong set length: ")
    assert trouble.text.endswith("; connection closed")
    counters = collector.process.counters
    assert (counters.closed_connections, counters.discarded) == (1, {Reason.SET_LENGTH: 1})
    assert collector.receiver.connections == 1


def test_a_malformed_datagram_ends_nothing(collector: Collector) -> None:
    sender = collector.sender()
    sender.send(b"noise")
    sender.send(VLAN)
    sender.send(vlan(1))
    collector.until(lambda: bool(collector.records))
    assert [trouble.text[-17:] for trouble in collector.troubles] == ["message discarded"]


def test_netflow_does_not_come_over_tcp(collector: Collector) -> None:
    peer = collector.connect()
    peer.sendall(packet5(record5()))
    assert collector.has_closed(peer)
    assert collector.process.counters.discarded == {Reason.VERSION: 1}


@pytest.mark.parametrize(("octets", "kinds"), [(b"", []), (vlan(9)[:-1], [Reason.UNFINISHED])])
def test_the_end_of_a_connection(collector: Collector, octets: bytes, kinds: list[Reason]) -> None:
    peer = collector.connect()
    peer.sendall(VLAN + vlan(1) + octets)
    peer.shutdown(socket.SHUT_WR)
    collector.until(lambda: collector.receiver.connections == 0)
    assert [value for _, value in collector.records] == [1]
    assert [trouble.kind for trouble in collector.troubles] == kinds


def test_a_reset(collector: Collector) -> None:
    peer = collector.connect()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    collector.until(lambda: collector.receiver.connections == 0)
    assert [trouble.text for trouble in collector.troubles] == ["connection lost: Connection reset by peer"]


def test_connections_without_messages_make_room() -> None:
    collector = Collector(most_connections=2)
    try:
        working, idle, new = collector.connect(), collector.connect(), None
        working.sendall(VLAN)
        idle.sendall(VLAN[:-1])
        collector.until(lambda: collector.process.counters.messages == 1)
        new = collector.connect()
        assert collector.has_closed(idle)
        new.sendall(VLAN)
        collector.until(lambda: collector.process.counters.messages == 2)
        # Now all have shown that they export.
        late = collector.connect()
        assert collector.has_closed(late)
        working.sendall(vlan(1))
        new.sendall(vlan(2))
        collector.until(lambda: len(collector.records) == 2)
        counters = collector.process.counters
        assert (counters.connections, counters.refused_connections, counters.closed_connections) == (3, 1, 1)
        assert {trouble.kind for trouble in collector.troubles} == {"no room"}
    finally:
        collector.close()


def test_descriptors_bound_connections_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that accepting never fails for want of them."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (34, 34))
    collector = Collector(most_connections=100)
    try:
        peers = [collector.connect() for _ in range(3)]
        assert collector.has_closed(peers[0])
        assert collector.receiver.connections == 2
    finally:
        collector.close()


def test_sessions_are_forgotten_with_their_connections(collector: Collector) -> None:
    peer = collector.connect()
    peer.sendall(VLAN)
    peer.close()
    collector.until(lambda: collector.process.counters.messages == 1 and not collector.receiver.connections)
    again = collector.connect()
    again.sendall(vlan(1))
    collector.until(lambda: collector.process.counters.messages == 2)
    assert collector.process.counters.ignored == {Reason.TEMPLATE_MISSING: 1}


def test_the_end_of_a_receiver_ends_its_connections() -> None:
    collector = Collector()
    peer = collector.connect()
    with collector.receiver:
        pass
    assert peer.recv(1) == b""
    assert collector.receiver.connections == 0
    with Receiver(CollectingProcess(), []) as nothing:
        assert list(nothing.arrivals()) == []


def test_address_in_use() -> None:
    with StreamListener(LOOPBACK) as bound:
        port = int(bound.address.rpartition(":")[2])
        with pytest.raises(ListenError, match=f"^--listen tcp://127.0.0.1:{port}: .*`ss -tlpn ") as caught:
            StreamListener(ListenAddress("tcp", "127.0.0.1", port))
        assert caught.value.exit_code == ExitCode.UNAVAILABLE
