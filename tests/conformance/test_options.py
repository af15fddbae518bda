# SPDX-License-Identifier: Apache-2.0
"""Lines 29 to 38: what is told beside the Flows (RFC 7011 section 4, RFC 5476, RFC 5610, RFC 6759)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.conversation import conversation
from conformance.reading import VARIABLE, Reader, Record, TemplateRecord
from conformance.sending import (
    DOMAIN,
    MILLISECOND_NS,
    NOW,
    Facts,
    Sending,
    Wire,
    announced,
    data,
    ipfix,
    process_to,
    received,
    udp_collector,
)
from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4
from exporting.clocks import SECOND_NS, FakeClock
from exporting.flow_batches import IPV4_FLOWS, batch_of, some_flows
from exporting.plain_ipfix import OUR_PEN
from metering.native import meter
from spanflow.config.schema import Export
from spanflow.exporting.counters import NOTHING
from spanflow.exporting.facts import ObservedInterface
from spanflow.exporting.options import Sampling
from spanflow.metering_counters import FlowCount, FrameCount
from spanflow.probe_facts import MeterFacts
from spanflow.status import InterfaceStatus

FLOW_KEYS = {
    "sourceIPv4Address",
    "destinationIPv4Address",
    "sourceIPv6Address",
    "destinationIPv6Address",
    "sourceTransportPort",
    "destinationTransportPort",
    "protocolIdentifier",
    "ipVersion",
}
"""Five-tuple and IP version; with VLANs in the cache's key, vlanId too (`Facts.more_keys`)."""


def scope_of(template: TemplateRecord) -> list[str]:
    """The names of the Scope Fields, which come first."""
    return template.names[: template.scope]


def told(name: str, profile: str = "rich") -> Record:
    """The only options record with this element."""
    (record,) = Reader().read(announced(ipfix(profile))).options(name)
    return record


class Lossy:
    """An Exporting Process over UDP that has lost some Flows, and what its collector reads."""

    def __init__(self) -> None:
        clock = FakeClock(NOW)
        with udp_collector() as listening:
            process = process_to(listening, clock=clock, queue_size=1, facts=Facts())
            self.lost_ns = clock.wall_ns()
            for _ in range(3):  # one is queued, two find no room
                process.offer(some_flows(10))
            clock.advance(3)
            process.turn(0)
            clock.advance(61)
            process.turn(0)
            self.counters = process.counters()
            self.sent = received(listening)
            process.stop()
        self.reader = Reader().read(self.sent)


def test_29_metering_process_statistics() -> None:
    """Messages, records and octets that were exported, for domain and Metering Process (section 4.1)."""
    lossy = Lossy()
    records = lossy.reader.options("exportedMessageTotalCount")
    assert scope_of(records[0].template) == ["observationDomainId", "meteringProcessId"]
    assert records[-1]["observationDomainId"] == DOMAIN
    # What the last one tells is all that was sent before its own Message.
    at = max(
        number
        for number, each in enumerate(lossy.reader.messages)
        if records[-1].template.template_id in {set_id for set_id, _ in each.sets}
    )
    assert records[-1]["exportedMessageTotalCount"] == at
    assert records[-1]["exportedOctetTotalCount"] == sum(map(len, lossy.sent[:at]))
    assert records[-1]["exportedFlowRecordTotalCount"] == sum(lossy.reader.counts[:at])


@pytest.mark.parametrize("interval_s", [1, 30, 300])
def test_29_its_period_is_a_setting(interval_s: int) -> None:
    """Statistics are exported again and again; how often can be set (section 4.1)."""
    export = Export(options_refresh=interval_s * SECOND_NS, template_refresh=3600 * SECOND_NS)
    sending = Sending(ipfix(), Wire(), export=export)
    sending.delivery.announce()
    for _ in range(10):
        sending.clock.advance(interval_s)
        sending.delivery.announce()
    assert len(Reader().read(sending.wire.messages).options("exportedMessageTotalCount")) == 1 + 10


def test_30_metering_process_reliability() -> None:
    """Packets that were ignored, with the times of the first and the last of them (section 4.2)."""
    record, facts = told("ignoredPacketTotalCount"), Facts().metering()
    assert scope_of(record.template) == ["observationDomainId", "meteringProcessId"]
    assert record["ignoredPacketTotalCount"] == facts.ignored_packets
    assert record["ignoredOctetTotalCount"] == facts.ignored_octets
    times = (facts.first_ignored_ns, facts.last_ignored_ns)
    assert record.all("observationTimeMilliseconds") == [each // MILLISECOND_NS for each in times]


def test_30_they_are_those_of_kernel_and_cache(tmp_path: Path) -> None:
    """The Metering Process tells all that it could not account for: kernel, malformed packets, hand-over."""
    metered = meter([conversation(tmp_path, seconds=3)]).counters
    counters = replace(
        metered,
        discarded={**metered.discarded, "truncated": FrameCount(2, 200), "filtered": FrameCount(7, 700)},
        dropped_at_handover=FlowCount(records=3, packets=30, octets=3000),
    )
    interface = InterfaceStatus(
        name="eth3",
        index=3,
        bound=True,
        up=True,
        workers=1,
        engine="tpacket",
        kernel_received=100,
        kernel_drops=5,
        ring_freezes=0,
        merged_frames=0,
        appearances=1,
        clock_steps=0,
        last_error="",
        metering=counters,
    )
    facts: Any = MeterFacts(NOW, lambda: counters, lambda: [interface])
    reader = Reader().read(announced(ipfix(facts=facts)))
    (record,) = reader.options("ignoredPacketTotalCount")
    # What a filter leaves out on purpose is not ignored.
    assert record["ignoredPacketTotalCount"] == 5 + 2 + 30
    assert record["ignoredOctetTotalCount"] == 200 + 3000
    # Line 33: packets are not sampled, so the selector has taken all that it saw.
    (selector,) = reader.options("selectorIdTotalPktsObserved")
    assert selector["selectorIdTotalPktsObserved"] == selector["selectorIdTotalPktsSelected"] == 6


def test_31_exporting_process_reliability() -> None:
    """Flows that were not sent, with their packets and octets: as the drop counters have them (4.3)."""
    lossy = Lossy()
    record = lossy.reader.options("notSentFlowTotalCount")[-1]
    dropped = sum(lossy.counters.dropped.values(), NOTHING)
    assert dropped.records == 20
    assert scope_of(record.template) == ["exportingProcessId"]
    assert record["notSentFlowTotalCount"] == dropped.records
    assert record["notSentPacketTotalCount"] == dropped.packets
    assert record["notSentOctetTotalCount"] == dropped.octets
    assert record.all("observationTimeMilliseconds") == [lossy.lost_ns // MILLISECOND_NS] * 2


@pytest.mark.parametrize("biflow", [False, True])
def test_32_flow_keys(biflow: bool) -> None:
    """For each Template a bit for every element that is a Flow Key; the first element is bit 0 (4.4)."""
    reader = Reader().read(announced(ipfix("rich", biflow=biflow)))
    records = reader.options("flowKeyIndicator")
    assert scope_of(records[0].template) == ["templateId"]
    flows = {each.template_id for each in reader.templates.values() if not each.scope}
    assert {each["templateId"] for each in records} == flows
    for each in records:
        names = reader.templates[each["templateId"]].names
        is_icmp = any(name.startswith("icmp") for name in names)
        keys = {name for place, name in enumerate(names) if each["flowKeyIndicator"] >> place & 1}
        # The port of an ICMP Flow tells type and code, which are no keys.
        expected = (FLOW_KEYS | {"vlanId"}) - ({"destinationTransportPort"} if is_icmp else set())
        assert keys == expected & set(names)


@pytest.mark.parametrize("rate", [1, 10, 1000])
def test_33_sampling(rate: int) -> None:
    """Of N packets one is selected, and N - 1 are not: also told if that is every packet (RFC 5477 8.2.2)."""
    session = ipfix(sampling=Sampling(interval=1, space=rate - 1))
    (record,) = Reader().read(announced(session)).options("selectorAlgorithm")
    assert scope_of(record.template) == ["selectorId"]
    assert record["selectorAlgorithm"] == 1, "systematic, count-based"
    assert record["samplingPacketInterval"] == 1
    assert record["samplingPacketSpace"] == rate - 1


def test_33_selector_statistics() -> None:
    """How many packets came to the selector, and how many it has selected (RFC 5476 section 6.5.3)."""
    record, facts = told("selectorIdTotalPktsObserved"), Facts().metering()
    assert scope_of(record.template) == ["selectorId"]
    assert record["selectorIdTotalPktsObserved"] == facts.observed_packets
    assert record["selectorIdTotalPktsSelected"] == facts.selected_packets


def test_34_the_same_facts_in_older_forms() -> None:
    """Collectors that know only samplingInterval (34), or the sampler of Cisco (48-50), get that one."""
    reader = Reader().read(announced(ipfix("goflow2", sampling=Sampling(interval=1, space=9))))
    (record,) = reader.options("samplingInterval")
    assert (record["samplingInterval"], record["samplingAlgorithm"]) == (10, 1)
    assert not reader.options("samplingPacketInterval"), "it would take 1 for the rate"
    # Who drops Flows of an unknown rate finds it in each record.
    session = ipfix("akvorado")
    flows = Reader().read(announced(session) + data(session, batch_of(*IPV4_FLOWS))).flows
    assert {each["samplingInterval"] for each in flows} == {1}


def test_35_types_of_our_own_elements() -> None:
    """Every element of our own that is sent is described: type, semantics, units, name (RFC 5610)."""
    reader = Reader().read(announced(ipfix("rich")))
    sent = {
        (each.number, each.name)
        for made in reader.templates.values()
        for each in made.fields
        if each.pen == OUR_PEN
    }
    records = reader.options("informationElementDataType")
    assert scope_of(records[0].template) == ["privateEnterpriseNumber", "informationElementId"]
    described = {(each["informationElementId"], each.text("informationElementName")) for each in records}
    assert described == sent
    for each in records:
        assert each["privateEnterpriseNumber"] == OUR_PEN
        assert each.text("informationElementDescription")
        assert {340, 342, 343, 344, 345} <= {field.number for field in each.template.fields}


def test_36_applications() -> None:
    """applicationId is an engine and a selector, in 4 octets; options tell its name and group (RFC 6759)."""
    session = ipfix("rich")
    reader = Reader().read(announced(session) + data(session, batch_of(*CLASSIFIED_IPV4)))
    names = {
        each["applicationId"]: each.text("applicationName") for each in reader.options("applicationName")
    }
    groups = {
        each["applicationId"]: each.text("applicationCategoryName")
        for each in reader.options("applicationCategoryName")
    }
    assert len(names) == len(APPLICATIONS.by_number)
    for each in APPLICATIONS.by_number.values():
        assert each.application_id >> 24 == 22, "the engine is nDPI"
        assert each.name.startswith(names[each.application_id])
        assert groups[each.application_id] == each.category
    for record in reader.flows:
        assert len(record.octets("applicationId")) == 4
        assert record["applicationId"] in names or record["applicationId"] == 0
    scopes = {tuple(scope_of(each.template)) for each in reader.options("applicationCategoryName")}
    assert scopes == {("applicationId",)}


def test_37_interfaces() -> None:
    """Every interface is announced with its name and description, which have fixed lengths."""
    records = Reader().read(announced(ipfix())).options("interfaceName")
    found = [
        (each["ingressInterface"], each.text("interfaceName"), each.text("interfaceDescription"))
        for each in records
    ]
    assert found == [(3, "eth3", "uplink"), (4, "eth4", "downlink")]
    assert scope_of(records[0].template) == ["ingressInterface"]
    assert VARIABLE not in {each.length for each in records[0].template.fields}


@pytest.mark.parametrize("profile", ["nfdump", "akvorado", "elastic", "pmacct"])
def test_37_interfaces_where_their_index_is_a_field(profile: str) -> None:
    """Collectors that do not look into the scope find the index, and a text, among the other fields."""
    records = Reader().read(announced(ipfix(profile))).options("interfaceDescription")
    assert [each["ingressInterface"] for each in records] == [3, 4]
    for each in records:
        assert "ingressInterface" not in scope_of(each.template)
        assert each.text("interfaceDescription")
        assert VARIABLE not in {field.length for field in each.template.fields}


def test_38_options_are_repeated_with_their_templates() -> None:
    """Over UDP options records are sent again as their Options Templates are (section 8.4)."""
    assert Export().options_refresh == Export().template_refresh
    sending = Sending(ipfix(), Wire())
    sending.delivery.announce()
    before = kinds(sending.wire.messages)
    assert len(before) >= 8
    sending.wire.messages.clear()
    sending.clock.advance(31)
    sending.delivery.announce()
    assert kinds(sending.wire.messages) == before


def kinds(messages: list[bytes]) -> set[int]:
    """Options Templates of which there is a record; Templates come in the same Messages."""
    return {each.template.template_id for each in Reader().read(messages).records}


def test_38_at_once_after_a_change() -> None:
    """An options record that has changed does not wait for its time (section 8.4)."""
    facts: Any = Facts()
    sending = Sending(ipfix(facts=facts), Wire())
    sending.delivery.announce()
    sending.clock.advance(1)
    facts.observed.append(ObservedInterface(5, "eth5", "new"))
    facts.version += 1
    sending.delivery.deliver(some_flows(1))
    records = Reader().read(sending.wire.messages).options("interfaceName")
    assert [each["ingressInterface"] for each in records] == [3, 4, 3, 4, 5]
