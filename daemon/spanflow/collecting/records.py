# SPDX-License-Identifier: Apache-2.0
"""Data Records read by the fields of their Template (RFC 7011 sections 3.4.3 and 7)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from spanflow.collecting.cursor import Cursor
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.values import Encoding, Value
from spanflow.information_elements import VARIABLE_LENGTH

_ALIGNMENT = 4

DataRecord: TypeAlias = tuple[Value, ...]
"""The values of one Data Record, in the order of its Template's fields."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field specifier. `name` is the element's, or `pen:number` for one that is not known."""

    name: str
    pen: int
    number: int
    length: int
    encoding: Encoding

    @property
    def minimum_length(self) -> int:
        """Octets that the field takes at least: an empty variable-length value is its length octet."""
        return 1 if self.length == VARIABLE_LENGTH else self.length


class RecordReader:
    """Reads the content of Data Sets. Fields of fixed length in a row are read by one precompiled struct."""

    __slots__ = ("_conversions", "_steps", "fields", "minimum_length")

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = tuple(fields)
        self.minimum_length = sum(field.minimum_length for field in fields)
        self._steps = tuple(_steps(fields))
        self._conversions = tuple(
            (index, field.encoding.convert)
            for index, field in enumerate(fields)
            if field.encoding.convert is not None
        )

    def read(self, octets: bytes, start: int, end: int, *, aligned: bool) -> list[DataRecord]:
        """Read the Data Records of octets[start:end], the content of one Data Set.

        What is left behind the last record is padding: shorter than any record and zero (section 3.3.1).
        aligned: NetFlow v9, which pads to 4 octets with what only should be zero (RFC 3954 section 5.3).
        Raises MalformedMessageError for other padding, for a record that does not fit, for a value that its
        type does not allow, and when there is no record at all.
        """
        if end - start < self.minimum_length:
            raise MalformedMessageError(
                start,
                Reason.EMPTY_SET,
                f"{end - start} octets of content, a record has at least {self.minimum_length}",
            )
        first = self._steps[0]
        if len(self._steps) == 1 and first is not None:
            records = list(self._read_fixed(first, octets, start, end))
            padding = start + len(records) * first.size
        else:
            cursor = Cursor(octets, start, end, Reason.TRUNCATED)
            records = list(self._read_variable(cursor))
            padding = cursor.offset
        if aligned:
            return records[: self._records_before_padding(octets, padding, end, len(records))]
        if any(octets[padding:end]):
            raise MalformedMessageError(
                padding, Reason.PADDING, f"{octets[padding:end].hex()} after the last whole record"
            )
        return records

    def _records_before_padding(self, octets: bytes, padding: int, end: int, count: int) -> int:
        """Of `count` records that end at `padding`: zeros in the last 3 octets are none, but padding."""
        size = self.minimum_length
        while count > 1 and end - (padding - size) < _ALIGNMENT and not any(octets[padding - size : end]):
            padding -= size
            count -= 1
        return count

    def _read_fixed(self, whole: struct.Struct, octets: bytes, start: int, end: int) -> Iterator[DataRecord]:
        content = memoryview(octets)[start : end - (end - start) % whole.size]
        for index, values in enumerate(whole.iter_unpack(content)):
            yield self._convert(list(values), start + index * whole.size)

    def _read_variable(self, cursor: Cursor) -> Iterator[DataRecord]:
        while cursor.remaining >= self.minimum_length:
            start = cursor.offset
            values: list[Value | bytes] = []
            for step in self._steps:
                if step is None:
                    values.append(_variable_length_octets(cursor))
                else:
                    cursor.need(step.size, "the rest of the record")
                    values.extend(step.unpack_from(cursor.octets, cursor.offset))
                    cursor.offset += step.size
            yield self._convert(values, start)

    def _convert(self, values: list[Value | bytes], start: int) -> DataRecord:
        for index, convert in self._conversions:
            try:
                values[index] = convert(values[index])
            except ValueError as error:
                text = f"{self.fields[index].name} in the record that starts here: {error}"
                raise MalformedMessageError(start, Reason.VALUE, text) from None
        return tuple(values)  # type: ignore[arg-type]  # every field read as bytes has a conversion


def _steps(fields: Sequence[Field]) -> Iterator[struct.Struct | None]:
    """A struct for each run of fixed-length fields, None for each field of variable length."""
    formats = ""
    for field in fields:
        if field.length != VARIABLE_LENGTH:
            formats += field.encoding.struct_format
            continue
        if formats:
            yield struct.Struct("!" + formats)
            formats = ""
        yield None
    if formats:
        yield struct.Struct("!" + formats)


def _variable_length_octets(cursor: Cursor) -> bytes:
    """A value behind its own length: 1 octet below 255, or 255 and 2 octets (RFC 7011 section 7).

    The long form is legal for short values too.
    """
    cursor.need(1, "a variable-length value")
    length = cursor.octets[cursor.offset]
    cursor.offset += 1
    if length == 255:
        length = cursor.unsigned16("the length of a variable-length value")
    cursor.need(length, "a variable-length value")
    cursor.offset += length
    return cursor.octets[cursor.offset - length : cursor.offset]
