# SPDX-License-Identifier: Apache-2.0
"""Template Sets and Options Template Sets (RFC 7011 sections 3.2, 3.4 and 8.1).

    Template Record           | Template ID | Field Count | field specifiers ...
    Options Template Record   | Template ID | Field Count | Scope Field Count | field specifiers ...
    Template Withdrawal       | Template ID | 0 |
    field specifier           |E| Element ID | Field Length | [ Enterprise Number ]

Each number has 2 octets, the Enterprise Number, there when E is set, 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from spanflow.collecting.cursor import Cursor
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.records import DataRecord, Field, RecordReader
from spanflow.collecting.values import JsonValue, Value, encoding_of
from spanflow.information_elements import InformationElement, by_number

TEMPLATE_SET_ID = 2
OPTIONS_TEMPLATE_SET_ID = 3
FIRST_TEMPLATE_ID = 256

_ENTERPRISE_BIT = 0x8000
_PADDING_OCTETS = (0, 210)
"""The paddingOctets element: its values say nothing."""


class Template:
    """A Template, or an Options Template when `scope_count` is not 0, ready to read Data Records."""

    __slots__ = (
        "_columns",
        "_json",
        "_plain",
        "definition",
        "fields",
        "reader",
        "scope_count",
        "template_id",
    )

    def __init__(
        self, template_id: int, fields: Sequence[Field], scope_count: int, definition: bytes
    ) -> None:
        self.template_id = template_id
        self.fields = tuple(fields)
        self.scope_count = scope_count
        self.definition = definition
        """The Record's own octets: equal definitions are the same Template."""
        self.reader = RecordReader(fields)
        self._columns = _columns(fields)
        self._plain = tuple(self._columns) if len(self._columns) == len(fields) else None
        self._json = tuple(
            (index, field.encoding.to_json)
            for index, field in enumerate(fields)
            if field.encoding.to_json is not None
        )

    @property
    def is_options(self) -> bool:
        return self.scope_count > 0

    @property
    def scope(self) -> tuple[str, ...]:
        """Names of the Scope Fields (section 3.4.2.1)."""
        return tuple(field.name for field in self.fields[: self.scope_count])

    def by_name(self, record: DataRecord) -> dict[str, Value | list[Value]]:
        """Element name → value, without padding. An element that occurs several times gives a list."""
        if self._plain is not None:
            return dict(zip(self._plain, record, strict=True))
        return {
            name: record[indexes[0]] if len(indexes) == 1 else [record[index] for index in indexes]
            for name, indexes in self._columns.items()
        }

    def json_object(self, record: DataRecord) -> dict[str, JsonValue | list[JsonValue]]:
        """As by_name(), with values that JSON can carry; times are RFC 3339 text."""
        values = list(record)
        for index, to_json in self._json:
            values[index] = to_json(values[index])
        return self.by_name(tuple(values))


def with_elements(template: Template, elements: Mapping[tuple[int, int], InformationElement]) -> Template:
    """The Template with these elements (by PEN and number) instead of unknown ones; itself if it has none.

    An element that cannot have the length of its field stays unknown.
    """
    fields = [_as_element(field, elements.get((field.pen, field.number))) for field in template.fields]
    if tuple(fields) == template.fields:
        return template
    return Template(template.template_id, fields, template.scope_count, template.definition)


def _as_element(field: Field, element: InformationElement | None) -> Field:
    if element is None or by_number(field.pen, field.number) is not None:
        return field
    try:
        encoding = encoding_of(element.type, field.length)
    except ValueError:
        return field
    return Field(element.name, field.pen, field.number, field.length, encoding)


def _columns(fields: Sequence[Field]) -> dict[str, list[int]]:
    """Element name → the indexes of its fields (section 8: a Template may repeat an element)."""
    columns: dict[str, list[int]] = {}
    for index, field in enumerate(fields):
        if (field.pen, field.number) != _PADDING_OCTETS:
            columns.setdefault(field.name, []).append(index)
    return columns


def read_template_set(
    cursor: Cursor, set_id: int, known: Mapping[int, Template], max_fields: int
) -> Iterator[Template | int]:
    """Read a Template Set or Options Template Set: Templates, and for each withdrawal its Template ID.

    known: the Templates that are in force; a Record equal to one of them gives that very object, so that
    a refresh costs nothing. Raises MalformedMessageError; `max_fields` bounds the fields of one Record.
    """
    options = set_id == OPTIONS_TEMPLATE_SET_ID
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


def _read_record(
    cursor: Cursor, options: bool, known: Mapping[int, Template], max_fields: int
) -> Template | int:
    start = cursor.offset
    template_id = cursor.unsigned16("a template record")
    field_count = cursor.unsigned16("a template record")
    all_templates = OPTIONS_TEMPLATE_SET_ID if options else TEMPLATE_SET_ID
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
    return Template(template_id, _fields(specifiers), scope_count, definition)


def _read_specifier(cursor: Cursor) -> tuple[int, int, int, int]:
    """Offset, enterprise number (0: IANA), element number and field length."""
    start = cursor.offset
    number = cursor.unsigned16("a field specifier")
    length = cursor.unsigned16("a field specifier")
    if not number & _ENTERPRISE_BIT:
        return start, 0, number, length
    pen = cursor.unsigned32("an enterprise number")
    return start, pen, number & ~_ENTERPRISE_BIT, length


def _fields(specifiers: Sequence[tuple[int, int, int, int]]) -> list[Field]:
    """Raises MalformedMessageError when the type of an element cannot have the length of its field."""
    fields: list[Field] = []
    for offset, pen, number, length in specifiers:
        try:
            fields.append(_field(pen, number, length))
        except ValueError as error:
            raise MalformedMessageError(offset, Reason.FIELD_LENGTH, str(error)) from None
    return fields


# Exporters use the same few elements: most Templates share their fields.
@lru_cache(maxsize=4096)
def _field(pen: int, number: int, length: int) -> Field:
    """The field of one specifier; an element that is not known is an octetArray called `pen:number`.

    Raises ValueError when the element's type cannot have that length.
    """
    element = by_number(pen, number)
    name, type_name = (element.name, element.type) if element else (f"{pen}:{number}", "octetArray")
    try:
        return Field(name, pen, number, length, encoding_of(type_name, length))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
