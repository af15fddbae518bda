# SPDX-License-Identifier: Apache-2.0
"""The reference of features, `docs/features.md`, computed from the table.

`python -m spanflow.features.reference --write` makes it; `--check` says if it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from spanflow.features.classic import CLASSIC, CLASSIC_NAMES
from spanflow.features.column import Column
from spanflow.features.elements import element_columns
from spanflow.features.table import COLUMNS, FEATURE_SETS, FeatureSet, columns_by_name
from spanflow.generated_page import GeneratedPage, markdown_table

_HEAD = """\
# Features

The columns of flows, in Python, in CSV, JSON, Arrow, Parquet and pandas. What the values mean is defined in
[semantics.md](semantics.md). This page is computed from `daemon/spanflow/features`; do not edit it.

- `features=` and `--features` take names of sets, of columns, and aliases, in any number and order. A column
  has the name that it was asked for by. Columns that plugins add come last, unless single columns are named.
- A row is a record: what happened since the last record of the Flow left. `forward` are the packets of the
  initiator, `reverse` those that answer; without either word a column is about both directions together,
  as one series of packets.
- A direction without packets has zeros, also as its times. Means and deviations of too few values are 0. A
  deviation of packet lengths that the record cannot tell (semantics 6.4) is NaN: empty in CSV, null in JSON.
- A version becomes another when a column of the set changes its meaning, type or place, or goes. New columns
  are added at the end and leave it as it is. Arrow and Parquet carry the versions as `spanflow.features`.

| type | numpy | Arrow, Parquet | CSV | JSON |
| --- | --- | --- | --- | --- |
| unsignedN, signedN | the same | the same | number | number |
| float64 | the same | the same | shortest number that reads back | number |
| seconds | float64 | float64 | exact decimals, to the nanosecond | the same |
| boolean | bool | bool | `true`, `false` | `true`, `false` |
| address | str | string | RFC 5952 text | text |
| MAC address | str | string | `00:53:ff:00:00:01` | text |
| choice | str | dictionary of strings | text | text |
| text | str | string | text, as it is | text, ASCII with escapes |
| integer | int | string | number | text |
| list of … | n x N, 0 (directions -1) where a record has fewer | list | numbers with spaces between | array |
| … or none | None | null | empty | null |

float64 holds times since 1970 to 240 ns; the columns in ns are exact. pandas gets what Arrow has, choices as
categories.
"""

_COLUMNS_HEAD = ("column", "type", "unit", "holds", "aliases")

_CLASSIC_HEAD = """
In this order. Where a column of the sets above has the same values, it is named; its aliases are there.
"""
_ORIGINAL = """
## Other names of the original system

Names of its flows that are in no set. `export_reason` has its own numbers: 0 idle, 1 active, 2 flush, 3 fin,
4 rst, 5 fin_timeout; `evicted`, which it did not have, is 2. Counts of flags are not kept: the counters
say how many directions sent one. `metrics` and `classifiers` are attributes of a flow, not columns.
"""

_ELEMENTS = """
## Names of Information Elements

The values as [exported](fields.md) in the half of the initiator, with `reverse` before the name in that of
the responder (a half without packets has zeros). What a Flow does not have, as an IPv6 Flow has no
sourceIPv4Address, is none.
"""
_ELEMENTS_HEAD = ("column", "type", "unit", "holds")


def reference() -> str:
    """The whole page."""
    lines = [_HEAD]
    for each in FEATURE_SETS:
        lines += _set(each)
    lines.append(_ORIGINAL)
    rest = (column for column in CLASSIC if column.name not in CLASSIC_NAMES)
    lines += markdown_table(_COLUMNS_HEAD, map(_cells, rest))
    lines.append(_ELEMENTS)
    lines += markdown_table(_ELEMENTS_HEAD, (_cells(column)[:-1] for column in element_columns()))
    return "\n".join(lines) + "\n"


def _set(features: FeatureSet) -> Iterator[str]:
    yield f"## {features.name}, version {features.version}\n\n{features.about}"
    known = columns_by_name()
    if features.columns == CLASSIC_NAMES:
        yield _CLASSIC_HEAD
        yield from markdown_table(
            _COLUMNS_HEAD, (_classic_cells(name, known[name]) for name in features.columns)
        )
        return
    yield ""
    yield from markdown_table(_COLUMNS_HEAD, (_cells(known[name]) for name in features.columns))
    yield ""


def _cells(column: Column) -> tuple[str, ...]:
    return f"`{column.name}`", column.type_name, column.unit, column.definition, _aliases(column)


def _aliases(column: Column) -> str:
    return ", ".join(f"`{alias}`" for alias in column.aliases)


def _classic_cells(name: str, column: Column) -> tuple[str, ...]:
    """A name of the set `classic`, with the column of ours that it is an alias of."""
    ours = column.name != name and column in COLUMNS
    holds = f"`{column.name}`: {column.definition}" if ours else column.definition
    aliases = "" if ours else _aliases(column)
    return f"`{name}`", column.type_name, column.unit, holds, aliases


PAGE = GeneratedPage("spanflow.features.reference", "features.md", reference)


if __name__ == "__main__":
    sys.exit(PAGE.main())
