# SPDX-License-Identifier: Apache-2.0
"""Lines 1 to 8: Messages, their headers and Sets (RFC 7011 section 3).

Each test is named after its line; its first sentence is what the RFC asks for.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from collecting.messages import ipfix_set, message, template
from conformance.reading import MODULUS, Reader, cut, message_of
from conformance.sending import (
    DOMAIN,
    NOW,
    Sending,
    Wire,
    announced,
    data,
    ipfix,
    process_to,
    turn_until,
)
from exporting.clocks import SECOND_NS, FakeClock
from exporting.flow_batches import (
    IPV4_FLOWS,
    IPV6_FLOWS,
    batch_of,
    some_flows,
)
from exporting.stream_peers import accept, listener, read_all
from spanflow.collecting.process import CollectingProcess
from spanflow.config.collector_settings import PROFILES
from spanflow.exporting.counters import DropReason, tally_of
from spanflow.exporting.domain import derive
from spanflow.exporting.transport.interface import Sent


@pytest.mark.parametrize("limit", [512, 1400, 65535])
def test_01_message_header(limit: int) -> None:
    """A Message begins with version 10, and its length counts the header and all Sets (section 3.1)."""
    session = ipfix(max_octets=limit)
    messages = announced(session) + data(session, some_flows(2000))
    for octets in messages:
        assert octets[:2] == b"\x00\x0a"
        assert struct.unpack_from(">H", octets, 2) == (len(octets),)
        assert len(octets) <= limit
        assert message_of(octets).domain == DOMAIN
    assert len(Reader().read(messages).flows) == 4000


def test_02_export_time() -> None:
    """Export Time is when the Message leaves, in Unix seconds, and never goes back (section 3.1)."""
    session, batch = ipfix(), some_flows(1)
    moments = (NOW, NOW + 3 * SECOND_NS, NOW - 600 * SECOND_NS, NOW + 4 * SECOND_NS)
    times = [message_of(each).export_time for now in moments for each in data(session, batch, now)]
    second = NOW // SECOND_NS
    assert times == [second, second + 3, second + 3, second + 4]
    # Templates and options share the clock of the data.
    assert {message_of(each).export_time for each in announced(session, NOW)} == {second + 4}


def test_02_export_time_is_taken_modulo_2_to_the_32() -> None:
    """Export Time has 32 bits, and goes on after them from 0 (section 3.1)."""
    session = ipfix()
    now = (MODULUS + 5) * SECOND_NS
    messages = session.template_messages(now) + data(session, some_flows(1), now)
    assert {message_of(each).export_time for each in messages} == {5}


def test_03_sequence_number_counts_data_records() -> None:
    """The sequence number counts Data Records, those of options too, but no Templates (section 3.1)."""
    session = ipfix()
    messages = announced(session) + data(session, some_flows(100)) + announced(session)
    reader = Reader().read(messages)
    expected = 0
    for each, count in zip(reader.messages, reader.counts, strict=True):
        assert each.sequence_number == expected
        expected += count
    assert reader.counts[0] == 0, "Templates alone"
    assert expected == len(reader.records) > 200


def test_03_sequence_number_wraps_at_2_to_the_32() -> None:
    """After 2^32 - 1 comes 0: in a run of Messages, and from one call to the next (section 3.1)."""
    session = ipfix(sequence_number=MODULUS - 20)
    messages = announced(session) + data(session, some_flows(100)) + data(session, some_flows(100))
    reader = Reader().read(messages)
    expected = MODULUS - 20
    for each, count in zip(reader.messages, reader.counts, strict=True):
        assert each.sequence_number == expected % MODULUS
        expected += count
    assert expected > MODULUS


def test_04_a_counter_for_each_session_and_domain() -> None:
    """Over UDP each pair of Transport Session and domain counts by itself (section 3.1)."""
    one, other = ipfix(domain=1), ipfix(domain=2)
    data(one, some_flows(50))
    assert message_of(data(other, some_flows(1))[0]).sequence_number == 0
    assert message_of(data(one, some_flows(1))[0]).sequence_number == 100


def test_04_a_new_connection_counts_from_zero() -> None:
    """Over TCP a new connection is a new session: its sequence numbers begin at 0 (sections 3.1 and 8)."""
    clock = FakeClock(NOW)
    with listener() as listening:
        process = process_to(listening, clock=clock, transport="tcp", retry_interval=SECOND_NS)
        process.offer(some_flows(10))
        process.turn(0)
        with accept(listening):
            turn_until(process, lambda: process.counters().sent.records, "acknowledgement")
        turn_until(process, lambda: not process.up, "end of the connection")
        clock.advance(2)
        process.offer(some_flows(10))
        process.turn(0)
        with accept(listening) as connection:
            process.stop()
            reader = Reader().read(cut(read_all(connection)))
    assert reader.messages[0].sequence_number == 0
    assert len(reader.flows) == 20
    assert process.counters().connections == 2


def test_05_records_that_are_lost_before_they_leave() -> None:
    """What is dropped while sending leaves a gap in the sequence numbers, and is counted (section 3.1)."""
    # After the Templates and options, the first Message with Flows is refused by the kernel.
    session = ipfix()
    sending = Sending(session, Wire())
    sending.delivery.announce()
    before = session.sequence_number
    sending.wire.outcomes = [Sent.NONE_TOO_LARGE]
    batch = some_flows(100, both_ways=False)
    dropped = sending.delivery.deliver(batch)
    lost = dropped[DropReason.TOO_LARGE].records
    assert lost > 0
    reader = Reader().read(sending.wire.messages)
    first = next(each for each in reader.messages if each.sequence_number >= before)
    assert first.sequence_number == before + lost
    assert len(reader.flows) == len(batch) - lost


def test_05_drops_before_a_stream_are_counted_and_told() -> None:
    """What a stream cannot take is accounted for, and reported by the options of section 4.3 (10.4.2)."""
    clock = FakeClock(NOW)
    with listener() as listening:
        port = listening.getsockname()[1]
    process = process_to(port, clock=clock, transport="tcp", queue_size=1)
    process.turn(0)
    batch = some_flows(10)
    assert process.offer(batch)
    assert not process.offer(batch), "the queue is full and the collector away"
    told = process.exporting_facts()
    assert (told.not_sent_records, told.not_sent_packets) == (10, tally_of(batch).packets)
    assert told.first_not_sent_ns == told.last_not_sent_ns == clock.wall_ns()
    process.stop()
    assert process.exporting_facts().not_sent_records == 20


def test_06_observation_domain_id(tmp_path: Path) -> None:
    """The domain is unique in its exporter, stays the same, and is not 0 (section 3.1)."""
    machines = [tmp_path / "one", tmp_path / "two"]
    for number, machine in enumerate(machines):
        machine.write_text(f"{number:032x}\n")
    ids = [derive(instance, machine) for instance in ("a", "b", "c") for machine in machines]
    assert len(set(ids)) == len(ids)
    assert all(0 < each < MODULUS for each in ids)
    assert derive("a", machines[0]) == ids[0]


@pytest.mark.parametrize("classified", [False, True])
@pytest.mark.parametrize("profile", PROFILES)
def test_07_template_ids_are_256_and_more(profile: str, classified: bool) -> None:
    """Template IDs are 256 to 65535; Set IDs 2 and 3 hold nothing but Templates (sections 3.3.2, 3.4)."""
    session = ipfix(profile, classified=classified)
    reader = Reader().read(announced(session) + data(session, batch_of(*IPV6_FLOWS)))
    assert all(256 <= template_id <= 65535 for template_id in reader.templates)
    for each in reader.messages:
        assert {set_id for set_id, _ in each.sets} <= {2, 3, *reader.templates}
        for set_id, body in each.template_sets:
            ids = {struct.unpack_from(">H", body)[0]}
            assert all((reader.templates[each].scope > 0) == (set_id == 3) for each in ids)


def test_08_our_sets_have_no_padding() -> None:
    """Padding is allowed only as zeros that are shorter than any record (section 3.3.1): we send none."""
    for octets in announced(ipfix()) + data(ipfix(), batch_of(*IPV4_FLOWS)):
        for set_id, body in message_of(octets).sets:
            if set_id == 2:
                assert body[-4:] != bytes(4)
    reader = Reader().read(announced(ipfix()))
    for octets in data(ipfix(), some_flows(5)):
        for set_id, body in message_of(octets).sets:
            assert len(body) % reader.templates[set_id].octets == 0


@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_08_our_collector_takes_padding(padding: int) -> None:
    """A Set may end with 0 to 3 octets of padding, as 4 octets align it (section 3.3.1)."""
    fields = template(256, "octetDeltaCount", "protocolIdentifier")
    records = b"".join(struct.pack(">QB", 100 + number, 6) for number in range(3))
    octets = message(ipfix_set(2, fields, padding=padding), ipfix_set(256, records, padding=padding))
    _, decoded = CollectingProcess().receive(octets, "exporter")
    (data_set,) = decoded.data_sets
    assert [data_set.template.by_name(each)["octetDeltaCount"] for each in data_set.records] == [
        100,
        101,
        102,
    ]
