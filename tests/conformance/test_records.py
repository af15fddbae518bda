# SPDX-License-Identifier: Apache-2.0
"""Lines 9 to 16: Data Records and their values (RFC 7011 sections 6 and 7, RFC 7012)."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from collecting.messages import ipfix_set, long, message, short, template
from conformance.conversation import conversation
from conformance.reading import MODULUS, VARIABLE, Reader
from conformance.sending import (
    MILLISECOND_NS,
    NOW,
    Facts,
    announced,
    data,
    exported,
    ipfix,
)
from exporting.clocks import SECOND_NS, FakeClock
from exporting.flow_batches import (
    IPV4_FLOWS,
    Classified,
    batch_of,
)
from metering.native import meter
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.process import CollectingProcess
from spanflow.config.collector_settings import PROFILES
from spanflow.exporting.element_choice import ElementChoice
from spanflow.exporting.facts import ObservedInterface
from spanflow.information_elements import by_number

TCP_FLOW = IPV4_FLOWS[0]
NTP_SECONDS = 2_208_988_800
"""From 1900, where NTP begins, to 1970."""


@pytest.mark.parametrize("biflow", [False, True])
@pytest.mark.parametrize("profile", PROFILES)
def test_09_lengths_are_those_of_the_types(profile: str, biflow: bool) -> None:
    """An element has the length of its registered type; only integers may be shorter (section 6.2)."""
    sizes = {"ipv4Address": 4, "ipv6Address": 16, "macAddress": 6, "dateTimeMilliseconds": 8}
    sizes |= {f"unsigned{bits}": bits // 8 for bits in (8, 16, 32, 64)}
    seen = Reader().read(announced(ipfix(profile, biflow=biflow)))
    for made in seen.templates.values():
        for each in made.fields:
            element = by_number(each.pen, each.number)
            assert element is not None
            if element.type in ("string", "octetArray"):
                continue
            if element.type.startswith("unsigned"):
                assert 1 <= each.length <= sizes[element.type]
            else:
                assert each.length == sizes[element.type], element.name


@pytest.mark.parametrize("octets", [0, 1, 254])
def test_09_variable_lengths_that_we_send(octets: int) -> None:
    """A string of up to 254 octets has one octet of length before it (section 7): we send no longer ones."""
    text = "x" * octets
    flow = replace(TCP_FLOW, classified=Classified(texts={"http_url": text, "server_name": "n"}))
    session = ipfix("rich")
    messages = data(session, batch_of(flow))
    reader = Reader().read(announced(session)).read(messages)
    assert {each.text("httpRequestTarget") for each in reader.flows} == {text}
    assert {each.text("serverName") for each in reader.flows} == {"n"}
    specifiers = {each.name: each.length for each in reader.flows[0].template.fields}
    assert specifiers["httpRequestTarget"] == VARIABLE
    assert bytes([octets]) + text.encode() in messages[0]


LONGEST = 65535 - 16 - 4 - 3
"""A string alone in its Set, in a Message of its own: 65,515 octets with its length, which takes 3."""


@pytest.mark.parametrize("octets", [0, 254, 255, 256, LONGEST])
@pytest.mark.parametrize("form", [short, long])
def test_09_variable_lengths_that_we_read(octets: int, form: object) -> None:
    """From 255 octets on the length has three octets, and may have them before (section 7)."""
    if form is short and octets > 254:
        form = long
    assert callable(form)
    collector = CollectingProcess()
    collector.receive(message(ipfix_set(2, template(256, ("applicationDescription", VARIABLE)))), "exporter")
    sent = message(ipfix_set(256, form(b"x" * octets)))
    assert len(sent) <= 65535
    _, decoded = collector.receive(sent, "exporter")
    (data_set,) = decoded.data_sets
    named = data_set.template.by_name(data_set.records[0])
    assert named["applicationDescription"] == "x" * octets


def test_09_a_length_beyond_its_set() -> None:
    """A value that says 65,515 octets, in a Set that cannot hold them, makes its Message malformed (9.1)."""
    collector = CollectingProcess()
    collector.receive(message(ipfix_set(2, template(256, ("applicationDescription", VARIABLE)))), "exporter")
    octets = b"\xff" + struct.pack(">H", 65515) + b"x" * LONGEST
    with pytest.raises(MalformedMessageError) as caught:
        collector.receive(message(ipfix_set(256, octets)), "exporter")
    assert caught.value.reason is Reason.TRUNCATED


def test_10_times_in_ntp_format() -> None:
    """Micro- and nanoseconds are in NTP's 64 bits since 1900, milliseconds since 1970 (sections 6.1.8-10).

    The low 11 bits of the fraction of microseconds are 0.
    """
    names = ("flowStartMicroseconds", "flowEndMicroseconds", "flowStartNanoseconds", "flowEndNanoseconds")
    session = ipfix(add=names)
    reader = Reader().read(announced(session) + data(session, batch_of(TCP_FLOW)))
    forward, half = reader.flows[0], TCP_FLOW.forward
    for end, time_ns in (("Start", half.first_ns), ("End", half.last_ns)):
        assert forward[f"flow{end}Milliseconds"] == time_ns // MILLISECOND_NS
        for unit, digits_ns in (("Microseconds", 1000), ("Nanoseconds", 1)):
            stamp = forward[f"flow{end}{unit}"]
            assert stamp >> 32 == time_ns // SECOND_NS + NTP_SECONDS
            fraction_ns = (stamp & (MODULUS - 1)) * SECOND_NS / MODULUS
            assert int(fraction_ns) // digits_ns == time_ns % SECOND_NS // digits_ns
        assert forward[f"flow{end}Microseconds"] & 0x7FF == 0


@pytest.mark.parametrize("name", ["flowStartDeltaMicroseconds", "flowEndDeltaMicroseconds"])
def test_11_no_times_relative_to_the_message(name: str) -> None:
    """Delta stamps reach back 71 minutes at most (RFC 7012): no profile has them, and none can be added."""
    for profile in PROFILES:
        reader = Reader().read(announced(ipfix(profile)))
        assert not {158, 159} & {each.number for made in reader.templates.values() for each in made.fields}
    (problem,) = ElementChoice(add=(name,)).problems()
    assert "unknown element" in problem


def test_12_uptimes_come_with_the_start() -> None:
    """Stamps since the start of the probe need systemInitTimeMilliseconds (RFC 5153 section 4.7)."""
    facts = Facts()
    session = ipfix(add=("flowStartSysUpTime", "flowEndSysUpTime"), facts=facts)
    first = session.template_messages(NOW) + [each.octets for each in session.options_messages(NOW)]
    reader = Reader().read(first + data(session, batch_of(TCP_FLOW)))
    (told,) = reader.options("systemInitTimeMilliseconds")
    assert told["systemInitTimeMilliseconds"] == facts.started_ns // MILLISECOND_NS
    flow = reader.flows[0]
    for end in ("Start", "End"):
        absolute = told["systemInitTimeMilliseconds"] + flow[f"flow{end}SysUpTime"]
        assert absolute == flow[f"flow{end}Milliseconds"]


@pytest.mark.parametrize("strings", ["variable", "fixed"])
def test_13_strings_are_utf_8(strings: str) -> None:
    """Every string is well-formed UTF-8 (section 6.1.6): cut between characters, whatever is in it."""
    hostile = "\N{SNOWMAN}" * 84 + "\x1b\x7f"
    names = {"server_name": hostile, "http_user_agent": "\N{PILE OF POO}" * 63, "alpn": "ü" * 127}
    flow = replace(TCP_FLOW, classified=Classified(texts=names))
    facts = Facts()
    facts.observed = [ObservedInterface(3, "ü" * 40, "\N{SNOWMAN}" * 40)]
    session = ipfix("rich", strings=strings, facts=facts)
    reader = Reader().read(announced(session) + data(session, batch_of(flow)))
    for record in reader.flows:
        assert hostile.startswith(record.text("serverName"))
        assert record.text("httpUserAgent").strip("\N{PILE OF POO}") == ""
        assert record.text("alpn").strip("ü") == ""
    # Fixed lengths of 32 and 64 octets, with a NUL at the end.
    (interface,) = reader.options("interfaceName")
    assert interface.text("interfaceName") == "ü" * 15
    assert interface.text("interfaceDescription") == "\N{SNOWMAN}" * 21


def test_13_our_collector_survives_other_strings() -> None:
    """A string that is no UTF-8 must not do harm (section 6.1.6): what is wrong in it becomes U+FFFD."""
    octets = message(ipfix_set(2, template(256, ("applicationName", 4))), ipfix_set(256, b"\xc3\x28\xff\xfe"))
    _, decoded = CollectingProcess().receive(octets, "exporter")
    (data_set,) = decoded.data_sets
    assert data_set.template.by_name(data_set.records[0]) == {"applicationName": "\ufffd(\ufffd\ufffd"}


def test_14_repeated_elements_keep_their_order() -> None:
    """Of an element that is there twice the order has a meaning (section 8): first loss, then last."""
    reader = Reader().read(announced(ipfix()))
    (lost,) = reader.options("ignoredPacketTotalCount")
    first, last = lost.all("observationTimeMilliseconds")
    assert (first, last) == ((NOW - 9 * SECOND_NS) // MILLISECOND_NS, (NOW - 2 * SECOND_NS) // MILLISECOND_NS)
    # Data Records have each element once, and no choice of the user makes it two.
    for made in reader.templates.values():
        assert made.scope or len(set(made.names)) == len(made.names)
    assert ElementChoice(add=("samplingInterval", "samplingInterval")).problems()


def test_15_delta_counters(tmp_path: Path) -> None:
    """A Flow that is reported in pieces has delta counters, which add up, and no totals (RFC 7012)."""
    capture = conversation(tmp_path, seconds=100)
    batches = meter([capture], active_timeout=30 * SECOND_NS, inactive_timeout=200 * SECOND_NS).batches
    reader = Reader().read(exported(batches, clock=FakeClock(NOW)))
    pieces = [each for each in reader.flows if each["biflowDirection"] == 1]
    assert len(pieces) >= 3
    assert len({each["flowId"] for each in pieces}) == 1
    assert sum(each["packetDeltaCount"] for each in pieces) == 100
    for made in reader.templates.values():
        assert not {85, 86} & {each.number for each in made.fields if each.pen == 0}


def test_16_tcp_control_bits(tmp_path: Path) -> None:
    """tcpControlBits has 16 bits, of which those of the data offset are 0 (RFC 9565)."""
    batches = meter([conversation(tmp_path, seconds=3)]).batches
    reader = Reader().read(exported(batches, clock=FakeClock(NOW)))
    forward = next(each for each in reader.flows if each["biflowDirection"] == 1)
    assert len(forward.octets("tcpControlBits")) == 2
    # SYN, then ACK and PSH with ECE and CWR; the header has a data offset of 5, and so 0x5000 in this place.
    assert forward["tcpControlBits"] == 0x0DA
