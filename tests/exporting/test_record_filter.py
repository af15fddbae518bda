# SPDX-License-Identifier: Apache-2.0
"""Filters on batches: a table of what matches, and a second opinion in plain Python, record by record."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporting.classified_flows import APPLICATIONS as UNNAMED_CATEGORIES
from exporting.classified_flows import CLASSIFIED_IPV4, CLASSIFIED_IPV6
from exporting.filter_expressions import EXPRESSIONS
from exporting.flow_batches import Classified, Flow, batch_of
from spanflow.applications import NO_APPLICATIONS, Application, Applications
from spanflow.config.record_terms import (
    Amount,
    And,
    ApplicationNamed,
    AtRisk,
    CategoryNamed,
    Expression,
    Interface,
    IpVersion,
    Lasting,
    Network,
    Not,
    Or,
    Ports,
    Protocol,
    Side,
)
from spanflow.config.schema import Collector
from spanflow.config.values import InvalidValueError
from spanflow.errors import ConfigError
from spanflow.exporting.record_filter import RecordFilter, filter_of

APPLICATIONS = replace(UNNAMED_CATEGORIES, categories={5: "Web", 14: "Network", 10: "VoIP"})
BATCHES = {4: CLASSIFIED_IPV4, 6: CLASSIFIED_IPV6}

# Which Flows match, by their place in CLASSIFIED_IPV4, then in CLASSIFIED_IPV6.
ALL4, ALL6 = list(range(8)), list(range(4))
TABLE: list[tuple[str, list[int], list[int]]] = [
    ("ip", ALL4, []),
    ("ip6", [], ALL6),
    ("host 192.0.2.1", [0], []),
    ("host 198.51.100.1", [0], []),
    ("src host 198.51.100.1", [], []),
    ("dst host 198.51.100.1", [0], []),
    ("net 192.0.2.4/30", [3, 4, 5, 6], []),
    ("net 0.0.0.0/0", ALL4, []),
    ("net ::/0", [], ALL6),
    ("net ::/80", [], []),
    ("net 224.0.0.0/4", [7], []),
    ("src net 2001:db8::/48", [], ALL6),
    ("dst net 2001:db8:1::/48", [], ALL6),
    ("src net 2001:db8:1::/48", [], []),
    ("host 2001:db8:1::2", [], [1]),
    ("port 443", [0], []),
    ("src port 443", [], []),
    ("dst port 443", [0], []),
    ("port 40000-40005", [0, 4], []),
    ("port 5353", [], [1]),
    ("proto tcp", [0, 4, 5], [0]),
    ("proto icmp", [2, 6], []),
    ("proto icmp6", [], [2]),
    ("proto 89", [7], []),
    ("app dns", [1], [1]),
    ("app TLS", [0, 4], [0]),
    ("app google", [0], [0]),
    ("app 'büro-telefonie äußerst l'", [3], []),
    ("app unknown", [6, 7], [3]),
    ("category network", [1, 2], [1, 2]),
    ("category VoIP", [], []),
    ("risk", [0], [0]),
    ("packets = 1", [4, 6], [1, 3]),
    ("packets > 1G", [0], []),
    ("octets >= 4G", [0], [0]),
    ("octets < 57", [4, 6], []),
    ("duration = 5864197532ns", [0, 1, 2, 3, 4, 6, 7], [0, 1, 2]),
    ("duration < 5700ms", [5], [3]),
    ("interface 4", [0], []),
    ("interface 0", [], []),
    ("not ip", [], ALL6),
    ("proto tcp and not (port 22 or port 80)", [0], [0]),
]


@pytest.mark.parametrize(("text", "ipv4", "ipv6"), TABLE, ids=[row[0] for row in TABLE])
def test_what_matches(text: str, ipv4: list[int], ipv6: list[int]) -> None:
    matching = RecordFilter(text, APPLICATIONS)
    for flows, expected in ((CLASSIFIED_IPV4, ipv4), (CLASSIFIED_IPV6, ipv6)):
        mask = matching.mask(batch_of(*flows))
        assert mask.dtype == np.bool_
        assert np.flatnonzero(mask).tolist() == expected


def test_no_records() -> None:
    for text, _, _ in TABLE:
        assert RecordFilter(text, APPLICATIONS).mask(batch_of()).shape == (0,)


def test_records_are_only_read() -> None:
    batch = batch_of(*CLASSIFIED_IPV4)
    before = batch.records.tobytes()
    for text, _, _ in TABLE:
        RecordFilter(text, APPLICATIONS).mask(batch)
    assert batch.records.tobytes() == before


@pytest.mark.parametrize("applications", [None, NO_APPLICATIONS])
def test_without_classification(applications: Applications | None) -> None:
    """Nobody knows a name then; every Flow is Unknown."""
    flows = [
        replace(flow, classified=replace(flow.classified, application=0, master_protocol=0))
        for flow in BATCHES[4]
    ]
    batch = batch_of(*flows)
    assert not RecordFilter("app TLS or category Web", applications).mask(batch).any()
    assert RecordFilter("app Unknown", applications).mask(batch).all()


def test_a_carrier_alone() -> None:
    """Its application is not known, what carries it is."""
    flow = replace(BATCHES[4][7], classified=Classified(master_protocol=91))
    assert RecordFilter("app TLS", APPLICATIONS).mask(batch_of(flow)).all()
    assert not RecordFilter("app Unknown", APPLICATIONS).mask(batch_of(flow)).any()


def test_number_0_is_nobodys_name() -> None:
    """Every Flow without a carrier has it, whatever an engine calls it."""
    null = Application(0, 0, "Null", "Unspecified", "Unrated", False)
    applications = replace(APPLICATIONS, by_number={0: null, **APPLICATIONS.by_number})
    with pytest.raises(ConfigError, match="unknown application 'Null'"):
        RecordFilter("app Null", applications)
    assert RecordFilter("app DNS", applications).mask(batch_of(*BATCHES[4])).sum() == 1


UNKNOWN_NAMES = [
    ("app gogle", "filter: unknown application 'gogle'; did you mean Google?"),
    ("ip and app xyzzy", "filter: unknown application 'xyzzy'; see `spanflow protocols`"),
    ("category wbe", "filter: unknown category 'wbe'; did you mean Web?"),
]


@pytest.mark.parametrize(("text", "said"), UNKNOWN_NAMES)
def test_names_that_the_engine_does_not_have(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        RecordFilter(text, APPLICATIONS)
    assert str(error.value) == said


def test_such_a_name_is_an_error_of_its_collector() -> None:
    with pytest.raises(ConfigError) as error:
        filter_of(Collector(host="h", name="noc", filter="app gogle"), APPLICATIONS)
    assert str(error.value) == f"collector noc: {UNKNOWN_NAMES[0][1]}"
    assert filter_of(Collector(host="h"), APPLICATIONS) is None


def test_no_filter() -> None:
    with pytest.raises(InvalidValueError, match="did you mean proto"):
        RecordFilter("prot 80", APPLICATIONS)


COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


def matches(expression: Expression, flow: Flow) -> bool:
    """The second opinion."""
    halves = [half for half in (flow.forward, flow.reverse) if half.packets]
    match expression:
        case Not(operand):
            return not matches(operand, flow)
        case And(operands):
            return all(matches(each, flow) for each in operands)
        case Or(operands):
            return any(matches(each, flow) for each in operands)
        case Network(side, network):
            ends = _of_side(side, ip_address(flow.source), ip_address(flow.destination))
            return flow.version == network.version and any(end in network for end in ends)
        case Ports(side, first, last):
            return any(
                first <= port <= last for port in _of_side(side, flow.source_port, flow.destination_port)
            )
        case Protocol(number):
            return flow.protocol == number
        case IpVersion(version):
            return flow.version == version
        case ApplicationNamed(name):
            numbers = (flow.classified.application, flow.classified.master_protocol)
            if name.lower() == "unknown":
                return numbers == (0, 0)
            names = {APPLICATIONS.by_number[number].name.lower() for number in numbers if number}
            return name.lower() in names
        case CategoryNamed(name):
            return (
                APPLICATIONS.categories.get(flow.classified.application_category, "").lower() == name.lower()
            )
        case Amount(what, sign, number):
            return COMPARE[sign](sum(getattr(half, what) for half in halves), number)
        case Lasting(sign, nanoseconds):
            lasting = max(half.last_ns for half in halves) - min(half.first_ns for half in halves)
            return COMPARE[sign](lasting, nanoseconds)
        case AtRisk():
            return flow.classified.flow_risk != 0
        case Interface(number):
            return any(half.interface == number for half in halves)


def _of_side(side: Side, source: Any, destination: Any) -> tuple[Any, ...]:
    return {Side.EITHER: (source, destination), Side.SOURCE: (source,), Side.DESTINATION: (destination,)}[
        side
    ]


@given(EXPRESSIONS, st.sampled_from((4, 6)))
def test_against_a_second_opinion(expression: Expression, version: int) -> None:
    flows = BATCHES[version]
    mask = RecordFilter(str(expression), APPLICATIONS).mask(batch_of(*flows))
    assert mask.tolist() == [matches(expression, flow) for flow in flows]
