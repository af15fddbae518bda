# SPDX-License-Identifier: Apache-2.0
"""Columns with the names of Information Elements, computed from the table of exported fields.

A name is the value of the forward half as it is exported ("octetDeltaCount"), "reverse" before it that of
the reverse half ("reverseOctetDeltaCount"); a half without packets has zeros. Where a Flow has no such
element (sourceIPv4Address of an IPv6 Flow) the value is None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from spanflow.details import Detail
from spanflow.features.column import Column, Kind, address_choice
from spanflow.features.measures import Measures
from spanflow.fields import FIELDS, ICMP_PROTOCOLS, IP_VERSIONS, Field, Operation
from spanflow.information_elements import reverse_of
from spanflow.record import Array

_NANOSECONDS_PER_MILLISECOND = 1_000_000

Member = str | int
Row = tuple[Field, Member]
"""A row of the table, and where the value of the half comes from."""


@cache
def element_columns() -> tuple[Column, ...]:
    """One column for each name, in the order of the table. Late: it reads the registry of elements."""
    by_name: dict[str, list[Row]] = {}
    for field in FIELDS:
        by_name.setdefault(field.name, []).append((field, field.forward))
    for field in FIELDS:
        if field.directional:
            by_name.setdefault(reverse_of(field.element).name, []).append((field, field.reverse))
    return tuple(_column(name, rows) for name, rows in by_name.items())


def _column(name: str, rows: Sequence[Row]) -> Column:
    field, member = rows[0]
    everywhere = len(_described(rows)) == 2 * len(IP_VERSIONS)
    dtype = ""
    cells: Callable[[Measures], Any]
    if field.operation in (Operation.DETAIL, Operation.APPLICATION_NAME):
        kind, cells = Kind.TEXT, _text_cells(field, str(member))
    elif field.element.type in ("ipv4Address", "ipv6Address"):
        kind, cells = Kind.TEXT, _address_cells(rows)
    elif field.element.type == "macAddress":
        kind, cells = Kind.MAC, lambda measures: measures.member(str(member))
    else:
        kind, dtype = (Kind.INTEGER if everywhere else Kind.NULL_INTEGER), _dtype(field)
        cells = _integer_cells(rows, dtype, everywhere)
    return Column(
        name=name,
        kind=kind,
        dtype=dtype,
        cells=cells,
        unit=field.unit,
        definition=" ".join(dict.fromkeys(each.description for each, _ in rows)),
        nullable=kind is Kind.TEXT and not everywhere,
    )


def _dtype(field: Field) -> str:
    element = field.element
    if element.type.startswith("dateTime"):
        return "u8"
    # An octet array of four octets, applicationId, is a number in the record.
    return f"u{element.length if element.type.startswith('unsigned') else field.length}"


def _described(rows: Sequence[Row]) -> set[tuple[int, bool]]:
    """The kinds of Flows, IP version and whether ICMP, that have one of these rows."""
    kinds = [(version, icmp) for version in IP_VERSIONS for icmp in (False, True)]
    return {kind for kind in kinds for field, _ in rows if field.describes(*kind)}


def _where(measures: Measures, field: Field) -> Array:
    """The Flows that have this row."""
    versions, protocols = measures.member("ip_version"), measures.member("protocol_identifier")
    chosen = np.isin(versions, field.ip_versions)
    if field.icmp is None:
        return chosen
    icmp = np.zeros_like(chosen)
    for version, protocol in ICMP_PROTOCOLS.items():
        icmp |= (versions == version) & (protocols == protocol)
    return np.asarray(chosen & (icmp == field.icmp))


def _integer_cells(rows: Sequence[Row], dtype: str, everywhere: bool) -> Callable[[Measures], Any]:
    def cells(measures: Measures) -> Any:
        values = np.zeros(len(measures), dtype)
        valid = np.zeros(len(measures), np.bool_)
        for field, member in rows:
            chosen = _where(measures, field)
            values[chosen] = _integers(measures, field, member, chosen)
            valid |= chosen
        return values if everywhere else (values, valid.view(np.uint8))

    return cells


def _integers(measures: Measures, field: Field, member: Member, chosen: Array) -> Array | int:
    if isinstance(member, int):
        return member
    values = measures.member(member)[chosen]
    if field.operation is Operation.MILLISECONDS:
        return np.maximum(values, 0) // _NANOSECONDS_PER_MILLISECOND
    return values


def _address_cells(rows: Sequence[Row]) -> Callable[[Measures], list[str | None]]:
    def cells(measures: Measures) -> list[str | None]:
        found: list[str | None] = [None] * len(measures)
        for field, member in rows:
            chosen = np.flatnonzero(_where(measures, field))
            octets, versions = measures.member(str(member)), measures.member("ip_version")
            numbers, texts = address_choice((octets[chosen], versions[chosen]))
            for row, number in zip(chosen.tolist(), numbers.tolist(), strict=True):
                found[row] = texts[number]
        return found

    return cells


def _text_cells(field: Field, member: str) -> Callable[[Measures], list[str]]:
    if field.operation is Operation.DETAIL:
        return lambda measures: measures.text(Detail[member.upper()])

    def names(measures: Measures) -> list[str]:
        by_number = measures.applications.by_number
        numbers = measures.member(member).tolist()
        return [by_number[number].name if number in by_number else "" for number in numbers]

    return names
