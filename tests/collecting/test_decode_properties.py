# SPDX-License-Identifier: Apache-2.0
"""Whatever octets come: records or a DecodeError, soon, and what was written is what is read."""

from __future__ import annotations

import ipaddress
import json
import struct
from datetime import timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from collecting.messages import FieldSpec, ipfix_set, long, message, options_template, short, template
from collecting.netflow import flowset, options_template9, packet5, packet9, record5, template9
from spanflow.collecting.process import CollectingProcess
from spanflow.errors import DecodeError

DEADLINE = timedelta(seconds=2)

SEEDS = [
    message(
        ipfix_set(
            2, template(256, "sourceIPv4Address", "octetDeltaCount", "flowStartMilliseconds"), padding=2
        ),
        ipfix_set(3, options_template(257, 1, "selectorId", ("interfaceName", 65535)), padding=1),
        ipfix_set(256, bytes(20), bytes(range(20)), padding=3),
        ipfix_set(257, bytes(8) + short(b"eth0"), bytes(8) + long(b"eth1" * 70)),
    ),
    message(
        ipfix_set(
            2,
            template(
                300,
                "flowStartMicroseconds",
                "flowEndNanoseconds",
                "dataRecordsReliability",
                "samplingProbability",
                ("basicList", 65535),
                (29305, 1, 3),
                (9, 9, 2),
                ("vlanId", 1),
                "vlanId",
            ),
        ),
        ipfix_set(300, bytes(16) + b"\1" + bytes(8) + short(b"\1\2") + bytes(8)),
    ),
]

SEEDS9 = [
    packet9(
        flowset(0, template9(256, "sourceIPv4Address", ("octetDeltaCount", 4), "flowStartSysUpTime")),
        flowset(1, options_template9(257, [(1, 4), (2, 2)], ("samplingInterval", 4), ("interfaceName", 5))),
        flowset(256, bytes(range(24))),
        flowset(257, bytes(10) + b"eth0\0", bytes(10) + b"eth1\0"),
        count=6,
    ),
    packet9(flowset(0, template9(300, "protocolIdentifier")), flowset(300, b"\1\2"), count=3),
]
SEED5 = packet5(record5(), record5(protocol=17), sampling=0x8064, engine=(1, 2))


def decode_all(*datagrams: bytes) -> None:
    """Decode them as one exporter's; only DecodeError may come out. JSON must take all that is decoded."""
    process = CollectingProcess()
    for octets in datagrams:
        try:
            session, decoded = process.receive(octets, "exporter")
        except DecodeError:
            continue
        for data_set in decoded.data_sets:
            for record in data_set.records:
                session.said(decoded.header.observation_domain_id, data_set.template.by_name(record))
                json.dumps(data_set.template.json_object(record), allow_nan=False)
                data_set.template.by_name(record)
    assert process.counters.messages + process.counters.discarded.total() == len(datagrams)


@settings(deadline=DEADLINE)
@given(st.lists(st.binary(max_size=600), max_size=4))
def test_any_octets(datagrams: list[bytes]) -> None:
    decode_all(*datagrams)


@settings(deadline=DEADLINE)
@given(st.lists(st.tuples(st.sampled_from([0, 2, 3, 4, 256, 257]), st.binary(max_size=80)), max_size=8))
@example([(2, b"\1\0\0\1\0\1\0\0"), (256, b"\0")])
def test_any_sets(sets: list[tuple[int, bytes]]) -> None:
    decode_all(*(message(*(ipfix_set(set_id, content) for set_id, content in sets)) for _ in range(2)))


@settings(deadline=DEADLINE)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2, 256, 257]), st.binary(max_size=80)), max_size=8),
    st.integers(0, 65535),
)
@example([(0, b"\1\0\0\1\0\1\0\0"), (1, b"\1\0\0\0\0\0")], 1)
def test_any_flowsets(sets: list[tuple[int, bytes]], count: int) -> None:
    packet = packet9(*(flowset(set_id, content, padding=b"") for set_id, content in sets), count=count)
    decode_all(packet, packet)


@settings(deadline=DEADLINE)
@given(st.binary(max_size=1500), st.integers(0, 40))
def test_any_octets_behind_a_header_of_netflow5(content: bytes, count: int) -> None:
    decode_all(packet5(content, count=count), packet5(content[: 48 * count].ljust(48 * count), count=count))


@settings(deadline=DEADLINE)
@given(
    st.sampled_from([*SEEDS, *SEEDS9, SEED5]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    st.booleans(),
)
def test_mutations(seed: bytes, changes: list[tuple[int, int]], known: bool) -> None:
    octets = bytearray(seed)
    for position, value in changes:
        octets[position % len(octets)] = value
    decode_all(*([seed] if known else []), bytes(octets), seed)


def test_truncations() -> None:
    """Cut anywhere, with the lengths as they were and with the Message's length corrected."""
    for seed in SEEDS:
        for size in range(len(seed)):
            cut = seed[:size]
            decode_all(cut, cut[:2] + struct.pack("!H", size) + cut[4:] if size >= 4 else cut, seed)


def test_truncations_of_netflow() -> None:
    for seed in (*SEEDS9, SEED5):
        for size in range(len(seed)):
            decode_all(seed[:size], seed)


def ipv6_text(octets: bytes) -> str:
    return str(ipaddress.IPv6Address(octets))


def unsigned(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def signed(octets: bytes) -> int:
    return int.from_bytes(octets, "big", signed=True)


def fixed(name: str, length: int, meaning: Any) -> st.SearchStrategy[tuple[FieldSpec, bytes, Any]]:
    return st.binary(min_size=length, max_size=length).map(lambda o: ((name, length), o, meaning(o)))


def variable(name: str, meaning: Any) -> st.SearchStrategy[tuple[FieldSpec, bytes, Any]]:
    return st.tuples(st.binary(max_size=254), st.sampled_from([short, long])).map(
        lambda v: ((name, 65535), v[1](v[0]), meaning(v[0]))
    )


FIELDS = st.one_of(
    *[fixed("octetDeltaCount", length, unsigned) for length in range(1, 9)],
    *[fixed("mibObjectValueInteger", length, signed) for length in range(1, 5)],
    fixed("sourceMacAddress", 6, lambda o: o.hex(":")),
    fixed("sourceIPv4Address", 4, lambda o: str(ipaddress.IPv4Address(o))),
    fixed("flowStartMilliseconds", 8, lambda o: unsigned(o) * 1_000_000),
    fixed("applicationId", 5, bytes.hex),
    variable("wlanSSID", lambda o: o.decode("utf-8", "replace")),
    variable("mplsLabelStackSection", bytes.hex),
)


@settings(deadline=DEADLINE)
@given(st.lists(FIELDS, min_size=1, max_size=12), st.integers(1, 5), st.integers(0, 3))
def test_what_was_written_is_read(
    fields: list[tuple[FieldSpec, bytes, Any]], records: int, padding: int
) -> None:
    content = b"".join(octets for _, octets, _ in fields)
    padding = min(padding, sum(1 if spec[1] == 65535 else int(spec[1]) for spec, _, _ in fields) - 1)
    octets = message(
        ipfix_set(2, template(256, *(spec for spec, _, _ in fields))),
        ipfix_set(256, content * records, padding=padding),
    )
    _, decoded = CollectingProcess().receive(octets, "exporter")
    expected = tuple(value for _, _, value in fields)
    assert decoded.data_sets[0].records == [expected] * records


@given(st.binary(min_size=16, max_size=16))
def test_ipv6_addresses_are_written_as_rfc_5952_says(octets: bytes) -> None:
    _, decoded = CollectingProcess().receive(
        message(ipfix_set(2, template(256, "sourceIPv6Address")), ipfix_set(256, octets)), "exporter"
    )
    (text,) = decoded.data_sets[0].records[0]
    assert isinstance(text, str)
    assert ipaddress.IPv6Address(text).packed == octets
