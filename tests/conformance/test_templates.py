# SPDX-License-Identifier: Apache-2.0
"""Lines 17 to 23: Templates and their life (RFC 7011 sections 3.4 and 8)."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from collecting.messages import ipfix_set, message, options_template, template, withdrawal
from config.broken import findings_of
from conformance.reading import Reader, TemplateRecord, cut, message_of, template_records
from conformance.sctp_stand_in import StandIn
from conformance.sending import (
    NOW,
    Sending,
    Wire,
    announced,
    data,
    exported,
    ipfix,
    process_to,
    received,
    turn_until,
    udp_collector,
)
from exporting.clocks import SECOND_NS, FakeClock
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, batch_of, some_flows
from exporting.stream_peers import accept, listener
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.stream import MessageStream
from spanflow.config.collector_settings import PROFILES
from spanflow.config.schema import Export
from spanflow.exporting.transport.sctp import SctpTransport

MINUTE_NS = 60 * SECOND_NS
BATCH = some_flows(10)


def definitions(octets: bytes) -> list[TemplateRecord]:
    """The Templates in a Message."""
    return [each for part in message_of(octets).template_sets for each in template_records(*part)]


def test_17_templates_come_before_their_data() -> None:
    """A Template is sent before the first Data Record of its kind (section 8)."""
    for session in (ipfix("rich"), ipfix("rich", biflow=True)):
        # The reader refuses a Data Set whose Template it has not read.
        messages = (
            announced(session) + data(session, batch_of(*IPV4_FLOWS)) + data(session, batch_of(*IPV6_FLOWS))
        )
        assert Reader().read(messages).flows


def test_17_several_copies_over_udp() -> None:
    """Over UDP, which loses received, there are several copies before the first data (section 8.4)."""
    messages = exported([BATCH], clock=FakeClock(NOW))
    first_data = next(at for at, count in enumerate(flow_counts(messages)) if count)
    copies = [at for at, octets in enumerate(messages) if any(not each.scope for each in definitions(octets))]
    assert len(copies) == Export().template_copies == 3
    assert copies[-1] < first_data
    # Any one of them is enough.
    for kept in copies:
        others = [octets for at, octets in enumerate(messages) if at == kept or at > copies[-1]]
        assert len(Reader().read(others).flows) == 2 * len(BATCH)


def flow_counts(messages: list[bytes]) -> list[int]:
    """How many Data Records of Flows each Message has."""
    reader, counts = Reader(), []
    for each in messages:
        before = len(reader.flows)
        counts.append(len(reader.read([each]).flows) - before)
    return counts


def test_18_templates_are_repeated_after_a_time() -> None:
    """Over UDP all Templates and Options Templates are sent again and again (section 8.4)."""
    sending = Sending(ipfix(), Wire())
    sending.delivery.announce()
    first = {each for octets in sending.wire.messages for each in definitions(octets)}
    interval_s = Export().template_refresh / SECOND_NS
    assert interval_s <= 60
    for seconds, again in ((interval_s - 0.1, False), (0.2, True), (interval_s - 0.3, False), (0.4, True)):
        sending.wire.messages.clear()
        sending.clock.advance(seconds)
        sending.delivery.announce()
        repeated = {each for octets in sending.wire.messages for each in definitions(octets)}
        assert repeated == (first if again else set())


def test_18_templates_are_repeated_after_packets() -> None:
    """The interval can be set in packets as well as in seconds (section 8.4)."""
    export = Export(template_refresh=24 * 60 * MINUTE_NS, template_refresh_packets=10, template_copies=1)
    sending = Sending(ipfix(), Wire(), export=export)
    sending.delivery.announce()
    for _ in range(40):
        sending.delivery.deliver(BATCH)  # 2 Messages
    at = [number for number, octets in enumerate(sending.wire.messages) if definitions(octets)]
    gaps = [later - earlier for earlier, later in pairwise(at) if later - earlier > 1]
    assert len(gaps) >= 6
    # What is under way is finished first.
    assert all(10 <= gap <= 14 for gap in gaps)


def test_19_no_withdrawal_over_udp() -> None:
    """Over UDP a Template is never withdrawn (section 8.4): not in a refresh, and not at the end."""
    clock, messages = FakeClock(NOW), []
    with udp_collector() as listening:
        for biflow in (False, True):  # a changed collector is another Exporting Process
            process = process_to(listening, clock=clock, biflow=biflow)
            for _ in range(3):
                assert process.offer(BATCH)
                process.turn(0)
                clock.advance(31)
            process.stop()
        messages = received(listening)
    found = [each for octets in messages for each in definitions(octets)]
    assert len(found) > 50
    assert all(each.fields for each in found)


def test_19_a_withdrawal_that_comes_over_udp_is_ignored() -> None:
    """A collector ignores a withdrawal that comes over UDP (section 8.4)."""
    collector = CollectingProcess()
    collector.receive(message(ipfix_set(2, template(300, "octetDeltaCount"))), "exporter")
    _, ignoring = collector.receive(message(ipfix_set(2, withdrawal(300))), "exporter")
    assert ignoring.ignored[Reason.UDP_WITHDRAWAL] == 1
    _, decoded = collector.receive(message(ipfix_set(300, bytes(8))), "exporter")
    assert decoded.records == 1


def test_20_once_in_a_stream_and_anew_in_the_next() -> None:
    """A reliable session gets each Template once; a new session gets all again, before data (section 8)."""
    clock, streams = FakeClock(NOW), []
    with listener() as listening:
        process = process_to(listening, clock=clock, transport="tcp")
        for _ in range(2):
            clock.advance(61)
            assert process.offer(BATCH)
            process.turn(0)
            with accept(listening) as connection:
                for _ in range(5):
                    turn_until(process, lambda: not process.counters().queued.records, "to be sent")
                    clock.advance(31)  # options are due again, Templates never
                streams.append(b"".join(received(connection)))
            turn_until(process, lambda: not process.up, "the end")
        process.stop()
    for stream in streams:
        messages = cut(stream)
        found = [each.template_id for octets in messages for each in definitions(octets)]
        assert len(found) == len(set(found)) > 4
        assert len(Reader().read(messages).flows) == 2 * len(BATCH)


def in_a_stream(*sets: bytes) -> list[Any]:
    stream = MessageStream(CollectingProcess(), "exporter")
    return [each for part in sets for each in stream.feed(message(part))]


def test_20_withdrawals_that_come_in_a_stream() -> None:
    """A withdrawal is a Template without fields; its id may be used for another one then (section 8.1)."""
    *_, last = in_a_stream(
        ipfix_set(2, template(300, "octetDeltaCount")),
        ipfix_set(2, withdrawal(300)),
        ipfix_set(2, template(300, "packetDeltaCount")),
        ipfix_set(300, bytes(8)),
    )
    assert last.data_sets[0].template.fields[0].name == "packetDeltaCount"
    with pytest.raises(MalformedMessageError):  # without one it may not
        in_a_stream(
            ipfix_set(2, template(300, "octetDeltaCount")), ipfix_set(2, template(300, "packetDeltaCount"))
        )


@pytest.mark.parametrize(("set_id", "left"), [(2, 301), (3, 300)])
def test_20_all_withdrawn(set_id: int, left: int) -> None:
    """Set ID 2 as Template ID withdraws all Templates, 3 all Options Templates; no data after that (8.1)."""
    *_, first, second = in_a_stream(
        ipfix_set(2, template(300, "octetDeltaCount")),
        ipfix_set(3, options_template(301, 1, "selectorId", "octetDeltaCount")),
        ipfix_set(set_id, withdrawal(set_id)),
        ipfix_set(300, bytes(16)),
        ipfix_set(301, bytes(16)),
    )
    for decoded, template_id in ((first, 300), (second, 301)):
        assert bool(decoded.records) == (template_id == left)
        assert decoded.ignored[Reason.TEMPLATE_MISSING] == (template_id != left)


CHANGES: list[dict[str, Any]] = [
    {"biflow": True},
    {"add": ("flowStartNanoseconds",)},
    {"remove": ("protocolIdentifier",)},
    {"remove": ("protocolIdentifier", "tcpControlBits")},
    {"elements": ("octetDeltaCount", "sourceTransportPort")},
    {"elements": ("sourceTransportPort", "octetDeltaCount")},
]


def made_by(profile: str, **choice: Any) -> dict[int, TemplateRecord]:
    """All Templates that a collector gets, by their ids."""
    messages = ipfix(profile, **choice).template_messages(NOW)
    return {each.template_id: each for octets in messages for each in definitions(octets)}


@pytest.mark.parametrize("profile", PROFILES)
def test_21_a_changed_template_has_another_id(profile: str) -> None:
    """An id never gets another meaning, as a collector may remember the old one (sections 8.1 and 8.4)."""
    before = made_by(profile, biflow=False)
    for choice in CHANGES:
        changed = made_by(profile, **({"biflow": False} | choice))
        assert changed != before
        assert all(before[each] == changed[each] for each in before.keys() & changed.keys())
        assert made_by(profile, **({"biflow": False} | choice)) == changed, "the same at every start"


def test_21_profiles_do_not_share_ids() -> None:
    """An id never gets another meaning, neither when the profile of a collector changes (section 8.1)."""
    known: dict[int, TemplateRecord] = {}
    for profile, biflow, strings, classified in product(
        PROFILES, (False, True), ("variable", "fixed"), (False, True)
    ):
        made = made_by(profile, biflow=biflow, strings=strings, classified=classified)
        for template_id, each in made.items():
            assert known.setdefault(template_id, each) == each
    assert len(known) > 80


def test_22_one_stream_of_sctp_in_order() -> None:
    """Over SCTP Templates are sent reliably and in order, before their data (sections 8.1 and 10.2).

    Here one stream takes all, and nothing asks for partial reliability. (The kernel is played by a stand-in.)
    """
    kernel = StandIn()
    sending = Sending(ipfix(), SctpTransport(kernel.address, lambda seconds: False, new_socket=kernel))
    sending.delivery.announce()
    assert sending.delivery.deliver(batch_of(*IPV4_FLOWS)) == {}
    messages = kernel.received()
    found = [each.template_id for octets in messages for each in definitions(octets)]
    assert len(found) == len(set(found))
    assert Reader().read(messages).flows
    assert not kernel.options & {StandIn.DEFAULT_PRINFO, StandIn.DEFAULT_SNDINFO}
    kernel.close()


CONFIGURATION = """\
collectors:
  - url: {url}
    {option}
"""


@pytest.mark.parametrize(
    ("url", "option", "error"),
    [
        ("ipfix+udp://c", "add: [octetDeltaCont]", "did you mean octetDeltaCount?"),
        ("ipfix+udp://c", "elements: [spam, octetDeltaCount]", "unknown element 'spam'"),
        ("ipfix+udp://c", "add: [octetDeltaCount]", "octetDeltaCount is sent in any case"),
        ("ipfix+udp://c", "remove: [samplingInterval]", "would not be sent anyway"),
        ("ipfix+udp://c", "elements: [vlanId, vlanId]", "vlanId is there twice"),
        ("ipfix+udp://c", "elements: [sourceIPv4Address]", "none of them describes an IPv6 Flow"),
        ("netflow9://c", "add: [serverName]", "has an enterprise number"),
        ("netflow5://c", "add: [serverName]", "has no meaning for netflow5"),
    ],
)
def test_23_lists_of_elements_are_checked_at_the_start(
    tmp_path: Path, url: str, option: str, error: str
) -> None:
    """A template that cannot be sent is refused when the configuration is read, with its place (3.4)."""
    path = tmp_path / "spanflow.yaml"
    path.write_text(CONFIGURATION.format(url=url, option=option))
    findings = findings_of(path)
    assert any(each.startswith(("2:", "3:")) and error in each for each in findings), findings
