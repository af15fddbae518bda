# SPDX-License-Identifier: Apache-2.0
"""Batches of Flow Records become runs of Messages: numpy over whole columns, no Python per record.

A batch is first split by template (ICMP or not) and, for uniflows, by half: a half without packets is not
sent. The rows that are left are laid into Messages of equal length, all of a run in one buffer, as UDP
segmentation offload wants them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spanflow.errors import EncodeError
from spanflow.exporting.ipfix import (
    LONGEST_MESSAGE,
    MESSAGE_HEADER,
    MESSAGE_HEADER_OCTETS,
    MODULUS,
    SET_HEADER,
    SET_HEADER_OCTETS,
    VERSION,
)
from spanflow.exporting.profiles import TemplateKey
from spanflow.exporting.row_plan import Array, RowPlan
from spanflow.exporting.template import Template
from spanflow.fields import ICMP_PROTOCOLS
from spanflow.record import RECORD

# numpy copies a structured item member by member, an opaque one at once.
_OPAQUE_RECORD = np.dtype((np.void, RECORD.itemsize))

HEADERS_OCTETS = MESSAGE_HEADER_OCTETS + SET_HEADER_OCTETS

# A Biflow's empty half has no values of its own; these would mislead as zeros (1970, interface unknown).
_LENT_TO_EMPTY_HALF = ("first_ns", "last_ns", "ingress_interface")


@dataclass(frozen=True, slots=True)
class Rows:
    """Data Records of one template that leave in this order.

    records: opaque items, shape (data records,).
    selected: for each of them its number among all rows of the Flow Records, or None: all rows, in order.
    halves: rows of one Flow Record. origin: numbers of the Flow Records in the batch, or None: all, in order.
    """

    template: Template
    records: Array
    selected: Array | None
    halves: int
    origin: Array | None

    def flow_records(self, first: int, end: int) -> Array:
        """The numbers in the batch of the Flow Records that the Data Records first..end-1 come from."""
        rows = np.arange(first, end) if self.selected is None else self.selected[first:end]
        numbers = rows // self.halves
        return numbers if self.origin is None else self.origin[numbers]


@dataclass(frozen=True, slots=True)
class MessageRun:
    """Messages one after the other; all have `message_octets` but the last, which may be shorter.

    The buffer is overwritten when the next run of the same template is built.
    """

    octets: memoryview
    message_octets: int
    messages: int
    data_records: int
    records_per_message: int
    rows: Rows

    def flow_records(self, first_message: int, end_message: int) -> Array:
        """The numbers in the batch of the Flow Records of which these Messages hold a Data Record."""
        end = min(end_message * self.records_per_message, self.data_records)
        return self.rows.flow_records(first_message * self.records_per_message, end)


class BatchEncoder:
    """The rows of batches by the templates of one collector. One thread; rows live until the next batch."""

    def __init__(self, templates: Mapping[TemplateKey, Template]) -> None:
        self._templates = templates
        self._plans: dict[tuple[TemplateKey, tuple[int, ...]], RowPlan] = {}
        self._kept: Array = np.empty(0, np.uint8)

    def rows(self, batch: Array) -> Iterator[Rows]:
        """The rows of a batch (dtype RECORD, one IP version), at most once for each template."""
        if not len(batch):
            return
        version = int(batch["ip_version"][0])
        icmp = batch["protocol_identifier"] == ICMP_PROTOCOLS[version]
        if not icmp.any():
            yield from self._of_template((version, False), batch, None, None)
            return
        yield from self._of_template((version, False), batch, ~icmp, None)
        numbers = np.flatnonzero(icmp)
        icmp_batch = batch.view(_OPAQUE_RECORD).take(numbers).view(RECORD)
        yield from self._of_template((version, True), icmp_batch, None, numbers)

    def _of_template(
        self, key: TemplateKey, batch: Array, wanted: Array | None, origin: Array | None
    ) -> Iterator[Rows]:
        if len(self._templates[key].halves) == 1:
            return self._biflows(key, batch, wanted, origin)
        return self._uniflows(key, batch, wanted, origin)

    def _uniflows(
        self, key: TemplateKey, batch: Array, wanted: Array | None, origin: Array | None
    ) -> Iterator[Rows]:
        forward = batch["forward"]["packet_delta_count"] != 0
        reverse = batch["reverse"]["packet_delta_count"] != 0
        if wanted is not None:
            forward &= wanted
            reverse &= wanted
        if not reverse.any():
            yield from self._selected(key, (0,), batch, forward, origin)
        else:
            present = np.stack((forward, reverse), axis=1).reshape(-1)
            yield from self._selected(key, (0, 1), batch, present, origin)

    def _biflows(
        self, key: TemplateKey, batch: Array, wanted: Array | None, origin: Array | None
    ) -> Iterator[Rows]:
        present = np.ones(len(batch), np.bool_) if wanted is None else wanted
        yield from self._selected(key, (0,), _with_full_halves(batch), present, origin)

    def _selected(
        self, key: TemplateKey, halves: tuple[int, ...], batch: Array, present: Array, origin: Array | None
    ) -> Iterator[Rows]:
        """The rows of these halves where `present` (one item for each row) is true."""
        count = int(np.count_nonzero(present))
        if not count:
            return
        plan = self._plans.get((key, halves))
        if plan is None:
            plan = self._plans[key, halves] = RowPlan(self._templates[key], halves)
        records = plan.fill(batch)
        selected = None
        if count < len(present):
            selected = np.flatnonzero(present)
            records = self._keep(records, selected)
        yield Rows(self._templates[key], records, selected, len(halves), origin)

    def _keep(self, records: Array, selected: Array) -> Array:
        octets = len(selected) * records.itemsize
        if octets > len(self._kept):
            self._kept = np.empty(1 << (octets - 1).bit_length(), np.uint8)
        kept = self._kept[:octets].view(records.dtype)
        # mode="clip" spares numpy a buffer that only "raise" needs; the numbers are in range.
        return records.take(selected, out=kept, mode="clip")


def _with_full_halves(batch: Array) -> Array:
    """The batch, an empty half with the times and the interface of the other one, as a Biflow needs them."""
    empty = {half: batch[half]["packet_delta_count"] == 0 for half in ("forward", "reverse")}
    if not empty["forward"].any() and not empty["reverse"].any():
        return batch
    full = batch.view(_OPAQUE_RECORD).copy().view(RECORD)
    for half, other in (("forward", "reverse"), ("reverse", "forward")):
        for member in _LENT_TO_EMPTY_HALF:
            full[half][member][empty[half]] = batch[other][member][empty[half]]
    return full


class MessageBuilder:
    """Lays the Data Records of one template into Messages of at most `max_octets`, and keeps the buffer.

    Raises EncodeError if not even one record fits.
    """

    def __init__(self, template: Template, max_octets: int, observation_domain_id: int) -> None:
        self._record_octets = template.record_octets
        limit = min(max_octets, LONGEST_MESSAGE)
        self._per_message = (limit - HEADERS_OCTETS) // self._record_octets
        if self._per_message < 1:
            raise EncodeError(
                f"template {int(template.template_id)}: a record of {self._record_octets} octets does not fit"
                f" into a Message of {max_octets}; set max_message_size to"
                f" {self._record_octets + HEADERS_OCTETS} or more"
            )
        self._template_id = int(template.template_id)
        self._observation_domain_id = observation_domain_id
        records_octets = self._per_message * self._record_octets
        self._records_dtype = np.dtype((np.void, records_octets))
        self._dtype = np.dtype([*MESSAGE_HEADER, *SET_HEADER, ("records", self._records_dtype)])
        self._allocate(0)

    def build(self, rows: Rows, *, export_time: int, sequence_number: int) -> MessageRun:
        """The Messages of some rows (at least one). The first has this sequence number."""
        count, per_message = len(rows.records), self._per_message
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
        return MessageRun(
            octets=self._octets[:octets],
            message_octets=self._dtype.itemsize if full else octets,
            messages=used,
            data_records=count,
            records_per_message=per_message,
            rows=rows,
        )

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
        self._records_before = np.arange(capacity, dtype=np.uint32) * np.uint32(self._per_message)
