# SPDX-License-Identifier: Apache-2.0
"""The reference of the exported elements, `fields.md`, computed from the table of fields and the templates.

`python -m spanflow.fields_reference --write` makes it in the folder `docs`; `--check` says if it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from spanflow.exporting.options import sampling_template
from spanflow.exporting.profiles import GENERIC, Profile
from spanflow.exporting.template import OptionsTemplate
from spanflow.fields import FIELDS, IP_VERSIONS, Field
from spanflow.generated_page import GeneratedPage
from spanflow.information_elements import REVERSE_PEN, InformationElement, reverse_of

_HEAD = """\
# Exported fields

The elements of the template `generic`, in the order of a Data Record. What the values mean is defined in
[semantics.md](semantics.md). This page is computed from `daemon/spanflow/fields.py`; do not edit it.

- All elements are those of the IANA registry, with its numbers and its types, in network byte order. Each
  value has the full length of its type; reduced-size encoding, variable lengths and lists are not used.
- As two uniflows (the default) a Flow Record becomes up to two Data Records, one for each direction that
  has packets; "this half" is the direction that the Data Record describes.
- As a Biflow (`biflow=true`, RFC 5103) it becomes one Data Record. It has the reverse elements first, in
  the order of this table, then all elements of the table with the values of the initiator. A reverse
  element has the number, type and length of its forward one, and the Private Enterprise Number {pen}.
- "All" Flows have a row, or only those of one IP version, only ICMP (ICMP over IPv4, ICMPv6 over IPv6), or
  only what is not ICMP.
"""

_FIELDS_HEAD = ("element", "id", "type", "octets", "unit", "Flows", "holds", "reverse element")

_TEMPLATES = """
## Templates

A Template ID keeps its meaning; a template that changes gets a new id.
"""
_TEMPLATES_HEAD = ("id", "Flows", "form", "elements", "octets of a Data Record")

_OPTIONS = """
## Options

How packets were sampled, sent with the templates and again every `export.options_refresh`. Every packet is
metered, so samplingPacketInterval is 1 and samplingPacketSpace 0: 1 packet is taken, 0 are left out.
"""
_OPTIONS_HEAD = ("template", "element", "id", "type", "octets", "scope")


def reference() -> str:
    """The whole page."""
    lines = [_HEAD.format(pen=REVERSE_PEN)]
    lines += _table(_FIELDS_HEAD, map(_field_cells, _rows(GENERIC)))
    lines.append(_TEMPLATES)
    lines += _table(_TEMPLATES_HEAD, _template_cells(GENERIC))
    lines.append(_OPTIONS)
    lines += _table(_OPTIONS_HEAD, _options_cells(sampling_template()))
    return "\n".join(lines) + "\n"


def _rows(profile: Profile) -> list[Field]:
    """The rows of the table of fields that a profile uses, in its order."""
    return [field for name in profile.elements for field in FIELDS if field.name == name]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table in Markdown."""
    columns = tuple(head)
    yield _line(columns)
    yield _line("---" for _ in columns)
    yield from map(_line, rows)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _field_cells(field: Field) -> tuple[str, ...]:
    reverse = f"`{reverse_of(field.element).name}`" if field.directional else ""
    return (*_element_cells(field.element), field.unit, _flows_of(field), field.description, reverse)


def _element_cells(element: InformationElement) -> tuple[str, str, str, str]:
    return f"`{element.name}`", str(element.number), element.type, str(element.length)


def _flows_of(field: Field) -> str:
    """Which Flows have this row."""
    versions = "" if field.ip_versions == IP_VERSIONS else _versions_text(field.ip_versions)
    kind = "" if field.icmp is None else _kind_text(field.icmp)
    return ", ".join(text for text in (versions, kind) if text) or "all"


def _versions_text(versions: Iterable[int]) -> str:
    return " and ".join(f"IPv{version}" for version in versions)


def _kind_text(icmp: bool) -> str:
    return "ICMP" if icmp else "not ICMP"


def _template_cells(profile: Profile) -> Iterator[tuple[str, ...]]:
    for biflow, form in ((False, "uniflow"), (True, "Biflow")):
        templates = profile.templates(biflow=biflow).items()
        for (version, icmp), template in sorted(templates, key=lambda item: item[1].template_id):
            flows = f"{_versions_text((version,))}, {_kind_text(icmp)}"
            numbers = (template.template_id, len(template.elements), template.record_octets)
            template_id, elements, octets = (str(int(number)) for number in numbers)
            yield (template_id, flows, form, elements, octets)


def _options_cells(template: OptionsTemplate) -> Iterator[tuple[str, ...]]:
    for number, element in enumerate(template.elements):
        scope = "yes" if number < template.scope_count else ""
        yield (str(int(template.template_id)), *_element_cells(element), scope)


PAGE = GeneratedPage("spanflow.fields_reference", "fields.md", reference)

if __name__ == "__main__":
    sys.exit(PAGE.main())
