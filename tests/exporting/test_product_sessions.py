# SPDX-License-Identifier: Apache-2.0
"""Whole sessions for each product, read by our strict collector: every Flow, and the options that it gets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4, CLASSIFIED_IPV6, DOMAIN, NOW
from exporting.flow_batches import START_NS, batch_of
from exporting.template_records import IANA, VARIABLE, classified, specifiers
from spanflow.collecting.message import Message
from spanflow.collecting.process import CollectingProcess
from spanflow.config.collector_settings import PROFILES
from spanflow.exporting.element_choice import ElementChoice
from spanflow.exporting.facts import ExportingFacts, MeteringFacts, ObservedInterface
from spanflow.exporting.profiles import PRODUCTS, Profile
from spanflow.exporting.session import IpfixSession
from spanflow.fields import element_names

BIFLOWS = {"ipfixcol2", "silk"}
SECOND = 10**9


@dataclass
class Facts:
    """A probe with two interfaces that has lost something everywhere."""

    started_ns: int = START_NS - 5 * SECOND
    version: int = 1
    more_keys: Sequence[str] = ("vlanId",)

    def interfaces(self) -> Sequence[ObservedInterface]:
        return (ObservedInterface(2, "eth0", "captured with afpacket"), ObservedInterface(9, "eth7"))

    def metering(self) -> MeteringFacts:
        return MeteringFacts(
            observed_packets=1000,
            selected_packets=999,
            ignored_packets=3,
            ignored_octets=180,
            first_ignored_ns=NOW - 5 * SECOND,
            last_ignored_ns=NOW - SECOND,
        )

    def exporting(self) -> ExportingFacts:
        return ExportingFacts(
            messages=11,
            octets=12_000,
            data_records=130,
            not_sent_records=2,
            not_sent_packets=20,
            not_sent_octets=2_000,
            first_not_sent_ns=NOW - 4 * SECOND,
            last_not_sent_ns=NOW - 2 * SECOND,
        )


def exported(profile: Profile) -> list[bytes]:
    """The Messages of a session: Templates, all options, Flows of both IP versions."""
    session = IpfixSession(
        profile.templates(),
        options=profile.options,
        observation_domain_id=DOMAIN,
        max_message_octets=1400,
        applications=APPLICATIONS,
        facts=Facts(),
    )
    messages = session.template_messages(NOW)
    messages += [each.octets for each in session.options_messages(NOW)]
    messages += [each.octets for each in session.table_messages(NOW)]
    for flows in (CLASSIFIED_IPV4, CLASSIFIED_IPV6):
        for rows in session.rows(batch_of(*flows)):
            for run in session.messages(rows, NOW).runs:
                octets = bytes(run.octets)
                cuts = range(0, len(octets), run.message_octets)
                messages += [octets[at : at + run.message_octets] for at in cuts]
    return messages


def read(profile: Profile) -> tuple[CollectingProcess, list[Message]]:
    """What a strict collector makes of them."""
    collector = CollectingProcess()
    return collector, [collector.receive(octets, "exporter")[1] for octets in exported(profile)]


def options_of(product: str) -> dict[str, list[dict[str, Any]]]:
    """The options Data Records by the names of their scope."""
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in read(classified(PRODUCTS[product]))[1]:
        for data_set in message.data_sets:
            if data_set.template.scope:
                key = ", ".join(data_set.template.scope)
                told[key] += [data_set.template.json_object(each) for each in data_set.records]
    return told


SCOPES: dict[str, set[str]] = {
    "the sampling": {"selectorId"},
    "interfaces": {"ingressInterface"},
    "interfaces as Cisco has them": {"observationDomainId"},
    "applications": {"observationDomainId", "applicationId"},
    "own elements": {"privateEnterpriseNumber, informationElementId"},
    "processes": {
        "observationDomainId",
        "observationDomainId, meteringProcessId",
        "exportingProcessId",
        "templateId",
        "selectorId",
    },
}
RATE_OF_DOMAIN = {"observationDomainId"}

TOLD: tuple[tuple[str, set[str]], ...] = (
    ("generic", SCOPES["the sampling"] | SCOPES["interfaces"] | SCOPES["applications"] | SCOPES["processes"]),
    ("rich", set().union(*SCOPES.values())),
    ("nfdump", RATE_OF_DOMAIN | SCOPES["interfaces as Cisco has them"] | SCOPES["applications"]),
    ("goflow2", RATE_OF_DOMAIN),
    ("akvorado", SCOPES["the sampling"] | SCOPES["interfaces as Cisco has them"] | SCOPES["applications"]),
    ("telegraf", SCOPES["the sampling"]),
    ("logstash", SCOPES["the sampling"] | SCOPES["interfaces as Cisco has them"]),
    ("pmacct", SCOPES["the sampling"] | SCOPES["interfaces as Cisco has them"] | SCOPES["applications"]),
    ("ipfixcol2", set().union(*SCOPES.values())),
    ("silk", RATE_OF_DOMAIN),
    ("nprobe", SCOPES["the sampling"] | SCOPES["interfaces as Cisco has them"] | SCOPES["applications"]),
)


@pytest.mark.parametrize(("product", "scopes"), TOLD, ids=[product for product, _ in TOLD])
def test_scopes_of_the_options(product: str, scopes: set[str]) -> None:
    assert set(options_of(product)) == scopes


@pytest.mark.parametrize("product", PROFILES)
def test_strict_collector_reads_all_of_it(product: str) -> None:
    collector, messages = read(classified(PRODUCTS[product]))
    counters = collector.counters
    assert not counters.discarded
    assert not counters.ignored
    assert counters.sequence.gaps == counters.sequence.missing == 0
    halves = [
        half.packets
        for flow in (*CLASSIFIED_IPV4, *CLASSIFIED_IPV6)
        for half in (flow.forward, flow.reverse)
        if half.packets
    ]
    counted: list[Any] = []
    for data in (each for message in messages for each in message.data_sets if not each.template.scope):
        for record in data.records:
            values = data.template.by_name(record)
            counted.append(values["packetDeltaCount"])
            if product in BIFLOWS:
                counted.append(values["reversePacketDeltaCount"])
    assert sorted(packets for packets in counted if packets) == sorted(halves)
    flows = len(CLASSIFIED_IPV4) + len(CLASSIFIED_IPV6)
    assert counters.records == (flows if product in BIFLOWS else len(halves))


@pytest.mark.parametrize("product", ["goflow2", "silk"])
def test_rate_without_a_selector(product: str) -> None:
    # Of selectorId and samplingPacketInterval goflow2 would take the interval for the rate.
    assert options_of(product) == {
        "observationDomainId": [
            {"observationDomainId": DOMAIN, "samplingInterval": 1, "samplingAlgorithm": 1}
        ]
    }


@pytest.mark.parametrize("product", ["generic", "rich", "ipfixcol2"])
def test_options_about_the_probe(product: str) -> None:
    told = options_of(product)
    assert told["ingressInterface"] == [
        {"ingressInterface": 2, "interfaceName": "eth0", "interfaceDescription": "captured with afpacket"},
        {"ingressInterface": 9, "interfaceName": "eth7", "interfaceDescription": "eth7"},
    ]
    # RFC 7011 sections 4.1 and 4.2: NOW is 2027-01-15T08:00:00Z.
    process = {"observationDomainId": DOMAIN, "meteringProcessId": 1}
    assert told["observationDomainId, meteringProcessId"] == [
        process
        | {
            "exportedMessageTotalCount": 11,
            "exportedFlowRecordTotalCount": 130,
            "exportedOctetTotalCount": 12_000,
        },
        process
        | {
            "ignoredPacketTotalCount": 3,
            "ignoredOctetTotalCount": 180,
            "observationTimeMilliseconds": ["2027-01-15T07:59:55.000Z", "2027-01-15T07:59:59.000Z"],
        },
    ]
    # Section 4.3.
    assert told["exportingProcessId"] == [
        {
            "exportingProcessId": 1,
            "notSentFlowTotalCount": 2,
            "notSentPacketTotalCount": 20,
            "notSentOctetTotalCount": 2_000,
            "observationTimeMilliseconds": ["2027-01-15T07:59:56.000Z", "2027-01-15T07:59:58.000Z"],
        }
    ]
    # RFC 5476 section 6.5.
    assert told["selectorId"] == [
        {"selectorId": 0, "selectorAlgorithm": 1, "samplingPacketInterval": 1, "samplingPacketSpace": 0},
        {"selectorId": 0, "selectorIdTotalPktsObserved": 1000, "selectorIdTotalPktsSelected": 999},
    ]
    domain = {"observationDomainId": DOMAIN, "systemInitTimeMilliseconds": "2023-11-14T22:13:15.123Z"}
    assert domain in told["observationDomainId"]


def test_flow_keys_by_place() -> None:
    # RFC 7011 section 4.4: bit 0 is the first element. Addresses, ports and protocol come first, ipVersion is
    # the 16th, vlanId (a key by the settings) the 17th. With ICMP the destination port tells type and code.
    keys = 0b1_1000_0000_0001_1111
    assert [
        (each["templateId"] % 4, each["flowKeyIndicator"]) for each in options_of("generic")["templateId"]
    ] == [
        (0, keys),
        (2, keys & ~0b1000),
        (1, keys),
        (3, keys & ~0b1000),
    ]


def test_flow_keys_of_biflows_are_forward_elements() -> None:
    # The reverse elements come first, so the places of the keys are behind them.
    (template, *_) = PRODUCTS["ipfixcol2"].templates().values()
    sent = specifiers(template.encode())
    indicator = template.key_indicator(("vlanId",))
    keys = [each[:2] for place, each in enumerate(sent) if indicator >> place & 1]
    assert keys == [(IANA, number) for number in (8, 12, 7, 11, 4, 60, 58)]


@pytest.mark.parametrize("product", PROFILES)
def test_options_templates_have_no_variable_lengths(product: str) -> None:
    # nfdump copies names at a fixed length.
    for message in read(classified(PRODUCTS[product]))[1]:
        for data_set in message.data_sets:
            if data_set.template.scope:
                assert VARIABLE not in [field.length for field in data_set.template.fields]


@pytest.mark.parametrize("strings", ["variable", "fixed"])
@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
def test_every_element_that_may_be_asked_for(biflow: bool, strings: str) -> None:
    choice = ElementChoice(elements=element_names(), biflow=biflow, strings=strings)
    collector, messages = read(choice.profile_for(classified=True))
    assert not collector.counters.discarded
    assert not collector.counters.ignored
    sets = [each for message in messages for each in message.data_sets if not each.template.scope]
    values = sets[0].template.json_object(sets[0].records[0])
    # The first packet came at START_NS, the last 5.864197532 s later; the probe was started 5 s before.
    assert values["flowStartNanoseconds"] == "2023-11-14T22:13:20.123456789Z"
    times = {name: each for name, each in values.items() if name.startswith(("flowStart", "flowEnd"))}
    assert times == times | {
        "flowStartSeconds": "2023-11-14T22:13:20Z",
        "flowEndSeconds": "2023-11-14T22:13:25Z",
        "flowStartMilliseconds": "2023-11-14T22:13:20.123Z",
        "flowEndMilliseconds": "2023-11-14T22:13:25.987Z",
        "flowStartMicroseconds": "2023-11-14T22:13:20.123456Z",
        "flowEndMicroseconds": "2023-11-14T22:13:25.987654Z",
        "flowEndNanoseconds": "2023-11-14T22:13:25.987654321Z",
        # systemInitTimeMilliseconds is told in whole milliseconds: 15.123.
        "flowStartSysUpTime": 5_000,
        "flowEndSysUpTime": 10_864,
    }
    # As the difference of the two times in milliseconds, not of the nanoseconds.
    assert values["flowDurationMilliseconds"] == 5_864
    assert values["postDestinationMacAddress"] == values["destinationMacAddress"]
    assert values["postSourceMacAddress"] == values["sourceMacAddress"]
    assert values["dot1qVlanId"] == values["vlanId"]
    assert (values["samplingInterval"], values["samplerRandomInterval"], values["selectorId"]) == (1, 1, 0)
