# SPDX-License-Identifier: Apache-2.0
"""Batches of Flow Records become rows of Data Records: numpy over whole columns, no Python per record.

A batch is split by template (ICMP or not) and, for uniflows, by half: a half without packets is not sent. The
rows that are left become Messages in `message_runs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from spanflow.applications import Applications
from spanflow.details import NO_DETAILS, Detail
from spanflow.exporting.chosen_details import chosen_details
from spanflow.exporting.row_plan import RowPlan
from spanflow.exporting.template import Template, padded
from spanflow.exporting.template_ids import TemplateKey
from spanflow.fields import ICMP_PROTOCOLS, Operation
from spanflow.record import RECORD, Array, Batch

# numpy copies a structured item member by member, an opaque one at once.
_OPAQUE_RECORD = np.dtype((np.void, RECORD.itemsize))

# A Biflow's empty half has no values of its own; these would mislead as zeros (1970, interface unknown).
_LENT_TO_EMPTY_HALF = ("first_ns", "last_ns", "ingress_interface")

TAIL_WINDOW = 64
"""Tails are copied in pieces of so many octets; what follows a tail in its buffer is written over."""


@dataclass(frozen=True, slots=True)
class Tails:
    """What follows the fixed part of each Data Record: its details, as they are.

    octets: those of the batch between a tail that says "none" and TAIL_WINDOW octets that belong to nobody.
    starts, lengths: of each Data Record.
    """

    octets: Array
    starts: Array
    lengths: Array

    def take(self, numbers: Array) -> Tails:
        """Those of the Data Records with these numbers."""
        return Tails(self.octets, self.starts[numbers], self.lengths[numbers])


@dataclass(frozen=True, slots=True)
class Origins:
    """Which Flow Records of a batch some Data Records come from.

    halves: rows of one Flow Record. selected: for each Data Record its number among all rows of the Flow
    Records, or None: all rows, in order. flow_records: their numbers in the batch, or None: all, in order.
    """

    halves: int = 1
    selected: Array | None = None
    flow_records: Array | None = None

    def of(self, first: int, end: int) -> Array:
        """The numbers in the batch of the Flow Records that the Data Records first..end-1 come from."""
        rows = np.arange(first, end) if self.selected is None else self.selected[first:end]
        numbers = rows // self.halves
        return numbers if self.flow_records is None else self.flow_records[numbers]

    def take(self, numbers: Array) -> Origins:
        """Those of the Data Records with these numbers."""
        selected = numbers if self.selected is None else self.selected[numbers]
        return Origins(self.halves, selected, self.flow_records)


@dataclass(frozen=True, slots=True)
class Rows:
    """Data Records of one template.

    records: opaque items, shape (data records,), each the fixed part of one; tails: the rest, if any.
    """

    template: Template
    records: Array
    origins: Origins
    tails: Tails | None = None

    def take(self, numbers: Array) -> Rows:
        """Only the Data Records with these numbers."""
        tails = None if self.tails is None else self.tails.take(numbers)
        return Rows(self.template, self.records[numbers], self.origins.take(numbers), tails)


class BatchEncoder:
    """The rows of batches by the templates of one collector. One thread; rows live until the next batch."""

    def __init__(
        self, templates: Mapping[TemplateKey, Template], applications: Applications | None = None
    ) -> None:
        self._templates = templates
        self._application_names = _application_names(templates, applications)
        self._plans: dict[tuple[TemplateKey, tuple[int, ...]], RowPlan] = {}
        self._kept: Array = np.empty(0, np.uint8)
        self._boot_ns = 0

    def rows(self, batch: Batch, boot_ns: int = 0) -> Iterator[Rows]:
        """The rows of a batch, at most once for each template. boot_ns: see `RowPlan.fill`."""
        self._boot_ns = boot_ns
        records = batch.records
        if not len(records):
            return
        version = int(records["ip_version"][0])
        icmp = records["protocol_identifier"] == ICMP_PROTOCOLS[version]
        if not icmp.any():
            yield from self._of_template((version, False), batch, None, None)
            return
        yield from self._of_template((version, False), batch, ~icmp, None)
        numbers = np.flatnonzero(icmp)
        icmp_batch = Batch(
            records.view(_OPAQUE_RECORD).take(numbers).view(RECORD),
            batch.details,
            columns={name: values[numbers] for name, values in batch.columns.items()},
        )
        yield from self._of_template((version, True), icmp_batch, None, numbers)

    def _of_template(
        self, key: TemplateKey, batch: Batch, wanted: Array | None, origin: Array | None
    ) -> Iterator[Rows]:
        if len(self._templates[key].halves) == 1:
            return self._biflows(key, batch, wanted, origin)
        return self._uniflows(key, batch, wanted, origin)

    def _uniflows(
        self, key: TemplateKey, batch: Batch, wanted: Array | None, origin: Array | None
    ) -> Iterator[Rows]:
        forward = batch.records["forward"]["packet_delta_count"] != 0
        reverse = batch.records["reverse"]["packet_delta_count"] != 0
        if wanted is not None:
            forward &= wanted
            reverse &= wanted
        if not reverse.any():
            yield from self._selected(key, (0,), batch, forward, origin)
        else:
            present = np.stack((forward, reverse), axis=1).reshape(-1)
            yield from self._selected(key, (0, 1), batch, present, origin)

    def _biflows(
        self, key: TemplateKey, batch: Batch, wanted: Array | None, origin: Array | None
    ) -> Iterator[Rows]:
        present = np.ones(len(batch), np.bool_) if wanted is None else wanted
        yield from self._selected(key, (0,), _with_full_halves(batch), present, origin)

    def _selected(
        self, key: TemplateKey, halves: tuple[int, ...], batch: Batch, present: Array, origin: Array | None
    ) -> Iterator[Rows]:
        """The rows of these halves where `present` (one item for each row) is true."""
        count = int(np.count_nonzero(present))
        if not count:
            return
        template = self._templates[key]
        plan = self._plans.get((key, halves))
        if plan is None:
            plan = self._plans[key, halves] = RowPlan(template, halves, self._application_names)
        records = plan.fill(batch, self._boot_ns)
        tails = _tails(batch, len(halves), template.details) if template.has_details else None
        selected = None
        if count < len(present):
            selected = np.flatnonzero(present)
            records = self._keep(records, selected)
            tails = None if tails is None else tails.take(selected)
        yield Rows(template, records, Origins(len(halves), selected, origin), tails)

    def _keep(self, records: Array, selected: Array) -> Array:
        octets = len(selected) * records.itemsize
        if octets > len(self._kept):
            self._kept = np.empty(1 << (octets - 1).bit_length(), np.uint8)
        kept = self._kept[:octets].view(records.dtype)
        # mode="clip" spares numpy a buffer that only "raise" needs; the numbers are in range.
        return records.take(selected, out=kept, mode="clip")


def _with_full_halves(batch: Batch) -> Batch:
    """The batch, an empty half with the times and the interface of the other one, as a Biflow needs them."""
    records = batch.records
    empty = {half: records[half]["packet_delta_count"] == 0 for half in ("forward", "reverse")}
    if not empty["forward"].any() and not empty["reverse"].any():
        return batch
    full = records.view(_OPAQUE_RECORD).copy().view(RECORD)
    for half, other in (("forward", "reverse"), ("reverse", "forward")):
        for member in _LENT_TO_EMPTY_HALF:
            full[half][member][empty[half]] = records[other][member][empty[half]]
    return Batch(full, batch.details, columns=batch.columns)


def _tails(batch: Batch, halves: int, kinds: tuple[str, ...]) -> Tails:
    """The tails of all rows: both halves of a Flow Record have the same one."""
    if len(kinds) < len(Detail):
        octets, starts, lengths = chosen_details(batch, [Detail[kind.upper()] for kind in kinds])
        octets = np.concatenate((octets, np.zeros(TAIL_WINDOW, np.uint8)))
    else:
        octets, starts, lengths = _all_details(batch)
    if halves == 1:
        return Tails(octets, starts, lengths)
    return Tails(octets, np.repeat(starts, halves), np.repeat(lengths, halves))


def _all_details(batch: Batch) -> tuple[Array, Array, Array]:
    """The details as they are, and where those of each record start, and how long they are."""
    nothing = np.frombuffer(NO_DETAILS, np.uint8)
    octets = np.concatenate((nothing, batch.details, np.zeros(TAIL_WINDOW, np.uint8)))
    lengths = batch.records["details_octets"].astype(np.int64)
    starts = batch.records["details_offset"].astype(np.int64) + len(nothing)
    without = lengths == 0
    starts[without] = 0
    lengths[without] = len(nothing)
    return octets, starts, lengths


def _application_names(templates: Mapping[TemplateKey, Template], applications: Applications | None) -> Array:
    """The names as templates have them, by number; behind the last one an empty name for all others."""
    widths = {
        element.length
        for template in templates.values()
        for element, source in zip(template.elements, template.halves[0], strict=True)
        if source.operation is Operation.APPLICATION_NAME
    }
    width = widths.pop() if widths else 1
    known = {} if applications is None else applications.by_number
    names = np.zeros(max(known, default=-1) + 2, np.dtype((np.void, width)))
    for number, application in known.items():
        names[number] = padded(application.name, width)
    return names
