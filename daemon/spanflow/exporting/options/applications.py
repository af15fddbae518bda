# SPDX-License-Identifier: Apache-2.0
"""What the numbers of applications mean (RFC 6759)."""

from __future__ import annotations

from functools import cache

from spanflow.applications import Applications
from spanflow.exporting.options.table import OptionsTable
from spanflow.exporting.template import OptionsTemplate, options_template
from spanflow.exporting.template_ids import TemplateId


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
