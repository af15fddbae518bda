# SPDX-License-Identifier: Apache-2.0
"""From Flow Records to the rows of Data Records, column by column: a template compiled for one batch layout.

Every element is copied for all Flow Records of a batch in one numpy call, from its place in the record to
its place in the row. Both places are fields of overlay dtypes that name each copy alike, so that the work
on a batch is a loop over names. Constants are written when the rows are allocated, and never again. Texts
go into the rows of those that have them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spanflow.details import Detail, Texts
from spanflow.exporting.plugin_columns import row_dtype
from spanflow.exporting.row_times import COMPUTED, NANOSECONDS_PER_MILLISECOND, uptime_milliseconds
from spanflow.exporting.template import Source, Template
from spanflow.fields import Operation
from spanflow.information_elements import VARIABLE_LENGTH, InformationElement
from spanflow.record import RECORD, Array, Batch

_COPIES = (Operation.COPY, Operation.ADDRESS_TAIL, Operation.LOW_OCTETS)
_OCTETS = {1: "u1", 2: "u2", 4: "u4", 8: "u8"}


@dataclass(frozen=True, slots=True)
class _Step:
    """One element of one half. `taken` and `put` are dtypes at these offsets of Flow Record and row."""

    taken: np.dtype[Any]
    source_offset: int
    put: np.dtype[Any]
    row_offset: int
    operation: Operation

    @property
    def is_octets(self) -> bool:
        """Whether octets are copied in their order: an address, or a single octet."""
        if self.operation not in _COPIES:
            return False
        return self.taken.kind == "V" or self.taken.itemsize == 1 == self.put.itemsize


@dataclass(frozen=True, slots=True)
class _Text:
    """A detail that goes into rows of fixed length. name: of its place in the row, for each half."""

    kind: Detail
    width: int
    names: list[str]


class RowPlan:
    """Fills rows of the Data Records that `template` makes of Flow Records, for some or all of its halves.

    The halves of one Flow Record are adjacent rows, in their order (RFC 5103 section 4.1, record adjacency).
    Of a template with variable lengths the rows are the fixed part. application_names: opaque items, by the
    number of the application; the last stands for all numbers from there on. Columns of plugins are taken as
    `plugin_columns.as_sent` leaves them.
    Not for two threads: the rows of the last call are overwritten by the next.
    """

    def __init__(self, template: Template, halves: tuple[int, ...], application_names: Array) -> None:
        self.halves = len(halves)
        self._row_octets = template.record_octets
        self._application_names = application_names
        steps: list[_Step] = []
        self._constants: list[tuple[int, bytes]] = []
        self._texts: dict[Detail, _Text] = {}
        placed: list[tuple[str, int, np.dtype[Any]]] = []
        self._columns: list[tuple[str, str]] = []
        self._names: list[str] = []
        for place, half in enumerate(halves):
            offset = place * self._row_octets
            for element, source in zip(template.elements, template.halves[half], strict=True):
                if element.length == VARIABLE_LENGTH:
                    break  # all that follow are details, which go behind the row
                name = f"{element.name} {place}"
                if isinstance(source.member, int):
                    self._constants.append((offset, source.member.to_bytes(element.length, "big")))
                elif source.operation is Operation.APPLICATION_NAME:
                    placed.append((name, offset, row_dtype(element)))
                    self._names.append(name)
                elif source.operation is Operation.COLUMN:
                    placed.append((name, offset, row_dtype(element)))
                    self._columns.append((name, source.member))
                elif source.operation is Operation.DETAIL:
                    placed.append((name, offset, row_dtype(element)))
                    kind = Detail[source.member.upper()]
                    self._texts.setdefault(kind, _Text(kind, element.length, [])).names.append(name)
                else:
                    steps.append(_compile(element, source, offset))
                offset += element.length
        steps = _merge(steps)
        names = [str(number) for number in range(len(steps))]
        self._source_dtype = np.dtype(
            {
                "names": names,
                "formats": [step.taken for step in steps],
                "offsets": [step.source_offset for step in steps],
                "itemsize": RECORD.itemsize,
            }
        )
        self._row_dtype = np.dtype(
            {
                "names": names + [name for name, _, _ in placed],
                "formats": [step.put for step in steps] + [dtype for _, _, dtype in placed],
                "offsets": [step.row_offset for step in steps] + [offset for _, offset, _ in placed],
                "itemsize": self.halves * self._row_octets,
            }
        )
        named = list(zip(names, steps, strict=True))
        self._copies = [name for name, step in named if step.operation in _COPIES]
        self._times = [name for name, step in named if step.operation is Operation.MILLISECONDS]
        self._computed = [
            (name, COMPUTED[step.operation]) for name, step in named if step.operation in COMPUTED
        ]
        self._uptimes = [name for name, step in named if step.operation is Operation.UPTIME_MILLISECONDS]
        self._allocate(0)

    def fill(self, batch: Batch, boot_ns: int = 0) -> Array:
        """The rows of a batch of n records as opaque items, shape (n * halves,).

        They are valid until the next call. boot_ns: what flow*SysUpTime count from, since the Unix epoch.
        """
        count = len(batch)
        if count > len(self._target):
            self._allocate(count)
        source = batch.records.view(self._source_dtype)
        target = self._target[:count]
        for name in self._copies:
            target[name] = source[name]
        time_ns = self._time_ns[:count]
        time_ms = time_ns.view(np.uint64)
        for name in self._times:
            np.maximum(source[name], 0, out=time_ns)
            # As unsigned: numpy divides by a constant twice as fast, and no time is negative by now.
            np.floor_divide(time_ms, NANOSECONDS_PER_MILLISECOND, out=time_ms)
            target[name] = time_ms
        for name, compute in self._computed:
            target[name] = compute(source[name])
        for name in self._uptimes:
            target[name] = uptime_milliseconds(source[name], boot_ns)
        if self._names:
            numbers = np.minimum(batch.records["application"], len(self._application_names) - 1)
            found = self._application_names[numbers]
            for name in self._names:
                target[name] = found
        for name, column in self._columns:
            target[name] = batch.columns[column]
        if self._texts:
            self._fill_texts(target, batch)
        return self._rows[: count * self.halves]

    def _fill_texts(self, target: Array, batch: Batch) -> None:
        texts = Texts(batch)
        for text in self._texts.values():
            numbers, items = texts.column(text.kind, text.width)
            nothing = np.zeros((), items.dtype)
            for name in text.names:
                place = target[name]
                place[...] = nothing
                place[numbers] = items

    def _allocate(self, count: int) -> None:
        capacity = 1 << (count - 1).bit_length() if count else 0
        octets = np.zeros((capacity, self.halves * self._row_octets), np.uint8)
        for offset, value in self._constants:
            octets[:, offset : offset + len(value)] = np.frombuffer(value, np.uint8)
        self._target = octets.view(self._row_dtype).reshape(capacity)
        self._rows: Array = octets.reshape(-1).view(np.dtype((np.void, self._row_octets)))
        self._time_ns = np.empty(capacity, np.int64)


def _compile(element: InformationElement, source: Source, row_offset: int) -> _Step:
    """The step of one element. Raises ValueError if the member cannot fill it."""
    dtype: np.dtype[Any] = RECORD
    source_offset = 0
    for name in str(source.member).split("."):
        if dtype.fields is None or name not in dtype.fields:
            raise ValueError(f"{element.name}: no member {source.member} in a Flow Record")
        dtype, offset, *_ = dtype.fields[name]
        source_offset += offset
    if source.operation in COMPUTED or source.operation is Operation.UPTIME_MILLISECONDS:
        return _Step(dtype, source_offset, np.dtype(f">u{element.length}"), row_offset, source.operation)
    if source.operation is Operation.LOW_OCTETS:
        # Members of records are in the order of the machine, which is little-endian: the last ones come
        # first.
        dtype = np.dtype(f"<u{element.length}")
    if source.operation is Operation.ADDRESS_TAIL:
        source_offset += dtype.itemsize - element.length
        dtype = np.dtype(("u1", element.length))
    if dtype.subdtype is not None:
        if dtype.itemsize != element.length:
            raise ValueError(f"{element.name}: {source.member} is not {element.length} octets long")
        octets = np.dtype((np.void, element.length))
        return _Step(octets, source_offset, octets, row_offset, source.operation)
    if dtype.itemsize > element.length:
        raise ValueError(f"{element.name}: {source.member} does not fit into {element.length} octets")
    return _Step(dtype, source_offset, np.dtype(f">u{element.length}"), row_offset, source.operation)


def _merge(steps: list[_Step]) -> list[_Step]:
    """Copies of octets that are neighbours on both sides become one, of a width that numpy copies fast."""
    merged: list[_Step] = []
    for step in steps:
        last = merged[-1] if merged else None
        if (
            last is not None
            and last.is_octets
            and step.is_octets
            and last.source_offset + last.taken.itemsize == step.source_offset
            and last.row_offset + last.put.itemsize == step.row_offset
        ):
            octets = np.dtype((np.void, last.put.itemsize + step.put.itemsize))
            merged[-1] = replace(last, taken=octets, put=octets)
        else:
            merged.append(step)
    return [_widened(step) if step.is_octets else step for step in merged]


def _widened(step: _Step) -> _Step:
    """The same copy as one integer, where there is one of that width; its byte order stays the same."""
    octets = step.put.itemsize
    word = np.dtype(_OCTETS[octets]) if octets in _OCTETS else step.put
    return replace(step, taken=word, put=word)
