# SPDX-License-Identifier: Apache-2.0
"""Templates and Options Templates (RFC 7011 section 3.4), and the ids that ours have.

Template:          Template ID, Field Count, Field Specifiers
Options Template:  Template ID, Field Count, Scope Field Count, Field Specifiers, the scope first
Field Specifier:   number and length; the highest bit of the number says that a PEN follows
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from spanflow.exporting.ipfix import ENTERPRISE_BIT
from spanflow.fields import Field, Operation
from spanflow.information_elements import (
    ENTERPRISE_NUMBER,
    VARIABLE_LENGTH,
    InformationElement,
    by_name,
    reverse_of,
)

if TYPE_CHECKING:
    from spanflow.exporting.plugin_columns import PluginColumn


class TemplateId(IntEnum):
    """The Template IDs in use. An id keeps its meaning for ever: a changed template gets a new id.

    Templates with columns of plugins have others, see `plugin_columns.template_id_with`.

    RFC 7011 section 8.1: an id must not be redefined while a collector may remember it, and over UDP nothing
    tells the collector to forget (section 8.4).
    """

    GENERIC_IPV4 = 256
    GENERIC_IPV6 = 257
    GENERIC_IPV4_ICMP = 258
    GENERIC_IPV6_ICMP = 259
    GENERIC_IPV4_BIFLOW = 264
    GENERIC_IPV6_BIFLOW = 265
    GENERIC_IPV4_ICMP_BIFLOW = 266
    GENERIC_IPV6_ICMP_BIFLOW = 267
    APPLICATION_IPV4 = 272
    APPLICATION_IPV6 = 273
    APPLICATION_IPV4_ICMP = 274
    APPLICATION_IPV6_ICMP = 275
    APPLICATION_IPV4_BIFLOW = 280
    APPLICATION_IPV6_BIFLOW = 281
    APPLICATION_IPV4_ICMP_BIFLOW = 282
    APPLICATION_IPV6_ICMP_BIFLOW = 283
    RICH_IPV4 = 288
    RICH_IPV6 = 289
    RICH_IPV4_ICMP = 290
    RICH_IPV6_ICMP = 291
    RICH_IPV4_BIFLOW = 296
    RICH_IPV6_BIFLOW = 297
    RICH_IPV4_ICMP_BIFLOW = 298
    RICH_IPV6_ICMP_BIFLOW = 299
    RICH_FIXED_IPV4 = 304
    RICH_FIXED_IPV6 = 305
    RICH_FIXED_IPV4_ICMP = 306
    RICH_FIXED_IPV6_ICMP = 307
    RICH_FIXED_IPV4_BIFLOW = 312
    RICH_FIXED_IPV6_BIFLOW = 313
    RICH_FIXED_IPV4_ICMP_BIFLOW = 314
    RICH_FIXED_IPV6_ICMP_BIFLOW = 315
    SAMPLING = 512
    APPLICATIONS = 513
    APPLICATION_ATTRIBUTES = 514
    ELEMENTS = 515


@dataclass(frozen=True, slots=True)
class Source:
    """Where an element's value comes from: a member of the Flow Record (or a constant), and what to do."""

    member: str | int
    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a template depends on beside its fields.

    variable_strings: the details have variable lengths. enterprise_number: the PEN of our own elements.
    columns: those of plugins.
    """

    biflow: bool = False
    variable_strings: bool = True
    enterprise_number: int = ENTERPRISE_NUMBER
    columns: Sequence[PluginColumn] = ()

    def element(self, field: Field) -> InformationElement:
        """The element of a field as it is sent."""
        return field.as_sent(variable_strings=self.variable_strings, enterprise_number=self.enterprise_number)


@dataclass(frozen=True, slots=True)
class Template:
    """What one kind of Data Record looks like.

    halves: for each Data Record that a Flow Record becomes (two uniflows, or one Biflow), the source of every
    element, in the order of `elements`. Elements of variable length come last, and are all details.
    """

    template_id: int
    elements: tuple[InformationElement, ...]
    halves: tuple[tuple[Source, ...], ...]

    @property
    def record_octets(self) -> int:
        """Octets of one Data Record; with variable lengths, of its fixed part."""
        return sum(element.length for element in self.elements if element.length != VARIABLE_LENGTH)

    @property
    def has_details(self) -> bool:
        """Whether the details follow the fixed part of a Data Record."""
        return self.elements[-1].length == VARIABLE_LENGTH

    def encode(self) -> bytes:
        """The Template Record."""
        header = struct.pack(">HH", self.template_id, len(self.elements))
        return header + b"".join(map(field_specifier, self.elements))


@dataclass(frozen=True, slots=True)
class OptionsTemplate:
    """What one kind of options Data Record looks like. The first `scope_count` elements are the scope."""

    template_id: int
    elements: tuple[InformationElement, ...]
    scope_count: int

    def encode(self) -> bytes:
        """The Options Template Record (RFC 7011 section 3.4.2.2)."""
        header = struct.pack(">HHH", self.template_id, len(self.elements), self.scope_count)
        return header + b"".join(map(field_specifier, self.elements))

    @property
    def record_octets(self) -> int:
        """Octets of one options Data Record: no element has a variable length."""
        return sum(element.length for element in self.elements)

    def encode_record(self, *values: int | str) -> bytes:
        """One options Data Record of unsigned values and strings, in the order of the elements."""
        pairs = zip(values, self.elements, strict=True)
        return b"".join(
            padded(value, element.length) if isinstance(value, str) else value.to_bytes(element.length, "big")
            for value, element in pairs
        )


def padded(text: str, octets: int) -> bytes:
    """A string in a fixed length: filled up with NULs, one at the least, or cut between characters.

    Collectors in C look for the NUL: nfacctd shows what follows as well if there is none.
    """
    return text.encode()[: octets - 1].decode("utf-8", "ignore").encode().ljust(octets, b"\0")


def field_specifier(element: InformationElement) -> bytes:
    """The Field Specifier of an element with its own length (RFC 7011 section 3.2)."""
    if element.pen:
        return struct.pack(">HHI", ENTERPRISE_BIT | element.number, element.length, element.pen)
    return struct.pack(">HH", element.number, element.length)


def flow_template(template_id: int, fields: tuple[Field, ...], form: Form) -> Template:
    """The template of Data Records with these fields. Raises ValueError if the details are not last."""
    template = (_biflow_template if form.biflow else _uniflow_template)(template_id, fields, form)
    lengths = [element.length == VARIABLE_LENGTH for element in template.elements]
    if lengths != sorted(lengths):
        raise ValueError(f"template {template_id}: elements of variable length must be the last ones")
    return _with_columns(template, form, lengths.count(False)) if form.columns else template


def _with_columns(template: Template, form: Form, place: int) -> Template:
    """The template with the columns of plugins in this place; the same values in all halves."""
    elements = tuple(column.as_sent(form.enterprise_number) for column in form.columns)
    sources = tuple(Source(column.name, Operation.COLUMN) for column in form.columns)
    return Template(
        template.template_id,
        template.elements[:place] + elements + template.elements[place:],
        tuple(half[:place] + sources + half[place:] for half in template.halves),
    )


def _uniflow_template(template_id: int, fields: tuple[Field, ...], form: Form) -> Template:
    """The template of Data Records for one direction: two for each Flow Record, with the same elements."""
    return Template(
        template_id,
        tuple(map(form.element, fields)),
        (
            tuple(Source(field.forward, field.operation) for field in fields),
            tuple(Source(field.reverse, field.operation) for field in fields),
        ),
    )


def _biflow_template(template_id: int, fields: tuple[Field, ...], form: Form) -> Template:
    """The template of Biflows (RFC 5103): the reverse elements first, then the forward ones.

    nfdump reads a reverse element that it does not know as the forward one, and the last of two wins.
    """
    directional = [field for field in fields if field.directional]
    reverse = [Source(field.reverse, field.operation) for field in directional]
    forward = [Source(field.forward, field.operation) for field in fields]
    return Template(
        template_id,
        tuple(reverse_of(field.element) for field in directional) + tuple(map(form.element, fields)),
        (tuple(reverse + forward),),
    )


def options_template(
    template_id: int,
    scope: tuple[str, ...],
    names: tuple[str, ...],
    widths: Mapping[str, int] | None = None,
) -> OptionsTemplate:
    """An Options Template by the names of its elements. widths: of those whose own length is variable.

    nfdump copies strings of options at a fixed length.
    """
    given = widths or {}
    elements = (by_name(name) for name in scope + names)
    fixed = tuple(replace(each, length=given.get(each.name, each.length)) for each in elements)
    if any(element.length == VARIABLE_LENGTH for element in fixed):
        raise ValueError(f"options template {template_id}: an element has no fixed length")
    return OptionsTemplate(template_id, fixed, len(scope))
