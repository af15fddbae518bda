# SPDX-License-Identifier: Apache-2.0
"""What a collector learns from options: names of applications (RFC 6759), elements of others (RFC 5610)."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from collecting.messages import ipfix_set, message, options_template, short, template
from exporting.classified_flows import (
    CLASSIFIED_IPV4,
    DOMAIN,
    application_of,
    records_of,
    rich_of,
    whole_export,
)
from exporting.flow_batches import uniflows_of
from spanflow.collecting.message import Message
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.session import Limits, TransportSession
from spanflow.exporting.profiles import GENERIC_APPLICATION, RICH, RICH_FIXED, Profile
from spanflow.exporting.session import IpfixSession

PEN = 64999
VARIABLE = 65535
NAMES = options_template(400, 1, ("applicationId", 4), ("applicationName", VARIABLE))
ELEMENTS = options_template(
    401,
    2,
    "privateEnterpriseNumber",
    "informationElementId",
    "informationElementDataType",
    ("informationElementName", VARIABLE),
)
UNSIGNED16, STRING, BASIC_LIST = 2, 13, 20


def name_of(application_id: int, name: bytes) -> bytes:
    return ipfix_set(400, struct.pack("!I", application_id) + short(name))


def element_of(number: int, data_type: int, name: bytes, pen: int = PEN) -> bytes:
    return ipfix_set(401, struct.pack("!IHB", pen, number, data_type) + short(name))


class Collector:
    """Receives the Sets of one exporter, a Message for each call."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.process = CollectingProcess(limits)
        self.session: TransportSession | None = None

    def receive(self, *sets: bytes, domain: int = 1, exporter: str = "exporter") -> Message:
        self.session, decoded = self.process.receive(message(*sets, domain=domain), exporter)
        return decoded

    def application(self, application_id: str, domain: int = 1, **values: Any) -> str:
        assert self.session is not None
        return self.session.said(domain, {"applicationId": application_id, **values}).application


def test_names_of_applications() -> None:
    collector = Collector()
    collector.receive(ipfix_set(3, NAMES), name_of(22 << 24 | 91, b"TLS"), name_of(22 << 24 | 126, b"Google"))
    assert collector.application("1600007e") == "Google"
    assert collector.application("1600007e", masterProtocol=91) == "TLS.Google"
    assert collector.application("1600005b", masterProtocol=91) == "TLS"
    assert collector.application("1600007e", masterProtocol=5) == "Google"
    assert collector.application("16000005") == ""
    # Another domain has not said anything.
    assert collector.application("1600007e", domain=2) == ""
    # The record's own name wins; the newest name in the options does.
    assert collector.application("1600007e", applicationName="Search", masterProtocol=91) == "TLS.Search"
    collector.receive(name_of(22 << 24 | 126, b"Alphabet"))
    assert collector.application("1600007e") == "Alphabet"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ""),
        ({"applicationName": "DNS"}, "DNS"),
        ({"applicationName": ["DNS", "TLS"]}, ""),
        ({"applicationId": ["16000005", "16000007"], "applicationName": "DNS"}, "DNS"),
        ({"applicationId": "16", "masterProtocol": 5}, ""),
        ({"applicationId": "1600000500", "masterProtocol": 1 << 40}, ""),
    ],
)
def test_odd_records_have_no_more_than_they_say(values: dict[str, Any], expected: str) -> None:
    collector = Collector()
    collector.receive(ipfix_set(3, NAMES), name_of(5, b"x"))
    assert collector.session is not None
    assert collector.session.said(1, values).application == expected


def test_elements_are_named_when_they_are_explained() -> None:
    """Also in Templates that are known already, and that are refreshed or replaced later."""
    collector = Collector()
    flows = ipfix_set(2, template(256, "protocolIdentifier", (PEN, 1, 2), (PEN, 2, VARIABLE)))
    data = ipfix_set(256, b"\x06\x01\xbb" + short(b"a.example"))
    decoded = collector.receive(flows, data)
    assert named(decoded) == {
        "protocolIdentifier": 6,
        f"{PEN}:1": "01bb",
        f"{PEN}:2": b"a.example".hex(),
    }
    collector.receive(
        ipfix_set(3, ELEMENTS), element_of(1, UNSIGNED16, b"port"), element_of(2, STRING, b"host")
    )
    expected = {"protocolIdentifier": 6, "port": 443, "host": "a.example"}
    assert named(collector.receive(data)) == expected
    decoded = collector.receive(flows, data)
    assert decoded.new_templates == [], "a refresh is no new Template"
    assert named(decoded) == expected
    other = ipfix_set(2, template(256, (PEN, 2, VARIABLE)))
    assert named(collector.receive(other, ipfix_set(256, short(b"b.example")))) == {"host": "b.example"}
    # Nobody else's records are read by what this domain says.
    assert f"{PEN}:1" in named(collector.receive(flows, data, domain=2))


def named(decoded: Message) -> dict[str, Any]:
    (data_set,) = decoded.data_sets
    (record,) = data_set.records
    return data_set.template.by_name(record)


@pytest.mark.parametrize(
    ("name", "explained"),
    [
        ("an element of IANA", element_of(8, UNSIGNED16, b"port", pen=0)),
        ("a reverse element", element_of(1, UNSIGNED16, b"port", pen=29305)),
        ("one of ours", element_of(4, STRING, b"port", pen=32473)),
        ("a name of IANA", element_of(1, STRING, b"sourceIPv4Address")),
        ("a reverse name", element_of(1, STRING, b"reverseOctetDeltaCount")),
        ("a name for programs", element_of(1, STRING, b"_exporter")),
        ("a name for terminals", element_of(1, STRING, b"a\x1b[2J")),
        ("no name", element_of(1, STRING, b"")),
        ("a long name", element_of(1, STRING, b"a" * 65)),
    ],
)
def test_who_pretends_is_not_believed(name: str, explained: bytes) -> None:
    collector = Collector()
    flows = ipfix_set(
        2, template(256, "sourceIPv4Address", "reverseOctetDeltaCount", "flowRisk", (PEN, 1, 2))
    )
    data = ipfix_set(256, bytes(4 + 8 + 8) + b"\x01\xbb")
    before = named(collector.receive(flows, data))
    collector.receive(ipfix_set(3, ELEMENTS), explained)
    assert named(collector.receive(flows, data)) == before
    assert list(before) == ["sourceIPv4Address", "reverseOctetDeltaCount", "flowRisk", f"{PEN}:1"]


@pytest.mark.parametrize(
    ("data_type", "expected"),
    [
        (UNSIGNED16, 443),
        (200, "01bb"),  # no such type: octets
        (BASIC_LIST, "01bb"),  # not read here
        (STRING, "\x01\ufffd"),
    ],
)
def test_types_of_elements(data_type: int, expected: Any) -> None:
    collector = Collector()
    collector.receive(ipfix_set(3, ELEMENTS), element_of(1, data_type, b"value"))
    decoded = collector.receive(ipfix_set(2, template(256, (PEN, 1, 2))), ipfix_set(256, b"\x01\xbb"))
    assert named(decoded) == {"value": expected}


def test_a_type_that_cannot_have_the_length_names_nothing() -> None:
    collector = Collector()
    collector.receive(ipfix_set(3, ELEMENTS), element_of(1, UNSIGNED16, b"value"))
    decoded = collector.receive(ipfix_set(2, template(256, (PEN, 1, 3))), ipfix_set(256, b"abc"))
    assert named(decoded) == {f"{PEN}:1": b"abc".hex()}


def test_a_malformed_message_teaches_nothing() -> None:
    collector = Collector()
    collector.receive(ipfix_set(3, NAMES))
    with pytest.raises(Exception, match="wrong set length"):
        collector.receive(name_of(5, b"DNS"), b"\0")
    assert collector.application("00000005") == ""


def test_names_are_bounded_and_come_back_with_their_session() -> None:
    collector = Collector(Limits(sessions=2, domains=2, names=3))
    for number in range(5):
        collector.receive(ipfix_set(3, NAMES), name_of(number, b"n%d" % number), exporter="a")
    assert [collector.application(f"{number:08x}") for number in range(5)] == ["n0", "n1", "n2", "", ""]
    collector.receive(name_of(0, b"x" * 200), exporter="a")
    assert collector.application("00000000") == "x" * 64
    collector.receive(ipfix_set(3, NAMES), name_of(7, b"seven"), exporter="b")
    assert collector.application("00000007") == ""
    # The third session takes the place of the first, whose names make room.
    collector.receive(ipfix_set(3, NAMES), name_of(7, b"seven"), exporter="c")
    assert collector.application("00000007") == "seven"
    # A third domain takes the place of the first of that session.
    for domain in (2, 3):
        collector.receive(ipfix_set(3, NAMES), name_of(7, b"seven"), domain=domain, exporter="c")
    for domain, expected in ((1, ""), (2, "seven"), (3, "seven")):
        assert collector.application("00000007", domain=domain) == expected


@pytest.mark.parametrize("profile", [GENERIC_APPLICATION, RICH, RICH_FIXED], ids=["generic", "rich", "fixed"])
def test_reads_what_we_send(profile: Profile) -> None:
    """Names and types by our registry; the application of each Flow has its name."""
    process = CollectingProcess()
    shown, applications = [], []
    for octets in whole_export(profile, biflow=False):
        session, decoded = process.receive(octets, "exporter")
        for data_set in decoded.data_sets:
            if not data_set.template.is_options:
                rows = [data_set.template.by_name(record) for record in data_set.records]
                shown += rows
                applications += [session.said(DOMAIN, values).application for values in rows]

    added = application_of if profile is GENERIC_APPLICATION else rich_of
    expected = records_of(biflow=False, added=lambda flow: added(flow))
    names = {name for values in expected for name in values}
    assert [set(values) <= names for values in shown] == [True] * len(expected)
    if profile is RICH:
        same = [name for name in rich_of(CLASSIFIED_IPV4[0]) if name != "applicationId"]
        assert [[values[name] for name in same] for values in shown] == [
            [values[name] for name in same] for values in expected
        ]
    carrier = "" if profile is GENERIC_APPLICATION else "TLS."
    first = len(uniflows_of(CLASSIFIED_IPV4[0]))
    assert applications[:first] == [f"{carrier}Google"] * first
    assert applications[first] == "DNS"
    assert "" in applications, "where nothing was found there is no name"
    assert process.counters.sequence.gaps == 0


def test_elements_under_another_enterprise_number_are_learned() -> None:
    session = IpfixSession(
        RICH.templates(biflow=False, enterprise_number=PEN),
        observation_domain_id=1,
        max_message_octets=1400,
        enterprise_number=PEN,
    )
    process = CollectingProcess()
    for octets in session.template_messages(0):
        _, decoded = process.receive(octets, "exporter")
    assert f"{PEN}:9" in [field.name for field in decoded.new_templates[0].fields]
    for each in session.table_messages(0):
        process.receive(each.octets, "exporter")
    (octets,) = session.template_messages(0)
    collecting, decoded = process.receive(octets, "exporter")
    assert decoded.new_templates == []
    expected = [element.name for element in RICH.templates(biflow=False)[4, False].elements]
    assert [field.name for field in collecting._domains[1].templates.by_id[288].fields] == expected
