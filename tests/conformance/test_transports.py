# SPDX-License-Identifier: Apache-2.0
"""Lines 39 to 45: transports and security (RFC 7011 sections 10 and 11)."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from conformance.reading import Reader, cut, message_of
from conformance.sctp_stand_in import StandIn
from conformance.sending import DOMAIN, NOW, exported, process_to, received, udp_collector
from exporting.clocks import SECOND_NS, FakeClock
from exporting.flow_batches import some_flows
from exporting.stream_peers import accept, eventually, listener, read_all
from exporting.tls_peers import NAME, Files, server_context, tls_peer, write_files
from spanflow.config.collector_url import parse_collector
from spanflow.config.schema import Collector, Export
from spanflow.exporting import opening
from spanflow.exporting.counters import NOTHING, DropReason
from spanflow.exporting.group import CollectorGroup
from spanflow.exporting.process import ExportingProcess
from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.certificates import AuthenticationError, Certificates
from spanflow.exporting.transport.interface import Sent
from spanflow.exporting.transport.sctp import SctpTransport
from spanflow.exporting.transport.tls import TlsTransport
from spanflow.exporting.transport.udp import UdpTransport
from spanflow.record import RECORD

BATCH = some_flows(10)
SO_NO_CHECK = 11
IP_MTU, IPV6_MTU = 14, 24
HEADERS = {socket.AF_INET: 20 + 8, socket.AF_INET6: 40 + 8}


@pytest.mark.parametrize(
    ("scheme", "port"),
    [("udp", 4739), ("tcp", 4739), ("sctp", 4739), ("tls", 4740), ("dtls", 4740)],
)
def test_39_ports(scheme: str, port: int) -> None:
    """Port 4739, with TLS and DTLS 4740; another one can be set (sections 10.1 and 10.2.2)."""
    assert parse_collector(f"ipfix+{scheme}://collector.example").port == port
    assert parse_collector(f"ipfix+{scheme}://collector.example:9995").port == 9995


def test_39_sctp_where_the_kernel_has_it() -> None:
    """SCTP must be there for compliance (section 10.1); a kernel without it is named as the reason."""
    with pytest.raises(OSError, match=r"this kernel has no SCTP; `modprobe sctp`|connection refused"):
        SctpTransport(Address(socket.AF_INET, ("127.0.0.1", 1)), lambda seconds: False)


class Route:
    """A UDP socket whose route has an MTU of the test's own."""

    def __init__(self, mtu: int | None) -> None:
        self.mtu = mtu
        self.socket = socket.socket()

    def __call__(self, family: int, kind: int) -> Any:
        self.socket.close()
        self.socket = socket.socket(family, kind)
        return self

    def getsockopt(self, level: int, option: int) -> int:
        if (level, option) in ((socket.IPPROTO_IP, IP_MTU), (socket.IPPROTO_IPV6, IPV6_MTU)):
            if self.mtu is None:
                raise OSError(errno.ENOTCONN, "not known")
            return self.mtu
        return self.socket.getsockopt(level, option)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.socket, name)


@pytest.mark.parametrize("family", HEADERS)
@pytest.mark.parametrize("mtu", [1280, 1492, 1500, 9000])
def test_40_packets_fit_the_path(family: socket.AddressFamily, mtu: int) -> None:
    """A packet is not longer than the path MTU, with the headers of its IP version (section 10.3.3)."""
    route = Route(mtu)
    address = Address(family, ("127.0.0.1" if family == socket.AF_INET else "::1", 9))
    transport = UdpTransport(address, lambda seconds: False, discover_path_mtu=True, new_socket=route)
    assert transport.max_message_octets() == mtu - HEADERS[family]
    route.mtu = 1300  # the path has changed
    assert transport.max_message_octets() == 1300 - HEADERS[family]
    # UDP over IPv4 could do without a checksum; that of a Message is there (section 10.3.2).
    assert route.getsockopt(socket.SOL_SOCKET, SO_NO_CHECK) == 0
    transport.close()


@pytest.mark.parametrize("family", HEADERS)
@pytest.mark.parametrize("discovered", [False, True])
def test_40_unknown_path_mtu(family: socket.AddressFamily, discovered: bool) -> None:
    """Where the kernel does not tell, packets have 512 octets of payload (section 10.3.3)."""
    address = Address(family, ("127.0.0.1" if family == socket.AF_INET else "::1", 9))
    transport = UdpTransport(
        address, lambda seconds: False, discover_path_mtu=discovered, new_socket=Route(None)
    )
    assert transport.max_message_octets() == 512
    transport.close()


def test_40_the_default_size_is_bounded_by_the_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "UdpTransport", partial(UdpTransport, new_socket=Route(1280)))
    messages = exported([some_flows(60)], clock=FakeClock(NOW))
    room = 1280 - HEADERS[socket.AF_INET]
    assert room - 100 < max(map(len, messages)) <= room


@pytest.mark.parametrize(("mtu", "longest"), [(512, 512), (None, 1400), (0, 8972)])
def test_40_message_size(mtu: int | None, longest: int) -> None:
    """Of the path MTU of loopback, 65,536, no more than a jumbo frame is used, by default 1,400 octets."""
    messages = exported([some_flows(60)] * 2, clock=FakeClock(NOW), max_message_size=mtu)
    assert max(map(len, messages)) <= longest
    assert max(map(len, messages)) > longest - 100
    assert len(Reader().read(messages).flows) == 240


class Resolver:
    """Where the collector is, and how often that was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.calls = 0

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.calls += 1
        return [Address(socket.AF_INET, ("127.0.0.1", self.port))]


def nobody_listens() -> int:
    """A TCP port that refuses."""
    with listener() as listening:
        port: int = listening.getsockname()[1]
    return port


@pytest.mark.parametrize(("interval_s", "attempts"), [(None, 1 + 10), (10, 1 + 60)])
def test_41_tcp_connects_again_but_not_too_often(interval_s: int | None, attempts: int) -> None:
    """By default there is no more than one attempt in a minute; the schedule can be set (10.4.4)."""
    clock, resolver = FakeClock(NOW), Resolver(nobody_listens())
    retry = None if interval_s is None else interval_s * SECOND_NS
    process = process_to(
        1, host="c.example", clock=clock, transport="tcp", retry_interval=retry, resolver=resolver
    )
    for _ in range(600):
        process.turn(0)
        clock.advance(1)
    process.turn(0)
    assert resolver.calls == attempts
    process.stop()


def test_41_what_waits_for_tcp_is_bounded() -> None:
    """What the collector does not take waits in a bounded buffer; what is dropped is counted (10.4.2)."""
    process = process_to(
        nobody_listens(), clock=FakeClock(NOW), transport="tcp", queue_size=45 * RECORD.itemsize
    )
    process.turn(0)
    for _ in range(20):
        process.offer(BATCH)
    counters = process.counters()
    assert counters.queued.records == 40
    assert counters.dropped[DropReason.SEND_ERROR].records == 160
    assert counters.imbalance == NOTHING
    process.stop()


def test_42_sctp_is_established_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an abort there is a new association; what was dropped meanwhile is counted (10.2.4).

    (The kernel is played by a stand-in.)
    """
    kernels: list[StandIn] = []

    def transport(*arguments: Any, **options: Any) -> SctpTransport:
        kernels.append(StandIn())
        return SctpTransport(*arguments, **options, new_socket=kernels[-1])

    monkeypatch.setattr(opening, "SctpTransport", transport)
    clock = FakeClock(NOW)
    process = process_to(4739, clock=clock, transport="sctp", queue_size=1)
    process.offer(BATCH)
    process.turn(0)
    process.turn(0)
    first = Reader().read(kernels[0].received())
    kernels[0].abort()
    process.turn(0)
    assert not process.up
    assert process.offer(BATCH)
    assert not process.offer(BATCH)
    clock.advance(61)
    process.turn(0)
    second = Reader().read(kernels[1].received())
    assert [len(each.flows) for each in (first, second)] == [20, 20]
    assert second.messages[0].sequence_number == 0
    assert process.counters().dropped[DropReason.SEND_ERROR].records == 10
    process.stop()
    for kernel in kernels:
        kernel.close()


def test_43_failover_of_streams() -> None:
    """Over a stream it is known when a collector is away, and another one takes over (section 10.4.3)."""
    clock = FakeClock(NOW)
    with listener() as backup:
        processes = [
            process_to(port, clock=clock, transport="tcp", group="g", name=name)
            for name, port in (("primary", nobody_listens()), ("backup", backup.getsockname()[1]))
        ]
        group = CollectorGroup(processes, ["primary", "backup"], balance=False)
        for process in processes:
            process.turn(0)
        assert [process.up for process in processes] == [False, True]
        group.offer(BATCH)
        processes[1].turn(0)
        with accept(backup) as connection:
            for process in processes:
                process.stop()
            assert len(Reader().read(cut(read_all(connection))).flows) == 20


def test_43_silence_over_udp_is_no_failover() -> None:
    """Over UDP nobody knows whether a collector is there, so silence moves nothing; Flows can be duplicated.

    Only a host that says that nobody listens (ICMP) is evidence.
    """
    clock = FakeClock(NOW)
    with udp_collector() as silent, udp_collector() as other:
        processes = [process_to(each, clock=clock, group="g") for each in (silent, other)]
        group = CollectorGroup(processes, ["silent", "other"], balance=False)
        readers = [Reader(), Reader()]
        for _ in range(20):
            group.offer(BATCH)
            for process, listening, reader in zip(processes, (silent, other), readers, strict=True):
                process.turn(0)
                reader.read(received(listening))
            clock.advance(60)
        assert [len(each.flows) for each in readers] == [20 * 20, 0]
        for process in processes:
            process.stop()


def test_43_duplicates_over_udp() -> None:
    """Two collectors over UDP each get everything, in sessions of their own."""
    with udp_collector() as one, udp_collector() as two:
        for each in (one, two):
            process = process_to(each, clock=FakeClock(NOW))
            process.offer(BATCH)
            process.turn(0)
            process.stop()
        readers = [Reader().read(received(each)) for each in (one, two)]
    assert [len(each.flows) for each in readers] == [20, 20]
    assert [each.messages[0].sequence_number for each in readers] == [0, 0]


class Pki:
    """An authority that both sides know, and another one."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.stranger = trustme.CA(), trustme.CA()
        self.server = write_files(folder / "server", self.authority, self.authority.issue_cert(NAME))
        self.client = write_files(
            folder / "client", self.authority, self.authority.issue_cert("probe.example")
        )
        self.strange = write_files(folder / "strange", self.stranger, self.stranger.issue_cert(NAME))


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def over_tls(address: Address, ours: Certificates, name: str = NAME) -> TlsTransport:
    return TlsTransport(address, lambda seconds: False, certificates=ours, server_name=name)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_44_both_sides_are_known(pki: Pki, version: ssl.TLSVersion) -> None:
    """Collector and exporter authenticate each other; nothing is sent without a cipher (11.1 to 11.3)."""
    context = server_context(pki.server, client_ca=pki.client.ca)
    context.minimum_version = context.maximum_version = version
    seen: list[Any] = []

    def serve(connection: ssl.SSLSocket) -> None:
        seen.extend((connection.getpeercert(), connection.cipher(), read_all(connection)))

    with tls_peer(context, serve) as address:
        transport = over_tls(address, pki.client.as_ours())
        assert transport.send(memoryview(b"x" * 100), 100) is Sent.ALL
        assert transport.finish(10)
        eventually(lambda: len(seen) == 3, "the end")
        transport.close()
    certificate, cipher, octets = seen
    assert ("DNS", "probe.example") in certificate["subjectAltName"]
    assert re.search("GCM|CHACHA20", cipher[0])
    assert octets == b"x" * 100


def of_a_stranger(pki: Pki) -> tuple[Files, str]:
    return pki.strange, NAME


def for_another_name(pki: Pki) -> tuple[Files, str]:
    return pki.server, "other.example"


@pytest.mark.parametrize("case", [of_a_stranger, for_another_name])
def test_44_nothing_for_who_is_not_known(pki: Pki, case: Callable[[Pki], tuple[Files, str]]) -> None:
    """A collector is known by its authority and its DNS-ID; otherwise nothing is exported (11.3)."""
    files, name = case(pki)
    got: list[bytes] = []

    def serve(connection: ssl.SSLSocket) -> None:
        got.append(read_all(connection))

    with tls_peer(server_context(files), serve) as address:
        with pytest.raises(AuthenticationError, match="TLS with") as failure:
            over_tls(address, Certificates(ca=pki.server.ca, certificate=None, key=None), name)
        assert "\n" not in str(failure.value), "one line for the log"
    assert not any(got)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_44_no_old_version(pki: Pki) -> None:
    """TLS 1.2 is the least (section 11.1, and RFC 8996)."""
    assert pki.client.as_ours().context().minimum_version >= ssl.TLSVersion.TLSv1_2
    context = server_context(pki.server)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with tls_peer(context) as address, pytest.raises(OSError, match="TLS with"):
        over_tls(address, pki.client.as_ours())


def test_44_nothing_before_a_handshake_of_dtls(pki: Pki) -> None:
    """Over DTLS, too, nothing is sent until the collector is known (section 11.3).

    What its certificate must be is checked by the same rules; tests/exporting has a DTLS collector.
    """
    process = ExportingProcess(
        Collector(transport="dtls", host="127.0.0.1", port=1, ca=pki.server.ca, server_name=NAME),
        Export(send_timeout=SECOND_NS),
        domain=DOMAIN,
        clock=FakeClock(NOW),
    )
    process.offer(BATCH)
    process.turn(0)
    assert not process.up
    assert process.counters().data_records == process.counters().octets_sent == 0
    assert "DTLS with" in process.counters().last_error
    process.stop()


def test_45_no_state_goes_along() -> None:
    """Templates and sequence numbers belong to one session: no other one inherits them (section 8)."""
    clock, resolver = FakeClock(NOW), Resolver(0)
    with udp_collector() as one, udp_collector() as two:
        resolver.port = one.getsockname()[1]
        process = process_to(1, host="c.example", clock=clock, resolver=resolver)
        process.offer(BATCH)
        process.turn(0)
        resolver.port = two.getsockname()[1]
        clock.advance(301)  # the name is looked up again, and has moved
        process.offer(BATCH)
        process.turn(0)
        process.stop()
        first, second = ([*received(each)] for each in (one, two))
    assert message_of(second[0]).sequence_number == 0
    for messages in (first, second):
        reader = Reader().read(messages)
        assert len(reader.flows) == 20
        # All that the first one was told, the second one is told anew.
        assert reader.templates.keys() == Reader().read(first).templates.keys()
