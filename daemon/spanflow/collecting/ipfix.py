# SPDX-License-Identifier: Apache-2.0
"""The framing of IPFIX: its header and its Template Records (RFC 7011 sections 3.1, 3.4 and 8.1).

    Message Header            | Version 10 | Length | Export Time | Sequence Number | Observation Domain ID |
    Template Record           | Template ID | Field Count | field specifiers ...
    Options Template Record   | Template ID | Field Count | Scope Field Count | field specifiers ...
    Template Withdrawal       | Template ID | 0 |
    field specifier           |E| Element ID | Field Length | [ Enterprise Number ]

Export Time, Sequence Number, Observation Domain ID and the Enterprise Number, there when E is set, have 4
octets, all else 2. The Length includes the header.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from spanflow.collecting.cursor import Cursor
from spanflow.collecting.framing import Framing
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import Header, Version
from spanflow.collecting.templates import FIRST_TEMPLATE_ID, Template, fields_of

LENGTH_OCTETS = 4
"""Octets of a Message that tell how long it is."""

_HEADER = struct.Struct("!HHIII")
_LENGTH = struct.Struct("!HH")
_TEMPLATE_SET_ID = 2
_OPTIONS_TEMPLATE_SET_ID = 3
_ENTERPRISE_BIT = 0x8000


def read_header(octets: bytes) -> Header:
    """Read the header of the Message that `octets` are, no less and no more.

    Raises MalformedMessageError for another length; the version was looked at.
    """
    if len(octets) < _HEADER.size:
        text = f"{len(octets)} octets, a message header has {_HEADER.size}"
        raise MalformedMessageError(0, Reason.MESSAGE_LENGTH, text)
    _, length, export_time, sequence_number, domain = _HEADER.unpack_from(octets)
    if length != len(octets):
        raise MalformedMessageError(
            2, Reason.MESSAGE_LENGTH, f"the header says {length} octets, {len(octets)} were received"
        )
    return Header(export_time, sequence_number, domain)


def message_length(octets: bytes | bytearray, offset: int) -> int:
    """Octets of the Message of a stream whose first LENGTH_OCTETS are at `offset`.

    Raises MalformedMessageError if no Message of this version begins there: the stream is lost then.
    """
    version, length = _LENGTH.unpack_from(octets, offset)
    if version != Version.IPFIX:
        raise MalformedMessageError(
            0, Reason.VERSION, f"{version}, a stream has only {Version.IPFIX} (IPFIX)"
        )
    if length < _HEADER.size:
        text = f"the header says {length} octets, it alone has {_HEADER.size}"
        raise MalformedMessageError(2, Reason.MESSAGE_LENGTH, text)
    return int(length)


def _read_templates(
    cursor: Cursor, options: bool, known: Mapping[int, Template], max_fields: int
) -> Iterator[Template | int]:
    # The shortest Record that defines something has one field specifier without Enterprise Number.
    shortest = 10 if options else 8
    empty = True
    while cursor.remaining:
        if cursor.remaining < shortest and cursor.only_zeros_left():
            break
        yield _read_record(cursor, options, known, max_fields)
        empty = False
    if empty:
        raise MalformedMessageError(cursor.offset, Reason.EMPTY_SET, "no template record")


FRAMING = Framing(
    header_octets=_HEADER.size,
    template_set_id=_TEMPLATE_SET_ID,
    options_template_set_id=_OPTIONS_TEMPLATE_SET_ID,
    aligned=False,
    read_templates=_read_templates,
)


def _read_record(
    cursor: Cursor, options: bool, known: Mapping[int, Template], max_fields: int
) -> Template | int:
    start = cursor.offset
    template_id = cursor.unsigned16("a template record")
    field_count = cursor.unsigned16("a template record")
    all_templates = _OPTIONS_TEMPLATE_SET_ID if options else _TEMPLATE_SET_ID
    if field_count == 0 and (template_id >= FIRST_TEMPLATE_ID or template_id == all_templates):
        return template_id
    if template_id < FIRST_TEMPLATE_ID:
        raise MalformedMessageError(
            start, Reason.TEMPLATE_ID, f"{template_id}, ids start at {FIRST_TEMPLATE_ID}"
        )
    if field_count > max_fields:
        raise MalformedMessageError(
            start, Reason.FIELD_COUNT, f"{field_count}, at most {max_fields} are read"
        )
    scope_count = cursor.unsigned16("an options template record") if options else 0
    # Section 3.4.2.2: the Scope Field Count MUST NOT be zero.
    if options and not 1 <= scope_count <= field_count:
        text = f"{scope_count} of {field_count} fields, at least 1 and at most all are scope"
        raise MalformedMessageError(start, Reason.SCOPE_COUNT, text)
    specifiers = [_read_specifier(cursor) for _ in range(field_count)]
    definition = cursor.octets[start : cursor.offset]
    before = known.get(template_id)
    if before is not None and before.definition == definition and before.is_options == options:
        return before
    return Template(template_id, fields_of(specifiers), scope_count, definition, options)


def _read_specifier(cursor: Cursor) -> tuple[int, int, int, int]:
    """Offset, enterprise number (0: IANA), element number and field length."""
    start = cursor.offset
    number = cursor.unsigned16("a field specifier")
    length = cursor.unsigned16("a field specifier")
    if not number & _ENTERPRISE_BIT:
        return start, 0, number, length
    pen = cursor.unsigned32("an enterprise number")
    return start, pen, number & ~_ENTERPRISE_BIT, length
