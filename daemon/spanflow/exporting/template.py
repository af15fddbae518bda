# SPDX-License-Identifier: Apache-2.0
"""Templates and Options Templates (RFC 7011 section 3.4).

Template:          Template ID, Field Count, Field Specifiers
Options Template:  Template ID, Field Count, Scope Field Count, Field Specifiers, the scope first
Field Specifier:   number and length; the highest bit of the number says that a PEN follows
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from spanflow.fields import FLOW_KEYS, Field, Operation
from spanflow.information_elements import (
    ENTERPRISE_BIT,
    ENTERPRISE_NUMBER,
    VARIABLE_LENGTH,
    InformationElement,
    by_name,
    reverse_of,
)

if TYPE_CHECKING:
    from spanflow.exporting.plugin_columns import PluginColumn


@dataclass(frozen=True, slots=True)
class Source:
    """Where an element's value comes from: a member of the Flow Record (or a constant), and what to do."""

    member: str | int
    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a template depends on beside its fields.

    variable_strings: the details have variable lengths. enterprise_number: the PEN of our own elements.
    columns: those of plugins. lengths: of elements that are sent in fewer octets (RFC 7011 section 6.2).
    reversed_names: in a Biflow, the directional elements with a reverse form; None: all of them.
    """

    biflow: bool = False
    variable_strings: bool = True
    enterprise_number: int = ENTERPRISE_NUMBER
    columns: Sequence[PluginColumn] = ()
    lengths: Mapping[str, int] = field(default_factory=dict)
    reversed_names: tuple[str, ...] | None = None

    def element(self, row: Field) -> InformationElement:
        """The element of a field as it is sent."""
        return row.as_sent(
            variable_strings=self.variable_strings,
            enterprise_number=self.enterprise_number,
            length=self.lengths.get(row.name),
        )

    def operation(self, row: Field) -> Operation:
        """What is done with the value: one in fewer octets loses the first ones."""
        return Operation.LOW_OCTETS if row.name in self.lengths else row.operation

    def is_reversed(self, row: Field) -> bool:
        """Whether a Biflow has a reverse element for it."""
        return row.directional and (self.reversed_names is None or row.name in self.reversed_names)


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

    @property
    def details(self) -> tuple[str, ...]:
        """The kinds of details that follow the fixed part, in their order (names of spanflow.details)."""
        return tuple(
            str(source.member)
            for element, source in zip(self.elements, self.halves[0], strict=True)
            if element.length == VARIABLE_LENGTH
        )

    def key_indicator(self, more_keys: Collection[str]) -> int:
        """flowKeyIndicator (173): a bit for each element that is a Flow Key; the first element is bit 0."""
        keys = FLOW_KEYS.union(more_keys)
        pairs = zip(self.elements[:64], self.halves[0][:64], strict=True)
        return sum(
            1 << place
            for place, (element, source) in enumerate(pairs)
            # The port of ICMP tells type and code, which are no keys.
            if element.name in keys and not str(source.member).endswith("icmp_type_code")
        )

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
            tuple(Source(field.forward, form.operation(field)) for field in fields),
            tuple(Source(field.reverse, form.operation(field)) for field in fields),
        ),
    )


def _biflow_template(template_id: int, fields: tuple[Field, ...], form: Form) -> Template:
    """The template of Biflows (RFC 5103): the reverse elements first, then the forward ones.

    nfdump reads a reverse element that it does not know as the forward one, and the last of two wins.
    """
    directional = [field for field in fields if form.is_reversed(field)]
    reverse = [Source(field.reverse, form.operation(field)) for field in directional]
    forward = [Source(field.forward, form.operation(field)) for field in fields]
    return Template(
        template_id,
        tuple(reverse_of(form.element(field)) for field in directional) + tuple(map(form.element, fields)),
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
