# SPDX-License-Identifier: Apache-2.0
"""Options Data Records: what a collector has to know beside the Flows (RFC 7011 section 4).

- How packets were sampled. Some collectors drop every Flow until they are told, so 1:1 is told too.
- What the numbers of applications mean (RFC 6759).
- What our own elements are (RFC 5610).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from spanflow.applications import Applications
from spanflow.errors import EncodeError
from spanflow.exporting.ipfix import SET_HEADER_OCTETS, set_of
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.exporting.template import OptionsTemplate, TemplateId, options_template
from spanflow.fields import Field
from spanflow.information_elements import ABSTRACT_DATA_TYPES

COUNT_BASED_SAMPLING = 1
"""selectorAlgorithm: systematic count-based sampling (RFC 5477 section 8.2.2)."""

SELECTOR_ID = 0
"""Data Records name no selector, and akvorado then looks up the selector 0."""

_UNITS = {"": 0}
"""The values of informationElementUnits that our own elements have (RFC 5610 section 3.3)."""


@dataclass(frozen=True, slots=True)
class OptionsTable:
    """The Data Records of one Options Template.

    sets_of_one: each is in a Set of its own; nfdump 1.7 takes wrong steps from one record to the next.
    """

    template: OptionsTemplate
    records: Sequence[bytes]
    sets_of_one: bool = False

    def bodies(self, room: int) -> Iterator[tuple[bytes, int]]:
        """Sets of together at most `room` octets, as many Data Records in each as fit; and how many.

        Raises EncodeError if one alone does not fit.
        """
        octets = self.template.record_octets
        several = (
            room // (SET_HEADER_OCTETS + octets) if self.sets_of_one else (room - SET_HEADER_OCTETS) // octets
        )
        if several < 1:
            raise EncodeError(f"an options record of {octets} octets does not fit into a Message")
        for first in range(0, len(self.records), several):
            records = self.records[first : first + several]
            sets = records if self.sets_of_one else [b"".join(records)]
            yield b"".join(set_of(self.template.template_id, each) for each in sets), len(records)


@dataclass(frozen=True, slots=True)
class Sampling:
    """`interval` packets are selected, then `space` packets are not (RFC 5477): 1 and 0 is every packet.

    One record says it to nfdump, pmacct and akvorado, which take (interval + space) / interval, and to
    goflow2, which takes the interval for the rate: the same only at 1:1.
    """

    interval: int = 1
    space: int = 0

    def table(self) -> OptionsTable:
        """The one record that announces this sampling."""
        template = sampling_template()
        record = template.encode_record(SELECTOR_ID, COUNT_BASED_SAMPLING, self.interval, self.space)
        return OptionsTable(template, [record])


EVERY_PACKET = Sampling()


@cache
def sampling_template() -> OptionsTemplate:
    """The Options Template of Sampling."""
    return options_template(
        TemplateId.SAMPLING,
        scope=("selectorId",),
        names=("selectorAlgorithm", "samplingPacketInterval", "samplingPacketSpace"),
    )


@cache
def applications_template() -> OptionsTemplate:
    """The Options Template of the names of applications, with the widths that Cisco's exporters have.

    applicationId is no Scope Field: nfdump 1.7 looks for it among the others only, and gives wrong names to
    Flows if it is not there.
    """
    return options_template(
        TemplateId.APPLICATIONS,
        scope=("observationDomainId",),
        names=("applicationId", "applicationName", "applicationDescription"),
        widths={"applicationId": 4, "applicationName": 24, "applicationDescription": 55},
    )


@cache
def application_attributes_template() -> OptionsTemplate:
    """The Options Template of what groups applications (RFC 6759 section 5)."""
    return options_template(
        TemplateId.APPLICATION_ATTRIBUTES,
        scope=("applicationId",),
        names=("applicationCategoryName", "applicationSubCategoryName"),
        widths={
            "applicationId": 4,
            "applicationCategoryName": 24,
            "applicationSubCategoryName": 24,
        },
    )


def applications_tables(applications: Applications, observation_domain_id: int) -> list[OptionsTable]:
    """Names and attributes: a record for each application, in the order of the ids."""
    names, attributes = applications_template(), application_attributes_template()
    in_order = sorted(applications.by_number.values(), key=lambda each: each.application_id)
    return [
        OptionsTable(
            names,
            [
                names.encode_record(
                    observation_domain_id, each.application_id, each.name, applications.description(each)
                )
                for each in in_order
            ],
            sets_of_one=True,
        ),
        OptionsTable(
            attributes,
            [attributes.encode_record(each.application_id, each.category, each.breed) for each in in_order],
        ),
    ]


@cache
def elements_template() -> OptionsTemplate:
    """The Options Template of type information (RFC 5610 section 3.9)."""
    return options_template(
        TemplateId.ELEMENTS,
        scope=("privateEnterpriseNumber", "informationElementId"),
        names=(
            "informationElementDataType",
            "informationElementSemantics",
            "informationElementUnits",
            "informationElementRangeBegin",
            "informationElementRangeEnd",
            "informationElementName",
            "informationElementDescription",
        ),
        widths={"informationElementName": 32, "informationElementDescription": 96},
    )


def elements_table(fields: Iterable[Field | PluginColumn], enterprise_number: int) -> OptionsTable:
    """A record for each of these fields, whose elements are our own. Range 0..0: all that the type allows."""
    template = elements_template()
    return OptionsTable(
        template,
        [
            template.encode_record(
                enterprise_number,
                field.element.number,
                ABSTRACT_DATA_TYPES.index(field.element.type),
                field.semantics,
                _UNITS[field.unit],
                0,
                0,
                field.name,
                field.description,
            )
            for field in fields
        ],
    )
