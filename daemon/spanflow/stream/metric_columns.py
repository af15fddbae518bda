# SPDX-License-Identifier: Apache-2.0
"""What user metrics have given, as columns: so tables and per-flow plugins have them too."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spanflow.config.wording import shown
from spanflow.plugins.declaration import COLUMN_TYPES, ColumnType
from spanflow.plugins.foreign import FOREIGN_ERRORS
from spanflow.record import Array, Batch

_TYPES: dict[object, str] = {int: "signed64", bool: "boolean", str: "string"}
_NUMBERS = (int, float, np.number, np.bool_)


def metric_columns(metrics: Mapping[str, Callable[..., Any]]) -> dict[str, str]:
    """The type of the column `metrics.NAME` of each metric: what the function says that it returns.

    `-> int`, `-> bool` and `-> str` (or None) are signed64, boolean and string; whatever else, float64.
    """
    return {f"metrics.{name}": _TYPES.get(_returned(metric), "float64") for name, metric in metrics.items()}


def with_metrics(batch: Batch, columns: Mapping[str, str]) -> tuple[Batch, dict[str, str]]:
    """The batch with these columns, and for each that had a value of another type what the first of them was.

    In the place of such a value stands the type's null value.
    """
    if not columns or not batch.attachments:
        return batch, {}
    added, refused = {}, {}
    for name, kind in columns.items():
        values = [each.metrics.get(name.removeprefix("metrics.")) for each in batch.attachments]
        found = [_value_or_none(COLUMN_TYPES[kind], value) for value in values]
        added[name] = _column(COLUMN_TYPES[kind], found)
        wrong = [value for value, taken in zip(values, found, strict=True) if taken is None is not value]
        if wrong:
            refused[name] = shown(_text(wrong[0]), 80)
    return replace(batch, columns={**added, **batch.columns}), refused


def _returned(metric: Callable[..., Any]) -> object:
    try:
        returned = typing.get_type_hints(metric).get("return")
        others = [each for each in typing.get_args(returned) if each is not type(None)]
        return others[0] if len(others) == 1 and type(None) in typing.get_args(returned) else returned
    except FOREIGN_ERRORS:  # a name that only a type checker knows; no function; what is no Python
        return None


def _column(kind: ColumnType, values: Sequence[Any]) -> Array:
    found = [kind.null if value is None else value for value in values]
    if kind.dtype != object:
        return np.array(found, kind.dtype)
    column = np.empty(len(found), object)
    column[:] = found
    return column


def _value_or_none(kind: ColumnType, value: Any) -> Any:
    """Converting runs code of the value's class."""
    try:
        return None if value is None else _value(kind, value)
    except FOREIGN_ERRORS:
        return None


def _value(kind: ColumnType, value: Any) -> Any:
    if kind.name == "string":
        return str(value)
    if kind.name == "boolean":
        return bool(value)
    if not isinstance(value, _NUMBERS):
        return None
    if kind.name == "float64":
        return float(value)
    return int(value) if -(2**63) <= value < 2**63 else None


def _text(value: Any) -> str:
    try:
        return repr(value)
    except FOREIGN_ERRORS:
        return f"a {type(value).__name__}"
