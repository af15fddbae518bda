# SPDX-License-Identifier: Apache-2.0
"""What a plugin returns becomes columns: the declared type and length exactly, or an error that says why."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from spanflow.config.wording import quoted, shown
from spanflow.plugins.declaration import ColumnType
from spanflow.record import Array


class ColumnValuesError(ValueError):
    """What a plugin has returned is not what it has declared; str() says what."""


def declared_values(returned: object, columns: Mapping[str, ColumnType], count: int) -> dict[str, Array]:
    """Every declared column as an array of `count` values that nobody else can change.

    Raises ColumnValuesError for what is missing, too much, of another length, or out of the type's range.
    """
    if not isinstance(returned, Mapping):
        raise ColumnValuesError(f"returned {_kind(returned)}, no mapping of columns to values")
    missing = [name for name in columns if name not in returned]
    if missing:
        raise ColumnValuesError(f"returned no column {', '.join(missing)}")
    unknown = [shown(str(name)) for name in returned if name not in columns]
    if unknown:
        raise ColumnValuesError(f"returned a column that it has not declared: {', '.join(unknown)}")
    return {name: _column(name, kind, returned[name], count) for name, kind in columns.items()}


def null_values(columns: Mapping[str, ColumnType], count: int) -> dict[str, Array]:
    """Every column with the null value of its type in each row."""
    return {name: _frozen(np.full(count, kind.null, kind.dtype)) for name, kind in columns.items()}


def _column(name: str, kind: ColumnType, value: Any, count: int) -> Array:
    try:
        array = np.asarray(value, object) if kind.name == "string" else np.asarray(value)
        if array.dtype.kind == "f" and kind.dtype.kind in "iu" and not isinstance(value, np.ndarray):
            # Of Python's numbers, some from 2^63 on and some below, numpy makes floats.
            array = np.asarray(value, object)
    except ValueError as error:  # rows of different lengths
        raise ColumnValuesError(f"column {name}: {shown(str(error), 200)}") from error
    if array.shape != (count,):
        shape = "one value" if array.ndim == 0 else f"shape {array.shape}"
        raise ColumnValuesError(f"column {name}: has {shape}, not one value for each of {count} flows")
    convert = {"b": _booleans, "O": _strings, "f": _floats}.get(kind.dtype.kind, _integers)
    try:
        return _frozen(convert(array, kind.dtype))
    except (ValueError, TypeError, OverflowError) as error:
        raise ColumnValuesError(f"column {name}: {shown(str(error), 200)}; it is {kind.name}") from error


def _integers(array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype.kind == "O":
        array = _narrowest([_whole(each) for each in array])
    if array.dtype.kind == "f":
        whole = array.astype(np.float64)
        wrong = np.flatnonzero(~np.isfinite(whole) | (whole != np.trunc(whole)))
        if len(wrong):
            raise ValueError(f"{whole[wrong[0]]} is no whole number")
    elif array.dtype.kind not in "biu":
        raise TypeError(f"{array.dtype} is no number")
    if len(array):
        limits = np.iinfo(dtype)
        for value in (int(array.min()), int(array.max())):
            if not limits.min <= value <= limits.max:
                raise OverflowError(f"{value} is out of range")
    return array.astype(dtype)


def _whole(number: Any) -> int:
    if isinstance(number, float):
        if not number.is_integer():
            raise ValueError(f"{number} is no whole number")
        return int(number)
    return operator.index(number)


def _narrowest(numbers: list[int]) -> Array:
    """Python's numbers as the kind of integer that holds them all. Raises OverflowError."""
    unsigned = max(numbers, default=0) > np.iinfo(np.int64).max
    return np.array(numbers, np.uint64 if unsigned else np.int64)


def _floats(array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype.kind not in "biufO":
        raise TypeError(f"{array.dtype} is no number")
    return array.astype(dtype)  # of objects: None becomes NaN


def _booleans(array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype.kind == "O":
        array = _narrowest([operator.index(each) for each in array])
    if array.dtype.kind not in "biu":
        raise TypeError(f"{array.dtype} is no truth value")
    wrong = np.flatnonzero((array != 0) & (array != 1))
    if len(wrong):
        raise ValueError(f"{array[wrong[0]]} is no truth value")
    return array.astype(dtype)


def _strings(array: Array, dtype: np.dtype[Any]) -> Array:
    texts = np.empty(len(array), dtype)
    for number, text in enumerate(array.tolist()):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{quoted(str(text))} is {_kind(text)}, no text")
        texts[number] = str(text or "")
    return texts


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array
