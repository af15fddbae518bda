# SPDX-License-Identifier: Apache-2.0
"""What is computed from the table of fields and the templates, for people and for collectors, in `docs`.

`fields.md` is the reference of the exported elements, `spanflow-elements.csv` the registry of our own ones as
Telegraf reads it. `python -m spanflow.fields_reference --write` makes both; `--check` says if one is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from spanflow.exporting.options.applications import application_attributes_template, applications_template
from spanflow.exporting.options.elements import elements_template
from spanflow.exporting.options.flow_keys import flow_keys_template
from spanflow.exporting.options.interfaces import (
    cisco_interfaces_template,
    interface_names_template,
    interfaces_template,
)
from spanflow.exporting.options.processes import (
    exporting_reliability_template,
    metering_reliability_template,
    metering_statistics_template,
    system_init_time_template,
)
from spanflow.exporting.options.sampling import (
    interval_template,
    rate_template,
    sampler_template,
    sampling_template,
    selector_statistics_template,
)
from spanflow.exporting.options_choice import SamplingForm, Table
from spanflow.exporting.profiles import GENERIC, GENERIC_APPLICATION, PRODUCTS, RICH, RICH_FIXED, Profile
from spanflow.exporting.template import OptionsTemplate
from spanflow.fields import FIELDS, IP_VERSIONS, VARIANTS, Field
from spanflow.generated_page import GeneratedPage, markdown_table
from spanflow.information_elements import (
    ENTERPRISE_NUMBER,
    REVERSE_PEN,
    InformationElement,
    reverse_of,
)

_HEAD = """\
# Exported fields

The elements of the templates, in the order of a Data Record. What the values mean is defined in
[semantics.md](semantics.md). This page is computed from `daemon/spanflow/fields.py`; do not edit it.

- The profile `generic` has the rows marked so and, if Flows are classified, `applicationId`. The
  profile `rich` has all rows of the first table, whether or not Flows are classified. The other profiles are
  [below](#profiles); `elements`, `add` and `remove` of a collector take any name of the first two tables.
- Elements are those of the IANA registry, with its numbers and its types, in network byte order. Those
  with the id {own}/N are our own: N under the Private Enterprise Number {own}
  (`export.enterprise_number`). {own} is for documentation (RFC 5612): IANA has not assigned a number to
  Spanflow yet, so do not rely on it beyond your own network.
  [spanflow-elements.csv](spanflow-elements.csv) lists them for collectors, and records of type
  information (RFC 5610) are sent with them.
- A value has the full length of its type, unless a profile says otherwise; lists are not used. The strings
  at the end of `rich` have variable lengths (`strings=variable`), at most 254 octets, and come last; or those
  of this table (`strings=fixed`): cut between two characters, filled up with NULs, one at the least.
- As two uniflows (the default) a Flow Record becomes up to two Data Records, one for each direction that
  has packets; "this half" is the direction that the Data Record describes.
- As a Biflow (`biflow=true`, RFC 5103) it becomes one Data Record. It has the reverse elements first, in
  the order of this table, then all elements of the table with the values of the initiator. A reverse
  element has the number, type and length of its forward one, and the Private Enterprise Number {reverse}.
- "All" Flows have a row, or only those of one IP version, only ICMP (ICMP over IPv4, ICMPv6 over IPv6), or
  only what is not ICMP.
"""

_FIELDS_HEAD = ("element", "id", "type", "octets", "unit", "profile", "Flows", "holds", "reverse element")

_VARIANTS = """
## Elements by choice

What the first table says, in other forms, and what is the same in every record.
"""
_VARIANTS_HEAD = ("element", "id", "type", "octets", "unit", "profiles", "Flows", "holds", "reverse element")

_TEMPLATES = """
## Templates

A Template ID keeps its meaning; a template that changes gets a new id. With strings of variable length a Data
Record is longer by the octets of these strings and one for each of them. Templates of other profiles and of
your own choice have ids from 1024 on, which come from what is in them: the same after every start.
"""
_TEMPLATES_HEAD = ("id", "template", "Flows", "form", "elements", "octets of a Data Record")

_NAMED_PROFILES = (
    ("generic", GENERIC),
    ("generic, classified", GENERIC_APPLICATION),
    ("rich, variable strings", RICH),
    ("rich, fixed strings", RICH_FIXED),
)

_PROFILES = """
## Profiles

How the profiles differ from `generic`: in elements, in their form, and in the options that are sent.
"""
_PROFILES_HEAD = ("profile", "elements more", "elements less", "form", "sampling", "other options")

_OPTIONS = """
## Options

Sent with the templates and again every `export.options_refresh`; names of interfaces also when they change.
The table above says which profile has which.

- Sampling: every packet is metered, so the rate is 1: of samplingPacketInterval and samplingPacketSpace, 1
  packet is taken, 0 are left out.
- Applications, if Flows are classified: their names, the engine with its version (in the description), and
  what groups applications (RFC 6759). Numbers differ between versions of the engine.
- Elements: what our own elements are, where there are some (RFC 5610).
- Statistics and reliability: what was sent, and what was lost in metering or not sent (RFC 7011 sections
  4.1 to 4.3). The two times are those of the first and the last loss, 0 if there was none.
- Flow Keys (RFC 7011 section 4.4): a bit for each element of a template that tells one Flow from another.
"""
_OPTIONS_HEAD = ("template", "options", "element", "id", "type", "octets", "scope")

_SAMPLING_NAMES = {
    SamplingForm.SELECTOR: ("selector", sampling_template),
    SamplingForm.INTERVAL: ("interval", interval_template),
    SamplingForm.RATE: ("rate", rate_template),
    SamplingForm.SAMPLER: ("sampler", sampler_template),
}
_TABLE_NAMES = {
    Table.INTERFACES: ("interfaces", (interfaces_template,)),
    Table.CISCO_INTERFACES: ("interfaces without scope", (cisco_interfaces_template,)),
    Table.INTERFACE_NAMES: ("names of interfaces", (interface_names_template,)),
    Table.APPLICATIONS: ("applications", (applications_template, application_attributes_template)),
    Table.ELEMENTS: ("elements", (elements_template,)),
    Table.SYSTEM_INIT_TIME: ("start", (system_init_time_template,)),
    Table.METERING_STATISTICS: ("statistics", (metering_statistics_template,)),
    Table.METERING_RELIABILITY: ("metering reliability", (metering_reliability_template,)),
    Table.EXPORTING_RELIABILITY: ("exporting reliability", (exporting_reliability_template,)),
    Table.FLOW_KEYS: ("Flow Keys", (flow_keys_template,)),
    Table.SELECTOR_STATISTICS: ("selector statistics", (selector_statistics_template,)),
}

_REGISTRY_HEAD = """\
# Information Elements of Spanflow, as the input plugin `netflow` of Telegraf reads them:
# PEN.ID, name, data type
"""
_REGISTRY_TYPES = {"string": "string", "unsigned": "uint"}


def reference() -> str:
    """The whole page."""
    lines = [_HEAD.format(own=ENTERPRISE_NUMBER, reverse=REVERSE_PEN)]
    lines += markdown_table(_FIELDS_HEAD, (_field_cells(row, _profile_of(row)) for row in _rows(RICH)))
    lines.append(_VARIANTS)
    lines += markdown_table(_VARIANTS_HEAD, (_field_cells(row, _profiles_with(row)) for row in VARIANTS))
    lines.append(_TEMPLATES)
    lines += markdown_table(
        _TEMPLATES_HEAD, (row for named in _NAMED_PROFILES for row in _template_cells(*named))
    )
    lines.append(_PROFILES)
    lines += markdown_table(_PROFILES_HEAD, map(_product_cells, PRODUCTS.values()))
    lines.append(_OPTIONS)
    lines += markdown_table(_OPTIONS_HEAD, _options_rows())
    return "\n".join(lines) + "\n"


def registry() -> str:
    """Our own elements as CSV."""
    own = [field.element for field in FIELDS if field.element.pen == ENTERPRISE_NUMBER]
    return _REGISTRY_HEAD + "".join(
        f"{element.pen}.{element.number},{element.name},{_REGISTRY_TYPES[element.type.rstrip('0123456789')]}\n"
        for element in own
    )


def _rows(profile: Profile) -> list[Field]:
    """The rows of the table of fields that a profile uses, in its order."""
    return [field for name in profile.elements for field in FIELDS if field.name == name]


def _field_cells(field: Field, profiles: str) -> tuple[str, ...]:
    reverse = f"`{reverse_of(field.element).name}`" if field.directional else ""
    texts = (field.unit, profiles, _flows_of(field), field.description, reverse)
    return (*_element_cells(field.element, field.length), *texts)


def _element_cells(element: InformationElement, length: int) -> tuple[str, str, str, str]:
    number = f"{element.pen}/{element.number}" if element.pen else str(element.number)
    return f"`{element.name}`", number, element.type, str(length)


def _profile_of(field: Field) -> str:
    """From which profile on templates have this row."""
    if field.name in GENERIC.elements:
        return "generic"
    return "classified" if field.name in GENERIC_APPLICATION.elements else "rich"


def _profiles_with(field: Field) -> str:
    """Which profiles have this row."""
    return ", ".join(name for name, each in PRODUCTS.items() if field.name in each.elements)


def _product_cells(profile: Profile) -> tuple[str, ...]:
    names = profile.elements + profile.when_classified
    generic = GENERIC_APPLICATION.elements
    more = [name for name in names if name not in generic]
    less = [name for name in generic if name not in names]
    form = ["Biflow" if profile.biflow else "uniflow"]
    form += ["variable strings"] if profile.has_variable_strings else []
    form += [f"`{name}`: {octets} octet" for name, octets in profile.lengths.items()]
    form += ["counters first"] if profile.elements[0] == "octetDeltaCount" else []
    sampling = [_SAMPLING_NAMES[form][0] for form in profile.options.sampling]
    tables = [name for table, (name, _) in _TABLE_NAMES.items() if table in profile.options.tables]
    more_names = "all of `rich`" if set(RICH.elements) <= set(names) else _listed(more)
    return (profile.name, more_names, _listed(less), ", ".join(form), ", ".join(sampling), ", ".join(tables))


def _listed(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _flows_of(field: Field) -> str:
    """Which Flows have this row."""
    versions = "" if field.ip_versions == IP_VERSIONS else _versions_text(field.ip_versions)
    kind = "" if field.icmp is None else _kind_text(field.icmp)
    return ", ".join(text for text in (versions, kind) if text) or "all"


def _versions_text(versions: Iterable[int]) -> str:
    return " and ".join(f"IPv{version}" for version in versions)


def _kind_text(icmp: bool) -> str:
    return "ICMP" if icmp else "not ICMP"


def _template_cells(name: str, profile: Profile) -> Iterator[tuple[str, ...]]:
    for biflow, form in ((False, "uniflow"), (True, "Biflow")):
        templates = profile.templates(biflow=biflow).items()
        for (version, icmp), template in sorted(templates, key=lambda item: item[1].template_id):
            flows = f"{_versions_text((version,))}, {_kind_text(icmp)}"
            numbers = (template.template_id, len(template.elements), template.record_octets)
            template_id, elements, octets = (str(int(number)) for number in numbers)
            more = " and the strings" if template.has_details else ""
            yield (template_id, name, flows, form, elements, octets + more)


def _options_rows() -> Iterator[tuple[str, ...]]:
    for name, make in _SAMPLING_NAMES.values():
        yield from _options_cells(f"sampling: {name}", make())
    for name, makes in _TABLE_NAMES.values():
        for make in makes:
            yield from _options_cells(name, make())


def _options_cells(name: str, template: OptionsTemplate) -> Iterator[tuple[str, ...]]:
    for number, element in enumerate(template.elements):
        scope = "yes" if number < template.scope_count else ""
        yield (str(int(template.template_id)), name, *_element_cells(element, element.length), scope)


PAGE = GeneratedPage("spanflow.fields_reference", "fields.md", reference)
REGISTRY = GeneratedPage("spanflow.fields_reference", "spanflow-elements.csv", registry)


def main() -> int:
    """Write both files, or say which of them is stale (exit code 1)."""
    return max(page.main() for page in (PAGE, REGISTRY))


if __name__ == "__main__":
    sys.exit(main())
