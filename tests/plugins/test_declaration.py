# SPDX-License-Identifier: Apache-2.0
"""What a plugin may declare."""

from __future__ import annotations

from typing import Any

import pytest

from spanflow.errors import PluginError
from spanflow.plugins.declaration import COLUMN_TYPES, MOST_COLUMNS, columns_of, flow_plugin


def test_a_function_and_a_class_keep_what_they_are() -> None:
    @flow_plugin(columns={"label": "string"})
    def label(flows: Any) -> dict[str, list[str]]:
        return {"label": ["x"] * len(flows)}

    @flow_plugin(columns={"label": "string"})
    class Label:
        def __call__(self, flows: Any) -> dict[str, list[str]]:
            return {"label": ["x"] * len(flows)}

    assert label.columns == {"label": "string"}
    assert label([1, 2]) == {"label": ["x", "x"]}  # type: ignore[arg-type]
    assert isinstance(Label(), Label)
    assert columns_of("label", Label()) == {"label": COLUMN_TYPES["string"]}


REFUSED: list[tuple[object, str]] = [
    ({}, "columns is no mapping of names to types; write {'label': 'string'}"),
    (["label"], "columns is no mapping of names to types; write {'label': 'string'}"),
    ({"Label": "string"}, "'Label' is no name of a column; use up to 63 of a-z, 0-9 and _, a letter first"),
    ({"a" * 64: "string"}, f"'{'a' * 59}…' is no name of a column; use up to 63"),
    ({1: "string"}, "'1' is no name of a column;"),
    ({"a\nb": "string"}, "'a\\nb' is no name of a column;"),
    ({"label": "str"}, "column label: unknown type 'str'; did you mean string?"),
    ({"label": "uint8"}, "column label: unknown type 'uint8'; use one of unsigned8, unsigned16,"),
    ({"label": 8}, "column label: unknown type '8'; use one of unsigned8, unsigned16"),
    (
        {"protocol_identifier": "unsigned8"},
        "column protocol_identifier: flows have this name already;",
    ),
    ({"src_ip": "string"}, "column src_ip: flows have this name already; use another"),
    ({"packets": "string"}, "column packets: flows have this name already; use another"),
    ({"metrics": "string"}, "column metrics: flows have this name already; use another"),
    ({f"c{n}": "string" for n in range(MOST_COLUMNS + 1)}, "has 257 columns; 256 are the most"),
]


@pytest.mark.parametrize(("columns", "problem"), REFUSED, ids=[row[1][:40] for row in REFUSED])
def test_columns_that_cannot_be(columns: Any, problem: str) -> None:
    with pytest.raises(PluginError) as caught:

        @flow_plugin(columns=columns)
        def label(flows: Any) -> dict[str, list[str]]:
            raise AssertionError

    assert str(caught.value).startswith(f"plugin label: {problem}")
    assert "\n" not in str(caught.value)


def test_what_is_no_plugin() -> None:
    with pytest.raises(PluginError, match="plugin p: does not say which columns it adds; decorate it with"):
        columns_of("p", len)

    class Columns:
        def __init__(self) -> None:
            self.columns = {"label": "string"}

    with pytest.raises(PluginError, match="plugin p: is no function and no object that can be called"):
        columns_of("p", Columns())
