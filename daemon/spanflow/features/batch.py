# SPDX-License-Identifier: Apache-2.0
"""A batch of flows as columns."""

from __future__ import annotations

from typing import Any

from spanflow.applications import NO_APPLICATIONS, Applications
from spanflow.features.column import Column
from spanflow.features.measures import Measures
from spanflow.features.selection import DEFAULT_FEATURES, Features, column_of, selected
from spanflow.record import Array, Batch


class FlowBatch:
    """n flows. A column is computed when it is first asked for, and kept.

    Every name of docs/features.md finds a column: feature names, aliases, Information Elements; and the names
    of the columns that plugins have added. applications: who names the applications of the records.
    """

    def __init__(self, batch: Batch, applications: Applications = NO_APPLICATIONS) -> None:
        self.batch = batch
        self.applications = applications
        self._measures = Measures(batch, applications)
        self._cells: dict[str, Any] = {}
        self._arrays: dict[str, Array] = {}
        self._values: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def records(self) -> Array:
        """The records themselves: dtype spanflow.record.RECORD, shape (n,), read-only, not copied."""
        return self.batch.records

    def column(self, name: str) -> Array:
        """The values of a column, shape (n,); a list column has shape (n, cache.first_packets).

        Texts are str objects. Read-only, as other columns are computed from it. Raises UnknownColumnError.
        """
        if name not in self._arrays:
            if name in self.batch.columns:
                array = self.batch.columns[name].view()
            else:
                column = column_of(name)
                array = column.array(self.cells(column)).view()
            array.flags.writeable = False
            self._arrays[name] = array
        return self._arrays[name]

    def __getitem__(self, name: str) -> Array:
        """The same as column()."""
        return self.column(name)

    def values(self, name: str) -> list[Any]:
        """The column as Python values: int, float, str, bool, list of int, None.

        Raises UnknownColumnError.
        """
        if name not in self._values:
            if name in self.batch.columns:
                self._values[name] = self.batch.columns[name].tolist()
            else:
                column = column_of(name)
                self._values[name] = column.values(self.cells(column))
        return self._values[name]

    def to_dict(self, features: Features = DEFAULT_FEATURES) -> dict[str, Array]:
        """The columns that `features` names, by their names. Raises UnknownColumnError."""
        return {name: self.column(name) for name in selected(features, self.batch.columns)}

    def only(self, row: int) -> FlowBatch:
        """One of the flows as a batch that has memory of its own."""
        batch, rows = self.batch, slice(row, row + 1)
        records = batch.records[rows].copy()
        start, length = int(records["details_offset"][0]), int(records["details_octets"][0])
        records["details_offset"] = 0
        packets = batch.first_packets
        return FlowBatch(
            Batch(
                records,
                batch.details[start : start + length].copy(),
                None if packets is None else packets[rows].copy(),
                {name: column[rows].copy() for name, column in batch.columns.items()},
                batch.attachments[rows],
            ),
            self.applications,
        )

    def cells(self, column: Column) -> Any:
        """The cells of a column, as its kind has them (`spanflow.features.column`): what writers take."""
        if column.name not in self._cells:
            self._cells[column.name] = column.cells(self._measures)
        return self._cells[column.name]
