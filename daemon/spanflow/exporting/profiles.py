# SPDX-License-Identifier: Apache-2.0
"""Profiles: what suits one collector product, and why.

`generic` has IANA's elements alone, with the application where Flows are classified. `rich` has all there is,
in elements of our own too. The others differ from these where their product needs it.

Two uniflows for each Flow are the default: half of the products lose the second half of a Biflow. Nobody gets
counters of four octets: no product needs them, and they wrap after seconds. Nobody gets times in the NTP
format: flowStartMilliseconds is what all of them read. Next hop, AS and prefix length are not known to a
probe on a mirror port, and zeros would look like knowledge: they are there by choice only (`add`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from spanflow.exporting.options_choice import (
    EVERYTHING,
    NAMES_AND_SAMPLING,
    OptionsChoice,
    SamplingForm,
    Table,
)
from spanflow.exporting.template import Form, Template, flow_template
from spanflow.exporting.template_ids import TemplateId, template_ids
from spanflow.exporting.template_ids import TemplateKey as TemplateKey
from spanflow.fields import FIELDS, IP_VERSIONS, fields_of
from spanflow.information_elements import ENTERPRISE_NUMBER

if TYPE_CHECKING:
    from spanflow.exporting.plugin_columns import PluginColumn

TEMPLATE_KEYS: tuple[TemplateKey, ...] = tuple(
    (version, icmp) for version in IP_VERSIONS for icmp in (False, True)
)
DETAILS = tuple(row.name for row in FIELDS if row.is_detail)
"""Strings that may have variable lengths, in the order in which they are sent then."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a user of this product should know. topic: the name of an element, or a word for several."""

    topic: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one collector is sent.

    elements: names in their order; a template leaves out those that its kind of Flow does not have.
    when_classified: those that join them when Flows are classified. variable_strings: whether the DETAILS
    have variable lengths. lengths: of elements that are sent in fewer octets. reversed_names: the elements
    with a reverse form in a Biflow; None: all that have two directions.
    """

    name: str
    elements: tuple[str, ...]
    when_classified: tuple[str, ...] = ()
    biflow: bool = False
    variable_strings: bool = False
    lengths: Mapping[str, int] = field(default_factory=dict)
    reversed_names: tuple[str, ...] | None = None
    options: OptionsChoice = EVERYTHING
    notes: tuple[Note, ...] = ()

    @property
    def has_variable_strings(self) -> bool:
        """Whether a Data Record has elements of variable length."""
        return self.variable_strings and not set(DETAILS).isdisjoint(self.elements)

    def templates(
        self,
        *,
        biflow: bool | None = None,
        enterprise_number: int = ENTERPRISE_NUMBER,
        columns: Sequence[PluginColumn] = (),
    ) -> dict[TemplateKey, Template]:
        """The templates, for Biflows (RFC 5103) or for uniflows; None: as the profile says. columns: of
        plugins.

        With variable lengths the DETAILS come last, in their order.
        """
        form = Form(
            biflow=self.biflow if biflow is None else biflow,
            variable_strings=self.variable_strings,
            enterprise_number=enterprise_number,
            columns=columns,
            lengths=self.lengths,
            reversed_names=self.reversed_names,
        )
        names = self.elements
        if self.has_variable_strings:
            names = tuple(name for name in names if name not in DETAILS)
            names += tuple(name for name in DETAILS if name in self.elements)
        made = {key: flow_template(0, fields_of(names, *key), form) for key in TEMPLATE_KEYS}
        ids = template_ids(made, form, self._written_id(names))
        return {key: replace(template, template_id=ids[key]) for key, template in made.items()}

    def _written_id(self, names: tuple[str, ...]) -> int | None:
        """The first of the ids that are written down for such templates."""
        if self.lengths or self.reversed_names is not None:
            return None
        return _WRITTEN_IDS.get((names, self.has_variable_strings))


GENERIC = Profile(
    name="generic",
    # Counters come before the rest: akvorado drops an empty reverse half only if it meets them first.
    elements=(
        "sourceIPv4Address",
        "destinationIPv4Address",
        "sourceIPv6Address",
        "destinationIPv6Address",
        "sourceTransportPort",
        "destinationTransportPort",
        "protocolIdentifier",
        "octetDeltaCount",
        "packetDeltaCount",
        "flowStartMilliseconds",
        "flowEndMilliseconds",
        "ingressInterface",
        "egressInterface",
        "flowDirection",
        "tcpControlBits",
        "flowEndReason",
        "ipClassOfService",
        "ipVersion",
        "vlanId",
        "sourceMacAddress",
        "destinationMacAddress",
        "icmpTypeCodeIPv4",
        "icmpTypeCodeIPv6",
        "minimumTTL",
        "maximumTTL",
        "flowId",
        "biflowDirection",
    ),
    when_classified=("applicationId",),
    notes=(
        Note("egressInterface", "Always 0: a probe on a mirror port does not know where packets leave."),
        Note("sampling", "Announced as 1:1, with samplingPacketInterval 1 and samplingPacketSpace 0."),
    ),
)

GENERIC_APPLICATION = replace(GENERIC, elements=GENERIC.elements + GENERIC.when_classified)
"""`generic` when Flows are classified."""

RICH = replace(
    GENERIC,
    name="rich",
    elements=(
        *GENERIC_APPLICATION.elements,
        "applicationName",
        "masterProtocol",
        "applicationCategory",
        "applicationConfidence",
        "flowRisk",
        "riskScore",
        "tlsVersion",
        "dnsQueryType",
        "dnsResponseCode",
        *DETAILS,
    ),
    # Without Flows that are classified there is nothing in them, but the templates stay the same.
    when_classified=(),
    # Two records with all strings in full length fill a Message of 1,400 octets.
    variable_strings=True,
    notes=(
        *GENERIC.notes,
        Note(
            "own elements", "A collector that does not know them skips them, or rejects the whole template."
        ),
    ),
)

RICH_FIXED = replace(RICH, variable_strings=False)

_WRITTEN_IDS: Mapping[tuple[tuple[str, ...], bool], int] = {
    (GENERIC.elements, False): TemplateId.GENERIC,
    (GENERIC_APPLICATION.elements, False): TemplateId.APPLICATION,
    (RICH.elements, True): TemplateId.RICH,
    (RICH.elements, False): TemplateId.RICH_FIXED,
}


def _without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in GENERIC.elements if name not in names)


def _with(name: str, *others: str) -> tuple[str, ...]:
    """The elements of `generic`, one of them with others beside it."""
    place = GENERIC.elements.index(name) + 1
    return GENERIC.elements[:place] + others + GENERIC.elements[place:]


NFDUMP = replace(
    GENERIC,
    name="nfdump",
    # It keeps MAC addresses in pairs, 56 with 57 and 80 with 81: 57 spares a second pair in each record.
    elements=tuple(
        "postDestinationMacAddress" if name == "destinationMacAddress" else name for name in GENERIC.elements
    ),
    # A reverse element that it does not know is taken for the forward one; it knows these two.
    reversed_names=("octetDeltaCount", "packetDeltaCount"),
    # It looks for sampling, one text for each interface, and names of applications, all of fixed length.
    # tested: of all forms of sampling 1.7.1 reads this one, and 305 with 306 if 304 is not there.
    options=OptionsChoice(
        sampling=(SamplingForm.RATE,), tables=frozenset({Table.INTERFACE_NAMES, Table.APPLICATIONS})
    ),
    notes=(
        GENERIC.notes[0],
        Note("sampling", "Announced as samplingInterval alone, the form that version 1.7.1 reads."),
        Note(
            "biflow",
            "Only the counters of the responder are kept, as 'out'; its flags and times are dropped.",
        ),
        Note("postDestinationMacAddress", "Carries the destination MAC address, shown as 'out dst mac'."),
        Note("tcpControlBits", "The low 8 bits are kept."),
        Note(
            "applicationId",
            "Version 1.7.1 shows the four octets in the order of its machine, without a name; of netflow9://"
            " it shows both.",
        ),
        Note(
            "exporter",
            "Known by address and Observation Domain ID, not by port: two probes need two domains.",
        ),
    ),
)

GOFLOW2 = replace(
    GENERIC,
    name="goflow2",
    # The rate in each record is what a mapping can show beside the one that is kept for the domain.
    elements=_with("packetDeltaCount", "samplingInterval"),
    # Many versions take 305 alone for the rate, and all of them whatever record came last: so 34 without 305.
    # It skips every other option.
    options=OptionsChoice(sampling=(SamplingForm.INTERVAL,), tables=frozenset()),
    notes=(
        GENERIC.notes[0],
        Note(
            "sampling",
            "Announced as samplingInterval alone: many versions take samplingPacketInterval for the rate.",
        ),
        Note("biflow", "The responder's half is lost: it skips all elements with an enterprise number."),
        Note(
            "flowEndReason", "Shown only with a line for it in mapping.yaml; so are flowId and applicationId."
        ),
        Note("flowDirection", "Shown with the mapping.yaml of its repository."),
        Note("options", "Names of interfaces and applications are not read, so they are not sent."),
    ),
)

AKVORADO = replace(
    GENERIC,
    name="akvorado",
    # Counters first: an empty reverse half is dropped when its count is met, and what came before stays.
    # The rate in each record: a Flow of an unknown rate is dropped, also before the first options arrive.
    elements=(
        "octetDeltaCount",
        "packetDeltaCount",
        "samplingInterval",
        *_without("octetDeltaCount", "packetDeltaCount"),
    ),
    # 305 and 306 become a rate for selector 0, which is looked up for records that name none.
    options=NAMES_AND_SAMPLING,
    notes=(
        GENERIC.notes[0],
        Note("ingressInterface", "Never 0; a Flow whose two interfaces are 0 would be dropped."),
        Note(
            "exporter", "Dropped with 'metadata missing' unless SNMP or a static entry tells its interfaces."
        ),
        Note("sampling", "samplingInterval 1 in each record; a Flow of an unknown rate would be dropped."),
        Note("flowStartMilliseconds", "Read only with timestamp-source netflow-first-switched."),
        Note("flowEndReason", "Not read; neither are flowId, biflowDirection and maximumTTL."),
    ),
)

ELASTIC = replace(
    GENERIC,
    name="elastic",
    # event.duration comes from flowDurationMilliseconds, and not from the two times (convert.go). event.start
    # and event.end come from times since the start of the device; of ours it makes times that are wrong by
    # decades, so those are not sent.
    elements=_with("flowEndMilliseconds", "flowDurationMilliseconds"),
    # Options become events of their own, which nobody joins with Flows: the name stands in each record.
    when_classified=("applicationId", "applicationName"),
    options=OptionsChoice(tables=frozenset({Table.CISCO_INTERFACES, Table.METERING_RELIABILITY})),
    notes=(
        GENERIC.notes[0],
        Note(
            "event.start",
            "Not set; netflow.flow_start_milliseconds and flow_end_milliseconds have the times.",
        ),
        Note("biflow", "network.bytes and network.packets are the sums of both directions."),
        Note("biflowDirection", "Fills client and server; with 2, source and destination change places."),
        Note("sampling", "Not read: counters are shown as they are."),
        Note("own elements", "Skipped, unless custom_definitions name them."),
        Note("transport", "UDP only."),
    ),
)

LOGSTASH = replace(
    GENERIC,
    name="logstash",
    # An element that is not in its list makes it reject the whole template: nothing of our own, nothing new.
    # Dashboards made for NetFlow version 9 look for 57. The legacy ElastiFlow wants the rate in records.
    elements=tuple(
        each
        for name in _with("destinationMacAddress", "postDestinationMacAddress")
        for each in ((name, "samplingInterval") if name == "packetDeltaCount" else (name,))
    ),
    # Options become events of their own, and it joins them with nothing.
    when_classified=("applicationId", "applicationName"),
    # Two elements of one kind in a template are an error: no reliability statistics, which have two times.
    options=OptionsChoice(tables=frozenset({Table.CISCO_INTERFACES})),
    notes=(
        GENERIC.notes[0],
        Note("elements", "One that it does not know makes it reject the whole template: `add` with care."),
        Note("own elements", "Need a file of definitions (ipfix_definitions)."),
        Note(
            "biflow", "It knows some reverse elements only; one that it does not know rejects the template."
        ),
        Note("exporter", "Templates of several exporters are mixed up if their domains are the same."),
        Note("sampling", "Each record has samplingInterval; options are events of their own."),
    ),
)

TELEGRAF = replace(
    GENERIC,
    name="telegraf",
    # Options are not read at all: the rate and the name of the application stand in each record.
    elements=_with("packetDeltaCount", "samplingInterval"),
    when_classified=("applicationId", "applicationName"),
    options=OptionsChoice(tables=frozenset()),
    notes=(
        GENERIC.notes[0],
        Note("own elements", "Named type_PEN_ID, in hexadecimal, without docs/spanflow-elements.csv."),
        Note("biflow", "Reverse elements are named type_29305_ID, in hexadecimal."),
        Note("options", "Not read, so only sampling is announced."),
    ),
)

PMACCT = replace(
    GENERIC,
    name="pmacct",
    # Its primitive `class` takes ids of 2, 3 and 5 octets; a name in the record can be one of its own.
    when_classified=("applicationId", "applicationName"),
    # tested: of tcpControlBits nfacctd 1.7.7 takes the first octet, which has no flags. One octet has eight.
    lengths={"tcpControlBits": 1},
    # Sampling by 305 and 306 of four octets each; names of applications by 94, 95 and 96.
    options=NAMES_AND_SAMPLING,
    notes=(
        *GENERIC.notes,
        Note("biflow", "The responder's half is lost."),
        Note(
            "applicationId", "The primitive class does not take four octets: define one with field_type=95."
        ),
        Note("tcpControlBits", "One octet: the eight flags without AE and the reserved bits."),
        Note("icmpTypeCodeIPv4", "Not read; type and code are in the destination port."),
    ),
)

IPFIXCOL2 = replace(
    RICH,
    name="ipfixcol2",
    # It reads all of IPFIX: Biflows, variable lengths, types of elements, and every options record.
    biflow=True,
    notes=(
        GENERIC.notes[0],
        Note("own elements", "Named en32473:idN unless libfds has definitions; types come by RFC 5610."),
        Note(
            "templates", "Over UDP it forgets them after 1,800 s, which is more than three template_refresh."
        ),
    ),
)

SILK = replace(
    GENERIC,
    name="silk",
    # Its meter, YAF, sends Biflows. What a SiLK record has no place for is left out.
    biflow=True,
    elements=_without(
        "flowDirection",
        "ipVersion",
        "sourceMacAddress",
        "destinationMacAddress",
        "minimumTTL",
        "maximumTTL",
        "flowId",
    ),
    # applicationId has another meaning than the appLabel of YAF, so that it would not be shown.
    when_classified=(),
    # Options are ignored but for a sampling interval, which is logged.
    options=OptionsChoice(sampling=(SamplingForm.INTERVAL,), tables=frozenset()),
    notes=(
        GENERIC.notes[0],
        Note("tcpControlBits", "All flags of the Flow; initialFlags and sessionFlags stay empty."),
        Note("sampling", "A sampling interval is logged, and applied to nothing."),
        Note("applicationId", "Not sent: SiLK has the port-like appLabel of YAF instead."),
        Note("vlanId", "Shown as an interface with interface-values vlan."),
    ),
)

ELASTIFLOW = replace(
    GENERIC,
    name="elastiflow",
    # It reads options, skips what it does not know, and takes names of applications from their table.
    options=OptionsChoice(
        tables=EVERYTHING.tables - {Table.FLOW_KEYS, Table.INTERFACES} | {Table.CISCO_INTERFACES}
    ),
    notes=(
        Note("egressInterface", "Always 0, shown as unknown."),
        Note(
            "sampling", "Read from the options; the legacy version for Logstash needs the profile logstash."
        ),
        Note("biflow", "Not known to work: leave it off."),
    ),
)

NPROBE = replace(
    GENERIC,
    name="nprobe",
    # It reads reverse traffic from 23 and 24 and not from RFC 5103: both halves are records of their own.
    options=NAMES_AND_SAMPLING,
    notes=(
        GENERIC.notes[0],
        Note(
            "biflow", "The responder's half is lost: it expects postOctetDeltaCount, which we do not misuse."
        ),
        Note(
            "applicationId", "ntopng classifies by itself what it knows from ports; ours is not taken over."
        ),
        Note("ntopng", "Reads no NetFlow by itself: nProbe in collector mode passes it on."),
    ),
)

PRODUCTS: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        GENERIC,
        RICH,
        NFDUMP,
        GOFLOW2,
        AKVORADO,
        ELASTIC,
        LOGSTASH,
        TELEGRAF,
        PMACCT,
        IPFIXCOL2,
        SILK,
        ELASTIFLOW,
        NPROBE,
    )
}
"""All profiles by their names."""
