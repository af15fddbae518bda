# SPDX-License-Identifier: Apache-2.0
"""Batches to Messages: values, order, lengths, sequence numbers, and which Flow Record a Message holds."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporting.flow_batches import (
    IPV4_FLOWS,
    IPV6_FLOWS,
    Flow,
    Half,
    batch_of,
    biflow_of,
    some_flows,
    uniflows_of,
)
from exporting.plain_ipfix import Reader
from spanflow.exporting.message_runs import MessageRun
from spanflow.exporting.profiles import GENERIC
from spanflow.exporting.row_plan import RowPlan
from spanflow.exporting.session import IpfixSession
from spanflow.exporting.template import Source, Template
from spanflow.fields import Operation
from spanflow.information_elements import by_name
from spanflow.record import RECORD, Batch

NOW = 1_800_000_000 * 10**9


def session(*, biflow: bool = False, max_octets: int = 1400, sequence_number: int = 0) -> IpfixSession:
    return IpfixSession(
        GENERIC.templates(biflow=biflow),
        observation_domain_id=0xDEAD_BEEF,
        max_message_octets=max_octets,
        sequence_number=sequence_number,
    )


def runs(sender: IpfixSession, batch: Batch) -> Iterator[MessageRun]:
    for rows in sender.rows(batch):
        yield from sender.messages(rows, NOW).runs


def messages(run: MessageRun) -> list[bytes]:
    """The Messages of a run, cut as UDP segmentation offload cuts them."""
    octets = bytes(run.octets)
    return [octets[at : at + run.message_octets] for at in range(0, len(octets), run.message_octets)]


def sent(sender: IpfixSession, *batches: Batch) -> list[bytes]:
    """Templates, then the Messages of the batches."""
    found = sender.template_messages(NOW)
    for batch in batches:
        for run in runs(sender, batch):
            cut = messages(run)
            assert len(cut) == run.messages
            found += cut
    return found


@pytest.mark.parametrize("flows", [IPV4_FLOWS, IPV6_FLOWS], ids=["IPv4", "IPv6"])
def test_uniflows(flows: tuple[Flow, ...]) -> None:
    reader = Reader().read_all(sent(session(), batch_of(*flows)))
    # Templates split a batch: first what is not ICMP, then ICMP; each in the order of the batch.
    in_order = sorted(flows, key=lambda flow: flow.is_icmp)
    assert reader.flows() == [values for flow in in_order for values in uniflows_of(flow)]


@pytest.mark.parametrize("flows", [IPV4_FLOWS, IPV6_FLOWS], ids=["IPv4", "IPv6"])
def test_biflows(flows: tuple[Flow, ...]) -> None:
    reader = Reader().read_all(sent(session(biflow=True), batch_of(*flows)))
    assert reader.flows() == [biflow_of(flow) for flow in sorted(flows, key=lambda flow: flow.is_icmp)]


def test_both_halves_are_adjacent() -> None:
    # RFC 5103 section 4.1, record adjacency: forward, then reverse, with one flowId.
    records = Reader().read_all(sent(session(), some_flows(1000))).flows()
    assert [values["flowId"] for values in records] == [number // 2 for number in range(2000)]
    assert [values["biflowDirection"] for values in records] == [1, 2] * 1000


def test_icmp_over_the_other_ip_version_is_not_icmp() -> None:
    odd = Flow(source="192.0.2.1", destination="192.0.2.2", protocol=58, forward=Half(packets=1, octets=40))
    assert Reader().read_all(sent(session(), batch_of(odd))).flows() == uniflows_of(odd)


@pytest.mark.parametrize(
    ("name", "first_ns", "last_ns", "expected"),
    [
        ("negative", -1, -(1 << 63), (0, 0)),
        ("before and after 1970", -5, 5_000_000, (0, 5)),
        ("rounds down", 1_999_999, 2_000_000, (1, 2)),
        ("the last there is", (1 << 63) - 1, (1 << 63) - 1, (9_223_372_036_854, 9_223_372_036_854)),
    ],
)
def test_times(name: str, first_ns: int, last_ns: int, expected: tuple[int, int]) -> None:
    half = Half(packets=1, octets=40, first_ns=first_ns, last_ns=last_ns)
    flow = Flow(source="192.0.2.1", destination="192.0.2.2", protocol=17, forward=half)
    (values,) = Reader().read_all(sent(session(), batch_of(flow))).flows()
    assert (values["flowStartMilliseconds"], values["flowEndMilliseconds"]) == expected


def test_extreme_values() -> None:
    half = Half(
        packets=(1 << 64) - 1,
        octets=(1 << 64) - 1,
        interface=(1 << 32) - 1,
        vlan=0xFFFF,
        icmp=0xFFFF,
        flags=0xFFF,
        ttl=(255, 255),
        tos=255,
        source_mac="ff:ff:ff:ff:ff:ff",
    )
    flow = Flow(
        source="255.255.255.255",
        destination="0.0.0.0",
        protocol=255,
        source_port=65535,
        destination_port=65535,
        reason=255,
        flow_id=(1 << 64) - 1,
        forward=half,
        reverse=half,
    )
    assert Reader().read_all(sent(session(), batch_of(flow))).flows() == uniflows_of(flow)
    assert Reader().read_all(sent(session(biflow=True), batch_of(flow))).flows() == [biflow_of(flow)]


def test_nothing_to_send() -> None:
    silent = Flow(source="192.0.2.1", destination="192.0.2.2", protocol=17)
    assert list(runs(session(), batch_of(silent))) == []
    assert list(runs(session(), batch_of())) == []


def test_header_octet_by_octet() -> None:
    # RFC 7011 sections 3.1 and 3.3.2; 16 records of 84 octets fit into 1400.
    sender = session(sequence_number=41)
    (run,) = runs(sender, some_flows(20, both_ways=False))
    first, second = messages(run)
    assert first[:20] == struct.pack(">HHIII HH", 10, 1364, NOW // 10**9, 41, 0xDEAD_BEEF, 256, 1348)
    assert second[:20] == struct.pack(
        ">HHIII HH", 10, 20 + 4 * 84, NOW // 10**9, 57, 0xDEAD_BEEF, 256, 4 + 4 * 84
    )
    assert sender.sequence_number == 61


def test_sequence_numbers_wrap() -> None:
    start = (1 << 32) - 10
    found = sent(session(sequence_number=start), some_flows(20), some_flows(3, version=6))
    reader = Reader().read_all(found)
    assert reader.sequence_numbers[:4] == [start, start, 6, 22]
    assert len(reader.flows()) == 46


def test_partly_filled_messages_leave_no_trace() -> None:
    """The buffers are used again: a shorter run after a longer one, a full one after a partly filled one."""
    sender, reader = session(), Reader()
    reader.read_all(sender.template_messages(NOW))
    for count in (100, 3, 8, 1, 64, 100, 2):
        (run,) = runs(sender, some_flows(count))
        assert (
            sum(reader.read(message) for message in messages(run))
            == run.data_records(0, run.messages)
            == 2 * count
        )
        numbers = [values["flowId"] for values in reader.flows()[-2 * count :]]
        assert numbers == [number // 2 for number in range(2 * count)]


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 300),
    max_octets=st.integers(150, 65_535),
    biflow=st.booleans(),
    version=st.sampled_from([4, 6]),
    both_ways=st.booleans(),
)
def test_message_size_bound(count: int, max_octets: int, biflow: bool, version: int, both_ways: bool) -> None:
    sender = session(biflow=biflow, max_octets=max(max_octets, 250))
    batch = some_flows(count, version=version, both_ways=both_ways)
    reader = Reader()
    for message in sent(sender, batch):
        assert len(message) <= sender.max_message_octets
        reader.read(message)
    assert len(reader.flows()) == count * (2 if both_ways and not biflow else 1)
    (run,) = runs(sender, batch)
    # All Messages but the last are as full as they can be.
    assert all(len(message) == run.message_octets for message in messages(run)[:-1])
    assert run.messages == 1 or run.message_octets > sender.max_message_octets - 200


def halves() -> st.SearchStrategy[Half]:
    """A direction with packets, or one without, which is all zero."""
    return st.just(Half()) | st.builds(
        Half,
        packets=st.sampled_from([1, 7]),
        octets=st.integers(0, (1 << 64) - 1),
        first_ns=st.integers(-(10**9), 1 << 62),
        last_ns=st.integers(-(10**9), 1 << 62),
        icmp=st.integers(0, 0xFFFF),
        flags=st.integers(0, 0xFFF),
        vlan=st.integers(0, 4095),
    )


@settings(deadline=None, max_examples=150)
@given(
    flows=st.lists(
        st.builds(
            Flow,
            source=st.ip_addresses(v=4).map(str),
            destination=st.ip_addresses(v=4).map(str),
            protocol=st.sampled_from([1, 6, 17, 58]),
            source_port=st.integers(0, 65535),
            destination_port=st.integers(0, 65535),
            flow_id=st.integers(0, (1 << 64) - 1),
            forward=halves(),
            reverse=halves(),
        ),
        max_size=40,
    )
)
def test_any_mixture(flows: list[Flow]) -> None:
    """Whatever halves are empty and whatever is ICMP: exactly the records that plain Python expects."""
    batch = batch_of(*flows)
    in_order = sorted(flows, key=lambda flow: flow.is_icmp)
    reader = Reader().read_all(sent(session(), batch))
    assert reader.flows() == [values for flow in in_order for values in uniflows_of(flow)]
    reader = Reader().read_all(sent(session(biflow=True), batch))
    assert reader.flows() == [biflow_of(flow) for flow in in_order]


def test_flow_records_of_messages() -> None:
    """Which Flow Records a Message holds, for the accounts after a failed send."""
    batch = batch_of(*IPV4_FLOWS * 20)
    for biflow in (False, True):
        seen: set[int] = set()
        for run in runs(session(biflow=biflow), batch):
            reader = Reader().read_all(session(biflow=biflow).template_messages(NOW))
            for number, message in enumerate(messages(run)):
                before = len(reader.flows())
                reader.read(message)
                numbers = run.flow_records(number, number + 1)
                assert list(batch.records["flow_id"][numbers]) == [
                    v["flowId"] for v in reader.flows()[before:]
                ]
                seen |= set(numbers.tolist())
        assert seen == set(range(len(batch)))


def test_record_that_does_not_fit() -> None:
    sender = session(max_octets=103)
    (rows,) = sender.rows(some_flows(1))
    layout = sender.messages(rows, NOW)
    assert "84 octets does not fit into a Message of 103; set max_message_size to 104" in layout.error
    assert layout.too_large is not None
    assert set(layout.too_large.tolist()) == {0}
    assert (list(layout.runs), layout.data_records, sender.sequence_number) == ([], 0, 0)
    assert next(runs(session(max_octets=104), some_flows(1))).messages == 2


def test_message_length_has_16_bits() -> None:
    (run,) = runs(session(max_octets=100_000), some_flows(1000))
    assert run.message_octets <= 65_535


def test_batches_are_not_changed() -> None:
    batch = batch_of(*IPV4_FLOWS)
    before = batch.records.tobytes()
    for biflow in (False, True):
        sent(session(biflow=biflow), batch)
    assert batch.records.tobytes() == before
    assert not batch.records.flags.writeable


@pytest.mark.parametrize(
    ("element", "source", "message"),
    [
        ("octetDeltaCount", "forward.octets", "no member forward.octets"),
        ("protocolIdentifier", "flow_id", "does not fit into 1 octets"),
        ("sourceMacAddress", "source_address", "source_address is not 6 octets"),
    ],
)
def test_plans_check_members(element: str, source: str, message: str) -> None:
    template = Template(256, (by_name(element),), ((Source(source, Operation.COPY),),))
    with pytest.raises(ValueError, match=message):
        RowPlan(template, (0,), np.zeros(1, "V1"))


def test_batches_may_be_slices() -> None:
    """A view with steps, as a plugin that filters might hand over."""
    batch = Batch(some_flows(100).records[::3])
    assert batch.records.dtype == RECORD
    records = Reader().read_all(sent(session(), batch)).flows()
    assert [values["flowId"] for values in records[::2]] == list(np.arange(0, 100, 3))
