# SPDX-License-Identifier: Apache-2.0
"""NetFlow v9, a test for each statement of RFC 3954 that a collector meets."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from collecting.messages import ipfix_set, message, template
from collecting.netflow import (
    UNIX_SECONDS,
    UPTIME_MS,
    FieldSpec,
    flowset,
    options_template9,
    packet9,
    template9,
)
from spanflow.collecting.counters import SequenceCounters
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import Message, Version
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.session import Limits, TransportSession

FLOW = template9(256, "sourceIPv4Address", "protocolIdentifier", ("octetDeltaCount", 4))
RECORD = bytes([192, 0, 2, 1, 17]) + struct.pack("!I", 1234)
VALUES = {"sourceIPv4Address": "192.0.2.1", "protocolIdentifier": 17, "octetDeltaCount": 1234}


class Collector:
    """Receives the packets of one exporter."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.process = CollectingProcess(limits)
        self.session: TransportSession | None = None

    def receive(self, *flowsets: bytes, count: int, **header: Any) -> Message:
        self.session, decoded = self.process.receive(packet9(*flowsets, count=count, **header), "exporter")
        return decoded

    def refuses(self, *flowsets: bytes) -> tuple[Reason, int]:
        with pytest.raises(MalformedMessageError) as caught:
            self.receive(*flowsets, count=1)
        assert str(caught.value).startswith(f"offset {caught.value.offset}: {caught.value.reason}: ")
        assert self.process.counters.discarded[caught.value.reason] == 1
        return caught.value.reason, caught.value.offset


def values_of(decoded: Message) -> list[dict[str, Any]]:
    return [
        data_set.template.by_name(record) for data_set in decoded.data_sets for record in data_set.records
    ]


def test_header() -> None:
    """Section 5.1."""
    collector = Collector()
    header = collector.receive(flowset(0, FLOW), count=1, sequence=7, source_id=2**32 - 1).header
    assert header.version is Version.NETFLOW9
    assert (header.export_time, header.sequence_number) == (UNIX_SECONDS, 7)
    assert header.observation_domain_id == 2**32 - 1
    assert (header.system_uptime_ms, header.record_count) == (UPTIME_MS, 1)
    assert collector.session is not None
    assert collector.session.version is Version.NETFLOW9


def test_template_and_data_in_one_packet() -> None:
    """Sections 5.2 and 5.3: several templates in a FlowSet, data padded to 4 octets."""
    decoded = Collector().receive(
        flowset(0, template9(300, "vlanId"), FLOW),
        flowset(256, RECORD, RECORD),
        flowset(300, b"\0\7"),
        count=5,
    )
    assert values_of(decoded) == [VALUES, VALUES, {"vlanId": 7}]
    assert not decoded.ignored


def test_padding_of_data_only_should_be_zero() -> None:
    """Section 5.3."""
    decoded = Collector().receive(flowset(0, FLOW), flowset(256, RECORD, padding=b"\xff\xff\xff"), count=2)
    assert values_of(decoded) == [VALUES]


@pytest.mark.parametrize(
    ("records", "numbers"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4])]
)
def test_padding_that_could_be_records(records: int, numbers: list[int]) -> None:
    """Of one octet each: zeros in the last 3 octets are padding, but for the only record."""
    decoded = Collector().receive(
        flowset(0, template9(256, "protocolIdentifier")),
        flowset(256, bytes(range(records))),
        count=1 + records,
    )
    assert [values["protocolIdentifier"] for values in values_of(decoded)] == numbers
    assert not decoded.ignored


@pytest.mark.parametrize("padding", [bytes(1), bytes(3), b"\xff\xff", bytes(7)])
def test_padding_of_templates(padding: bytes) -> None:
    decoded = Collector().receive(flowset(0, FLOW, padding=padding), flowset(256, RECORD), count=2)
    assert values_of(decoded) == [VALUES]


def test_options_template_lengths_are_octets() -> None:
    """Section 6.1: the lengths of scope and options are octets of specifiers, not numbers of fields."""
    scopes = [(2, 4), (1, 4), (3, 2), (4, 1), (5, 2)]
    decoded = Collector().receive(
        flowset(1, options_template9(257, scopes, ("samplingInterval", 4), ("samplingAlgorithm", 1))),
        flowset(257, struct.pack("!IIHBHIB", 9, 0, 4, 5, 256, 100, 2)),
        count=2,
    )
    (data_set,) = decoded.data_sets
    assert data_set.template.is_options
    assert data_set.template.scope == (
        "scopeInterface",
        "scopeSystem",
        "scopeLineCard",
        "scopeCache",
        "scopeTemplate",
    )
    assert values_of(decoded) == [
        {
            "scopeInterface": 9,
            "scopeSystem": "00000000",
            "scopeLineCard": 4,
            "scopeCache": "05",
            "scopeTemplate": 256,
            "samplingInterval": 100,
            "samplingAlgorithm": 2,
        }
    ]


def test_options_without_scope_and_unknown_scopes() -> None:
    """Unlike RFC 7011, RFC 3954 does not forbid the first."""
    collector = Collector()
    decoded = collector.receive(
        flowset(1, options_template9(257, [], ("samplingInterval", 4))),
        flowset(1, options_template9(258, [(9, 2)])),
        flowset(257, struct.pack("!I", 10)),
        flowset(258, b"\1\2"),
        count=4,
    )
    assert values_of(decoded) == [{"samplingInterval": 10}, {"scope:9": "0102"}]
    assert collector.process.counters.options_records == 2


@pytest.mark.parametrize(
    ("field", "octets", "name", "value"),
    [
        (("applicationId", 4), b"\x16\0\0\x7e", "applicationId", "1600007e"),
        (("applicationName", 6), b"DNS\0\0\0", "applicationName", "DNS"),
        (("interfaceName", 5), b"eth0\0", "interfaceName", "eth0"),
        (("samplerId", 1), b"\5", "samplerId", 5),
        (("samplerId", 4), b"\0\0\1\5", "samplerId", 261),
        (("protocolIdentifier", 2), b"\0\x11", "protocolIdentifier", 17),
        (("samplerRandomInterval", 4), b"\0\0\0\x64", "samplerRandomInterval", 100),
        (("flowStartMilliseconds", 8), struct.pack("!Q", 5), "flowStartMilliseconds", 5_000_000),
        (("ingressInterface", 2), b"\0\3", "ingressInterface", 3),
        ((33_002, 2), b"\0\3", "0:33002", "0003"),
        ((0x8001, 4), b"\0\0\0\3", "0:32769", "00000003"),
    ],
)
def test_field_types_are_those_of_iana(field: FieldSpec, octets: bytes, name: str, value: Any) -> None:
    """Section 8; there are no Enterprise Numbers, and integers may be wider than their type."""
    decoded = Collector().receive(flowset(0, template9(256, field)), flowset(256, octets), count=2)
    assert values_of(decoded) == [{name: value}]


def test_templates_come_later_and_change() -> None:
    """Section 9: data waits for its template; a new definition replaces the old one."""
    collector = Collector()
    decoded = collector.receive(flowset(256, RECORD), count=1)
    assert decoded.ignored == {Reason.TEMPLATE_MISSING: 1}
    collector.receive(flowset(0, FLOW), count=1, sequence=1)
    collector.receive(flowset(0, FLOW), count=1, sequence=2)
    assert values_of(collector.receive(flowset(256, RECORD), count=1, sequence=3)) == [VALUES]
    collector.receive(flowset(0, template9(256, "vlanId")), count=1, sequence=4)
    assert values_of(collector.receive(flowset(256, b"\0\1"), count=1, sequence=5)) == [{"vlanId": 1}]
    counters = collector.process.counters
    assert (counters.templates, counters.records) == (2, 2)
    assert (counters.packet_sequence, counters.sequence) == (SequenceCounters(), SequenceCounters())


def test_templates_belong_to_a_source_id() -> None:
    """Section 5.1: the Source ID tells the Observation Domains of an exporter apart."""
    collector = Collector()
    collector.receive(flowset(0, FLOW), count=1, source_id=1)
    assert collector.receive(flowset(256, RECORD), count=1, source_id=2).ignored[Reason.TEMPLATE_MISSING]


def test_the_sequence_counts_packets() -> None:
    """Section 5.1: whatever is in them, modulo 2^32."""
    collector = Collector()
    last = 2**32 - 1
    collector.receive(flowset(0, FLOW), count=1, sequence=last - 1)
    collector.receive(flowset(256, RECORD, RECORD, RECORD), count=3, sequence=last)
    collector.receive(flowset(400, RECORD), count=1, sequence=0)
    assert collector.process.counters.packet_sequence == SequenceCounters()
    collector.receive(flowset(256, RECORD), count=1, sequence=5)
    collector.receive(flowset(256, RECORD), count=1, sequence=2)
    assert collector.process.counters.packet_sequence == SequenceCounters(gaps=1, missing=3, reordered=1)
    assert collector.process.counters.sequence == SequenceCounters()


def test_a_malformed_packet_was_one_too() -> None:
    collector = Collector()
    collector.receive(flowset(0, FLOW), count=1, sequence=0)
    with pytest.raises(MalformedMessageError):
        collector.receive(flowset(256, b"\0"), count=1, sequence=1)
    collector.receive(flowset(256, RECORD), count=1, sequence=2)
    assert collector.process.counters.packet_sequence == SequenceCounters()


@pytest.mark.parametrize("count", [0, 2, 4, 65535])
def test_a_wrong_count_is_told(count: int) -> None:
    """Section 5.1: that of records of all kinds. Exporters that count otherwise are read all the same."""
    collector = Collector()
    decoded = collector.receive(flowset(0, FLOW), flowset(256, RECORD, RECORD), count=count)
    assert decoded.ignored == {Reason.RECORD_COUNT: 1}
    assert values_of(decoded) == [VALUES, VALUES]
    assert collector.process.counters.ignored == {Reason.RECORD_COUNT: 1}


def test_refreshes_and_options_count() -> None:
    collector = Collector()
    for sequence in range(2):
        decoded = collector.receive(
            flowset(0, FLOW),
            flowset(1, options_template9(257, [(1, 4)], ("samplingInterval", 4))),
            flowset(257, bytes(8)),
            count=3,
            sequence=sequence,
        )
        assert not decoded.ignored


def test_reserved_flowsets_are_ignored() -> None:
    """Section 5.2: ids 2 to 255 are reserved; among them those that IPFIX has for its templates."""
    decoded = Collector().receive(
        flowset(0, FLOW), flowset(2, FLOW), flowset(255), flowset(256, RECORD), count=2
    )
    assert decoded.ignored == {Reason.RESERVED_SET: 2}
    assert values_of(decoded) == [VALUES]


def test_one_exporter_speaks_two_protocols() -> None:
    """From one port, with one id for two Templates."""
    collector = Collector()
    collector.receive(flowset(0, FLOW), count=1)
    ipfix = message(ipfix_set(2, template(256, "vlanId")), ipfix_set(256, b"\0\7"))
    _, decoded = collector.process.receive(ipfix, "exporter")
    assert values_of(decoded) == [{"vlanId": 7}]
    assert values_of(collector.receive(flowset(256, RECORD), count=1, sequence=1)) == [VALUES]
    assert collector.process.counters.sessions == 2
    assert collector.process.counters.messages_of == {Version.NETFLOW9: 2, Version.IPFIX: 1}


MALFORMED = [
    ("half a flowset header", b"\1\0\0", Reason.SET_LENGTH, 20),
    ("flowset length 0", b"\1\0\0\0", Reason.SET_LENGTH, 22),
    ("flowset longer than the packet", b"\1\0\0\7\0\0", Reason.SET_LENGTH, 22),
    ("template flowset without a record", flowset(0), Reason.EMPTY_SET, 24),
    ("options flowset without a record", flowset(1, bytes(4)), Reason.EMPTY_SET, 28 - 4),
    ("data shorter than a record", flowset(256, bytes(8)), Reason.EMPTY_SET, 24),
    ("template id 255", flowset(0, template9(255, "vlanId")), Reason.TEMPLATE_ID, 24),
    ("no fields: there are no withdrawals", flowset(0, template9(256)), Reason.FIELD_COUNT, 24),
    ("65535 fields", flowset(0, b"\1\0\xff\xff\0\1\0\4"), Reason.FIELD_COUNT, 24),
    ("fields cut", flowset(0, b"\1\0\0\3\0\1\0\4"), Reason.TRUNCATED, 32),
    ("no options and no scope", flowset(1, options_template9(256, []), bytes(4)), Reason.FIELD_COUNT, 24),
    ("scope length 3", flowset(1, b"\1\0\0\3\0\4\0\1\0\4"), Reason.SCOPE_COUNT, 26),
    ("option length 2", flowset(1, b"\1\0\0\4\0\2\0\1\0\4"), Reason.SCOPE_COUNT, 26),
    ("variable length", flowset(0, template9(256, ("interfaceName", 65535))), Reason.FIELD_LENGTH, 28),
    ("a scope of 0 octets", flowset(1, options_template9(256, [(1, 0)])), Reason.FIELD_LENGTH, 30),
    ("an address of 5", flowset(0, template9(256, ("sourceIPv4Address", 5))), Reason.FIELD_LENGTH, 28),
    ("a number of 9", flowset(0, template9(256, ("vlanId", 9))), Reason.FIELD_LENGTH, 28),
    ("a time of 4", flowset(0, template9(256, ("flowStartMilliseconds", 4))), Reason.FIELD_LENGTH, 28),
]


@pytest.mark.parametrize(
    ("octets", "reason", "offset"), [m[1:] for m in MALFORMED], ids=[m[0] for m in MALFORMED]
)
def test_malformed(octets: bytes, reason: Reason, offset: int) -> None:
    collector = Collector()
    collector.receive(flowset(0, FLOW), count=1)
    assert collector.refuses(octets) == (reason, offset)
    # Its neighbours do not suffer.
    assert values_of(collector.receive(flowset(256, RECORD), count=1, sequence=2)) == [VALUES]


def test_nothing_of_a_malformed_packet_counts() -> None:
    collector = Collector()
    collector.receive(flowset(0, FLOW), count=1)
    assert collector.refuses(flowset(0, template9(256, "vlanId")), flowset(256, b"")) == (
        Reason.EMPTY_SET,
        36,
    )
    assert values_of(collector.receive(flowset(256, RECORD), count=1, sequence=2)) == [VALUES]


def test_limits_are_those_of_ipfix() -> None:
    collector = Collector(Limits(templates=2, fields=3, session_fields=5))
    collector.receive(flowset(0, template9(256, "vlanId"), template9(257, "vlanId")), count=2)
    assert collector.refuses(flowset(0, template9(258, "vlanId"))) == (Reason.TEMPLATE_LIMIT, 24)
    assert collector.refuses(flowset(0, template9(256, *["vlanId"] * 4))) == (Reason.FIELD_COUNT, 24)
    collector.receive(flowset(0, template9(256, *["vlanId"] * 3)), count=1, sequence=3)
    with pytest.raises(MalformedMessageError):
        collector.receive(flowset(0, template9(257, *["vlanId"] * 3)), count=1, sequence=4)
