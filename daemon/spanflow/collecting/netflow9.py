# SPDX-License-Identifier: Apache-2.0
"""The framing of NetFlow v9: its header and its Template Records (RFC 3954 sections 5.1, 5.2 and 6.1).

    Packet Header             | Version 9 | Count | sysUptime | UNIX Secs | Sequence Number | Source ID |
    Template Record           | Template ID | Field Count | field specifiers ...
    Options Template Record   | Template ID | Scope Length | Option Length | field specifiers ...
    field specifier           | Type | Length |

sysUptime, UNIX Secs, Sequence Number and Source ID have 4 octets, all else 2. The Count is that of records of
all kinds, the Sequence Number that of packets. Scope Length and Option Length are octets of field specifiers.
There are no Enterprise Numbers, no values of variable length, and no withdrawals.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache

from spanflow.collecting.cursor import Cursor
from spanflow.collecting.framing import Framing
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import Header, Version
from spanflow.collecting.records import Field
from spanflow.collecting.templates import FIRST_TEMPLATE_ID, Template, field_of
from spanflow.collecting.uptime import dating_of
from spanflow.collecting.values import encoding_of
from spanflow.information_elements import VARIABLE_LENGTH, by_number

_HEADER = struct.Struct("!HHIIII")
_SPECIFIER_OCTETS = 4
_ALIGNMENT = 4
"""Section 5.3: FlowSets are padded to so many octets."""

_SCOPE_PEN = -1
"""Marks Scope Fields: their types have a numbering of their own."""

_SCOPES = {
    1: ("scopeSystem", "octetArray"),
    2: ("scopeInterface", "unsigned64"),
    3: ("scopeLineCard", "unsigned64"),
    4: ("scopeCache", "octetArray"),
    5: ("scopeTemplate", "unsigned64"),
}
"""Section 6.1: what an option is about."""


def read_header(octets: bytes) -> Header:
    """Read the Packet Header. Raises MalformedMessageError; the version was looked at."""
    if len(octets) < _HEADER.size:
        text = f"{len(octets)} octets, a {Version.NETFLOW9.title} header has {_HEADER.size}"
        raise MalformedMessageError(0, Reason.MESSAGE_LENGTH, text)
    version, count, uptime_ms, seconds, sequence_number, source_id = _HEADER.unpack_from(octets)
    time_ns = seconds * 1_000_000_000
    return Header(seconds, sequence_number, source_id, Version(version), time_ns, uptime_ms, count)


def _read_templates(
    cursor: Cursor, options: bool, known: Mapping[int, Template], max_fields: int
) -> Iterator[Template | int]:
    shortest = 10 if options else 8
    empty = True
    while cursor.remaining:
        if cursor.remaining < shortest and (cursor.remaining < _ALIGNMENT or cursor.only_zeros_left()):
            break
        yield _read_record(cursor, options, known, max_fields)
        empty = False
    if empty:
        raise MalformedMessageError(cursor.offset, Reason.EMPTY_SET, "no template record")


FRAMING = Framing(
    header_octets=_HEADER.size,
    template_set_id=0,
    options_template_set_id=1,
    aligned=True,
    read_templates=_read_templates,
)


def _read_record(cursor: Cursor, options: bool, known: Mapping[int, Template], max_fields: int) -> Template:
    start = cursor.offset
    template_id = cursor.unsigned16("a template record")
    if template_id < FIRST_TEMPLATE_ID:
        raise MalformedMessageError(
            start, Reason.TEMPLATE_ID, f"{template_id}, ids start at {FIRST_TEMPLATE_ID}"
        )
    scope_count, field_count = _read_field_counts(cursor, options)
    if not 1 <= field_count <= max_fields:
        raise MalformedMessageError(start, Reason.FIELD_COUNT, f"{field_count}, 1 to {max_fields} are read")
    fields = [_read_field(cursor, is_scope=index < scope_count) for index in range(field_count)]
    definition = cursor.octets[start : cursor.offset]
    before = known.get(template_id)
    if before is not None and before.definition == definition and before.is_options == options:
        return before
    template = Template(template_id, fields, scope_count, definition, options)
    template.dating = dating_of(template)
    return template


def _read_field_counts(cursor: Cursor, options: bool) -> tuple[int, int]:
    """Scope Fields, and fields altogether."""
    if not options:
        return 0, cursor.unsigned16("a template record")
    offset = cursor.offset
    scope_octets = cursor.unsigned16("an options template record")
    option_octets = cursor.unsigned16("an options template record")
    if scope_octets % _SPECIFIER_OCTETS or option_octets % _SPECIFIER_OCTETS:
        text = f"{scope_octets} octets of scope and {option_octets} of options, each field has 4"
        raise MalformedMessageError(offset, Reason.SCOPE_COUNT, text)
    return scope_octets // _SPECIFIER_OCTETS, (scope_octets + option_octets) // _SPECIFIER_OCTETS


def _read_field(cursor: Cursor, is_scope: bool) -> Field:
    start = cursor.offset
    number = cursor.unsigned16("a field specifier")
    length = cursor.unsigned16("a field specifier")
    try:
        if length == VARIABLE_LENGTH:
            raise ValueError(f"{number}: {length} octets, there is no variable length")
        return _scope_field(number, length) if is_scope else _option_or_data_field(number, length)
    except ValueError as error:
        raise MalformedMessageError(start, Reason.FIELD_LENGTH, str(error)) from None


@lru_cache(maxsize=1024)
def _scope_field(number: int, length: int) -> Field:
    """Raises ValueError when such a scope cannot have that length."""
    name, type_name = _SCOPES.get(number, (f"scope:{number}", "octetArray"))
    try:
        return Field(name, _SCOPE_PEN, number, length, encoding_of(type_name, length))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


@lru_cache(maxsize=4096)
def _option_or_data_field(number: int, length: int) -> Field:
    """As IPFIX has it: the numbers mean the same (RFC 7012 section 4). But an integer may be wider than its
    type: exporters send samplerId in 2 or 4 octets. Raises ValueError for a length that does not fit."""
    element = by_number(0, number)
    try:
        return field_of(0, number, length)
    except ValueError:
        if element is None or not element.type.startswith("unsigned"):
            raise
    try:
        return Field(element.name, 0, number, length, encoding_of("unsigned64", length))
    except ValueError as error:
        raise ValueError(f"{element.name}: {error}") from None
