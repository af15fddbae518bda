# SPDX-License-Identifier: Apache-2.0
"""Rows of Data Records are laid into Messages, all of a run in one buffer.

Messages of equal length make one run, as UDP segmentation offload wants them. Data Records of variable length
leave by their length, so that many Messages have the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, overload

import numpy as np

from spanflow.exporting.encode import TAIL_WINDOW, Origins, Rows, Tails
from spanflow.exporting.frame import Frame
from spanflow.exporting.ipfix import LONGEST_MESSAGE
from spanflow.exporting.template import Template
from spanflow.record import Array

FEWEST_BY_LENGTH = 128
"""Data Records; fewer are too few for long runs of Messages, and easier to follow as they came."""


@dataclass(frozen=True, slots=True)
class MessageRun:
    """Messages one after the other; all have `message_octets` but the last, which may be shorter.

    firsts: the number among the origins of the first Data Record of each Message, and of the one after the
    last. origins: of the Data Records as they leave.
    The buffer is overwritten when the next rows of the same template are laid out.
    """

    octets: memoryview
    message_octets: int
    firsts: Sequence[int]
    origins: Origins

    @property
    def messages(self) -> int:
        """How many."""
        return len(self.firsts) - 1

    def data_records(self, first_message: int, end_message: int) -> int:
        """How many Data Records these Messages hold."""
        return self.firsts[end_message] - self.firsts[first_message]

    def flow_records(self, first_message: int, end_message: int) -> Array:
        """The numbers in the batch of the Flow Records of which these Messages hold a Data Record."""
        return self.origins.of(self.firsts[first_message], self.firsts[end_message])


class UnequalRuns(Sequence[MessageRun]):
    """Runs one after the other in one buffer, each made when it is asked for: they are many, and short.

    buffer: uint8. places: where each Message starts in it, and where the last ends. firsts: of all Messages,
    as those of a MessageRun.
    """

    def __init__(self, buffer: Array, places: Array, firsts: Sequence[int], origins: Origins) -> None:
        self.buffer = buffer
        self.firsts = firsts
        self._origins = origins
        self._places = places
        self._begins = _equal_but_the_last(np.diff(places).tolist())
        self._view = memoryview(buffer.data)

    def __len__(self) -> int:
        return len(self._begins) - 1

    @overload
    def __getitem__(self, number: int) -> MessageRun: ...
    @overload
    def __getitem__(self, number: slice) -> list[MessageRun]: ...
    def __getitem__(self, number: int | slice) -> MessageRun | list[MessageRun]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        first, end = self._begins[number], self._begins[number + 1]
        place, following, last = (int(self._places[each]) for each in (first, first + 1, end))
        octets, firsts = self._view[place:last], self.firsts[first : end + 1]
        return MessageRun(octets, following - place, firsts, self._origins)

    def messages(self, first: int, end: int) -> int:
        """How many Messages the runs first..end-1 have."""
        return self._begins[end] - self._begins[first]

    def amount(self, first: int, end: int) -> tuple[int, int, int]:
        """Of the runs first..end-1: Messages, octets, Data Records."""
        start, stop = self._begins[first], self._begins[end]
        octets = int(self._places[stop] - self._places[start])
        return stop - start, octets, self.firsts[stop] - self.firsts[start]

    def end_of_short(self, messages: int, first: int, most: int) -> int:
        """The end of at most `most` runs from this one on, none of more than so many Messages."""
        begins = self._begins[first : first + most + 1]
        longer = (number for number, (start, stop) in enumerate(pairwise(begins)) if stop - start > messages)
        return first + next(longer, len(begins) - 1)

    def layout(self, first: int, end: int) -> tuple[Array, Array, Array]:
        """Of the runs first..end-1: buffer; where each starts, and the last ends; octets of a Message."""
        begins = np.array(self._begins[first : end + 1])
        places = self._places[begins]
        return self.buffer, places, self._places[begins[:-1] + 1] - places[:-1]


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

    def build(self, rows: Rows, *, sequence_number: int, **moment: int) -> Layout:
        """The Messages of some rows (at least one). The first has this sequence number.

        moment: the members of the Message header that depend on the time.
        """
        ...


def message_builder(template: Template, max_octets: int, frame: Frame) -> MessageBuilder:
    """The builder for a template, with Messages of at most `max_octets` in this frame."""
    limit = min(max_octets, LONGEST_MESSAGE)
    if template.has_details:
        return _VariableRecords(template, limit, frame)
    return _EqualRecords(template, limit, frame)


def _too_large(template: Template, record_octets: int, limit: int, frame: Frame) -> str:
    return (
        f"template {int(template.template_id)}: a record of {record_octets} octets does not fit into a"
        f" Message of {limit}; set max_message_size to {frame.octets_with(record_octets)} or more"
    )


class _EqualRecords:
    """For Data Records of one length."""

    def __init__(self, template: Template, limit: int, frame: Frame) -> None:
        self._template = template
        self._limit = limit
        self._frame = frame
        self._record_octets = template.record_octets
        self._per_message = max(0, frame.records_in(limit, self._record_octets))
        records_octets = self._per_message * self._record_octets
        self._records_dtype = np.dtype((np.void, records_octets))
        padding = frame.octets_with(records_octets) - frame.headers_octets - records_octets
        members: list[tuple[str, Any]] = [*frame.headers, ("records", self._records_dtype)]
        self._dtype = np.dtype(members + ([("padding", np.void(padding).dtype)] if padding else []))
        self._allocate(0)

    def build(self, rows: Rows, *, sequence_number: int, **moment: int) -> Layout:
        """One run; no row fits into a Message, or all do."""
        count, per_message = len(rows.records), self._per_message
        if per_message < 1:
            error = _too_large(self._template, self._record_octets, self._limit, self._frame)
            return Layout((), 0, rows.origins.of(0, count), error)
        full, rest = divmod(count, per_message)
        used = full + (1 if rest else 0)
        if used > len(self._messages):
            self._allocate(used)
        messages = self._messages[:used]
        message_octets = self._dtype.itemsize
        self._frame.fill(messages, self._before[:used], message_octets, per_message, sequence_number, moment)
        messages["records"][:full] = rows.records[: full * per_message].view(self._records_dtype)
        octets = full * message_octets
        if rest:
            octets += self._build_last(full, rows.records[full * per_message :])
        run = MessageRun(
            octets=self._octets[:octets],
            message_octets=message_octets if full else octets,
            firsts=[*range(0, count, per_message), count],
            origins=rows.origins,
        )
        return Layout((run,), count)

    def _build_last(self, number: int, records: Array) -> int:
        """Make Message `number` hold just these records; returns its octets."""
        content: Array = records.view(np.uint8)
        octets = self._frame.octets_with(len(content))
        start = number * self._dtype.itemsize
        end_of_content = start + self._frame.headers_octets + len(content)
        self._octets[start + self._frame.headers_octets : end_of_content] = content.data
        self._octets[end_of_content : start + octets] = bytes(start + octets - end_of_content)
        self._frame.fill_sizes(self._messages[number : number + 1], octets, len(records))
        return octets

    def _allocate(self, count: int) -> None:
        capacity = 1 << (count - 1).bit_length() if count else 0
        self._messages: np.ndarray[Any, np.dtype[Any]] = np.zeros(capacity, self._dtype)
        self._frame.begin(self._messages, int(self._template.template_id))
        self._octets = memoryview(self._messages.view(np.uint8).data)
        counted = 1 if self._frame.counts_messages else self._per_message
        self._before = np.arange(capacity, dtype=np.uint32) * np.uint32(counted)


class _VariableRecords:
    """For Data Records of a fixed part and a tail. A Message takes as many as fit into it.

    Of many, longer ones go first, those of equal length in their order: that makes long runs of Messages. The
    order in which the records of a batch leave has no meaning.
    """

    def __init__(self, template: Template, limit: int, frame: Frame) -> None:
        self._template = template
        self._limit = limit
        self._frame = frame
        self._headers = np.dtype([*frame.headers])
        self._room = limit - frame.headers_octets
        self._fixed_octets = template.record_octets
        if self._fixed_octets < TAIL_WINDOW:
            raise ValueError(f"template {int(template.template_id)}: the fixed part is too short")
        self._buffer: Array = np.zeros(0, np.uint8)

    def build(self, rows: Rows, *, sequence_number: int, **moment: int) -> Layout:
        """The runs; rows that fit into no Message are left out."""
        assert rows.tails is not None
        octets = self._fixed_octets + rows.tails.lengths
        if int(octets.max()) <= self._room:
            return Layout(self._runs(rows, rows.tails, octets, sequence_number, moment), len(octets))
        fitting, larger = np.flatnonzero(octets <= self._room), np.flatnonzero(octets > self._room)
        kept = rows.take(fitting)
        runs: Sequence[MessageRun] = ()
        if kept.tails is not None and len(fitting):
            runs = self._runs(kept, kept.tails, octets[fitting], sequence_number, moment)
        error = _too_large(self._template, int(octets.max()), self._limit, self._frame)
        return Layout(runs, len(fitting), rows.take(larger).origins.of(0, len(larger)), error)

    def _runs(
        self, rows: Rows, tails: Tails, octets: Array, sequence_number: int, moment: Mapping[str, int]
    ) -> UnequalRuns:
        order = _leaving_order(octets)
        leaving = octets[order]
        ends = np.cumsum(leaving)
        firsts = self._firsts(ends.tolist())
        counts = np.diff(firsts)
        # Before each Data Record there are the headers of its Message and of all earlier ones.
        headers = np.repeat(np.arange(1, len(firsts)) * self._frame.headers_octets, counts)
        places = ends - leaving + headers
        message_starts = places[firsts[:-1]] - self._frame.headers_octets
        message_ends = np.append(message_starts[1:], int(places[-1]) + int(leaving[-1]))
        self._reserve(int(message_ends[-1]))
        starts = np.empty_like(places)
        starts[order] = places
        # Pieces of tails reach into what follows them, so all the rest is written afterwards.
        self._copy_tails(tails, starts + self._fixed_octets)
        self._windows(self._fixed_octets)[starts] = rows.records
        self._write_headers(message_starts, message_ends, firsts, sequence_number, moment)
        message_places = np.append(message_starts[:1], message_ends)
        return UnequalRuns(self._buffer, message_places, firsts, rows.origins.take(order))

    def _firsts(self, ends: list[int]) -> list[int]:
        """The number of the first Data Record of each Message, and the number of all."""
        firsts, first, before, count = [0], 0, 0, len(ends)
        most = self._room // self._fixed_octets
        # What is searched for an end may reach behind the last one.
        ends += [ends[-1] + self._room] * most
        while first < count:
            first = bisect_right(ends, before + self._room, first, first + most)
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
        self, starts: Array, ends: Array, firsts: list[int], sequence_number: int, moment: Mapping[str, int]
    ) -> None:
        headers = np.zeros(len(starts), self._headers)
        self._frame.begin(headers, int(self._template.template_id))
        before, records = np.array(firsts[:-1]), np.diff(firsts)
        self._frame.fill(headers, before, ends - starts, records, sequence_number, moment)
        opaque = np.dtype((np.void, self._headers.itemsize))
        self._windows(self._headers.itemsize)[starts] = headers.view(opaque)

    def _reserve(self, octets: int) -> None:
        needed = octets + TAIL_WINDOW
        if needed > len(self._buffer):
            self._buffer = np.zeros(1 << (needed - 1).bit_length(), np.uint8)

    def _windows(self, octets: int) -> Array:
        return _windows(self._buffer, octets)


def _leaving_order(octets: Array) -> Array:
    """Data Records, none of 64 KiB or more, as they leave: their numbers, those of the longest first."""
    if len(octets) < FEWEST_BY_LENGTH:
        return np.arange(len(octets))
    # numpy sorts integers of two octets by radix.
    return np.argsort((LONGEST_MESSAGE - octets).astype(np.uint16), kind="stable")


def _equal_but_the_last(lengths: Sequence[int]) -> list[int]:
    """Where each run begins, and the end. lengths: of each Message; a shorter one is the last of its run."""
    begins: list[int] = []
    before, may_follow = 0, False
    for number, length in enumerate(lengths):
        if may_follow and length <= before:
            may_follow = length == before
        else:
            begins.append(number)
            may_follow = True
        before = length
    return [*begins, len(lengths)]


def _windows(buffer: Array, octets: int) -> Array:
    """Every place of a buffer as the start of an opaque item, so that numpy copies an item at once."""
    count = len(buffer) - octets + 1
    return np.ndarray((count,), np.dtype((np.void, octets)), buffer.data, strides=(1,))
