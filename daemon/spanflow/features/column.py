# SPDX-License-Identifier: Apache-2.0
"""A column, and the kinds of columns that there are.

The cells of a column are what `_core.RowWriter` takes for its kind; from them come numpy arrays and Python
values here, and Arrow arrays in `spanflow.tables.arrow`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from spanflow.features.measures import Measures
from spanflow.record import Array

_NANOSECONDS = 1_000_000_000
_EXACT = 1 << 53
"""float64 has every integer up to here."""


class Kind(StrEnum):
    """What cells are, by the names of `_core.RowWriter`; WIDE_INTEGER is text there."""

    INTEGER = "integer"
    NULL_INTEGER = "null_integer"
    WIDE_INTEGER = "wide_integer"
    FLOAT = "float"
    SECONDS = "seconds"
    BOOLEAN = "boolean"
    ADDRESS = "address"
    MAC = "mac"
    HEXADECIMAL = "hexadecimal"
    CHOICE = "choice"
    TEXT = "text"
    INTEGERS = "integers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. unit: "" where it has none. aliases: other names of the same values.

    dtype: numpy's name of the type of integers ("u8"), or of the integers of a list; "" for other kinds.
    cells: computes the cells of a batch. nullable: a text that some Flows do not have (None).
    """

    name: str
    kind: Kind
    definition: str
    cells: Callable[[Measures], Any]
    unit: str = ""
    dtype: str = ""
    aliases: tuple[str, ...] = ()
    nullable: bool = False

    @property
    def type_name(self) -> str:
        """The type for people: `unsigned64`, `float64`, `text`."""
        if self.kind in (Kind.INTEGER, Kind.NULL_INTEGER, Kind.INTEGERS):
            name = f"{'unsigned' if self.dtype[0] == 'u' else 'signed'}{8 * int(self.dtype[1:])}"
            return {Kind.INTEGERS: f"list of {name}", Kind.NULL_INTEGER: f"{name} or none"}.get(
                self.kind, name
            )
        return _TYPE_NAMES[self.kind] + (" or none" if self.nullable else "")

    def array(self, cells: Any) -> Array:
        """The cells as a numpy array of n values; text is an array of str objects. See docs/features.md."""
        return _ARRAYS[self.kind](cells)

    def values(self, cells: Any) -> list[Any]:
        """The cells as Python values: int, float, str, bool, list, None."""
        found: list[Any] = _VALUES[self.kind](cells) if self.kind in _VALUES else self.array(cells).tolist()
        return found


_TYPE_NAMES = {
    Kind.WIDE_INTEGER: "integer",
    Kind.FLOAT: "float64",
    Kind.SECONDS: "seconds",
    Kind.BOOLEAN: "boolean",
    Kind.ADDRESS: "address",
    Kind.MAC: "MAC address",
    Kind.HEXADECIMAL: "16 hexadecimal digits",
    Kind.CHOICE: "choice",
    Kind.TEXT: "text",
}


def address_choice(cells: tuple[Array, Array]) -> tuple[Array, list[str]]:
    """Addresses as numbers of texts, and the texts: each address is written once. RFC 5952, as inet_ntop."""
    octets, versions = cells
    numbers = np.empty(len(octets), np.int64)
    texts: list[str] = []
    for version in np.unique(versions).tolist():
        rows = np.flatnonzero(versions == version)
        chosen = octets[rows]
        if version == 4:
            keys = np.ascontiguousarray(chosen[:, 12:]).view(np.uint32).ravel()
        else:
            keys = np.ascontiguousarray(chosen).view("V16").ravel()
        # Native numbers, as np.unique would swap the others: their order does not matter, their octets do.
        found, places = np.unique(keys, return_inverse=True)
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        numbers[rows] = places.ravel() + len(texts)
        texts += [socket.inet_ntop(family, each.tobytes()) for each in found]
    return numbers, texts


def mac_choice(cells: Array) -> tuple[Array, list[str]]:
    """As address_choice."""
    found, places = np.unique(np.ascontiguousarray(cells).view("V6").ravel(), return_inverse=True)
    return places.ravel(), [each.tobytes().hex(":") for each in found]


def in_seconds(cells: Array) -> Array:
    """The float64 next to the exact seconds: a quotient of nanoseconds since 1970 would be rounded twice."""
    whole, rest = np.divmod(cells, _NANOSECONDS)
    return np.where(np.abs(cells) < _EXACT, cells / _NANOSECONDS, whole + rest / _NANOSECONDS)


def hexadecimal_text(cells: Array) -> list[str]:
    """16 digits each."""
    return [f"{value:016x}" for value in cells.tolist()]


def _objects(values: list[Any]) -> Array:
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _taken(choice: tuple[Array, list[str]]) -> Array:
    codes, texts = choice
    return np.asarray(_objects(texts)[codes])


def _with_none(cells: tuple[Array, Array]) -> list[int | None]:
    values, valid = cells
    return [value if there else None for value, there in zip(values.tolist(), valid.tolist(), strict=True)]


def _lists(cells: tuple[Array, Array]) -> list[list[int]]:
    values, counts = cells
    return [row[:count] for row, count in zip(values.tolist(), counts.tolist(), strict=True)]


_ARRAYS: dict[Kind, Callable[[Any], Array]] = {
    Kind.INTEGER: lambda cells: cells,
    Kind.NULL_INTEGER: lambda cells: _objects(_with_none(cells)),
    Kind.WIDE_INTEGER: _objects,
    Kind.FLOAT: lambda cells: cells,
    Kind.SECONDS: in_seconds,
    Kind.BOOLEAN: lambda cells: cells.view(np.bool_),
    Kind.ADDRESS: lambda cells: _taken(address_choice(cells)),
    Kind.MAC: lambda cells: _taken(mac_choice(cells)),
    Kind.HEXADECIMAL: lambda cells: _objects(hexadecimal_text(cells)),
    Kind.CHOICE: _taken,
    Kind.TEXT: _objects,
    Kind.INTEGERS: lambda cells: cells[0],
}

_VALUES: dict[Kind, Callable[[Any], list[Any]]] = {
    Kind.NULL_INTEGER: _with_none,
    Kind.WIDE_INTEGER: list,
    Kind.HEXADECIMAL: hexadecimal_text,
    Kind.TEXT: list,
    Kind.INTEGERS: _lists,
}
"""Where the way over numpy is not the shortest."""
