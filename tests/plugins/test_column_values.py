# SPDX-License-Identifier: Apache-2.0
"""What a plugin returns: what is taken, and as what; what is refused, and why."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from spanflow.plugins.column_values import ColumnValuesError, declared_values, null_values
from spanflow.plugins.declaration import COLUMN_TYPES

TAKEN: list[tuple[str, Any, list[Any]]] = [
    ("unsigned8", [0, 255], [0, 255]),
    ("unsigned8", np.array([1.0, 2.0]), [1, 2]),
    ("unsigned8", [1.0, 2.0], [1, 2]),
    ("unsigned8", [True, False], [1, 0]),
    ("unsigned64", [2**64 - 1, 0], [2**64 - 1, 0]),
    ("unsigned64", np.array([2**64 - 1, 0], object), [2**64 - 1, 0]),
    ("signed8", [-128, 127], [-128, 127]),
    ("signed64", [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
    ("signed16", np.array([1, 2], ">i8"), [1, 2]),
    ("float64", [1, 2.5], [1.0, 2.5]),
    ("float64", np.array([1, 2], np.float32), [1.0, 2.0]),
    ("boolean", [True, False], [True, False]),
    ("boolean", np.array([0, 1], np.uint8), [False, True]),
    ("boolean", np.array([True, 0], object), [True, False]),
    ("string", ["a", None], ["a", ""]),
    ("string", np.array(["ä", "b"]), ["ä", "b"]),
    ("string", np.array([np.str_("x"), ""], object), ["x", ""]),
    ("string", ("a\x00", "b" * 300), ["a\x00", "b" * 300]),
]


@pytest.mark.parametrize(("kind", "returned", "expected"), TAKEN)
def test_what_is_taken(kind: str, returned: Any, expected: list[Any]) -> None:
    column = declared_values({"c": returned}, {"c": COLUMN_TYPES[kind]}, 2)["c"]
    assert column.dtype == COLUMN_TYPES[kind].dtype
    assert column.tolist() == expected
    assert [type(value) for value in column.tolist()] == [type(value) for value in expected]
    assert not column.flags.writeable


REFUSED: list[tuple[str, Any, str]] = [
    ("unsigned8", [1, 256], "column c: 256 is out of range; it is unsigned8"),
    ("unsigned8", [-1, 0], "column c: -1 is out of range; it is unsigned8"),
    ("unsigned64", np.array([2**64, 0], object), "column c: "),
    ("unsigned64", [-1, 2**63], "column c: "),
    ("signed64", [2**63, 1], "column c: 9223372036854775808 is out of range; it is signed64"),
    ("unsigned8", [1.5, 2], "column c: 1.5 is no whole number; it is unsigned8"),
    ("unsigned8", [math.nan, 2], "column c: nan is no whole number"),
    ("unsigned8", ["1", "2"], "column c: <U1 is no number"),
    ("unsigned8", [None, 2], "column c: 'NoneType' object cannot be interpreted as an integer"),
    ("float64", ["1", "2"], "column c: <U1 is no number"),
    ("float64", [object(), 1], "column c: "),
    ("boolean", [2, 1], "column c: 2 is no truth value; it is boolean"),
    ("boolean", [0.0, 1.0], "column c: float64 is no truth value"),
    ("boolean", ["true", "false"], "column c: <U5 is no truth value"),
    ("string", [1, "a"], "column c: '1' is a int, no text; it is string"),
    ("string", [b"a", "a"], "column c: 'b'a'' is a bytes, no text"),
    ("string", "ab", "column c: has one value, not one value for each of 2 flows"),
    ("unsigned8", 5, "column c: has one value, not one value for each of 2 flows"),
    ("unsigned8", [1, 2, 3], "column c: has shape (3,), not one value for each of 2 flows"),
    ("unsigned8", [[1], [2]], "column c: has shape (2, 1), not one value"),
    ("unsigned8", [[1], [2, 3]], "column c: setting an array element with a sequence"),
]


@pytest.mark.parametrize(("kind", "returned", "problem"), REFUSED, ids=[row[2][:50] for row in REFUSED])
def test_what_is_refused(kind: str, returned: Any, problem: str) -> None:
    with pytest.raises(ColumnValuesError) as caught:
        declared_values({"c": returned}, {"c": COLUMN_TYPES[kind]}, 2)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        (None, "returned a NoneType, no mapping of columns to values"),
        ([1, 2], "returned a list, no mapping of columns to values"),
        ({"a": [1, 2]}, "returned no column b"),
        ({"a": [1, 2], "b": [1, 2], "c\n": []}, "returned a column that it has not declared: c\\n"),
    ],
)
def test_the_columns_are_those_that_were_declared(returned: Any, problem: str) -> None:
    columns = {"a": COLUMN_TYPES["unsigned8"], "b": COLUMN_TYPES["unsigned8"]}
    with pytest.raises(ColumnValuesError) as caught:
        declared_values(returned, columns, 2)
    assert str(caught.value) == problem


def test_the_array_of_a_plugin_may_change_later() -> None:
    own = np.array([1, 2], np.uint8)
    column = declared_values({"c": own}, {"c": COLUMN_TYPES["unsigned8"]}, 2)["c"]
    own[:] = 9
    assert column.tolist() == [1, 2]


def test_null_values() -> None:
    columns = null_values(COLUMN_TYPES, 2)
    for name, kind in COLUMN_TYPES.items():
        assert columns[name].dtype == kind.dtype
        if name == "float64":
            assert np.isnan(columns[name]).all()
        else:
            assert columns[name].tolist() == [kind.null] * 2
