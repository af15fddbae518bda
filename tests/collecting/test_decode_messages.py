# SPDX-License-Identifier: Apache-2.0
"""What valid Messages say: abstract data types, Templates, options, padding, withdrawals."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest

from collecting.messages import (
    FieldSpec,
    ipfix_set,
    long,
    message,
    options_template,
    short,
    template,
    withdrawal,
)
from spanflow.collecting.counters import CollectorCounters
from spanflow.collecting.malformed import Reason
from spanflow.collecting.message import Message
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.protocols import read_header
from spanflow.collecting.session import Limits, TransportSession
from spanflow.collecting.values import encoding_of

VARIABLE = 65535
NTP_1970 = 2_208_988_800
"""The NTP second at which the Unix epoch starts (RFC 5905 figure 4)."""


def decode_one(fields: list[FieldSpec], record: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one Data Record of a Message that brings its Template along: as Python and as JSON."""
    _, decoded = CollectingProcess().receive(
        message(ipfix_set(2, template(256, *fields)), ipfix_set(256, record)), "exporter"
    )
    (data_set,) = decoded.data_sets
    (values,) = data_set.records
    return data_set.template.by_name(values), data_set.template.json_object(values)


VALUES: list[tuple[str, FieldSpec, bytes, Any, Any]] = [
    ("unsigned8", "protocolIdentifier", b"\x06", 6, 6),
    ("unsigned16", "sourceTransportPort", b"\x01\xbb", 443, 443),
    ("unsigned32", "ingressInterface", b"\xff\xff\xff\xff", 2**32 - 1, 2**32 - 1),
    ("unsigned64", "octetDeltaCount", b"\xff" * 8, 2**64 - 1, 2**64 - 1),
    ("unsigned64 in 1 octet", ("octetDeltaCount", 1), b"\x80", 128, 128),
    ("unsigned64 in 3 octets", ("octetDeltaCount", 3), b"\x01\x02\x03", 66051, 66051),
    ("unsigned64 in 4 octets", ("octetDeltaCount", 4), b"\0\0\1\0", 256, 256),
    ("unsigned64 in 7 octets", ("octetDeltaCount", 7), b"\1" + bytes(6), 2**48, 2**48),
    ("signed32", "mibObjectValueInteger", b"\xff\xff\xff\xfe", -2, -2),
    ("signed32 in 2 octets", ("mibObjectValueInteger", 2), b"\xff\xfe", -2, -2),
    ("signed32 in 3 octets", ("mibObjectValueInteger", 3), b"\xff\xff\xfe", -2, -2),
    ("float64", "samplingProbability", struct.pack("!d", 0.1), 0.1, 0.1),
    ("float64 in 4 octets", ("samplingProbability", 4), struct.pack("!f", 0.5), 0.5, 0.5),
    ("float64 infinite", "samplingProbability", struct.pack("!d", -math.inf), -math.inf, "-Infinity"),
    ("boolean true", "dataRecordsReliability", b"\x01", True, True),
    ("boolean false", "dataRecordsReliability", b"\x02", False, False),
    (
        "macAddress",
        "sourceMacAddress",
        bytes.fromhex("0a0b0c0d0eff"),
        "0a:0b:0c:0d:0e:ff",
        "0a:0b:0c:0d:0e:ff",
    ),
    ("ipv4Address", "sourceIPv4Address", bytes([192, 0, 2, 1]), "192.0.2.1", "192.0.2.1"),
    (
        "ipv6Address",
        "sourceIPv6Address",
        bytes.fromhex("20010db8000000000000000000000001"),
        "2001:db8::1",
        "2001:db8::1",
    ),
    ("string of fixed length", ("interfaceName", 8), b"eth0\0\0\0\0", "eth0", "eth0"),
    ("string", ("interfaceName", VARIABLE), short("Grüße".encode()), "Grüße", "Grüße"),
    ("string keeps NULs inside", ("interfaceName", VARIABLE), short(b"a\0b\0"), "a\0b\0", "a\0b\0"),
    ("string, ill-formed", ("interfaceName", VARIABLE), short(b"a\xffb"), "a�b", "a�b"),
    ("octetArray", ("applicationId", 4), b"\x16\0\0\x07", "16000007", "16000007"),
    ("octetArray, variable", ("applicationId", VARIABLE), short(b"\x16\x07"), "1607", "1607"),
    (
        "a list is not looked into",
        ("basicList", VARIABLE),
        short(b"\xff\0\1\0\1\7"),
        "ff0001000107",
        "ff0001000107",
    ),
    ("not known", (0, 32000, 2), b"\xca\xfe", "cafe", "cafe"),
    ("enterprise, not known", (35632, 57, VARIABLE), short(b"\1"), "01", "01"),
    (
        "dateTimeSeconds",
        "flowStartSeconds",
        struct.pack("!I", 1_700_000_000),
        1_700_000_000_000_000_000,
        "2023-11-14T22:13:20Z",
    ),
    (
        "dateTimeMilliseconds",
        "flowStartMilliseconds",
        struct.pack("!Q", 1_700_000_000_007),
        1_700_000_000_007_000_000,
        "2023-11-14T22:13:20.007Z",
    ),
    (
        "dateTimeMilliseconds beyond what RFC 3339 can write",
        "flowStartMilliseconds",
        b"\xff" * 8,
        (2**64 - 1) * 1_000_000,
        2**64 - 1,
    ),
    (
        "dateTimeMicroseconds at the Unix epoch",
        "flowStartMicroseconds",
        struct.pack("!II", NTP_1970, 0),
        0,
        "1970-01-01T00:00:00.000000Z",
    ),
    (
        "dateTimeMicroseconds, fraction cut by its encoder",
        "flowStartMicroseconds",
        struct.pack("!II", NTP_1970 + 1, (123_457 << 32) // 1_000_000 & ~0x7FF),
        1_123_457_000,
        "1970-01-01T00:00:01.123457Z",
    ),
    (
        "dateTimeMicroseconds rounds up to a whole second",
        "flowStartMicroseconds",
        struct.pack("!II", NTP_1970, 0xFFFF_FFFF),
        1_000_000_000,
        "1970-01-01T00:00:01.000000Z",
    ),
    (
        "dateTimeNanoseconds",
        "flowStartNanoseconds",
        struct.pack("!II", NTP_1970, 0x8000_0000),
        500_000_000,
        "1970-01-01T00:00:00.500000000Z",
    ),
    (
        "dateTimeNanoseconds, fraction cut by its encoder",
        "flowStartNanoseconds",
        struct.pack("!II", NTP_1970, (123_456_789 << 32) // 1_000_000_000),
        123_456_789,
        "1970-01-01T00:00:00.123456789Z",
    ),
    (
        # RFC 5905 figure 4: era 1 starts on 7 February 2036, 06:28:16 UTC.
        "NTP era 1",
        "flowStartNanoseconds",
        bytes(8),
        2_085_978_496_000_000_000,
        "2036-02-07T06:28:16.000000000Z",
    ),
]


@pytest.mark.parametrize(
    ("field", "octets", "value", "json_value"), [v[1:] for v in VALUES], ids=[v[0] for v in VALUES]
)
def test_values(field: FieldSpec, octets: bytes, value: Any, json_value: Any) -> None:
    """Each alone, and between others, where it is read as part of a longer struct."""
    values, json_values = decode_one([field], octets)
    assert list(values.values()) == [value]
    assert list(json_values.values()) == [json_value]
    json.dumps(json_values, allow_nan=False)

    around: list[FieldSpec] = ["sourceTransportPort", field, "destinationTransportPort"]
    if field in around[::2]:
        return
    values, _ = decode_one(around, b"\0\1" + octets + b"\0\2")
    assert list(values.values()) == [1, value, 2]


def test_float_that_is_no_number() -> None:
    values, json_values = decode_one(["samplingProbability"], struct.pack("!d", math.nan))
    assert math.isnan(values["samplingProbability"])
    assert json_values == {"samplingProbability": "NaN"}


def test_types_that_no_registered_element_has() -> None:
    assert encoding_of("float32", 4).struct_format == "f"
    convert = encoding_of("unsigned256", 32).convert
    assert convert is not None
    assert convert(b"\1" + bytes(31)) == 2**248


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 65_000])
def test_variable_length(size: int) -> None:
    """RFC 7011 section 7: 1 octet of length below 255, else 3; 3 octets are allowed for any length."""
    content = b"x" * size
    forms = [long(content)] if size >= 255 else [short(content), long(content)]
    for octets in forms:
        values, _ = decode_one([("interfaceName", VARIABLE), "protocolIdentifier"], octets + b"\6")
        assert values == {"interfaceName": "x" * size, "protocolIdentifier": 6}


def test_names() -> None:
    fields: list[FieldSpec] = [
        "octetDeltaCount",
        (29305, 1, 8),
        (29305, 148, 8),
        (0, 32000, 1),
        (6871, 1, 1),
    ]
    values, _ = decode_one(fields, bytes(26))
    # RFC 5103 section 6.1: flowId (148) has no reverse element.
    assert list(values) == ["octetDeltaCount", "reverseOctetDeltaCount", "29305:148", "0:32000", "6871:1"]


def test_repeated_elements_are_a_list_in_order() -> None:
    fields: list[FieldSpec] = ["vlanId", "observationTimeSeconds", "observationTimeSeconds"]
    values, json_values = decode_one(fields, b"\0\7" + struct.pack("!II", 1, 2))
    assert values == {"vlanId": 7, "observationTimeSeconds": [1_000_000_000, 2_000_000_000]}
    assert json_values["observationTimeSeconds"] == ["1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"]


def test_padding_octets_are_left_out() -> None:
    values, _ = decode_one(["vlanId", ("paddingOctets", 2), ("paddingOctets", 4)], b"\0\7" + bytes(6))
    assert values == {"vlanId": 7}


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 4, 7])
def test_set_padding(padding: int) -> None:
    """RFC 7011 section 3.3.1: zeros, shorter than any record of the Set; collectors have failed on 4 to 7."""
    process = CollectingProcess()
    fields = template(256, "octetDeltaCount", "protocolIdentifier")
    scope = options_template(257, 1, "selectorId", "samplingPacketInterval")
    _, decoded = process.receive(
        message(
            ipfix_set(2, fields, padding=padding),
            ipfix_set(3, scope, padding=padding),
            ipfix_set(256, bytes(9), bytes(8) + b"\1", padding=padding),
        ),
        "exporter",
    )
    assert [record[1] for record in decoded.data_sets[0].records] == [0, 1]
    assert (process.counters.templates, process.counters.options_templates) == (1, 1)


def test_options_records_name_their_scope() -> None:
    process = CollectingProcess()
    _, decoded = process.receive(
        message(
            ipfix_set(3, options_template(300, 2, "observationDomainId", "selectorId", "samplingInterval")),
            ipfix_set(300, struct.pack("!IQI", 7, 1, 100)),
        ),
        "exporter",
    )
    (data_set,) = decoded.data_sets
    assert data_set.template.scope == ("observationDomainId", "selectorId")
    assert data_set.template.by_name(data_set.records[0]) == {
        "observationDomainId": 7,
        "selectorId": 1,
        "samplingInterval": 100,
    }
    assert (process.counters.records, process.counters.options_records) == (0, 1)


def test_templates_belong_to_session_and_domain() -> None:
    process = CollectingProcess()
    for exporter, domain, name in [("a", 1, "vlanId"), ("a", 2, "sourceTransportPort"), ("b", 1, "ipTTL")]:
        process.receive(message(ipfix_set(2, template(256, (name, 1))), domain=domain), exporter)
    found = []
    for exporter, domain in [("a", 1), ("a", 2), ("b", 1), ("b", 2)]:
        _, decoded = process.receive(message(ipfix_set(256, b"\1"), domain=domain), exporter)
        found.append([data_set.template.fields[0].name for data_set in decoded.data_sets])
    assert found == [["vlanId"], ["sourceTransportPort"], ["ipTTL"], []]
    assert process.counters.ignored == {Reason.TEMPLATE_MISSING: 1}


def test_template_and_options_template_share_ids() -> None:
    process = CollectingProcess()
    process.receive(message(ipfix_set(2, template(256, "vlanId"))), "exporter")
    process.receive(message(ipfix_set(3, options_template(256, 1, "selectorId"))), "exporter")
    _, decoded = process.receive(message(ipfix_set(256, bytes(8))), "exporter")
    assert decoded.data_sets[0].template.is_options


def test_udp_refresh_and_redefinition() -> None:
    """RFC 7011 section 8.4: an equal Template is a refresh, another one replaces it."""
    process = CollectingProcess()
    for fields in (["vlanId"], ["vlanId"], ["ipTTL"], ["vlanId"]):
        process.receive(message(ipfix_set(2, template(256, *fields))), "exporter")
    _, decoded = process.receive(message(ipfix_set(256, b"\0\7")), "exporter")
    assert decoded.data_sets[0].template.by_name(decoded.data_sets[0].records[0]) == {"vlanId": 7}
    assert process.counters.templates == 3


def test_a_template_counts_from_the_next_set_on() -> None:
    process = CollectingProcess()
    data, definition = ipfix_set(256, b"\0\7"), ipfix_set(2, template(256, "vlanId"))
    _, decoded = process.receive(message(data, definition, data), "exporter")
    assert len(decoded.data_sets) == 1
    assert process.counters.ignored == {Reason.TEMPLATE_MISSING: 1}


@pytest.mark.parametrize("set_id", [0, 1, 4, 255])
def test_reserved_sets_are_skipped(set_id: int) -> None:
    process = CollectingProcess()
    process.receive(message(ipfix_set(set_id, b"\1\2\3")), "exporter")
    assert process.counters.ignored == {Reason.RESERVED_SET: 1}
    assert process.counters.messages == 1


def test_a_message_may_have_no_set() -> None:
    _, decoded = CollectingProcess().receive(message(), "exporter")
    assert decoded.data_sets == []


def test_udp_withdrawals_are_ignored() -> None:
    """RFC 7011 section 8.4: MUST be ignored over UDP, or one forged datagram would silence an exporter."""
    process = CollectingProcess()
    process.receive(message(ipfix_set(2, template(256, "vlanId"))), "exporter")
    process.receive(message(ipfix_set(2, withdrawal(256)), ipfix_set(2, withdrawal(2))), "exporter")
    _, decoded = process.receive(message(ipfix_set(256, b"\0\7")), "exporter")
    assert len(decoded.data_sets) == 1
    assert process.counters.ignored == {Reason.UDP_WITHDRAWAL: 2}


WITHDRAWALS: list[tuple[str, list[bytes], set[int], dict[Reason, int]]] = [
    ("one", [ipfix_set(2, withdrawal(256))], {257, 300, 301}, {}),
    ("an options template", [ipfix_set(3, withdrawal(300))], {256, 257, 301}, {}),
    ("two in one set", [ipfix_set(2, withdrawal(256), withdrawal(257))], {300, 301}, {}),
    ("all templates", [ipfix_set(2, withdrawal(2))], {300, 301}, {}),
    ("all options templates", [ipfix_set(3, withdrawal(3))], {256, 257}, {}),
    ("all, twice", [ipfix_set(2, withdrawal(2), withdrawal(2))], {300, 301}, {}),
    ("never sent", [ipfix_set(2, withdrawal(999))], {256, 257, 300, 301}, {Reason.UNKNOWN_WITHDRAWAL: 1}),
    ("again", [ipfix_set(2, withdrawal(256))] * 2, {257, 300, 301}, {Reason.UNKNOWN_WITHDRAWAL: 1}),
    ("wrong kind", [ipfix_set(2, withdrawal(300))], {256, 257, 300, 301}, {Reason.UNKNOWN_WITHDRAWAL: 1}),
    (
        "withdrawn and defined anew",
        [ipfix_set(2, withdrawal(256), template(256, "ipTTL"))],
        {256, 257, 300, 301},
        {},
    ),
]


@pytest.mark.parametrize(
    ("sets", "left", "ignored"), [w[1:] for w in WITHDRAWALS], ids=[w[0] for w in WITHDRAWALS]
)
def test_stream_withdrawals(sets: list[bytes], left: set[int], ignored: dict[Reason, int]) -> None:
    session = TransportSession("file", Limits(), CollectorCounters(), stream=True)

    def decode(octets: bytes) -> Message:
        return session.decode(read_header(octets), octets)

    options = [options_template(number, 1, ("selectorId", 2)) for number in (300, 301)]
    decode(message(ipfix_set(2, template(256, "vlanId"), template(257, "vlanId")), ipfix_set(3, *options)))
    assert decode(message(*sets)).ignored == ignored
    ids = (256, 257, 300, 301)
    decoded = decode(message(*(ipfix_set(number, b"\0\1") for number in ids)))
    assert {data_set.template.template_id for data_set in decoded.data_sets} == left
    assert session.fields == len(left)
