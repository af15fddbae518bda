# SPDX-License-Identifier: Apache-2.0
"""Templates and Options Templates (RFC 7011 section 3.4), and the ids that ours have.

Template:          Template ID, Field Count, Field Specifiers
Options Template:  Template ID, Field Count, Scope Field Count, Field Specifiers, the scope first
Field Specifier:   number and length; the highest bit of the number says that a PEN follows
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from spanflow.exporting.ipfix import ENTERPRISE_BIT
from spanflow.fields import Field, Operation
from spanflow.information_elements import InformationElement, by_name, reverse_of


class TemplateId(IntEnum):
    """The Template IDs in use. An id keeps its meaning for ever: a changed template gets a new id.

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
    SAMPLING = 512


@dataclass(frozen=True, slots=True)
class Source:
    """Where an element's value comes from: a member of the Flow Record (or a constant), and what to do."""

    member: str | int
    operation: Operation


@dataclass(frozen=True, slots=True)
class Template:
    """What one kind of Data Record looks like.

    halves: for each Data Record that a Flow Record becomes (two uniflows, or one Biflow), the source of every
    element, in the order of `elements`.
    """

    template_id: int
    elements: tuple[InformationElement, ...]
    halves: tuple[tuple[Source, ...], ...]

    @property
    def record_octets(self) -> int:
        """Octets of one Data Record."""
        return sum(element.length for element in self.elements)

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

    def encode_record(self, *values: int) -> bytes:
        """One options Data Record of unsigned values, in the order of the elements."""
        pairs = zip(values, self.elements, strict=True)
        return b"".join(value.to_bytes(element.length, "big") for value, element in pairs)


def field_specifier(element: InformationElement) -> bytes:
    """The Field Specifier of an element with its own length (RFC 7011 section 3.2)."""
    if element.pen:
        return struct.pack(">HHI", ENTERPRISE_BIT | element.number, element.length, element.pen)
    return struct.pack(">HH", element.number, element.length)


def uniflow_template(template_id: int, fields: tuple[Field, ...]) -> Template:
    """The template of Data Records for one direction: two for each Flow Record, with the same elements."""
    return Template(
        template_id,
        tuple(field.element for field in fields),
        (
            tuple(Source(field.forward, field.operation) for field in fields),
            tuple(Source(field.reverse, field.operation) for field in fields),
        ),
    )


def biflow_template(template_id: int, fields: tuple[Field, ...]) -> Template:
    """The template of Biflows (RFC 5103): the reverse elements first, then the forward ones.

    nfdump reads a reverse element that it does not know as the forward one, and the last of two wins.
    """
    directional = [field for field in fields if field.directional]
    reverse = [Source(field.reverse, field.operation) for field in directional]
    forward = [Source(field.forward, field.operation) for field in fields]
    return Template(
        template_id,
        tuple(reverse_of(field.element) for field in directional) + tuple(field.element for field in fields),
        (tuple(reverse + forward),),
    )


def options_template(template_id: int, scope: tuple[str, ...], names: tuple[str, ...]) -> OptionsTemplate:
    """An Options Template by the names of its elements."""
    return OptionsTemplate(template_id, tuple(map(by_name, scope + names)), len(scope))
