# SPDX-License-Identifier: Apache-2.0
"""What a Collecting Process keeps is bounded, and what one datagram costs too."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from collecting.messages import FieldSpec, ipfix_set, message, template, withdrawal
from collecting.netflow import flowset, packet9, template9
from spanflow.collecting.counters import CollectorCounters
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.protocols import read_header
from spanflow.collecting.session import Limits, TransportSession


def define(template_id: int, fields: int = 1, domain: int = 1) -> bytes:
    specs: list[FieldSpec] = [(9, number, 1) for number in range(fields)]
    return message(ipfix_set(2, template(template_id, *specs)), domain=domain)


def knows(process: CollectingProcess, exporter: str, template_id: int = 256, domain: int = 1) -> bool:
    _, decoded = process.receive(message(ipfix_set(template_id, bytes(8)), domain=domain), exporter)
    return bool(decoded.data_sets)


def refused(process: CollectingProcess, octets: bytes, exporter: str = "a") -> Reason:
    with pytest.raises(MalformedMessageError) as caught:
        process.receive(octets, exporter)
    return caught.value.reason


def test_templates_of_a_domain() -> None:
    process = CollectingProcess(Limits(templates=3))
    for number in range(3):
        process.receive(define(256 + number), "a")
    assert refused(process, define(259)) == Reason.TEMPLATE_LIMIT
    assert not knows(process, "a", 259)
    # A refresh and a new definition of a known one are no new Template; other domains are not concerned.
    process.receive(define(256), "a")
    process.receive(define(257, fields=2), "a")
    process.receive(define(259, domain=2), "a")
    assert process.counters.discarded == {Reason.TEMPLATE_LIMIT: 1}


def test_fields_of_a_template() -> None:
    process = CollectingProcess(Limits(fields=4))
    process.receive(define(256, fields=4), "a")
    assert refused(process, define(257, fields=5)) == Reason.FIELD_COUNT


def test_fields_of_a_session() -> None:
    process = CollectingProcess(Limits(session_fields=10, total_fields=100))
    process.receive(define(256, fields=6), "a")
    assert refused(process, define(257, fields=5)) == Reason.TEMPLATE_LIMIT
    assert refused(process, define(256, fields=5, domain=2)) == Reason.TEMPLATE_LIMIT
    process.receive(define(256, fields=5), "a")
    process.receive(define(257, fields=5), "a")
    process.receive(define(257, fields=5), "b")


def test_fields_of_all_sessions() -> None:
    """The sessions that have been silent for longest make room."""
    process = CollectingProcess(Limits(session_fields=10, total_fields=20))
    for exporter in "abc":
        process.receive(define(256, fields=7), exporter)
    assert process.counters.evicted_sessions == 1
    assert not knows(process, "a")
    assert knows(process, "b")
    assert knows(process, "c")


def test_sessions() -> None:
    process = CollectingProcess(Limits(sessions=2))
    process.receive(define(256), "a")
    process.receive(define(256), "b")
    assert knows(process, "a")
    process.receive(define(256), "c")
    assert process.counters.evicted_sessions == 1
    assert knows(process, "a")
    assert not knows(process, "b")
    assert process.counters.sessions == 4


def test_domains_of_a_session() -> None:
    process = CollectingProcess(Limits(domains=2, session_fields=3))
    for domain in range(1, 100):
        process.receive(define(256, domain=domain), "a")
    assert process.counters.evicted_domains == 97
    assert knows(process, "a", domain=98)
    assert not knows(process, "a", domain=1)


def filled(set_id: int, record: bytes, before: bytes = b"") -> bytes:
    """The longest Message with a Set of as many such records as fit."""
    return message(before, ipfix_set(set_id, record * ((65535 - 20 - len(before)) // len(record))))


def many_sets(one: bytes) -> bytes:
    return message(one * ((65535 - 16) // len(one)))


COSTLY = [
    ("records of one octet", filled(256, b"\1", ipfix_set(2, template(256, (9, 1, 1))))),
    ("empty variable-length records", filled(256, b"\0", ipfix_set(2, template(256, (9, 1, 65535))))),
    ("sets with a record of one octet", many_sets(ipfix_set(256, b"\1"))),
    ("sets of an unknown template", many_sets(ipfix_set(300, b"\1"))),
    ("empty reserved sets", many_sets(ipfix_set(4))),
    ("new definitions", many_sets(ipfix_set(2, template(256, (9, 1, 1)), template(256, (9, 2, 1))))),
    (
        "a set for each definition",
        many_sets(ipfix_set(2, template(256, (9, 1, 1))) + ipfix_set(2, template(256, (9, 2, 1)))),
    ),
    ("withdrawals", filled(2, withdrawal(256))),
    ("withdrawals of all", filled(2, withdrawal(2))),
    ("a set for each withdrawal", many_sets(ipfix_set(2, withdrawal(300)))),
    ("the widest template", define(256, fields=1024)),
]


COSTLY9 = [
    ("records of one octet", flowset(0, template9(256, (9999, 1))) + flowset(256, b"\1" * 65_000)),
    ("flowsets with a record of one octet", flowset(256, b"\1\1\1\1") * 8000),
    ("flowsets of an unknown template", flowset(300, b"\1\1\1\1") * 8000),
    ("new definitions", flowset(0, template9(256, (9999, 1)), template9(256, (9998, 1))) * 3000),
    ("the widest template", flowset(0, template9(256, *[(9000 + n, 1) for n in range(1024)]))),
]


@pytest.mark.parametrize("flowsets", [c[1] for c in COSTLY9], ids=[c[0] for c in COSTLY9])
def test_no_packet_of_netflow9_takes_long(flowsets: bytes) -> None:
    process = CollectingProcess()
    full = [flowset(0, template9(1000 + number, *[(9, 1)] * 10)) for number in range(1000)]
    for definition in [*full, flowset(0, template9(256, (9999, 1)))]:
        process.receive(packet9(definition, count=1), "a")
    octets = packet9(flowsets, count=1)[:65_507]
    started = time.process_time()
    for _ in range(3):
        with suppress(MalformedMessageError):
            process.receive(octets, "a")
    assert time.process_time() - started < 3


@pytest.mark.parametrize("stream", [False, True], ids=["udp", "stream"])
@pytest.mark.parametrize("octets", [c[1] for c in COSTLY], ids=[c[0] for c in COSTLY])
def test_no_message_takes_long(octets: bytes, stream: bool) -> None:
    """With a table full of Templates; the bound is generous, a quadratic step would take far longer."""
    session = TransportSession("a", Limits(), CollectorCounters(), stream=stream)
    full = [define(1000 + number, fields=10) for number in range(1000)]
    for definition in [*full, define(256)]:
        session.decode(read_header(definition), definition)
    started = time.process_time()
    for _ in range(3):
        with suppress(MalformedMessageError):
            session.decode(read_header(octets), octets)
    assert time.process_time() - started < 3
