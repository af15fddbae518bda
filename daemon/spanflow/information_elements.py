# SPDX-License-Identifier: Apache-2.0
"""Information Elements by name and by number: IANA's registry, the reverse elements of RFC 5103, and our own.

The `ipfix` package brings the registry as it stood in 2014; what IANA registered since then is in
`information_elements_since_2014.iespec` beside this file, our own are in `spanflow.iespec`; all have the same
notation: name(PEN/number)<type>[length], without PEN for IANA's. The files are read at the first look-up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from pathlib import Path

REVERSE_PEN = 29305
"""The Private Enterprise Number of reverse Information Elements (RFC 5103 section 6.1)."""

ENTERPRISE_NUMBER = 32473
"""The Private Enterprise Number of our own elements: the one for documentation (RFC 5612), until IANA assigns
one to Spanflow. Their own numbers leave bit 0x4000 free, for reverse forms."""

ENTERPRISE_BIT = 0x8000
"""In a Field Specifier, on top of the number: a PEN follows (RFC 7011 section 3.2)."""

VARIABLE_LENGTH = 65535
"""The length that says: each value carries its own length (RFC 7011 section 7)."""

_SPECIFICATION = re.compile(
    r"(?P<name>\w+)\((?:(?P<pen>\d+)/)?(?P<number>\d+)\)<(?P<type>\w+)>\[(?P<length>\d+)\]"
)

# RFC 5103 section 6.1, with the numbers of the sections of RFC 5102 that it refers to.
_NOT_REVERSIBLE = (
    {148, 145, 149, 137}  # identifiers: flowId, templateId, observationDomainId, commonPropertiesId
    | {130, 131, 217, 211, 212, 213, 214, 215, 216, 173}  # 5.2, configuration of the processes
    | {41, 40, 42, 163, 164, 165, 166, 167, 168}  # 5.3, statistics of the processes
    | {210, 239}  # paddingOctets, biflowDirection
)


ABSTRACT_DATA_TYPES = (
    "octetArray",
    "unsigned8",
    "unsigned16",
    "unsigned32",
    "unsigned64",
    "signed8",
    "signed16",
    "signed32",
    "signed64",
    "float32",
    "float64",
    "boolean",
    "macAddress",
    "string",
    "dateTimeSeconds",
    "dateTimeMilliseconds",
    "dateTimeMicroseconds",
    "dateTimeNanoseconds",
    "ipv4Address",
    "ipv6Address",
    "basicList",
    "subTemplateList",
    "subTemplateMultiList",
    "unsigned256",
)
"""Names by the values of informationElementDataType (RFC 5610 section 3.1 and IANA's sub-registry)."""


class Semantics(IntEnum):
    """The values of informationElementSemantics that are in use here (RFC 5610 section 3.2)."""

    DEFAULT = 0
    QUANTITY = 1
    IDENTIFIER = 4
    FLAGS = 5


@dataclass(frozen=True, slots=True)
class InformationElement:
    """One Information Element; `pen` is 0 for IANA's own, ENTERPRISE_NUMBER for ours.

    type: the name of its abstract data type. length: its octets, or VARIABLE_LENGTH.
    """

    name: str
    number: int
    pen: int
    type: str
    length: int


def by_name(name: str) -> InformationElement:
    """The element of this name ("octetDeltaCount", "reverseOctetDeltaCount"). Raises KeyError."""
    return _registry()[0][name]


def by_number(pen: int, number: int) -> InformationElement | None:
    """The element of this number, or None if neither IANA nor RFC 5103 nor we define it."""
    return _registry()[1].get((pen, number))


def reverse_of(element: InformationElement) -> InformationElement:
    """The reverse element of one of IANA's (RFC 5103 section 6.1). Raises ValueError if there is none."""
    if element.pen or element.number in _NOT_REVERSIBLE:
        raise ValueError(f"{element.name}: has no reverse Information Element (RFC 5103 section 6.1)")
    name = "reverse" + element.name[0].upper() + element.name[1:]
    return replace(element, name=name, pen=REVERSE_PEN)


@cache
def _registry() -> tuple[dict[str, InformationElement], dict[tuple[int, int], InformationElement]]:
    # Late: it takes longer to load than this module, of which the settings need one number.
    from importlib.resources import files

    elements = list(_read(files("ipfix").joinpath("iana.iespec").read_text("utf-8")))
    elements += _read(Path(__file__).with_name("information_elements_since_2014.iespec").read_text("utf-8"))
    elements += [reverse_of(element) for element in elements if element.number not in _NOT_REVERSIBLE]
    elements += _read(Path(__file__).with_name("spanflow.iespec").read_text("utf-8"))
    return {e.name: e for e in elements}, {(e.pen, e.number): e for e in elements}


def _read(specifications: str) -> Iterator[InformationElement]:
    for found in _SPECIFICATION.finditer(specifications):
        pen, number, length = int(found["pen"] or 0), int(found["number"]), int(found["length"])
        yield InformationElement(found["name"], number, pen, found["type"], length)
