# SPDX-License-Identifier: Apache-2.0
"""Decoded Data Records as text: JSON lines for programs, a table for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any, Protocol

from spanflow.cli.flow_rows import FlowRow, row_from_record
from spanflow.cli.tables import FlowTable, Style
from spanflow.collecting.learned import Said
from spanflow.collecting.message import DataSet
from spanflow.collecting.sampling import sampling_rate
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
    and port, or the file), `_protocol` (ipfix, netflow9, netflow5), `_domain` (Observation Domain ID),
    `_template` (Template ID; NetFlow v5 has none) and, in a record of an Options Template, `_scope` (names of
    its Scope Fields). What the exporter's options say of a record: `_application` is what they call its
    applicationId, `_ingressInterface` and `_egressInterface` its interfaces; `_sampling` is there where only
    one of so many packets was metered. All is ASCII, so that no string of a record can speak to a terminal.
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
            "_protocol": session.version.name.lower(),
            "_domain": domain_id,
        }
        if template.template_id:
            source["_template"] = template.template_id
        if template.is_options:
            source["_scope"] = template.scope
        for record in data_set.records:
            values = template.json_object(record)
            said = {} if template.is_options else _said(session.said(domain_id, values), values)
            self._lines.append(self._encode({**source, **said, **values}) + "\n")

    def take(self) -> str:
        text = "".join(self._lines)
        self._lines.clear()
        return text


def _said(said: Said, values: Mapping[str, Any]) -> dict[str, Any]:
    """What options add to the values of a record."""
    added: dict[str, Any] = {}
    if said.application != values.get("applicationName", ""):
        added["_application"] = said.application
    if said.ingress_interface:
        added["_ingressInterface"] = said.ingress_interface
    if said.egress_interface:
        added["_egressInterface"] = said.egress_interface
    rate = sampling_rate(values) or said.sampling
    if rate is not None and rate != 1:
        added["_sampling"] = int(rate) if rate.is_integer() else rate
    return added


class TableRows:
    """Rows of one FlowTable; a record that is no flow is a line of names and values.

    options: whether records of Options Templates are such lines too; else they are left out, since they say
    things about flows and repeat every few seconds.
    """

    def __init__(self, style: Style, options: bool = False) -> None:
        self._table = FlowTable(style)
        self._options = options
        self._rows: list[FlowRow | str] = []

    @property
    def pending(self) -> int:
        return len(self._rows)

    def add(self, session: TransportSession, domain_id: int, data_set: DataSet) -> None:
        template = data_set.template
        if template.is_options:
            if self._options:
                lines = map(template.json_object, data_set.records)
                self._rows += (f"options: {self._table.record_line(values)}" for values in lines)
            return
        for record in data_set.records:
            values = template.by_name(record)
            row = row_from_record(values, session.said(domain_id, values))
            self._rows.append(row or self._table.record_line(values))

    def take(self) -> str:
        lines: list[str] = []
        for kind, group in groupby(self._rows, type):
            rows: list[Any] = list(group)
            lines += self._table.lines(rows) if kind is FlowRow else rows
        self._rows.clear()
        return "".join(line + "\n" for line in lines)
