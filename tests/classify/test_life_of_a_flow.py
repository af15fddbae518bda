# SPDX-License-Identifier: Apache-2.0
"""Classification from the first packet to the last record: guesses, evictions, splits, off."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from classify.classified import MEMBERS, classified, run
from classify.crafted import NAME, application_traffic, datagrams, tls
from craft import payloads
from craft.capture import SECOND, Capture
from craft.connection import Connection, frame
from craft.conversation import EPOCH_NS, Pair
from craft.transport import gre, icmp
from end_to_end.command import DEMO
from golden import load, names
from metering.native import meter, rows
from spanflow.details import Detail
from spanflow.metering_counters import ClassificationCounters
from spanflow.record import Array, EndDetail

TLS = Pair("192.0.2.1", "198.51.100.1", 40000, 443)
NO_DNS_ANSWER = 255
BY_PORT, BY_PAYLOAD = 1, 5


# Without payload.


@pytest.mark.parametrize(
    ("port", "application", "confidence"),
    [(443, "TLS", BY_PORT), (5432, "PostgreSQL", BY_PORT), (4711, "Unknown", 0)],
)
def test_a_connection_without_payload_is_guessed(
    port: int, application: str, confidence: int, tmp_path: Path
) -> None:
    capture = Capture()
    Connection(capture, Pair(server_port=port), EPOCH_NS).open().close()
    outcome = run(capture, tmp_path)
    (flow,) = classified(outcome)
    assert (flow.application, flow.number("confidence"), flow.details) == (application, confidence, {})
    assert outcome.counters.classification == ClassificationCounters(guessed=1)


def test_an_address_tells_too(tmp_path: Path) -> None:
    """Not of IPv6, of which nDPI 4.2 knows no addresses."""
    capture = Capture()
    Connection(capture, Pair(server="8.8.8.8", server_port=4711), EPOCH_NS).open().close()
    (flow,) = classified(run(capture, tmp_path))
    assert (flow.application, flow.number("confidence")) == ("Google", 2)


def test_other_protocols(tmp_path: Path) -> None:
    capture = Capture()
    for number, segment in enumerate((icmp(8), gre(0x0800, bytes(20)))):
        capture.add(EPOCH_NS + number, frame(Pair(server=f"10.0.1.{number}"), ">", segment))
    assert [flow.application for flow in classified(run(capture, tmp_path))] == ["ICMP", "GRE"]


# Budgets.


@pytest.mark.parametrize("budget", [1, 2, 7, 100])
def test_no_more_packets_than_the_budget(budget: int, tmp_path: Path) -> None:
    pair = Pair("192.0.2.1", "198.51.100.1", 40000, 4711)
    exchange = [("><"[number % 2], bytes([7]) * (50 + number)) for number in range(30)]
    outcome = run(datagrams(Capture(), pair, exchange), tmp_path, dpi={"udp_packets": budget})
    counters = outcome.counters.classification
    assert counters == ClassificationCounters(inspected_packets=min(budget, 30), given_up=1)


def test_empty_packets_count_when_they_are_asked_for(tmp_path: Path) -> None:
    without = run(tls(Capture(), TLS), tmp_path)
    with_them = run(tls(Capture(), TLS), tmp_path, dpi={"empty_packets": True})
    assert without.counters.classification == ClassificationCounters(inspected_packets=2, detected=1)
    # SYN, SYN+ACK, ACK and the acknowledgment of the hello before.
    assert with_them.counters.classification == ClassificationCounters(inspected_packets=6, detected=1)
    assert [flow.verdict for flow in classified(with_them)] == [flow.verdict for flow in classified(without)]


# Leaving early.


def test_evicted_flows_carry_what_was_found(tmp_path: Path) -> None:
    """Thirty connections that stay open, in a cache of ten."""
    capture = Capture()
    for number in range(30):
        talk = Connection(capture, Pair(client_port=40000 + number), EPOCH_NS + number * SECOND).open()
        talk.send(">", payloads.tls_client_hello(NAME)).send("<", payloads.tls_server_hello())
    outcome = run(capture, tmp_path, max_flows=10)
    ends = Counter((flow.application, flow.detail(Detail.SERVER_NAME)) for flow in classified(outcome))
    assert ends == {("TLS", NAME): 30}
    assert outcome.counters.ended["evicted"] == 20
    assert outcome.counters.classification == ClassificationCounters(inspected_packets=60, detected=30)


def test_flows_evicted_under_detection_get_a_last_word(tmp_path: Path) -> None:
    """Each sends one packet that says nothing: nDPI's guess goes with the record."""
    capture = Capture()
    for number in range(30):
        pair = Pair(client_port=40000 + number, server_port=4433 if number % 2 else 443)
        data = payloads.tls_application_data(40, seed=str(number))
        Connection(capture, pair, EPOCH_NS + number * SECOND).send(">", data[:3])
    outcome = run(capture, tmp_path, max_flows=10)
    flows = classified(outcome)
    evicted = [flow for flow in flows if flow.number("end_detail") == EndDetail.EVICTED]
    assert (len(evicted), len(flows)) == (20, 30)
    assert Counter(flow.application for flow in evicted) == {"TLS": 10, "Unknown": 10}
    assert outcome.counters.classification == ClassificationCounters(inspected_packets=30, given_up=30)


# Splits.


def long_connection() -> Capture:
    capture = Capture()
    talk = Connection(capture, TLS, EPOCH_NS).open()
    talk.send(">", payloads.tls_client_hello(NAME)).send("<", payloads.tls_server_hello())
    for _ in range(6):
        talk.wait(70 * SECOND).send(">", payloads.tls_application_data(100))
        talk.send("<", payloads.tls_application_data(300))
    talk.close()
    return capture


def test_later_records_carry_the_application_at_no_cost(tmp_path: Path) -> None:
    whole = run(long_connection(), tmp_path)
    split = run(long_connection(), tmp_path, active_timeout=60 * SECOND)
    (flow,) = classified(whole)
    parts = classified(split)
    assert len(parts) == 7
    assert {part.verdict for part in parts} == {flow.verdict}
    assert flow.detail(Detail.SERVER_NAME) == NAME
    assert split.counters.classification == whole.counters.classification
    assert split.counters.classification == ClassificationCounters(inspected_packets=2, detected=1)


def test_a_flow_that_is_split_before_it_is_known(tmp_path: Path) -> None:
    """What leaves early says what can be guessed; detection goes on, and what follows says what was found."""
    capture = Capture()
    talk = Connection(capture, TLS, EPOCH_NS).open().wait(70 * SECOND)
    talk.send(">", payloads.tls_client_hello(NAME)).send("<", payloads.tls_server_hello())
    outcome = run(capture, tmp_path, active_timeout=60 * SECOND)
    early, late = classified(outcome)
    assert (early.application, early.number("confidence"), early.details) == ("TLS", BY_PORT, {})
    assert (late.number("confidence"), late.detail(Detail.SERVER_NAME)) == (BY_PAYLOAD, NAME)
    assert outcome.counters.classification == ClassificationCounters(inspected_packets=2, detected=1)


def test_the_end_of_the_input_is_the_end_of_detection(tmp_path: Path) -> None:
    """Also where an active timeout is reached at that moment: no further record will say what was found."""
    capture = Capture()
    query = payloads.dns_query(NAME, identification=7)
    datagrams(capture, Pair(server_port=53), [(">", query)])
    datagrams(capture, Pair(client_port=40001, server_port=4711), [(">", b"later")], at_ms=60_000)
    outcome = run(capture, tmp_path, active_timeout=60 * SECOND)
    asked, _ = classified(outcome)
    assert (asked.number("end_detail"), asked.detail(Detail.SERVER_NAME)) == (EndDetail.ACTIVE, NAME)
    counters = outcome.counters.classification
    assert (counters.detected, counters.given_up) == (1, 1)


# Off.


def test_off_everything_is_zero(tmp_path: Path) -> None:
    path = tmp_path / "traffic.pcap"
    path.write_bytes(application_traffic().pcap())
    for source in (path, DEMO):
        outcome = meter([source])
        assert len(outcome.records) > 30
        for name in (*MEMBERS, "details_offset", "details_octets"):
            expected = NO_DNS_ANSWER if name == "dns_response_code" else 0
            assert set(outcome.records[name].tolist()) == {expected}, name
        assert not any(len(batch.details) for batch in outcome.batches)
        assert outcome.counters.classification == ClassificationCounters()


@pytest.mark.parametrize("name", names())
def test_classification_changes_nothing_else(name: str) -> None:
    """The records of every golden are what they are without it; and each Flow is counted once."""
    golden = load(name)
    off = meter([golden.capture], **golden.settings)
    on = meter([golden.capture], dpi={}, **golden.settings)
    assert rows(unclassified(on.records)) == rows(off.records)
    counters = on.counters.classification
    assert counters.detected + counters.given_up + counters.guessed == on.counters.flows_opened
    assert counters.inspected_packets <= on.counters.accounted.packets


def unclassified(records: Array) -> Array:
    """As records are with classification off."""
    changed = records.copy()
    for member in (*MEMBERS, "details_octets"):
        changed[member] = NO_DNS_ANSWER if member == "dns_response_code" else 0
    return changed
