# SPDX-License-Identifier: Apache-2.0
"""Tables as text: CSV (RFC 4180) and JSON, one object a line (RFC 8259)."""

from __future__ import annotations

from typing import Any

from spanflow import _core
from spanflow.features.batch import FlowBatch
from spanflow.features.column import Column, Kind
from spanflow.features.selection import Selection
from spanflow.tables.output import Target
from spanflow.tables.writer import TableWriter


class RowText:
    """The text of rows. header: the first line of CSV; empty for JSON."""

    def __init__(self, selection: Selection, *, json: bool) -> None:
        self._columns = selection.columns
        kinds = [
            Kind.TEXT if column.kind is Kind.WIDE_INTEGER else column.kind for column in selection.columns
        ]
        self._rows = _core.RowWriter(selection.names, [str(kind) for kind in kinds], json=json)
        self.header = self._rows.header()

    def lines(self, flows: FlowBatch) -> bytes:
        """One line for each flow; JSON is ASCII."""
        return self._rows.write(len(flows), [_cells(flows, column) for column in self._columns])


class _RowsWriter(TableWriter):
    def __init__(self, target: Target, selection: Selection, *, json: bool) -> None:
        super().__init__(target, selection)
        self._text = RowText(selection, json=json)
        self._output.write(self._text.header)

    def write(self, flows: FlowBatch) -> None:
        self._output.write(self._text.lines(flows))


def _cells(flows: FlowBatch, column: Column) -> Any:
    cells = flows.cells(column)
    return [str(value) for value in cells] if column.kind is Kind.WIDE_INTEGER else cells


class CsvWriter(_RowsWriter):
    """A line of names, then one for each flow; lines end with LF. Lists are numbers with spaces between.

    A text that begins with = + - or @ stays as it is, although spreadsheets may take it for a formula.
    """

    def __init__(self, target: Target, selection: Selection) -> None:
        super().__init__(target, selection, json=False)


class JsonWriter(_RowsWriter):
    """One object for each flow, ASCII only, so that no text of a packet can speak to a terminal."""

    def __init__(self, target: Target, selection: Selection) -> None:
        super().__init__(target, selection, json=True)
