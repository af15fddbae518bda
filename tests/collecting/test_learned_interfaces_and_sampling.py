# SPDX-License-Identifier: Apache-2.0
"""Names of interfaces and sampling rates that options tell, in the forms of IPFIX, v9 and their exporters."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from collecting.messages import FieldSpec, ipfix_set, message, options_template, short
from collecting.netflow import flowset, options_template9, packet9
from spanflow.collecting.learned import NOTHING, Said
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.sampling import sampling_rate
from spanflow.collecting.session import Limits, TransportSession

VARIABLE = 65535


def told(*fields: FieldSpec, record: bytes, limits: Limits | None = None) -> TransportSession:
    session, _ = CollectingProcess(limits).receive(
        message(ipfix_set(3, options_template(400, 1, *fields)), ipfix_set(400, record)), "exporter"
    )
    return session


def told9(scopes: list[tuple[int, int]], *fields: Any, record: bytes) -> TransportSession:
    session, _ = CollectingProcess().receive(
        packet9(flowset(1, options_template9(400, scopes, *fields)), flowset(400, record), count=2),
        "exporter",
    )
    return session


def test_interfaces_of_ipfix() -> None:
    session = told(
        *("ingressInterface", ("interfaceName", VARIABLE), ("interfaceDescription", VARIABLE)),
        record=struct.pack("!I", 3) + short(b"eth0") + short(b"to the core"),
    )
    assert session.said(1, {"ingressInterface": 3, "egressInterface": 3}) == Said("", "eth0", "eth0")
    assert session.said(1, {"ingressInterface": 4}) == NOTHING
    assert session.said(2, {"ingressInterface": 3}) == NOTHING


def test_a_description_is_better_than_nothing() -> None:
    session = told(
        *("egressInterface", ("interfaceName", VARIABLE), ("interfaceDescription", VARIABLE)),
        record=struct.pack("!I", 3) + short(b"") + short(b"x" * 100),
    )
    assert session.said(1, {"egressInterface": 3}).egress_interface == "x" * 64


@pytest.mark.parametrize(
    ("scopes", "fields", "record"),
    [
        ([(2, 4)], [("interfaceName", 8)], b"\0\0\0\3eth0\0\0\0\0"),
        ([(1, 4)], [("ingressInterface", 2), ("interfaceName", 8)], b"\xc0\0\2\1\0\3eth0\0\0\0\0"),
    ],
    ids=["scope Interface", "scope System"],
)
def test_interfaces_of_netflow9(scopes: list[tuple[int, int]], fields: list[Any], record: bytes) -> None:
    session = told9(scopes, *fields, record=record)
    assert session.said(1, {"ingressInterface": 3}).ingress_interface == "eth0"


def test_sampling_by_selector() -> None:
    session = told(
        *("selectorId", "samplingPacketInterval", "samplingPacketSpace"),
        record=struct.pack("!QII", 1, 1, 99) + struct.pack("!QII", 2, 1, 0),
    )
    assert session.said(1, {"selectorId": 1}).sampling == 100
    assert session.said(1, {"selectorId": 2}).sampling == 1
    assert session.said(1, {"selectorId": 3}).sampling is None
    assert session.said(1, {"samplerId": 1}).sampling is None
    assert session.said(1, {}).sampling is None, "which of the two?"


def test_the_only_selector_is_that_of_all() -> None:
    session = told(*("selectorId", "samplingProbability"), record=struct.pack("!Qd", 7, 0.125))
    assert session.said(1, {}).sampling == 8
    assert session.said(1, {"selectorId": 8}).sampling is None


def test_sampling_of_netflow9() -> None:
    sampler = told9(
        [(1, 4)],
        *("samplerId", "samplerMode", ("samplerRandomInterval", 4)),
        record=bytes(4) + struct.pack("!BBI", 5, 2, 1000),
    )
    assert sampler.said(1, {"samplerId": 5}).sampling == 1000
    whole = told9(
        [(1, 4)], ("samplingInterval", 4), ("samplingAlgorithm", 1), record=struct.pack("!IIB", 0, 64, 1)
    )
    assert whole.said(1, {}).sampling == 64
    assert whole.said(1, {"samplerId": 5}).sampling is None


RATES: list[tuple[dict[str, Any], float | None]] = [
    ({"samplingPacketInterval": 10, "samplingPacketSpace": 90}, 10),
    ({"samplingPacketInterval": 0, "samplingPacketSpace": 90}, None),
    ({"samplingPacketInterval": 10}, None),
    ({"samplingSize": 1, "samplingPopulation": 50}, 50),
    ({"samplingSize": 0, "samplingPopulation": 50}, None),
    ({"samplingProbability": 0.5}, 2),
    ({"samplingProbability": 0.0}, None),
    ({"samplingProbability": float("nan")}, None),
    ({"samplingProbability": 2.0}, None),
    ({"samplingInterval": 100}, 100),
    ({"samplingInterval": 0}, None),
    ({"samplingInterval": [1, 2]}, None),
    ({"samplerRandomInterval": 7}, 7),
    ({"samplingInterval": 100, "samplingPacketInterval": 1, "samplingPacketSpace": 9}, 10),
    ({}, None),
]


@pytest.mark.parametrize(("values", "rate"), RATES)
def test_rates(values: dict[str, Any], rate: float | None) -> None:
    assert sampling_rate(values) == rate


def test_all_that_is_learned_shares_one_budget() -> None:
    record = b"".join(struct.pack("!IQI", number, number, 10) + short(b"eth") for number in range(5))
    session = told(
        *("ingressInterface", "selectorId", "samplingInterval", ("interfaceName", VARIABLE)),
        record=record,
        limits=Limits(names=4),
    )
    said = [session.said(1, {"ingressInterface": number, "selectorId": number}) for number in range(5)]
    assert [(each.ingress_interface, each.sampling) for each in said] == [("eth", 10)] * 2 + [("", None)] * 3
