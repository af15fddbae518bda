# SPDX-License-Identifier: Apache-2.0
"""Decoded Data Records as text: JSON lines for programs, a table for people."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any, Protocol

from spanflow.cli.flow_rows import FlowRow, row_from_record
from spanflow.cli.tables import FlowTable, Style
from spanflow.collecting.message import DataSet
from spanflow.collecting.session import TransportSession


class RecordWriter(Protocol):
    """Gathers the text of Data Records until it is taken."""

    @property
    def pending(self) -> int:
        """Lines that wait."""
        ...

    def add(self, session: TransportSession, domain_id: int, data_set: DataSet) -> None: ...

    def take(self) -> str:
        """The text of all records added since the last call."""
        ...


class JsonLines:
    """One JSON object per Data Record, those of Options Templates included.

    Keys are element names; those that start with `_` say where the record comes from: `_exporter` (address
    and port), `_domain` (Observation Domain ID), `_template` (Template ID) and, in a record of an Options
    Template, `_scope` (names of its Scope Fields). `_application` is what the exporter's options call the
    applicationId. All is ASCII, so that no string of a record can speak to
    a terminal.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

    @property
    def pending(self) -> int:
        return len(self._lines)

    def add(self, session: TransportSession, domain_id: int, data_set: DataSet) -> None:
        template = data_set.template
        source: dict[str, Any] = {
            "_exporter": session.exporter,
            "_domain": domain_id,
            "_template": template.template_id,
        }
        if template.is_options:
            source["_scope"] = template.scope
        for record in data_set.records:
            values = template.json_object(record)
            application = session.application(domain_id, values)
            new = application != values.get("applicationName", "") and not template.is_options
            named = {"_application": application} if new else {}
            self._lines.append(self._encode({**source, **named, **values}) + "\n")

    def take(self) -> str:
        text = "".join(self._lines)
        self._lines.clear()
        return text


class TableRows:
    """Rows of one FlowTable; a record that is no flow is a line of names and values.

    Records of Options Templates are left out: they say things about flows and repeat every few seconds.
    """

    def __init__(self, style: Style) -> None:
        self._table = FlowTable(style)
        self._rows: list[FlowRow | str] = []

    @property
    def pending(self) -> int:
        return len(self._rows)

    def add(self, session: TransportSession, domain_id: int, data_set: DataSet) -> None:
        if data_set.template.is_options:
            return
        for record in data_set.records:
            values = data_set.template.by_name(record)
            application = session.application(domain_id, values)
            row = row_from_record({**values, "application": application})
            self._rows.append(row or self._table.record_line(values))

    def take(self) -> str:
        lines: list[str] = []
        for kind, group in groupby(self._rows, type):
            rows: list[Any] = list(group)
            lines += self._table.lines(rows) if kind is FlowRow else rows
        self._rows.clear()
        return "".join(line + "\n" for line in lines)
