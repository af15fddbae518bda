# SPDX-License-Identifier: Apache-2.0
"""Rows of Data Records are laid into Messages, all of a run in one buffer.

Messages of equal length make one run, as UDP segmentation offload wants them. Data Records of variable length
make Messages of different lengths, and with them more runs, many of one or two Messages.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from spanflow.exporting.encode import TAIL_WINDOW, Rows, Tails
from spanflow.exporting.ipfix import (
    LONGEST_MESSAGE,
    MESSAGE_HEADER,
    MESSAGE_HEADER_OCTETS,
    MODULUS,
    SET_HEADER,
    SET_HEADER_OCTETS,
    VERSION,
)
from spanflow.exporting.template import Template
from spanflow.record import Array

HEADERS_OCTETS = MESSAGE_HEADER_OCTETS + SET_HEADER_OCTETS
_HEADERS = np.dtype([*MESSAGE_HEADER, *SET_HEADER])


@dataclass(frozen=True, slots=True)
class MessageRun:
    """Messages one after the other; all have `message_octets` but the last, which may be shorter.

    firsts: the number among the rows of the first Data Record of each Message, and of the one after the last.
    The buffer is overwritten when the next rows of the same template are laid out.
    """

    octets: memoryview
    message_octets: int
    firsts: Sequence[int]
    rows: Rows

    @property
    def messages(self) -> int:
        """How many."""
        return len(self.firsts) - 1

    def data_records(self, first_message: int, end_message: int) -> int:
        """How many Data Records these Messages hold."""
        return self.firsts[end_message] - self.firsts[first_message]

    def flow_records(self, first_message: int, end_message: int) -> Array:
        """The numbers in the batch of the Flow Records of which these Messages hold a Data Record."""
        return self.rows.flow_records(self.firsts[first_message], self.firsts[end_message])


@dataclass(frozen=True, slots=True)
class Layout:
    """What became of some rows. data_records: those in the runs.

    too_large: numbers in the batch of the Flow Records of which a Data Record fits into no Message.
    error: why, in words.
    """

    runs: Iterable[MessageRun]
    data_records: int
    too_large: Array | None = None
    error: str = ""


class MessageBuilder(Protocol):
    """Lays the Data Records of one template into Messages, and keeps the buffer."""

    def build(self, rows: Rows, *, export_time: int, sequence_number: int) -> Layout:
        """The Messages of some rows (at least one). The first has this sequence number."""
        ...


def message_builder(template: Template, max_octets: int, observation_domain_id: int) -> MessageBuilder:
    """The builder for a template, with Messages of at most `max_octets`."""
    limit = min(max_octets, LONGEST_MESSAGE)
    if template.has_details:
        return _VariableRecords(template, limit, observation_domain_id)
    return _EqualRecords(template, limit, observation_domain_id)


def _too_large(template: Template, record_octets: int, limit: int) -> str:
    return (
        f"template {int(template.template_id)}: a record of {record_octets} octets does not fit into a"
        f" Message of {limit}; set max_message_size to {record_octets + HEADERS_OCTETS} or more"
    )


class _EqualRecords:
    """For Data Records of one length."""

    def __init__(self, template: Template, limit: int, observation_domain_id: int) -> None:
        self._template = template
        self._limit = limit
        self._record_octets = template.record_octets
        self._per_message = (limit - HEADERS_OCTETS) // self._record_octets
        self._template_id = int(template.template_id)
        self._observation_domain_id = observation_domain_id
        records_octets = max(0, self._per_message) * self._record_octets
        self._records_dtype = np.dtype((np.void, records_octets))
        self._dtype = np.dtype([*MESSAGE_HEADER, *SET_HEADER, ("records", self._records_dtype)])
        self._allocate(0)

    def build(self, rows: Rows, *, export_time: int, sequence_number: int) -> Layout:
        """One run; no row fits into a Message, or all do."""
        count, per_message = len(rows.records), self._per_message
        if per_message < 1:
            error = _too_large(self._template, self._record_octets, self._limit)
            return Layout((), 0, rows.flow_records(0, count), error)
        full, rest = divmod(count, per_message)
        used = full + (1 if rest else 0)
        if used > len(self._messages):
            self._allocate(used)
        messages = self._messages[:used]
        messages["length"] = self._dtype.itemsize
        messages["set_length"] = self._dtype.itemsize - MESSAGE_HEADER_OCTETS
        messages["export_time"] = export_time % MODULUS
        # uint32 wraps by itself (RFC 7011 section 3.1: modulo 2^32).
        messages["sequence_number"] = self._records_before[:used] + np.uint32(sequence_number % MODULUS)
        messages["records"][:full] = rows.records[: full * per_message].view(self._records_dtype)
        octets = full * self._dtype.itemsize
        if rest:
            octets += self._build_last(full, rows.records[full * per_message :])
        run = MessageRun(
            octets=self._octets[:octets],
            message_octets=self._dtype.itemsize if full else octets,
            firsts=[*range(0, count, per_message), count],
            rows=rows,
        )
        return Layout((run,), count)

    def _build_last(self, number: int, records: Array) -> int:
        """Make Message `number` hold just these records; returns its octets."""
        content: Array = records.view(np.uint8)
        octets = HEADERS_OCTETS + len(content)
        start = number * self._dtype.itemsize
        self._octets[start + HEADERS_OCTETS : start + octets] = content.data
        self._messages["length"][number] = octets
        self._messages["set_length"][number] = octets - MESSAGE_HEADER_OCTETS
        return octets

    def _allocate(self, count: int) -> None:
        capacity = 1 << (count - 1).bit_length() if count else 0
        self._messages: np.ndarray[Any, np.dtype[Any]] = np.zeros(capacity, self._dtype)
        self._messages["version"] = VERSION
        self._messages["observation_domain_id"] = self._observation_domain_id
        self._messages["set_id"] = self._template_id
        self._octets = memoryview(self._messages.view(np.uint8).data)
        self._records_before = np.arange(capacity, dtype=np.uint32) * np.uint32(max(0, self._per_message))


class _VariableRecords:
    """For Data Records of a fixed part and a tail. A Message takes as many, in order, as fit into it."""

    def __init__(self, template: Template, limit: int, observation_domain_id: int) -> None:
        self._template = template
        self._limit = limit
        self._room = limit - HEADERS_OCTETS
        self._fixed_octets = template.record_octets
        if self._fixed_octets < TAIL_WINDOW:
            raise ValueError(f"template {int(template.template_id)}: the fixed part is too short")
        self._observation_domain_id = observation_domain_id
        self._buffer: Array = np.zeros(0, np.uint8)

    def build(self, rows: Rows, *, export_time: int, sequence_number: int) -> Layout:
        """The runs; rows that fit into no Message are left out."""
        assert rows.tails is not None
        octets = self._fixed_octets + rows.tails.lengths
        if int(octets.max()) <= self._room:
            runs = self._runs(rows, rows.tails, octets, export_time, sequence_number)
            return Layout(runs, len(octets))
        fitting, larger = np.flatnonzero(octets <= self._room), np.flatnonzero(octets > self._room)
        kept = rows.take(fitting)
        runs = []
        if kept.tails is not None and len(fitting):
            runs = self._runs(kept, kept.tails, octets[fitting], export_time, sequence_number)
        error = _too_large(self._template, int(octets.max()), self._limit)
        return Layout(runs, len(fitting), rows.take(larger).flow_records(0, len(larger)), error)

    def _runs(
        self, rows: Rows, tails: Tails, octets: Array, export_time: int, sequence_number: int
    ) -> list[MessageRun]:
        ends = np.cumsum(octets)
        firsts = self._firsts(ends.tolist())
        counts = np.diff(firsts)
        # Before each Data Record there are the headers of its Message and of all earlier ones.
        headers = np.repeat(np.arange(1, len(firsts)) * HEADERS_OCTETS, counts)
        starts = ends - octets + headers
        message_starts = starts[firsts[:-1]] - HEADERS_OCTETS
        message_ends = np.append(message_starts[1:], int(starts[-1]) + int(octets[-1]))
        self._reserve(int(message_ends[-1]))
        # Pieces of tails reach into what follows them, so all the rest is written afterwards.
        self._copy_tails(tails, starts + self._fixed_octets)
        self._windows(self._fixed_octets)[starts] = rows.records
        self._write_headers(message_starts, message_ends, firsts[:-1], export_time, sequence_number)
        places = [0, *message_ends.tolist()]
        view = memoryview(self._buffer.data)
        return [
            MessageRun(
                view[places[first] : places[end]],
                places[first + 1] - places[first],
                firsts[first : end + 1],
                rows,
            )
            for first, end in _equal_but_the_last(places)
        ]

    def _firsts(self, ends: list[int]) -> list[int]:
        """The number of the first Data Record of each Message, and the number of all."""
        firsts, first, before = [0], 0, 0
        while first < len(ends):
            first = bisect_right(ends, before + self._room, first)
            before = ends[first - 1]
            firsts.append(first)
        return firsts

    def _copy_tails(self, tails: Tails, targets: Array) -> None:
        sources = _windows(tails.octets, TAIL_WINDOW)
        places = self._windows(TAIL_WINDOW)
        starts, lengths = tails.starts, tails.lengths
        done = 0
        while len(lengths):
            places[targets + done] = sources[starts + done]
            done += TAIL_WINDOW
            longer = np.flatnonzero(lengths > done)
            starts, lengths, targets = starts[longer], lengths[longer], targets[longer]

    def _write_headers(
        self, starts: Array, ends: Array, firsts: list[int], export_time: int, sequence_number: int
    ) -> None:
        headers = np.zeros(len(starts), _HEADERS)
        headers["version"] = VERSION
        headers["length"] = ends - starts
        headers["export_time"] = export_time % MODULUS
        headers["sequence_number"] = (np.array(firsts) + sequence_number) % MODULUS
        headers["observation_domain_id"] = self._observation_domain_id
        headers["set_id"] = int(self._template.template_id)
        headers["set_length"] = headers["length"] - MESSAGE_HEADER_OCTETS
        self._windows(HEADERS_OCTETS)[starts] = headers.view(np.dtype((np.void, HEADERS_OCTETS)))

    def _reserve(self, octets: int) -> None:
        needed = octets + TAIL_WINDOW
        if needed > len(self._buffer):
            self._buffer = np.zeros(1 << (needed - 1).bit_length(), np.uint8)

    def _windows(self, octets: int) -> Array:
        return _windows(self._buffer, octets)


def _equal_but_the_last(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """For each run its first Message, and the one after its last. places: where each starts, and the end."""
    lengths = [end - start for start, end in pairwise(places)]
    first = 0
    while first < len(lengths):
        end = first + 1
        while end < len(lengths) and lengths[end] == lengths[first]:
            end += 1
        if end < len(lengths) and lengths[end] < lengths[first]:
            end += 1
        yield first, end
        first = end


def _windows(buffer: Array, octets: int) -> Array:
    """Every place of a buffer as the start of an opaque item, so that numpy copies an item at once."""
    count = len(buffer) - octets + 1
    return np.ndarray((count,), np.dtype((np.void, octets)), buffer.data, strides=(1,))
