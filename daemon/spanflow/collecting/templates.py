# SPDX-License-Identifier: Apache-2.0
"""Templates and Options Templates, whatever protocol defined them: fields, and the records they describe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.records import DataRecord, Field, RecordReader
from spanflow.collecting.values import JsonValue, Value, encoding_of
from spanflow.information_elements import InformationElement, by_number

if TYPE_CHECKING:
    from spanflow.collecting.uptime import Dating

FIRST_TEMPLATE_ID = 256
_PADDING_OCTETS = (0, 210)
"""The paddingOctets element: its values say nothing."""


class Template:
    """A Template, or an Options Template, ready to read Data Records.

    definition: the record's own octets; equal definitions are the same Template. dating: NetFlow tells times
    as time since the system started; what makes absolute ones of them, if the Template needs it.
    """

    __slots__ = (
        "_columns",
        "_json",
        "_plain",
        "dating",
        "definition",
        "fields",
        "is_options",
        "reader",
        "scope_count",
        "template_id",
    )

    def __init__(
        self,
        template_id: int,
        fields: Sequence[Field],
        scope_count: int = 0,
        definition: bytes = b"",
        is_options: bool = False,
    ) -> None:
        self.template_id = template_id
        self.fields = tuple(fields)
        self.scope_count = scope_count
        self.definition = definition
        self.is_options = is_options
        self.dating: Dating | None = None
        self.reader = RecordReader(fields)
        self._columns = _columns(fields)
        self._plain = tuple(self._columns) if len(self._columns) == len(fields) else None
        self._json = tuple(
            (index, field.encoding.to_json)
            for index, field in enumerate(fields)
            if field.encoding.to_json is not None
        )

    @property
    def scope(self) -> tuple[str, ...]:
        """Names of the Scope Fields (RFC 7011 section 3.4.2.1)."""
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
    return Template(
        template.template_id, fields, template.scope_count, template.definition, template.is_options
    )


def _as_element(field: Field, element: InformationElement | None) -> Field:
    if element is None or by_number(field.pen, field.number) is not None:
        return field
    try:
        encoding = encoding_of(element.type, field.length)
    except ValueError:
        return field
    return Field(element.name, field.pen, field.number, field.length, encoding)


def _columns(fields: Sequence[Field]) -> dict[str, list[int]]:
    """Element name → the indexes of its fields (RFC 7011 section 8: a Template may repeat an element)."""
    columns: dict[str, list[int]] = {}
    for index, field in enumerate(fields):
        if (field.pen, field.number) != _PADDING_OCTETS:
            columns.setdefault(field.name, []).append(index)
    return columns


def fields_of(specifiers: Iterable[tuple[int, int, int, int]]) -> list[Field]:
    """The fields of specifiers: offset in the Message, PEN, number and length.

    Raises MalformedMessageError when the type of an element cannot have the length of its field."""
    fields: list[Field] = []
    for offset, pen, number, length in specifiers:
        try:
            fields.append(field_of(pen, number, length))
        except ValueError as error:
            raise MalformedMessageError(offset, Reason.FIELD_LENGTH, str(error)) from None
    return fields


# Exporters use the same few elements: most Templates share their fields.
@lru_cache(maxsize=4096)
def field_of(pen: int, number: int, length: int) -> Field:
    """The field of one specifier; an element that is not known is an octetArray called `pen:number`.

    Raises ValueError when the element's type cannot have that length.
    """
    element = by_number(pen, number)
    name, type_name = (element.name, element.type) if element else (f"{pen}:{number}", "octetArray")
    try:
        return Field(name, pen, number, length, encoding_of(type_name, length))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
