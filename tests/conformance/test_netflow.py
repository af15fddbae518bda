# SPDX-License-Identifier: Apache-2.0
"""Lines 47 to 50: NetFlow version 9 (RFC 3954) and version 5 (as Cisco's exporters have it)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from conformance.reading import ELEMENTS, MODULUS
from conformance.sending import (
    DOMAIN,
    MILLISECOND_NS,
    NOW,
    Facts,
    Sending,
    Wire,
    announced,
    data,
    exported,
    process_to,
    received,
    udp_collector,
)
from exporting.classified_flows import APPLICATIONS
from exporting.clocks import SECOND_NS, FakeClock
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, START_NS, Flow, Half, batch_of, some_flows
from exporting.plain_netflow9 import Reader
from spanflow.config.collector_settings import PROFILES
from spanflow.config.schema import Export
from spanflow.exporting.counters import NOTHING, DropReason
from spanflow.exporting.element_choice import ElementChoice
from spanflow.exporting.netflow5 import Netflow5Session
from spanflow.exporting.netflow9 import Netflow9Session
from spanflow.exporting.options import Sampling

DAY_NS = 86_400 * SECOND_NS
FIRST, LAST = 22, 21
"""flowStartSysUpTime, flowEndSysUpTime."""
MOST = MODULUS - 1
INGRESS_INTERFACE, INTERFACE_NAME = 10, 82


def v9(profile: str = "generic", **options: Any) -> Netflow9Session:
    made = ElementChoice(profile=profile, protocol="netflow9").profile_for(classified=True)
    return Netflow9Session(
        made.templates(),
        **{
            "observation_domain_id": DOMAIN,
            "max_message_octets": 1400,
            "applications": APPLICATIONS,
            "facts": Facts(),
            **options,
        },
    )


def v5(**options: Any) -> Netflow5Session:
    return Netflow5Session(**{"observation_domain_id": 0x0203, "max_message_octets": 1472, **options})


def number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


# Version 9


def test_47_header() -> None:
    """Count is that of all records, Templates too; the time is real Unix time, the uptime in ms (5.1)."""
    session = v9()
    # The reader asserts that each count is that of all records in its packet.
    reader = Reader().read_all(announced(session) + data(session, batch_of(*IPV4_FLOWS)))
    assert any(packet.count > len(packet.records) for packet in reader.packets), "Templates count"
    for packet in reader.packets:
        assert 0 <= packet.unix_seconds - NOW // SECOND_NS <= 1
        assert packet.source_id == DOMAIN
    later = Reader().read_all(session.template_messages(NOW + 10 * SECOND_NS)).packets[0]
    assert later.unix_seconds - reader.packets[0].unix_seconds == 10
    assert later.uptime_ms - reader.packets[0].uptime_ms == 10_000


def test_47_sequence_number_counts_packets() -> None:
    """The sequence number counts Export Packets, whatever is in them (section 5.1)."""
    session = v9()
    messages = announced(session) + data(session, some_flows(100))
    assert len(messages) > 10
    sequence_numbers = [packet.sequence_number for packet in Reader().read_all(messages).packets]
    assert sequence_numbers == [*range(len(messages))]


def test_47_sequence_number_wraps_at_2_to_the_32() -> None:
    """After 2^32 - 1 comes 0."""
    session = v9(sequence_number=MODULUS - 3)
    messages = announced(session) + data(session, some_flows(100))
    sequence_numbers = [packet.sequence_number for packet in Reader().read_all(messages).packets]
    assert sequence_numbers == [each % MODULUS for each in range(MODULUS - 3, MODULUS - 3 + len(messages))]


@pytest.mark.parametrize("profile", PROFILES)
def test_48_what_version_9_has(profile: str) -> None:
    """Templates in FlowSets 0 and 1, no enterprise elements, no variable lengths (sections 5.2 and 5.3).

    FlowSets end at a border of 4 octets; the lengths in an Options Template are octets (6.1). All that is
    asserted by the reader.
    """
    session = v9(profile)
    messages = (
        announced(session) + data(session, batch_of(*IPV4_FLOWS)) + data(session, batch_of(*IPV6_FLOWS))
    )
    reader = Reader().read_all(messages)
    assert {0, 1} <= {each for packet in reader.packets for each in packet.flowset_ids}
    assert len(reader.data()) == sum(
        bool(half.packets) for flow in IPV4_FLOWS + IPV6_FLOWS for half in (flow.forward, flow.reverse)
    )
    # Types up to 127 mean what IANA's elements of the same number mean, and we send no unknown ones.
    for template_id, fields in reader.templates.items():
        assert template_id >= 256
        assert all(kind in ELEMENTS for kind, _ in fields if kind > 0)


def test_48_padding() -> None:
    """A FlowSet is filled up to 4 octets with zeros, so 0 to 3 of them (section 5.3)."""
    session, seen = v9(), set()
    templates = Reader().read_all(announced(session)).templates
    for count in range(1, 5):
        for octets in data(session, some_flows(count, both_ways=False)):
            flowset_id, length = struct.unpack_from(">HH", octets, 20)
            record_octets = sum(each for _, each in templates[flowset_id])
            padding = length - 4 - count * record_octets
            assert octets[len(octets) - padding :] == bytes(padding)
            seen.add(padding)
    assert seen == {(-count * record_octets) % 4 for count in range(1, 5)}


@pytest.mark.parametrize(
    "export",
    [
        Export(template_refresh=20 * SECOND_NS, template_refresh_packets=10**9, template_copies=1),
        Export(template_refresh=3600 * SECOND_NS, template_refresh_packets=20, template_copies=1),
    ],
    ids=["by time", "by packets"],
)
def test_48_templates_are_repeated(export: Export) -> None:
    """Templates are sent again after a time, and after a number of packets; both can be set (section 9)."""
    sending = Sending(v9(), Wire(), export=export)
    sending.delivery.announce()
    for _ in range(20):
        sending.clock.advance(2)
        sending.delivery.deliver(some_flows(10))
    reader = Reader().read_all(sending.wire.messages)
    assert sum(0 in packet.flowset_ids for packet in reader.packets) >= 3


def test_48_interfaces_and_sampling() -> None:
    """Interfaces and the rate of sampling are told in options, over a whole Exporting Process (section 6)."""
    told = (
        Reader()
        .read_all(exported([some_flows(1)], clock=FakeClock(NOW), protocol="netflow9", facts=Facts()))
        .told()
    )
    names = {
        number(each[INGRESS_INTERFACE]): each[INTERFACE_NAME].rstrip(b"\0").decode()
        for each in told
        if INTERFACE_NAME in each
    }
    assert names == {3: "eth3", 4: "eth4"}
    assert {number(each[34]) for each in told if 34 in each} == {1}


def times_of(messages: Iterable[bytes]) -> list[tuple[int, int]]:
    """First and last packet of each Flow in ms since 1970, as a collector computes them."""
    found = []
    for packet in Reader().read_all(messages).packets:
        start_ms = packet.unix_seconds * 1000 - packet.uptime_ms
        for _, record in packet.records:
            if FIRST in record:
                found.append((start_ms + number(record[FIRST]), start_ms + number(record[LAST])))
    return found


def a_flow(first_ns: int, last_ns: int) -> Flow:
    return replace(
        IPV4_FLOWS[1], forward=Half(packets=2, octets=100, first_ns=first_ns, last_ns=last_ns), reverse=Half()
    )


@pytest.mark.parametrize("days", [0, 1, 24, 25, 49, 50, 51, 99, 100, 365])
def test_49_times_survive_the_wrap_of_uptime(days: int) -> None:
    """Stamps belong to the uptime of their own packet, also after 49.7 days, when it wraps (5.1, 8)."""
    session = v9()
    session.template_messages(NOW)  # the session is as old as the days tell
    now = NOW + days * DAY_NS
    first, last = now - 90 * SECOND_NS, now - 2 * SECOND_NS
    messages = announced(session, now) + data(session, batch_of(a_flow(first, last)), now)
    assert times_of(messages) == [(first // MILLISECOND_NS, last // MILLISECOND_NS)]


def test_49_a_flow_that_lasts_while_the_uptime_wraps() -> None:
    """A Flow that began before sysUptime wrapped, in a packet from after it, keeps its times."""
    session = v9()
    uptime_ms = Reader().read_all(session.template_messages(NOW)).packets[0].uptime_ms
    now = NOW + (MODULUS - uptime_ms) * MILLISECOND_NS + 30 * SECOND_NS
    first, last = now - 90 * SECOND_NS, now - 2 * SECOND_NS
    messages = announced(session, now) + data(session, batch_of(a_flow(first, last)), now)
    assert times_of(messages) == [(first // MILLISECOND_NS, last // MILLISECOND_NS)]


def test_49_old_captures() -> None:
    """A Flow from long before, out of a file, is not negative: the packet's time is that of the capture."""
    first = START_NS - 20 * 365 * DAY_NS
    session = v9(offline=True)
    flow = a_flow(first, first + 5 * SECOND_NS)
    expected = (first // MILLISECOND_NS, first // MILLISECOND_NS + 5000)
    assert times_of(announced(session) + data(session, batch_of(flow))) == [expected]
    # Live, what is older than the uptime can tell is told as the oldest time there is.
    live = v9()
    ((told, _),) = times_of(announced(live) + data(live, batch_of(flow)))
    assert 0 <= NOW // MILLISECOND_NS - told < MODULUS


# Version 5


@dataclass(frozen=True)
class Packet:
    """A packet of version 5."""

    count: int
    uptime_ms: int
    time_ms: int
    sequence_number: int
    engine: int
    sampling: int
    records: list[tuple[Any, ...]]


def packet_of(octets: bytes) -> Packet:
    version, count, uptime_ms, seconds, ns, sequence, engine, sampling = struct.unpack_from(
        ">HHIIIIHH", octets
    )
    assert version == 5
    assert 1 <= count <= 30
    assert len(octets) == 24 + 48 * count
    records = [
        struct.unpack_from(">4s4s4sHHIIIIHHBBBBHHBBH", octets, 24 + 48 * each) for each in range(count)
    ]
    return Packet(count, uptime_ms, seconds * 1000 + ns // 10**6, sequence, engine, sampling, records)


INPUT, PACKETS, OCTETS, STARTED, ENDED = 3, 5, 6, 7, 8


@pytest.mark.parametrize(("max_octets", "records"), [(1472, 30), (1452, 29), (512, 10), (65507, 30)])
def test_50_header_and_records(max_octets: int, records: int) -> None:
    """24 octets and up to 30 records of 48: as many as fit the path, over IPv6 29 (aabc/ipt-netflow#172)."""
    packets = list(map(packet_of, data(v5(max_message_octets=max_octets), some_flows(50))))
    assert [each.count for each in packets[:-1]] == [records] * (len(packets) - 1)
    assert sum(each.count for each in packets) == 100
    assert {each.engine for each in packets} == {0x0203}
    times = {
        (each.time_ms - each.uptime_ms + record[STARTED], each.time_ms - each.uptime_ms + record[ENDED])
        for each in packets
        for record in each.records
    }
    halves = (IPV4_FLOWS[1].forward, IPV4_FLOWS[1].reverse)
    assert times == {(each.first_ns // MILLISECOND_NS, each.last_ns // MILLISECOND_NS) for each in halves}


@pytest.mark.parametrize("begin", [0, MODULUS - 40])
def test_50_flow_sequence_counts_flows(begin: int) -> None:
    """flow_sequence is the number of flows before the packet, and wraps at 2^32."""
    session = v5(sequence_number=begin)
    packets = [packet_of(each) for _ in range(3) for each in data(session, some_flows(40))]
    expected = begin
    for each in packets:
        assert each.sequence_number == expected % MODULUS
        expected += each.count
    assert expected == begin + 240


def test_50_ipv6_is_counted_and_never_mangled() -> None:
    """Version 5 has no IPv6: such Flows are dropped as unexportable, and counted."""
    with udp_collector() as listening:
        process = process_to(listening, clock=FakeClock(NOW), protocol="netflow5")
        for flows in (IPV4_FLOWS, IPV6_FLOWS):
            process.offer(batch_of(*flows))
            process.turn(0)
        counters = process.counters()
        packets = list(map(packet_of, received(listening)))
        process.stop()
    assert counters.dropped[DropReason.UNEXPORTABLE].records == len(IPV6_FLOWS)
    assert counters.sent.records == len(IPV4_FLOWS)
    assert counters.imbalance == NOTHING
    sources = {record[0] for packet in packets for record in packet.records}
    assert all(octets[:2] in (b"\xc0\x00", b"\xc6\x33", b"\xe0\x00") for octets in sources)


@pytest.mark.parametrize("octets", [1, MOST, MOST + 1, 3 * MOST + 2])
def test_50_large_counters_are_split(octets: int) -> None:
    """Counters have 32 bits: what is more becomes several records that add up."""
    flow = replace(a_flow(START_NS, START_NS), forward=Half(packets=7, octets=octets))
    records = [record for each in data(v5(), batch_of(flow)) for record in packet_of(each).records]
    assert len(records) == -(-octets // MOST)
    assert sum(record[OCTETS] for record in records) == octets
    assert sum(record[PACKETS] for record in records) == 7
    assert len({record[:3] + record[STARTED:] for record in records}) == 1, "the same Flow"


@pytest.mark.parametrize(("interface", "told"), [(1, 1), (65535, 65535), (65536, 0), (70001, 0)])
def test_50_interfaces_have_16_bits(interface: int, told: int) -> None:
    """ifIndex has 16 bits: one that is larger is 0, unknown, and never another interface."""
    flow = replace(a_flow(START_NS, START_NS), forward=Half(packets=1, octets=1, interface=interface))
    ((record,),) = (packet_of(each).records for each in data(v5(), batch_of(flow)))
    assert record[INPUT] == told


def test_50_as_numbers_are_unknown() -> None:
    """AS numbers have 16 bits, for which AS 23456 would stand in; a probe knows none and says 0."""
    (packet,) = map(packet_of, data(v5(), some_flows(1)))
    assert all(record[15:17] == (0, 0) for record in packet.records)


@pytest.mark.parametrize(
    ("rate", "field"), [(1, 1), (10, 1 << 14 | 10), (16383, 1 << 14 | 16383), (20000, 1 << 14 | 16383)]
)
def test_50_sampling(rate: int, field: int) -> None:
    """Two bits of mode and 14 of interval: a larger interval is told as the largest."""
    session = v5(sampling=Sampling(interval=1, space=rate - 1))
    assert {packet_of(each).sampling for each in data(session, some_flows(50))} == {field}
