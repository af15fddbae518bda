# SPDX-License-Identifier: Apache-2.0
"""NetFlow v5: the fixed record under the names of the elements, absolute times, sampling, bounds."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from collecting.netflow import UNIX_SECONDS, UPTIME_MS, packet5, record5
from spanflow.collecting.counters import SequenceCounters
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import Message, Version
from spanflow.collecting.process import CollectingProcess

NOW_NS = UNIX_SECONDS * 10**9


def received(octets: bytes) -> Message:
    session, decoded = CollectingProcess().receive(octets, "exporter")
    assert session.version is Version.NETFLOW5
    return decoded


def values_of(octets: bytes) -> list[dict[str, Any]]:
    (data_set,) = received(octets).data_sets
    return [data_set.template.by_name(record) for record in data_set.records]


def test_a_record() -> None:
    (values,) = values_of(packet5(record5(), engine=(1, 7)))
    assert values == {
        "sourceIPv4Address": "192.0.2.1",
        "destinationIPv4Address": "198.51.100.7",
        "ipNextHopIPv4Address": "203.0.113.1",
        "ingressInterface": 3,
        "egressInterface": 4,
        "packetDeltaCount": 12,
        "octetDeltaCount": 3456,
        "flowStartSysUpTime": UPTIME_MS - 5000,
        "flowEndSysUpTime": UPTIME_MS - 1000,
        "sourceTransportPort": 50_000,
        "destinationTransportPort": 443,
        "tcpControlBits": 0x1B,
        "protocolIdentifier": 6,
        "ipClassOfService": 0xB8,
        "bgpSourceAsNumber": 64_496,
        "bgpDestinationAsNumber": 64_511,
        "sourceIPv4PrefixLength": 24,
        "destinationIPv4PrefixLength": 25,
        "flowStartMilliseconds": NOW_NS - 5 * 10**9,
        "flowEndMilliseconds": NOW_NS - 1 * 10**9,
        "engineType": 1,
        "engineId": 7,
    }


def test_header() -> None:
    header = received(packet5(record5(), sequence=9, engine=(1, 7), nanoseconds=5_000_000)).header
    assert header.observation_domain_id == 0x0107
    assert (header.export_time, header.sequence_number) == (UNIX_SECONDS, 9)
    assert header.export_time_ns == NOW_NS + 5_000_000


def test_sampling_is_mode_and_interval() -> None:
    """The 2 upper bits are the mode, the other 14 the interval."""
    (values,) = values_of(packet5(record5(), sampling=2 << 14 | 16_383))
    assert (values["samplingAlgorithm"], values["samplingInterval"]) == (2, 16_383)
    assert "samplingInterval" not in values_of(packet5(record5()))[0]


def test_thirty_records() -> None:
    shown = values_of(packet5(*(record5(packets=number) for number in range(30))))
    assert [values["packetDeltaCount"] for values in shown] == list(range(30))


def test_nanoseconds_count_in_the_times() -> None:
    (values,) = values_of(packet5(record5(last_ms=UPTIME_MS), nanoseconds=123_000_000))
    assert values["flowEndMilliseconds"] == NOW_NS + 123_000_000


WHOLE = packet5(record5(), record5())
MALFORMED = [
    ("half a header", WHOLE[:23], Reason.MESSAGE_LENGTH, 0),
    ("a record cut", WHOLE[:-1], Reason.MESSAGE_LENGTH, 2),
    ("octets behind the records", WHOLE + b"\0", Reason.MESSAGE_LENGTH, 2),
    ("more records than the header says", packet5(record5(), record5(), count=1), Reason.MESSAGE_LENGTH, 2),
    ("no record", packet5(), Reason.RECORD_COUNT, 2),
    ("31 records", packet5(*[record5()] * 31), Reason.RECORD_COUNT, 2),
    ("65535 records", packet5(record5(), count=65535), Reason.RECORD_COUNT, 2),
]


@pytest.mark.parametrize(
    ("octets", "reason", "offset"), [m[1:] for m in MALFORMED], ids=[m[0] for m in MALFORMED]
)
def test_malformed(octets: bytes, reason: Reason, offset: int) -> None:
    process = CollectingProcess()
    with pytest.raises(MalformedMessageError) as caught:
        process.receive(octets, "exporter")
    assert (caught.value.reason, caught.value.offset) == (reason, offset)
    assert process.counters.discarded == {reason: 1}
    assert process.counters.sessions == 0


def test_the_sequence_counts_flows_of_each_engine() -> None:
    process = CollectingProcess()
    last = 2**32 - 1
    for octets in (
        packet5(record5(), record5(), sequence=last - 1),
        packet5(record5(), sequence=0),
        packet5(record5(), sequence=500, engine=(0, 1)),
        packet5(record5(), sequence=1),
    ):
        process.receive(octets, "exporter")
    assert process.counters.sequence == SequenceCounters()
    process.receive(packet5(record5(), sequence=12), "exporter")
    assert process.counters.sequence == SequenceCounters(gaps=1, missing=10)
    assert process.counters.messages_of == {Version.NETFLOW5: 5}
    assert process.counters.records == 6


def test_padding_says_nothing() -> None:
    """Exporters have written into the unused octets."""
    record = bytearray(record5())
    struct.pack_into("!B", record, 36, 0xFF)
    struct.pack_into("!H", record, 46, 0xFFFF)
    assert values_of(packet5(bytes(record))) == values_of(packet5(record5()))
