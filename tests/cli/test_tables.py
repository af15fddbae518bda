# SPDX-License-Identifier: Apache-2.0
"""Rows and summaries: the same line from a Data Record and from a batch, widths, escapes, colours."""

from __future__ import annotations

import io
import ipaddress
import os
from typing import Any

import numpy as np
import pytest

from engines import APPLICATIONS
from spanflow.cli.flow_rows import FlowRow, row_from_record, rows_from_batch
from spanflow.cli.tables import (
    Fact,
    FlowTable,
    Style,
    escape,
    flag_letters,
    seconds_text,
    summary_lines,
)
from spanflow.collecting.learned import Said
from spanflow.record import RECORD, Array, Batch

START_NS = 1_764_000_000_123_456_789
TCP_PUSH_ENDED = 0x1B


def record(source: str, destination: str, protocol: int, **members: Any) -> Array:
    """The record of one Biflow: 12 packets one way, 10 the other, unless `forward` or `reverse` say else."""
    batch = np.zeros(1, RECORD)
    for name, address in (("source_address", source), ("destination_address", destination)):
        packed = ipaddress.ip_address(address).packed
        octets = bytes(10) + b"\xff\xff" + packed if len(packed) == 4 else packed
        batch[name] = np.frombuffer(octets, "u1")
    batch["protocol_identifier"] = protocol
    batch["ip_version"] = ipaddress.ip_address(source).version
    batch["flow_end_reason"] = 3
    for half, packets, late in (("forward", 12, 0), ("reverse", 10, 200_000_000)):
        batch[half]["packet_delta_count"] = packets
        batch[half]["octet_delta_count"] = packets * 1000
        batch[half]["first_ns"] = START_NS + late
        batch[half]["last_ns"] = START_NS + late + 1_000_000_000
        for name, value in members.pop(half, {}).items():
            batch[half][name] = value
    for name, value in members.items():
        batch[name] = value
    return batch


def row_of(values: dict[str, Any], **said: Any) -> FlowRow:
    row = row_from_record(values, Said(**said))
    assert row is not None
    return row


BIFLOW_ELEMENTS: dict[str, Any] = {
    "sourceIPv4Address": "10.0.0.1",
    "destinationIPv4Address": "10.0.0.2",
    "sourceTransportPort": 51234,
    "destinationTransportPort": 443,
    "protocolIdentifier": 6,
    "packetDeltaCount": 12,
    "octetDeltaCount": 12000,
    "reversePacketDeltaCount": 10,
    "reverseOctetDeltaCount": 10000,
    "flowStartMilliseconds": START_NS,
    "flowEndMilliseconds": START_NS + 1_000_000_000,
    "reverseFlowStartMilliseconds": START_NS + 200_000_000,
    "reverseFlowEndMilliseconds": START_NS + 1_200_000_000,
    "tcpControlBits": 2,
    "reverseTcpControlBits": 0x14,
    "flowEndReason": 3,
    "vlanId": 100,
}


def test_a_record_and_a_batch_give_the_same_row() -> None:
    (row,) = rows_from_batch(
        Batch(
            record(
                "10.0.0.1",
                "10.0.0.2",
                6,
                source_transport_port=51234,
                destination_transport_port=443,
                forward={"tcp_control_bits": 2, "vlan_id": 100},
                reverse={"tcp_control_bits": 0x14},
            )
        )
    )
    assert row == row_from_record(BIFLOW_ELEMENTS)
    assert FlowTable(Style()).lines([row])[1].split() == [
        "2025-11-24",
        "16:00:00.123",
        "1.200s",
        "TCP",
        "10.0.0.1:51234",
        "→",
        "10.0.0.2:443",
        "12/10",
        "12.0k/10.0k",
        "S/AR",
        "end",
        "100",
    ]


TLS_GOOGLE = {"master_protocol": 91, "application": 126}


def test_the_application_of_a_record_and_of_a_batch() -> None:
    (row,) = rows_from_batch(Batch(record("10.0.0.1", "10.0.0.2", 6, **TLS_GOOGLE)), APPLICATIONS)
    known = row_of(BIFLOW_ELEMENTS, application="TLS.Google")
    assert row.application == known.application == "TLS.Google"


def test_without_names_there_is_no_application() -> None:
    (row,) = rows_from_batch(Batch(record("10.0.0.1", "10.0.0.2", 6, **TLS_GOOGLE)))
    assert row.application == ""
    assert "application" not in FlowTable(Style()).lines([row])[0]


def test_the_application_is_shown_once_one_is_known() -> None:
    table = FlowTable(Style())
    unknown, known = row_of(BIFLOW_ELEMENTS), row_of(BIFLOW_ELEMENTS, application="TLS.Google")
    assert "application" not in table.lines([unknown])[0]
    header, first, second = table.lines([known, unknown])
    column = header.index("application")
    assert header[column - 2 : column + 13] == "  application  "
    assert first[column:].split()[0] == "TLS.Google"
    assert second[column:].split()[0] == "12/10"


APPLICATION_CELLS = [
    ("Sina(Weibo)", "Sina(Weibo)"),
    ("bell\x07 \x1b[2J", "bell\\x07 \\x1b[2J"),
    ("\u202egnp.exe", "\\u202egnp.exe"),
    ("x" * 40, "x" * 40),
    ("x" * 41, "x" * 39 + "…"),
    ("\x00" * 20_000, "\\x00" * 9 + "\\x0" + "…"),
]


@pytest.mark.parametrize(("name", "cell"), APPLICATION_CELLS, ids=[cell for _, cell in APPLICATION_CELLS])
def test_an_application_from_anywhere_is_shown_safely(name: str, cell: str) -> None:
    header, line = FlowTable(Style()).lines([row_of(BIFLOW_ELEMENTS, application=name)])
    column = header.index("application")
    assert line[column : line.index("  12/10")].rstrip() == cell


def test_the_application_stays_where_there_is_little_room() -> None:
    header = FlowTable(Style(width=85)).lines([row_of(BIFLOW_ELEMENTS, application="TLS")])[0]
    assert "application" in header
    assert "packets" not in header


SAMPLING = [
    ("a record that says it", {"samplingInterval": 100}, None, "1:100"),
    ("options that say it", {}, 12.5, "1:12.5"),
    ("the record knows better", {"samplingInterval": 10}, 100.0, "1:10"),
    ("a large rate", {}, 1_000_000.0, "1:1000000"),
    ("every packet", {}, 1.0, None),
    ("nobody says it", {}, None, None),
]


@pytest.mark.parametrize(("values", "told", "cell"), [s[1:] for s in SAMPLING], ids=[s[0] for s in SAMPLING])
def test_sampling_is_shown_where_packets_were_left_out(
    values: dict[str, Any], told: float | None, cell: str | None
) -> None:
    header, line = FlowTable(Style()).lines([row_of({**BIFLOW_ELEMENTS, **values}, sampling=told)])
    assert ("sampling" in header) == (cell is not None)
    assert cell is None or line.split()[-1] == cell


def test_interfaces_are_shown_once_one_has_a_name_and_go_first() -> None:
    row = row_of(BIFLOW_ELEMENTS, ingress_interface="eth0\x07", egress_interface="")
    header, line = FlowTable(Style()).lines([row])
    assert (header.split()[-1], line.split()[-1]) == ("in", "eth0\\x07")
    assert FlowTable(Style(width=140)).lines([row])[0].split()[-1] == "vlan"


ROWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "a uniflow has one direction",
        {name: value for name, value in BIFLOW_ELEMENTS.items() if not name.startswith("reverse")},
        {"packets": (12,), "octets": (12000,), "tcp_control_bits": (2,), "duration_ns": 1_000_000_000},
    ),
    (
        "no flags and times of a direction without packets",
        {
            **BIFLOW_ELEMENTS,
            "reversePacketDeltaCount": 0,
            "reverseTcpControlBits": 0,
            "reverseFlowStartMilliseconds": 0,
            "reverseFlowEndMilliseconds": 0,
        },
        {
            "packets": (12, 0),
            "tcp_control_bits": (2,),
            "start_ns": START_NS,
            "duration_ns": 1_000_000_000,
        },
    ),
    (
        "only answers",
        {**BIFLOW_ELEMENTS, "packetDeltaCount": 0, "flowStartMilliseconds": 0, "flowEndMilliseconds": 0},
        {"packets": (0, 10), "tcp_control_bits": (0x14,), "start_ns": START_NS + 200_000_000},
    ),
    (
        "ICMP: type and code, no ports",
        {
            **BIFLOW_ELEMENTS,
            "protocolIdentifier": 1,
            "icmpTypeCodeIPv4": 0x0800,
            "reverseIcmpTypeCodeIPv4": 0,
        },
        {
            "source_port": None,
            "destination_port": None,
            "icmp_type_codes": (0x0800, 0),
            "tcp_control_bits": (),
        },
    ),
    (
        "ICMP: type and code in the port",
        {**BIFLOW_ELEMENTS, "protocolIdentifier": 58, "destinationTransportPort": 0x8700},
        {"destination_port": None, "icmp_type_codes": (0x8700,)},
    ),
    (
        "a protocol without ports",
        {
            **BIFLOW_ELEMENTS,
            "protocolIdentifier": 47,
            "sourceTransportPort": 0,
            "destinationTransportPort": 0,
        },
        {"source_port": None, "destination_port": None},
    ),
    (
        "the outer of two VLANs",
        {**BIFLOW_ELEMENTS, "vlanId": [200, 7]},
        {"vlan_id": 200},
    ),
    ("VLAN 0 is none", {**BIFLOW_ELEMENTS, "vlanId": 0}, {"vlan_id": None}),
    (
        "IPv6, nanoseconds, totals",
        {
            "sourceIPv6Address": "2001:db8::1",
            "destinationIPv6Address": "2001:db8::2",
            "flowStartNanoseconds": 5,
            "flowEndNanoseconds": 9,
            "packetTotalCount": 1,
            "octetTotalCount": 40,
        },
        {
            "source_address": "2001:db8::1",
            "start_ns": 5,
            "duration_ns": 4,
            "protocol": None,
            "packets": (1,),
            "octets": (40,),
        },
    ),
    (
        "times since the exporter started",
        {
            "sourceIPv4Address": "10.0.0.1",
            "destinationIPv4Address": "10.0.0.2",
            "flowStartSysUpTime": 1000,
            "flowEndSysUpTime": 1204,
        },
        {"start_ns": None, "duration_ns": 204_000_000, "packets": (), "flow_end_reason": None},
    ),
]


@pytest.mark.parametrize(("values", "expected"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_rows_of_records(values: dict[str, Any], expected: dict[str, Any]) -> None:
    row = row_from_record(values)
    assert row is not None
    assert {name: getattr(row, name) for name in expected} == expected
    assert FlowTable(Style()).lines([row])


def test_a_record_without_addresses_is_no_flow() -> None:
    values = {"interfaceName": "eth0\x07", "ingressInterface": 3, "observationTimeSeconds": [1, 2]}
    assert row_from_record(values) is None
    line = "interfaceName=eth0\\x07 ingressInterface=3 observationTimeSeconds=[1, 2]"
    assert FlowTable(Style()).record_line(values) == line
    assert FlowTable(Style(width=20)).record_line(values) == line[:19] + "…"


def test_rows_of_batches() -> None:
    records = np.concatenate(
        [
            record("10.0.0.9", "224.0.0.5", 89, reverse={"packet_delta_count": 0, "first_ns": 0}),
            record("10.0.0.1", "10.0.0.2", 1, forward={"icmp_type_code": 0x0800}),
        ]
    )
    ospf, icmp = rows_from_batch(Batch(records))
    assert (ospf.packets, ospf.start_ns, ospf.duration_ns) == ((12, 0), START_NS, 1_000_000_000)
    assert (ospf.source_port, ospf.tcp_control_bits, ospf.icmp_type_codes) == (None, (), ())
    assert icmp.icmp_type_codes == (0x0800, 0)
    (six,) = rows_from_batch(
        Batch(record("2001:db8::1", "2001:db8::ffff:0:1", 17, destination_transport_port=53))
    )
    assert (six.source_address, six.destination_address) == ("2001:db8::1", "2001:db8::ffff:0:1")


def some_row(**changes: Any) -> FlowRow:
    row = row_from_record({**BIFLOW_ELEMENTS, **changes})
    assert row is not None
    return row


def test_columns_are_aligned_and_grow_in_steps() -> None:
    table = FlowTable(Style())
    short, again = some_row(vlanId=0), some_row(vlanId=0, octetDeltaCount=5)
    assert table.lines([]) == []
    first = table.lines([short, again])
    assert len(first) == 3
    assert len({line.index("→") for line in first[1:]}) == 1
    assert first[0].index("destination") == first[1].index("10.0.0.2")
    assert first[0].index("octets") + len("octets") == first[1].index("12.0k/10.0k") + len("12.0k/10.0k")
    assert len(table.lines([short])) == 1, "the header is not repeated in a pipe"
    longer = some_row(sourceIPv4Address="2001:db8:1111::1")
    header, line = table.lines([longer])
    assert header.split()[-1] == "vlan"
    assert header.index("destination") == line.index("10.0.0.2")
    assert len(table.lines([some_row(sourceIPv4Address="2001:db8:1111:2222::1")])) == 1


@pytest.mark.parametrize(
    ("width", "missing"),
    [
        (None, set()),
        (140, set()),
        (130, {"date"}),
        (110, {"date", "end"}),
        (100, {"date", "end", "duration"}),
        (90, {"date", "end", "duration", "flags"}),
        (80, {"date", "end", "duration", "flags", "packets"}),
        (20, {"date", "end", "duration", "flags", "packets", "time"}),
    ],
)
def test_narrow_terminals_lose_the_least_important_columns(width: int | None, missing: set[str]) -> None:
    row = some_row(sourceIPv4Address="192.168.100.200", destinationIPv4Address="192.168.100.201", vlanId=0)
    header, line = FlowTable(Style(width=width)).lines([row])
    every = [
        "date",
        "time",
        "duration",
        "proto",
        "source",
        "destination",
        "packets",
        "octets",
        "flags",
        "end",
    ]
    assert [word for word in header.split() if word != "(UTC)"] == [w for w in every if w not in missing]
    assert "192.168.100.200:51234  → 192.168.100.201:443" in line
    if width and width >= 80:
        assert max(map(len, (header, line))) <= width


def test_a_terminal_sees_the_header_once_per_screen() -> None:
    lines = FlowTable(Style(width=200, height=20)).lines([some_row()] * 40)
    assert [index for index, line in enumerate(lines) if "destination" in line] == [0, 20, 40]


def test_colour_is_for_headers_and_warnings() -> None:
    header, normal, evicted = FlowTable(Style(colour=True)).lines([some_row(), some_row(flowEndReason=5)])
    assert header.startswith("\x1b[1m")
    assert "\x1b" not in normal
    assert evicted.startswith("\x1b[33m")
    assert "resources" in evicted


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Latin1Pipe(io.StringIO):
    encoding = "latin-1"


@pytest.mark.parametrize(
    ("environment", "colour"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_style_of_a_terminal(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], colour: bool
) -> None:
    monkeypatch.setattr(os, "environ", {**environment, "COLUMNS": "133", "LINES": "44"})
    assert Style.of(Terminal()) == Style(width=133, height=44, colour=colour)


def test_style_of_a_pipe() -> None:
    assert Style.of(Latin1Pipe()) == Style(arrow="->", ellipsis="~")


def test_durations() -> None:
    assert [seconds_text(ns) for ns in (0, 499_999, 500_000, 61_204_000_000)] == [
        "0.000s",
        "0.000s",
        "0.001s",
        "61.204s",
    ]
    (line,) = FlowTable(Style()).lines([some_row(flowEndMilliseconds=0, reverseFlowEndMilliseconds=0)])[1:]
    assert line.split()[2] == "-", "it ends before it starts"


def test_flags() -> None:
    assert [flag_letters(bits) for bits in (0, 1, 0x12, 0xFF, 0x1FF)] == [
        ".",
        "F",
        "AS",
        "CEUAPRSF",
        "CEUAPRSF",
    ]


def test_times_that_have_no_calendar_date() -> None:
    for start in (-1, 2**64 * 1_000_000):
        line = FlowTable(Style()).lines([some_row(flowStartMilliseconds=start, flowEndMilliseconds=start)])[1]
        assert "TCP" in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Grüße", "Grüße"),
        ("a\tb", "a\\tb"),
        ("\x1b[0m", "\\x1b[0m"),
        ("\u202eabc", "\\u202eabc"),
        ("\udc80", "\\udc80"),
    ],
)
def test_escape(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_summary() -> None:
    facts = [
        Fact("records", 1_234_567, "all of them"),
        Fact("sequence gaps", 2, warning=True),
        Fact("missing", 28, level=1),
        Fact("rate", "1.2M/s"),
    ]
    assert summary_lines("collected", facts, Style()) == [
        "collected",
        "  records        1,234,567  all of them",
        "  sequence gaps          2",
        "    missing             28",
        "  rate              1.2M/s",
    ]
    coloured = summary_lines("collected", facts, Style(colour=True))
    assert coloured[0] == "\x1b[1mcollected\x1b[0m"
    assert coloured[2] == "\x1b[33m  sequence gaps          2\x1b[0m"
