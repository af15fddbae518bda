# SPDX-License-Identifier: Apache-2.0
"""What is computed from the table of fields and the templates, for people and for collectors, in `docs`.

`fields.md` is the reference of the exported elements, `spanflow-elements.csv` the registry of our own ones as
Telegraf reads it. `python -m spanflow.fields_reference --write` makes both; `--check` says if one is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from spanflow.exporting.options import (
    application_attributes_template,
    applications_template,
    elements_template,
    sampling_template,
)
from spanflow.exporting.profiles import GENERIC, GENERIC_APPLICATION, RICH, RICH_FIXED, Profile
from spanflow.exporting.template import OptionsTemplate
from spanflow.fields import FIELDS, IP_VERSIONS, Field
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
  profile `rich` has all rows, whether or not Flows are classified.
- Elements are those of the IANA registry, with its numbers and its types, in network byte order. Those
  with the id {own}/N are our own: N under the Private Enterprise Number {own}
  (`export.enterprise_number`). {own} is for documentation (RFC 5612): IANA has not assigned a number to
  Spanflow yet, so do not rely on it beyond your own network.
  [spanflow-elements.csv](spanflow-elements.csv) lists them for collectors, and records of type
  information (RFC 5610) are sent with them.
- A value has the full length of its type; reduced-size encoding and lists are not used. The strings at
  the end of `rich` have variable lengths (`strings=variable`), at most 254 octets, or those of this
  table (`strings=fixed`): cut between two characters, filled up with NULs, one at the least.
- As two uniflows (the default) a Flow Record becomes up to two Data Records, one for each direction that
  has packets; "this half" is the direction that the Data Record describes.
- As a Biflow (`biflow=true`, RFC 5103) it becomes one Data Record. It has the reverse elements first, in
  the order of this table, then all elements of the table with the values of the initiator. A reverse
  element has the number, type and length of its forward one, and the Private Enterprise Number {reverse}.
- "All" Flows have a row, or only those of one IP version, only ICMP (ICMP over IPv4, ICMPv6 over IPv6), or
  only what is not ICMP.
"""

_FIELDS_HEAD = ("element", "id", "type", "octets", "unit", "profile", "Flows", "holds", "reverse element")

_TEMPLATES = """
## Templates

A Template ID keeps its meaning; a template that changes gets a new id. With strings of variable length a Data
Record is longer by the octets of these strings and one for each of them.
"""
_TEMPLATES_HEAD = ("id", "template", "Flows", "form", "elements", "octets of a Data Record")

_NAMED_PROFILES = (
    ("generic", GENERIC),
    ("generic, classified", GENERIC_APPLICATION),
    ("rich, variable strings", RICH),
    ("rich, fixed strings", RICH_FIXED),
)

_OPTIONS = """
## Options

Sent with the templates and again every `export.options_refresh`.

- {sampling}: how packets were sampled. Every packet is metered, so samplingPacketInterval is 1 and
  samplingPacketSpace 0: 1 packet is taken, 0 are left out.
- {applications} and {attributes}, if Flows are classified: the names of applications, the engine with
  its version (in the description), and what groups applications (RFC 6759). Numbers differ between
  versions of the engine.
- {elements}, in the profile `rich`: what our own elements are (RFC 5610).
"""
_OPTIONS_HEAD = ("template", "element", "id", "type", "octets", "scope")

_REGISTRY_HEAD = """\
# Information Elements of Spanflow, as the input plugin `netflow` of Telegraf reads them:
# PEN.ID, name, data type
"""
_REGISTRY_TYPES = {"string": "string", "unsigned": "uint"}


def reference() -> str:
    """The whole page."""
    lines = [_HEAD.format(own=ENTERPRISE_NUMBER, reverse=REVERSE_PEN)]
    lines += markdown_table(_FIELDS_HEAD, map(_field_cells, _rows(RICH)))
    lines.append(_TEMPLATES)
    lines += markdown_table(
        _TEMPLATES_HEAD, (row for named in _NAMED_PROFILES for row in _template_cells(*named))
    )
    templates = {
        "sampling": sampling_template(),
        "applications": applications_template(),
        "attributes": application_attributes_template(),
        "elements": elements_template(),
    }
    lines.append(_OPTIONS.format(**{name: int(each.template_id) for name, each in templates.items()}))
    lines += markdown_table(
        _OPTIONS_HEAD, (row for each in templates.values() for row in _options_cells(each))
    )
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


def _field_cells(field: Field) -> tuple[str, ...]:
    reverse = f"`{reverse_of(field.element).name}`" if field.directional else ""
    texts = (field.unit, _profile_of(field), _flows_of(field), field.description, reverse)
    return (*_element_cells(field.element, field.length), *texts)


def _element_cells(element: InformationElement, length: int) -> tuple[str, str, str, str]:
    number = f"{element.pen}/{element.number}" if element.pen else str(element.number)
    return f"`{element.name}`", number, element.type, str(length)


def _profile_of(field: Field) -> str:
    """From which profile on templates have this row."""
    if field.name in GENERIC.elements:
        return "generic"
    return "classified" if field.name in GENERIC_APPLICATION.elements else "rich"


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


def _options_cells(template: OptionsTemplate) -> Iterator[tuple[str, ...]]:
    for number, element in enumerate(template.elements):
        scope = "yes" if number < template.scope_count else ""
        yield (str(int(template.template_id)), *_element_cells(element, element.length), scope)


PAGE = GeneratedPage("spanflow.fields_reference", "fields.md", reference)
REGISTRY = GeneratedPage("spanflow.fields_reference", "spanflow-elements.csv", registry)


def main() -> int:
    """Write both files, or say which of them is stale (exit code 1)."""
    return max(page.main() for page in (PAGE, REGISTRY))


if __name__ == "__main__":
    sys.exit(main())
