# SPDX-License-Identifier: Apache-2.0
"""What user metrics have given, as columns: so tables and per-flow plugins have them too."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from spanflow.plugins.declaration import COLUMN_TYPES, ColumnType
from spanflow.plugins.foreign import FOREIGN_ERRORS
from spanflow.record import Array, Batch

_TYPES: dict[object, str] = {int: "signed64", bool: "boolean", str: "string"}
_NUMBERS = (int, float, np.number, np.bool_)


def metric_columns(metrics: Mapping[str, Callable[..., Any]]) -> dict[str, str]:
    """The type of the column `metrics.NAME` of each metric: what the function says that it returns.

    `-> int`, `-> bool` and `-> str` are signed64, boolean and string; whatever else, float64.
    """
    return {f"metrics.{name}": _TYPES.get(_returned(metric), "float64") for name, metric in metrics.items()}


def with_metrics(batch: Batch, columns: Mapping[str, str]) -> Batch:
    """The batch with these columns. A value that is none of the type is the type's null value."""
    if not columns or not batch.attachments:
        return batch
    added = {
        name: _column(
            COLUMN_TYPES[kind],
            (each.metrics.get(name.removeprefix("metrics.")) for each in batch.attachments),
        )
        for name, kind in columns.items()
    }
    return replace(batch, columns={**added, **batch.columns})


def _returned(metric: Callable[..., Any]) -> object:
    try:
        return typing.get_type_hints(metric).get("return")
    except FOREIGN_ERRORS:  # a name that only a type checker knows; no function; what is no Python
        return None


def _column(kind: ColumnType, values: Iterable[Any]) -> Array:
    found = [_value_or_null(kind, value) for value in values]
    if kind.dtype != object:
        return np.array(found, kind.dtype)
    column = np.empty(len(found), object)
    column[:] = found
    return column


def _value_or_null(kind: ColumnType, value: Any) -> Any:
    """Converting runs code of the value's class."""
    try:
        return _value(kind, value)
    except FOREIGN_ERRORS:
        return kind.null


def _value(kind: ColumnType, value: Any) -> Any:
    if value is None:
        return kind.null
    if kind.name == "string":
        return str(value)
    if kind.name == "boolean":
        return bool(value)
    if not isinstance(value, _NUMBERS):
        return kind.null
    if kind.name == "float64":
        return float(value)
    return int(value) if -(2**63) <= value < 2**63 else kind.null
