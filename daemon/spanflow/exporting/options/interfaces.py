# SPDX-License-Identifier: Apache-2.0
"""What the interfaces are called that packets come from."""

from __future__ import annotations

from functools import cache

from spanflow.exporting.facts import ObservedInterface, ProbeFacts
from spanflow.exporting.options.table import OptionsKind, OptionsTable
from spanflow.exporting.template import OptionsTemplate, options_template
from spanflow.exporting.template_ids import TemplateId

_WIDTHS = {"interfaceName": 32, "interfaceDescription": 64}
"""Collectors copy both at a fixed length."""


@cache
def interfaces_template() -> OptionsTemplate:
    """The Options Template of names and descriptions of interfaces."""
    return options_template(
        TemplateId.INTERFACES,
        scope=("ingressInterface",),
        names=("interfaceName", "interfaceDescription"),
        widths=_WIDTHS,
    )


@cache
def cisco_interfaces_template() -> OptionsTemplate:
    """The same as Cisco's exporters have it: those who read it do not look into the scope."""
    return options_template(
        TemplateId.CISCO_INTERFACES,
        scope=("observationDomainId",),
        names=("ingressInterface", "interfaceName", "interfaceDescription"),
        widths=_WIDTHS,
    )


def interfaces(facts: ProbeFacts) -> OptionsKind:
    """A record for each interface."""
    template = interfaces_template()

    def table() -> OptionsTable:
        return OptionsTable(template, [template.encode_record(*_values(each)) for each in facts.interfaces()])

    return OptionsKind(template, table)


@cache
def interface_names_template() -> OptionsTemplate:
    """The one that nfdump reads: it takes interfaceDescription for the name, and warns of other strings."""
    return options_template(
        TemplateId.INTERFACE_NAMES,
        scope=("observationDomainId",),
        names=("ingressInterface", "interfaceDescription"),
        widths={"interfaceDescription": _WIDTHS["interfaceName"]},
    )


def cisco_interfaces(facts: ProbeFacts, observation_domain_id: int) -> OptionsKind:
    """A record for each interface."""
    template = cisco_interfaces_template()

    def table() -> OptionsTable:
        records = [
            template.encode_record(observation_domain_id, *_values(each)) for each in facts.interfaces()
        ]
        return OptionsTable(template, records)

    return OptionsKind(template, table)


def interface_names(facts: ProbeFacts, observation_domain_id: int) -> OptionsKind:
    """A record for each interface, each in a Set of its own: of several in one nfdump 1.7 reads the first."""
    template = interface_names_template()

    def table() -> OptionsTable:
        records = [
            template.encode_record(observation_domain_id, each.index, each.name)
            for each in facts.interfaces()
        ]
        return OptionsTable(template, records, sets_of_one=True)

    return OptionsKind(template, table)


def _values(interface: ObservedInterface) -> tuple[int, str, str]:
    # Without a description some collectors show nothing at all.
    return interface.index, interface.name, interface.description or interface.name
