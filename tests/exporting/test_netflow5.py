# SPDX-License-Identifier: Apache-2.0
"""NetFlow version 5: header and records of fixed layout, counters that are split, IPv4 only."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from exporting.clocks import SECOND_NS
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, START_NS, Flow, Half, Values, batch_of, some_flows
from exporting.netflow_export import halves, in_order, messages_of, single
from spanflow.exporting.netflow5 import Netflow5Session
from spanflow.exporting.options import Sampling

NOW = START_NS + 60 * SECOND_NS + 987_654
DAY_NS = 86_400 * SECOND_NS
MOST = (1 << 32) - 1
HEADER = ">HHIIIIHH"
RECORD = ">4s4sIHHIIIIHHBBBBHHBBH"


def session_of(
    *, max_message_octets: int = 1472, domain: int = 0x0102_0304, **options: Any
) -> Netflow5Session:
    return Netflow5Session(observation_domain_id=domain, max_message_octets=max_message_octets, **options)


def read(messages: Iterable[bytes]) -> list[Values]:
    """The records, as `halves` has them; asserts what must hold for each Message."""
    rows, expected = [], None
    for message in messages:
        version, count, uptime_ms, seconds, nanoseconds, sequence, _, _ = struct.unpack_from(HEADER, message)
        assert version == 5
        assert 1 <= count <= 30
        assert len(message) == 24 + 48 * count
        assert nanoseconds < 10**9
        assert expected in (None, sequence)
        expected = (sequence + count) % (1 << 32)
        start_ms = seconds * 1000 + nanoseconds // 10**6 - uptime_ms
        for number in range(count):
            fields = struct.unpack_from(RECORD, message, 24 + 48 * number)
            source, destination, hop, *interfaces, packets, octets, first, last = fields[:9]
            source_port, destination_port, padding, flags, protocol, tos, *unknown = fields[9:]
            assert hop == padding == 0
            assert not any(unknown), "AS numbers, masks, padding"
            assert first <= last <= uptime_ms
            rows.append(
                {
                    "version": 4,
                    "source": socket.inet_ntoa(source),
                    "destination": socket.inet_ntoa(destination),
                    "protocolIdentifier": protocol,
                    "sourceTransportPort": source_port,
                    "destinationTransportPort": destination_port,
                    "packetDeltaCount": packets,
                    "octetDeltaCount": octets,
                    "flowStartMilliseconds": start_ms + first,
                    "flowEndMilliseconds": start_ms + last,
                    "ingressInterface": interfaces[0],
                    "tcpControlBits": flags,
                    "ipClassOfService": tos,
                }
            )
            assert interfaces[1] == 0
    return rows


def added_up(rows: Iterable[Values]) -> list[Values]:
    """Rows that differ in their counters only as one, with the sums; without what version 5 does not have."""
    sums: dict[tuple[Any, ...], Values] = {}
    for row in rows:
        counters = {name: row[name] for name in ("packetDeltaCount", "octetDeltaCount")}
        rest = {
            name: value
            for name, value in row.items()
            if name not in counters and name not in ("vlanId", "applicationId")
        }
        known = sums.setdefault(tuple(rest.items()), rest | dict.fromkeys(counters, 0))
        for name, value in counters.items():
            known[name] += value
    return in_order(sums.values())


def test_the_header_and_a_record() -> None:
    """Every octet, by hand."""
    flow = Flow(
        source="192.0.2.1",
        destination="198.51.100.9",
        protocol=6,
        source_port=40001,
        destination_port=443,
        forward=Half(
            packets=10, octets=1500, first_ns=START_NS, last_ns=NOW, interface=3, flags=0x1FB, tos=0xB8
        ),
    )
    session = session_of(sequence_number=MOST, sampling=Sampling(1, 99))
    (message,) = messages_of(session, [batch_of(flow)], NOW)
    uptime_ms = 1 << 31  # 24.8 days, as the start is chosen
    now_ms = NOW // 10**6 + 1
    assert message == struct.pack(
        HEADER,
        5,
        1,
        uptime_ms,
        now_ms // 1000,
        now_ms % 1000 * 10**6,
        MOST,
        0x0304,  # engine type and engine id
        1 << 14 | 100,
    ) + bytes.fromhex("c0000201 c6336409 00000000 0003 0000 0000000a 000005dc") + struct.pack(
        ">IIHHBBBBQ", uptime_ms - now_ms + START_NS // 10**6, uptime_ms - 1, 40001, 443, 0, 0xFB, 6, 0xB8, 0
    )
    assert session.sequence_number == 0


@pytest.mark.parametrize(
    ("sampling", "field"),
    [
        (Sampling(1, 0), 1),
        (Sampling(1, 1), 0x4002),
        (Sampling(1, 999), 0x4000 | 1000),
        (Sampling(1, 16_382), 0x4000 | 16_383),
        (Sampling(1, 1 << 20), 0x4000 | 16_383),
    ],
    ids=str,
)
def test_the_sampling_field(sampling: Sampling, field: int) -> None:
    """Two bits of mode, 14 of interval. 1:1 has no mode: old goflow2 takes it for a part of the interval."""
    (message,) = messages_of(session_of(sampling=sampling), [some_flows(1, both_ways=False)], NOW)
    assert struct.unpack_from(">H", message, 22) == (field,)


def test_every_half_is_a_record() -> None:
    batch = batch_of(*IPV4_FLOWS)
    assert added_up(read(messages_of(session_of(), [batch], NOW))) == added_up(halves([batch]))


@pytest.mark.parametrize(
    ("max_message_octets", "most"),
    [(1472, 30), (1464, 30), (1463, 29), (1452, 29), (8972, 30), (512, 10), (72, 1)],
)
def test_so_many_records_in_a_message(max_message_octets: int, most: int) -> None:
    """30, and 29 over IPv6 (1,452 octets of 1,500 are left); all Messages but the last are equal: one run."""
    session = session_of(max_message_octets=max_message_octets)
    batch = some_flows(100)
    (rows,) = session.rows(batch)
    (run,) = session.messages(rows, NOW).runs
    sizes = [len(each) for each in single(run)]
    assert set(sizes[:-1]) == {24 + 48 * most}
    assert run.data_records(0, run.messages) == 200
    assert added_up(read(single(run))) == added_up(halves([batch]))
    assert session.sequence_number == 200


@pytest.mark.parametrize(
    ("octets", "packets", "parts"),
    [
        (MOST, 1, 1),
        (MOST + 1, 2, 2),
        (2 * MOST, 2, 2),
        (2 * MOST + 1, 3, 3),
        (5 << 32, 3_000_000_000, 6),
        (100, MOST + 1, 2),
        ((1 << 40) + 12_345, (1 << 34) + 7, 257),
    ],
)
def test_large_counters_are_split(octets: int, packets: int, parts: int) -> None:
    """Never wrapped: the parts have the same keys and times and add up; all are of one Flow Record."""
    middle = replace(IPV4_FLOWS[1], forward=replace(IPV4_FLOWS[1].forward, octets=octets, packets=packets))
    batch = batch_of(IPV4_FLOWS[2], middle, IPV4_FLOWS[3])
    session = session_of()
    (rows,) = session.rows(batch)
    (run,) = session.messages(rows, NOW).runs
    records = read(single(run))
    assert len(records) == 2 + parts + 1 + 2
    assert all(0 < record["packetDeltaCount"] <= MOST for record in records)
    assert all(0 < record["octetDeltaCount"] <= MOST for record in records)
    assert added_up(records) == added_up(halves([batch]))
    assert run.flow_records(0, run.messages).tolist() == [0, 0] + [1] * (parts + 1) + [2, 2]
    assert session.sequence_number == run.data_records(0, run.messages) == len(records)
    # Of a part of the Messages too, as when one of them could not be sent.
    if run.messages > 1:
        assert set(run.flow_records(1, 2).tolist()) == {1}


def test_large_interfaces_are_unknown() -> None:
    forward = replace(IPV4_FLOWS[1].forward, interface=65_535)
    reverse = replace(IPV4_FLOWS[1].reverse, interface=65_537)
    batch = batch_of(replace(IPV4_FLOWS[1], forward=forward, reverse=reverse))
    records = read(messages_of(session_of(), [batch], NOW))
    assert [record["ingressInterface"] for record in records] == [65_535, 0]


def test_ipv6_is_not_exportable() -> None:
    session = session_of()
    assert session.exportable(batch_of(*IPV4_FLOWS))
    assert not session.exportable(batch_of(*IPV6_FLOWS))
    with pytest.raises(ValueError, match="no IPv6"):
        next(session.rows(batch_of(*IPV6_FLOWS)))


def test_nothing_else_is_sent() -> None:
    session = session_of()
    assert session.template_messages(NOW) == []
    assert session.options_messages(NOW) == []
    assert list(session.table_messages(NOW)) == []
    nothing = replace(IPV4_FLOWS[0], forward=Half(), reverse=Half())
    assert list(session.rows(batch_of(nothing))) == []


@pytest.mark.parametrize("days", [0, 20, 24.8, 49.7, 49.8, 100, 1000])
def test_times_survive_the_wrap_of_uptime(days: float) -> None:
    session = session_of()
    later_ns = round(days * DAY_NS)
    flows = IPV4_FLOWS[1:4]
    read(messages_of(session, [batch_of(*flows)], NOW))
    batch = batch_of(*(moved(flow, later_ns) for flow in flows))
    assert added_up(read(messages_of(session, [batch], NOW + later_ns))) == added_up(halves([batch]))


def moved(flow: Flow, by_ns: int) -> Flow:
    forward, reverse = (
        replace(half, first_ns=half.first_ns + by_ns, last_ns=half.last_ns + by_ns)
        for half in (flow.forward, flow.reverse)
    )
    return replace(flow, forward=forward, reverse=reverse)


def test_an_old_capture() -> None:
    """Offline the header's time is that of the packets: no other time could be told."""
    batch = batch_of(*IPV4_FLOWS)
    messages = messages_of(session_of(offline=True), [batch], NOW + 12 * 365 * DAY_NS)
    assert added_up(read(messages)) == added_up(halves([batch]))


def test_an_old_flow_live() -> None:
    """It has the oldest time that can be told, and is not in the future."""
    now_ns = NOW + 300 * DAY_NS
    records = read(messages_of(session_of(), [batch_of(*IPV4_FLOWS)], now_ns))
    oldest_ms = now_ns // 10**6 + 1 - (1 << 31)
    assert {record["flowStartMilliseconds"] for record in records} == {oldest_ms}


def test_a_message_must_hold_a_record() -> None:
    session = session_of(max_message_octets=71)
    (rows,) = session.rows(batch_of(*IPV4_FLOWS[1:3]))
    layout = session.messages(rows, NOW)
    assert layout.data_records == 0
    assert layout.too_large is not None
    assert layout.too_large.tolist() == [0, 0, 1, 1]
    assert (
        "a record of 48 octets does not fit into a Message of 71; set max_message_size to 72" in layout.error
    )
