# SPDX-License-Identifier: Apache-2.0
"""NetFlow version 9 by RFC 3954: headers, Templates, options, times, sequence numbers."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4, cut
from exporting.clocks import SECOND_NS
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, START_NS, Flow, batch_of, some_flows
from exporting.netflow_export import Interfaces, announced, halves, in_order, messages_of, single
from exporting.plain_netflow9 import Reader, Record
from spanflow.errors import EncodeError
from spanflow.exporting.element_choice import ElementChoice
from spanflow.exporting.netflow9 import Netflow9Session
from spanflow.exporting.options import Sampling
from spanflow.exporting.profiles import (
    GENERIC,
    GENERIC_APPLICATION,
    PRODUCTS,
    RICH,
    RICH_FIXED,
    Profile,
)

NOW = START_NS + 60 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS


def session_of(
    profile: Profile = GENERIC, *, max_message_octets: int = 1400, **options: object
) -> Netflow9Session:
    return Netflow9Session(
        profile.templates(biflow=False),
        observation_domain_id=0x0102_0304,
        max_message_octets=max_message_octets,
        **options,  # type: ignore[arg-type]
    )


def number(record: Record, kind: int) -> int:
    return int.from_bytes(record[kind], "big")


def shown(reader: Reader) -> list[dict[str, object]]:
    """The data records as `halves` has them."""
    rows = []
    for packet in reader.packets:
        start_ms = packet.unix_seconds * 1000 - packet.uptime_ms
        for key, record in packet.records:
            if key in reader.options:
                continue
            assert number(record, 21) <= packet.uptime_ms
            assert start_ms + number(record, 22) == number(record, 152)
            assert start_ms + number(record, 21) == number(record, 153)
            version = number(record, 60)
            source, destination = (8, 12) if version == 4 else (27, 28)
            rows.append(
                {
                    "version": version,
                    "source": str(ip_address(record[source])),
                    "destination": str(ip_address(record[destination])),
                    "protocolIdentifier": number(record, 4),
                    "sourceTransportPort": number(record, 7),
                    "destinationTransportPort": number(record, 11),
                    "packetDeltaCount": number(record, 2),
                    "octetDeltaCount": number(record, 1),
                    "flowStartMilliseconds": start_ms + number(record, 22),
                    "flowEndMilliseconds": start_ms + number(record, 21),
                    "ingressInterface": number(record, 10),
                    "tcpControlBits": number(record, 6),
                    "ipClassOfService": number(record, 5),
                    "vlanId": number(record, 58),
                    "applicationId": number(record, 95) if 95 in record else 0,
                }
            )
    return rows


def test_the_header() -> None:
    """RFC 3954 section 5.1. The Unix time is whole and rounded up, and sysUptime belongs to it."""
    session = session_of(sequence_number=0xFFFF_FFFF)
    first, *_ = session.template_messages(NOW)
    version, count, uptime_ms, seconds, sequence, source = struct.unpack_from(">HHIIII", first)
    assert (version, count, seconds) == (9, 7, NOW // SECOND_NS + 1)
    assert uptime_ms == 1 << 31
    assert (sequence, source) == (0xFFFF_FFFF, 0x0102_0304)
    # The number counts Export Packets and wraps.
    (second,) = (each.octets for each in session.options_messages(NOW))
    assert struct.unpack_from(">I", second, 12) == (0,)


def test_a_template() -> None:
    """The first FlowSet: id 0, then type and length of each field of RFC 3954 section 8."""
    first, *_ = session_of().template_messages(NOW)
    fields = "8 4 12 4 7 2 11 2 4 1 1 8 2 8 22 4 21 4 152 8 153 8 10 4 14 4 61 1 6 1 136 1 5 1 60 1 58 2"
    numbers = [int(text) for text in (fields + " 56 6 80 6 52 1 53 1 239 1").split()]
    expected = struct.pack(f">HHHH{len(numbers)}H", 0, 8 + 2 * len(numbers), 256, len(numbers) // 2, *numbers)
    assert first[20 : 20 + len(expected)] == expected


def test_an_options_template_and_its_record() -> None:
    """FlowSet id 1; the lengths of scope and fields are octets; both are filled up to 4 octets."""
    session = session_of(sampling=Sampling(1, 99))
    (templates,) = session.template_messages(NOW)
    template = struct.pack(">HHHHHHHHH", 1, 20, 512, 4, 4, 1, 4, 34, 4)
    assert template + bytes(2) in templates
    template = struct.pack(">HHHHHHHHHHHHH", 1, 28, 516, 4, 12, 1, 4, 48, 1, 49, 1, 50, 4)
    assert template + bytes(2) in templates
    ((options, count),) = session.options_messages(NOW)
    assert count == 2
    assert options[20:] == (
        struct.pack(">HHII", 512, 12, 0, 100) + struct.pack(">HHIBBI", 516, 16, 0, 0, 1, 100) + bytes(2)
    )


@pytest.mark.parametrize("max_message_octets", [512, 600, 1400, 1472, 8972])
@pytest.mark.parametrize(
    "profile",
    [GENERIC, GENERIC_APPLICATION, RICH, RICH_FIXED],
    ids=["generic", "application", "rich", "rich fixed"],
)
def test_everything_is_read_by_a_second_reader(profile: Profile, max_message_octets: int) -> None:
    session = session_of(
        profile, max_message_octets=max_message_octets, applications=APPLICATIONS, facts=Interfaces()
    )
    batches = [batch_of(*CLASSIFIED_IPV4), batch_of(*IPV6_FLOWS), some_flows(333)]
    messages = announced(session, NOW)
    messages += messages_of(session, batches, NOW)
    assert max(map(len, messages)) <= max_message_octets
    reader = Reader().read_all(messages)
    expected = halves(batches)
    if profile is GENERIC:
        expected = [half | {"applicationId": 0} for half in expected]
    assert in_order(shown(reader)) == in_order(expected)


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_profile_has_a_form(name: str) -> None:
    """Whatever elements it has: the times of version 9 are among them, and every half is a record."""
    profile = ElementChoice(profile=name, protocol="netflow9").profile_for(classified=True)
    session = session_of(profile, applications=APPLICATIONS)
    batches = [batch_of(*CLASSIFIED_IPV4), batch_of(*IPV6_FLOWS)]
    reader = Reader().read_all(announced(session, NOW) + messages_of(session, batches, NOW))
    told = [
        (packet.unix_seconds * 1000 - packet.uptime_ms + number(record, kind), number(record, 2))
        for packet in reader.packets
        for key, record in packet.records
        if key not in reader.options
        for kind in (22, 21)
    ]
    expected = [
        (half[name], half["packetDeltaCount"])
        for half in halves(batches)
        for name in ("flowStartMilliseconds", "flowEndMilliseconds")
    ]
    assert sorted(told) == sorted(expected)


def test_options_of_interfaces_and_applications() -> None:
    session = session_of(GENERIC_APPLICATION, applications=APPLICATIONS, facts=Interfaces())
    assert session.facts_version == 1
    records = Reader().read_all(announced(session, NOW)).told()
    assert [(number(each, -1), number(each, 34)) for each in records if 34 in each] == [(0, 1)]
    assert [(each[48], each[49], number(each, 50)) for each in records if 48 in each] == [(b"\0", b"\1", 1)]
    interfaces = [each for each in records if 82 in each]
    assert [number(each, -2) for each in interfaces] == [3, 4]
    texts = [[each[kind].rstrip(b"\0").decode() for kind in (82, 83)] for each in interfaces]
    assert texts == [["eth3", "uplink"], ["eth4", "eth4"]]
    applications = {number(each, 95): each[96].rstrip(b"\0").decode() for each in records if 95 in each}
    assert applications == {
        each.application_id: cut(each.name, 23) for each in APPLICATIONS.by_number.values()
    }


def test_of_rich_only_what_version_9_has() -> None:
    reader = Reader().read_all(session_of(RICH, applications=APPLICATIONS).template_messages(NOW))
    assert [kind for kind, _ in reader.templates[288]][-3:] == [239, 95, 96]


def test_messages_of_equal_length_are_one_run() -> None:
    """For segmentation by the kernel; all of them are filled up to 4 octets, the last one too."""
    session = session_of(max_message_octets=1472)
    for count in (1, 2, 15, 16, 17, 150, 151):
        (rows,) = session.rows(some_flows(count, both_ways=False))
        (run,) = session.messages(rows, NOW).runs
        *full, last = (len(each) for each in single(run))
        assert set(full) <= {run.message_octets}
        assert last % 4 == 0
        assert run.data_records(0, run.messages) == count


def test_the_last_packet_has_no_octets_of_an_earlier_one() -> None:
    """The buffer is used again: the padding behind fewer records must be zero."""
    session = session_of(max_message_octets=1472)
    for count in (60, 14, 3, 60, 7):
        flows = some_flows(count, both_ways=False)
        Reader().read_all(announced(session, NOW) + messages_of(session, [flows], NOW))


@pytest.mark.parametrize("day", [0, 10, 24.7, 24.8, 25, 49, 49.8, 60, 400])
def test_times_survive_the_wrap_of_uptime(day: float) -> None:
    """A session that lives long: the Flows of each day are told right, whatever was sent before."""
    session = session_of()
    later_ns = round(day * DAY_NS)
    reader = Reader().read_all(announced(session, NOW))
    batch = batch_of(*IPV4_FLOWS)
    reader.read_all(messages_of(session, [batch], NOW))
    records = batch.records.copy()
    for half in ("forward", "reverse"):
        for member in ("first_ns", "last_ns"):
            records[half][member] += later_ns * (records[half]["packet_delta_count"] != 0)
    later = type(batch)(records, batch.details)
    reader.read_all(messages_of(session, [later], NOW + later_ns))
    assert in_order(shown(reader)) == in_order(halves([batch, later]))


def test_a_flow_that_ended_this_moment_is_not_in_the_future() -> None:
    """nfacctd and old goflow2 would put it 49 days into the past."""
    session = session_of()
    batch = batch_of(*IPV4_FLOWS)
    now_ns = int(batch.records["forward"]["last_ns"].max())
    reader = Reader().read_all(announced(session, now_ns) + messages_of(session, [batch], now_ns))
    assert in_order(shown(reader)) == in_order(halves([batch]))
    assert {packet.unix_seconds for packet in reader.packets} == {now_ns // SECOND_NS + 1}


def test_an_old_capture() -> None:
    """Offline all times are told right, twelve years later too: the header's time is that of the packets."""
    session = session_of(offline=True)
    now_ns = START_NS + 12 * 365 * DAY_NS
    batches = [batch_of(*IPV4_FLOWS), batch_of(*IPV6_FLOWS)]
    reader = Reader().read_all(announced(session, now_ns) + messages_of(session, batches, now_ns))
    assert in_order(shown(reader)) == in_order(halves(batches))


def test_an_old_flow_live() -> None:
    """Relative times are 0, which nfdump takes for none; the absolute ones are right."""
    session = session_of()
    batch = batch_of(*IPV4_FLOWS)
    now_ns = START_NS + 30 * DAY_NS
    records = Reader().read_all(announced(session, now_ns) + messages_of(session, [batch], now_ns)).data()
    assert {(number(each, 22), number(each, 21)) for each in records} == {(0, 0)}
    times = [(number(each, 152), number(each, 153)) for each in records]
    expected = [(half["flowStartMilliseconds"], half["flowEndMilliseconds"]) for half in halves([batch])]
    assert sorted(times) == sorted(expected)


def test_every_row_knows_its_flow_record() -> None:
    session = session_of()
    flows: tuple[Flow, ...] = IPV4_FLOWS
    batch = batch_of(*flows)
    found = []
    for rows in session.rows(batch):
        for run in session.messages(rows, NOW).runs:
            found += run.flow_records(0, run.messages).tolist()
    expected = [
        place for place, flow in enumerate(flows) for half in (flow.forward, flow.reverse) if half.packets
    ]
    assert sorted(found) == expected


def test_what_does_not_fit() -> None:
    session = session_of(max_message_octets=100)
    (rows,) = session.rows(some_flows(5, both_ways=False))
    layout = session.messages(rows, NOW)
    assert layout.too_large is not None
    assert layout.too_large.tolist() == [0, 1, 2, 3, 4]
    assert (
        "a record of 83 octets does not fit into a Message of 100; set max_message_size to 108"
        in layout.error
    )
    assert session.sequence_number == 0
    session.max_message_octets = 108
    assert session.messages(rows, NOW).data_records == 5
    assert session.sequence_number == 5
    with pytest.raises(EncodeError, match="a Template of 1"):
        session.template_messages(NOW)


def test_biflows_are_refused() -> None:
    with pytest.raises(ValueError, match="NetFlow version 9 has no Biflows"):
        Netflow9Session(GENERIC.templates(biflow=True), observation_domain_id=1, max_message_octets=1400)
