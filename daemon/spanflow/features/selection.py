# SPDX-License-Identifier: Apache-2.0
"""What `features=` means: names of feature sets, of columns, of their aliases, or several of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spanflow.config.wording import quoted, unknown
from spanflow.errors import ExitCode, SpanflowError, UsageError
from spanflow.features.column import Column, Kind
from spanflow.features.measures import Measures
from spanflow.features.table import FEATURE_SETS, columns_by_name
from spanflow.plugins.declaration import COLUMN_TYPES, ColumnType
from spanflow.record import Array

DEFAULT_FEATURES = ("core", "statistics")

Features = str | Iterable[str]

_SETS = {each.name: each for each in FEATURE_SETS}


class UnknownColumnError(SpanflowError, KeyError):
    """There is no column, and no feature set, of this name."""

    exit_code = ExitCode.USAGE

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Selection:
    """The columns of a table: names as they were asked for, and what is behind each of them."""

    names: tuple[str, ...]
    columns: tuple[Column, ...]

    def needs_first_packets(self) -> bool:
        """Whether cache.first_packets must be set for it."""
        return any(column.kind is Kind.INTEGERS for column in self.columns)


def select(features: Features = DEFAULT_FEATURES, plugins: Mapping[str, str] | None = None) -> Selection:
    """The selection that `features` means. plugins: the type of each column that plugins add, by its name.

    Raises UnknownColumnError.
    """
    types = plugins or {}
    names = selected(features, types)
    known = columns_by_name()
    columns = (
        plugin_column(name, COLUMN_TYPES[types[name]]) if name in types else known[name] for name in names
    )
    return Selection(names, tuple(columns))


def selected(features: Features, plugins: Iterable[str] = ()) -> tuple[str, ...]:
    """The names of columns that `features` means, each once, in the order in which they are asked for.

    plugins: names of the columns that plugins add. They are at the end, unless single columns are asked for.
    Raises UnknownColumnError, and UsageError for what is no name and no list of names.
    """
    asked = asked_for(features)
    added = tuple(plugins)
    names: list[str] = []
    for name in asked:
        if name in _SETS:
            names += _SETS[name].columns
        elif name in added or name in columns_by_name():
            names.append(name)
        else:
            raise _unknown("feature", name, (*_SETS, *added, *columns_by_name()))
    if asked and all(name in _SETS for name in asked):
        names += added
    if not names:
        raise UnknownColumnError(f"features: none is named; name sets ({', '.join(_SETS)}) or columns")
    return tuple(dict.fromkeys(names))


def asked_for(features: Features) -> tuple[str, ...]:
    """The names that `features` has, as they are. Raises UsageError."""
    if isinstance(features, str):
        return (features,)
    if not isinstance(features, Iterable) or isinstance(features, bytes):
        text = quoted(str(features))
        raise UsageError(f"features: {text} is no name and no list of names; name sets or columns")
    return tuple(features)


def column_names(plugins: Iterable[str] = ()) -> tuple[str, ...]:
    """Every name that finds a column, those of `plugins` included."""
    return (*columns_by_name(), *plugins)


def column_of(name: str) -> Column:
    """The column of this name or alias. Raises UnknownColumnError."""
    try:
        return columns_by_name()[name]
    except KeyError:
        raise _unknown("column", name, column_names()) from None


def plugin_column(name: str, kind: ColumnType) -> Column:
    """A column that a plugin adds."""
    text, boolean, real = kind.name == "string", kind.name == "boolean", kind.name == "float64"
    return Column(
        name=name,
        kind=Kind.TEXT if text else Kind.BOOLEAN if boolean else Kind.FLOAT if real else Kind.INTEGER,
        dtype="" if text or boolean or real else kind.dtype.str.lstrip("<|"),
        cells=lambda measures: _plugin_cells(measures, name),
        definition="Added by a plugin.",
    )


def _plugin_cells(measures: Measures, name: str) -> Array | list[str]:
    values = measures.batch.columns[name]
    if values.dtype == np.bool_:
        return np.ascontiguousarray(values).view(np.uint8)
    if values.dtype.kind in "OU":
        found: list[str] = values.tolist()
        return found
    return np.ascontiguousarray(values)


def _unknown(what: str, name: str, known: Sequence[str]) -> UnknownColumnError:
    """A name with the nearest one; all of them would be a page."""
    text = unknown(what, str(name), known)
    if "did you mean" not in text:
        text = f"{text.split(';')[0]}; docs/features.md lists them, the sets are {', '.join(_SETS)}"
    return UnknownColumnError(text)
