# SPDX-License-Identifier: Apache-2.0
"""The session of JSON: one object a line (RFC 8259) for each Flow Record. No socket, no clock.

The objects are those of `spanflow meter --json`: columns, names and values of docs/features.md. There are no
Templates and no options; a Message is some whole lines.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from spanflow.applications import NO_APPLICATIONS, Applications
from spanflow.exporting.encode import Origins, Rows
from spanflow.exporting.interface import OptionsMessage
from spanflow.exporting.ipfix import LONGEST_MESSAGE
from spanflow.exporting.message_runs import Layout, MessageRun
from spanflow.exporting.plugin_columns import PluginColumn, as_values
from spanflow.exporting.template import Template
from spanflow.features.batch import FlowBatch
from spanflow.features.selection import Features, select
from spanflow.information_elements import InformationElement
from spanflow.record import RECORD, Batch
from spanflow.tables.rows import RowText

FEATURES: Features = ("core",)
"""What an object has by itself; columns of plugins follow."""

_LINE_END = ord("\n")
_RECORDS_AT_ONCE = 2048
"""Their text, some 3 MB, is in memory together."""

_TEMPLATE = Template(0, (InformationElement("", 0, 0, "octetArray", RECORD.itemsize),), ())
"""There are no Templates; this one stands for the Flow Record as it is."""


class JsonSession:
    """What one collector is sent as lines.

    applications: what the numbers of applications mean; None: Flows are not classified. columns: of plugins,
    which batches have as `plugin_columns.as_sent` leaves them.
    max_message_octets: of a Message with more than one line; a line that is longer is a Message of its own.
    """

    is_binary = False

    def __init__(
        self,
        *,
        applications: Applications | None = None,
        columns: Sequence[PluginColumn] = (),
        features: Features = FEATURES,
        max_message_octets: int = LONGEST_MESSAGE,
    ) -> None:
        self.max_message_octets = max_message_octets
        self._applications = applications or NO_APPLICATIONS
        self._columns = columns
        self._text = RowText(select(features, {each.name: each.type for each in columns}), json=True)
        self._batch: Batch | None = None

    @property
    def facts_version(self) -> int:
        """Always the same: nothing is told beside the records."""
        return 0

    def exportable(self, batch: Batch) -> bool:
        """JSON has a form for all."""
        return True

    def template_messages(self, now_ns: int) -> list[bytes]:
        """None."""
        return []

    def options_messages(self, now_ns: int) -> list[OptionsMessage]:
        """None."""
        return []

    def table_messages(self, now_ns: int) -> Iterator[OptionsMessage]:
        """None."""
        return iter(())

    def rows(self, batch: Batch) -> Iterator[Rows]:
        """All Flow Records of a batch; each is one Data Record."""
        self._batch = batch
        if len(batch):
            yield Rows(_TEMPLATE, batch.records, Origins())

    def messages(self, rows: Rows, now_ns: int) -> Layout:
        """The Messages with the Flow Records of the last batch; they are made as they are taken."""
        assert self._batch is not None
        return Layout(self._runs(rows, self._batch), len(self._batch))

    def renumber(
        self, octets: bytes, counts: tuple[int, ...], template_ids: Mapping[int, int] | None = None
    ) -> bytes:
        """The same lines: they have no numbers."""
        return octets

    def _runs(self, rows: Rows, batch: Batch) -> Iterator[MessageRun]:
        for first in range(0, len(batch), _RECORDS_AT_ONCE):
            yield from self._some(rows, batch, first, min(first + _RECORDS_AT_ONCE, len(batch)))

    def _some(self, rows: Rows, batch: Batch, first: int, end: int) -> Iterator[MessageRun]:
        """The Messages with the Flow Records first..end-1, each a run."""
        text = self._text.lines(FlowBatch(self._part(batch, first, end), self._applications))
        ends = (np.flatnonzero(np.frombuffer(text, np.uint8) == _LINE_END) + 1).tolist()
        octets, start, line = memoryview(text), 0, 0
        while line < len(ends):
            behind = max(line + 1, bisect_right(ends, start + self.max_message_octets, line))
            stop = ends[behind - 1]
            yield MessageRun(octets[start:stop], stop - start, (first + line, first + behind), rows.origins)
            start, line = stop, behind

    def _part(self, batch: Batch, first: int, end: int) -> Batch:
        packets = batch.first_packets
        return Batch(
            batch.records[first:end],
            batch.details,
            None if packets is None else packets[first:end],
            {each.name: as_values(batch.columns[each.name][first:end], each) for each in self._columns},
        )
