# SPDX-License-Identifier: Apache-2.0
"""How a per-flow plugin says what it adds: columns by name, each with the type of its values."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import numpy as np
import numpy.typing as npt

from spanflow.config.wording import nearest, quoted, shown
from spanflow.errors import PluginError

if TYPE_CHECKING:
    from spanflow.features.batch import FlowBatch

FLOW_ATTRIBUTES = ("classifiers", "metrics", "to_dict")
"""What a Flow of the library has that is no column."""

MOST_COLUMNS = 256
LONGEST_NAME = 63
_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}")


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type of column, by the name that IPFIX has for it (RFC 7011 section 6.1).

    dtype: of the array; a string is an object array of str. null: what stands in a row without a value.
    """

    name: str
    dtype: np.dtype[Any]
    null: Any


def _type(name: str, dtype: str, null: Any) -> ColumnType:
    return ColumnType(name, np.dtype(dtype), null)


COLUMN_TYPES: Mapping[str, ColumnType] = {
    each.name: each
    for each in (
        _type("unsigned8", "u1", 0),
        _type("unsigned16", "u2", 0),
        _type("unsigned32", "u4", 0),
        _type("unsigned64", "u8", 0),
        _type("signed8", "i1", 0),
        _type("signed16", "i2", 0),
        _type("signed32", "i4", 0),
        _type("signed64", "i8", 0),
        _type("float64", "f8", float("nan")),
        _type("boolean", "?", False),
        _type("string", "O", ""),
    )
}
"""Every type that a column may have."""


class FlowPlugin(Protocol):
    """A function with `columns`, or an object of a class that has them.

    The object may have `close()`, which is called once, after the last batch.
    """

    @property
    def columns(self) -> Mapping[str, str]:
        """The type of each column that it adds, by the column's name."""
        ...

    def __call__(self, flows: FlowBatch) -> Mapping[str, npt.ArrayLike]:
        """The values of every column, one for each of the flows, in their order."""
        ...


C = TypeVar("C")
Labels = Callable[["FlowBatch"], Mapping[str, npt.ArrayLike]]


class _Declaration:
    """What `flow_plugin(columns=...)` gives: it puts the columns on a function, or on a class."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns

    @overload
    def __call__(self, plugin: type[C]) -> type[C]: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, plugin: Labels) -> FlowPlugin: ...

    def __call__(self, plugin: Any) -> Any:
        check_columns(plugin_name(plugin), self._columns)
        plugin.columns = dict(self._columns)
        return plugin


def flow_plugin(*, columns: Mapping[str, str]) -> _Declaration:
    """Declare a function, or a class, as a per-flow plugin that adds these columns: types by name.

    The types are those of IPFIX: unsigned8 to unsigned64, signed8 to signed64, float64, boolean, string.
    Raises PluginError for a column that cannot be.

    >>> @flow_plugin(columns={"long": "boolean"})
    ... def long_flows(flows):
    ...     return {"long": flows["duration_ns"] > 60_000_000_000}
    >>> long_flows.columns
    {'long': 'boolean'}
    """
    return _Declaration(columns)


def columns_of(name: str, plugin: object) -> dict[str, ColumnType]:
    """The columns of a plugin, in the order of their declaration. Raises PluginError. name: for the error."""
    columns = getattr(plugin, "columns", None)
    if columns is None:
        raise PluginError(f"plugin {name}: does not say which columns it adds; decorate it with @flow_plugin")
    if not callable(plugin):
        raise PluginError(f"plugin {name}: is no function and no object that can be called; write __call__")
    check_columns(name, columns)
    return {column: COLUMN_TYPES[kind] for column, kind in columns.items()}


def check_columns(name: str, columns: object) -> None:
    """Raises PluginError if this is not what `columns` may be. name: the plugin's."""
    if not isinstance(columns, Mapping) or not columns:
        raise PluginError(
            f"plugin {name}: columns is no mapping of names to types; write {{'label': 'string'}}"
        )
    if len(columns) > MOST_COLUMNS:
        raise PluginError(f"plugin {name}: has {len(columns)} columns; {MOST_COLUMNS} are the most")
    taken = _feature_names()
    for column, kind in columns.items():
        if not isinstance(column, str) or not _NAME.fullmatch(column):
            allowed = f"up to {LONGEST_NAME} of a-z, 0-9 and _, a letter first"
            raise PluginError(f"plugin {name}: {quoted(str(column))} is no name of a column; use {allowed}")
        if column in taken:
            raise PluginError(f"plugin {name}: column {column}: flows have this name already; use another")
        if not isinstance(kind, str) or kind not in COLUMN_TYPES:
            near = nearest(str(kind), COLUMN_TYPES)
            advice = f"did you mean {near}?" if near else f"use one of {', '.join(COLUMN_TYPES)}"
            raise PluginError(f"plugin {name}: column {column}: unknown type {quoted(str(kind))}; {advice}")


def plugin_name(plugin: object) -> str:
    """What a plugin is called: the name of the function, or of the object's class."""
    return shown(str(getattr(plugin, "__name__", type(plugin).__name__)))


def _feature_names() -> Collection[str]:
    """What flows have by themselves: columns by every name, sets of them, and attributes of a Flow."""
    from spanflow.features.selection import column_names
    from spanflow.features.table import FEATURE_SETS

    return frozenset((*column_names(), *(each.name for each in FEATURE_SETS), *FLOW_ATTRIBUTES))
