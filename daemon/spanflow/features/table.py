# SPDX-License-Identifier: Apache-2.0
"""THE table of columns: the feature sets, and every name that finds a column.

docs/features.md, the headers of CSV, the keys of JSON, the schema of Arrow and the attributes of a Flow
come from it; none repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from spanflow.features.classic import CLASSIC, CLASSIC_NAMES
from spanflow.features.column import Column
from spanflow.features.core import CORE
from spanflow.features.elements import element_columns
from spanflow.features.statistics import PACKETS, STATISTICS

COLUMNS: tuple[Column, ...] = (*CORE, *STATISTICS, *PACKETS, *CLASSIC)
"""All columns but those with the names of Information Elements (`element_columns`)."""


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Columns that are asked for by one name.

    version: it becomes another when a column changes its meaning, its type or its place, or goes; new ones
    are added at the end. columns: names, each of a column or an alias; it is the name that the values get.
    """

    name: str
    version: int
    about: str
    columns: tuple[str, ...]


def _names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


FEATURE_SETS: tuple[FeatureSet, ...] = (
    FeatureSet("core", 1, "Who talked, when, how much, how it ended, and what it was.", _names(CORE)),
    FeatureSet("statistics", 1, "Packet lengths and gaps between packets.", _names(STATISTICS)),
    FeatureSet(
        "packets",
        1,
        "The first packets of each record, as many as cache.first_packets says.",
        _names(PACKETS),
    ),
    FeatureSet("classic", 1, "The 48 columns of the original system, times in seconds.", CLASSIC_NAMES),
)


@cache
def columns_by_name() -> dict[str, Column]:
    """Every name: of columns, then their aliases, then those of Information Elements."""
    found = {column.name: column for column in COLUMNS}
    for name, column in (*_aliases(), *((column.name, column) for column in element_columns())):
        found.setdefault(name, column)
    return found


def _aliases() -> Iterator[tuple[str, Column]]:
    return ((alias, column) for column in COLUMNS for alias in column.aliases)
