# SPDX-License-Identifier: Apache-2.0
"""Columns of plugins as Information Elements: what a template has for them, and the values as they are sent.

They stand behind all other elements of fixed length. Strings too have a fixed length, also where the details
have not: the details are copied in one piece, and nothing fits in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spanflow.exporting.template import padded
from spanflow.information_elements import ENTERPRISE_NUMBER, InformationElement, Semantics
from spanflow.record import Array, Batch

_DTYPES = {
    "unsigned8": ">u1",
    "unsigned16": ">u2",
    "unsigned32": ">u4",
    "unsigned64": ">u8",
    "signed8": ">i1",
    "signed16": ">i2",
    "signed32": ">i4",
    "signed64": ">i8",
    "float64": ">f8",
    "boolean": "u1",
}
"""How the values of each abstract data type are sent (RFC 7011 section 6.1)."""

_TRUE, _FALSE = 1, 2
"""RFC 7011 section 6.1.5."""


@dataclass(frozen=True, slots=True)
class PluginColumn:
    """One of our own elements that a plugin fills. type: name of its abstract data type.

    width: octets of a string. plugin: whose column it is, for people.
    """

    name: str
    number: int
    type: str
    width: int = 0
    plugin: str = ""

    @property
    def element(self) -> InformationElement:
        """The Information Element."""
        length = self.width if self.type == "string" else np.dtype(_DTYPES[self.type]).itemsize
        return InformationElement(self.name, self.number, ENTERPRISE_NUMBER, self.type, length)

    @property
    def semantics(self) -> Semantics:
        return Semantics.DEFAULT

    @property
    def unit(self) -> str:
        return ""

    @property
    def description(self) -> str:
        """What collectors are told of it (RFC 5610)."""
        return f"Column of the plugin {self.plugin}."

    def as_sent(self, enterprise_number: int) -> InformationElement:
        """The element with the PEN that it has in our templates."""
        return replace(self.element, pen=enterprise_number)


def row_dtype(element: InformationElement) -> np.dtype[Any]:
    """What the element is in a row of Data Records."""
    text = _DTYPES.get(element.type)
    return np.dtype((np.void, element.length)) if text is None else np.dtype(text)


def as_sent(batch: Batch, columns: Sequence[PluginColumn]) -> Batch:
    """The batch with these columns only, in the form in which rows take them: one copy for all collectors."""
    if not columns and not batch.columns:
        return batch
    return replace(
        batch, columns={column.name: _values(batch.columns[column.name], column) for column in columns}
    )


def _values(values: Array, column: PluginColumn) -> Array:
    if column.type == "boolean":
        return np.where(values, np.uint8(_TRUE), np.uint8(_FALSE))
    if column.type != "string":
        return values
    texts = values.tolist()
    # Labels repeat: each is encoded once.
    encoded = {text: _octets(text, column.width) for text in set(texts)}
    octets = b"".join([encoded[text] for text in texts])
    return np.frombuffer(octets, np.dtype((np.void, column.width)))


def _octets(text: str, width: int) -> bytes:
    # A lone surrogate is a text in Python, and none in UTF-8.
    return padded(text.encode("utf-8", "replace").decode(), width)


def as_values(values: Array, column: PluginColumn) -> Array:
    """The values themselves, out of what `as_sent` makes of them. A text stays cut to its width."""
    if column.type == "boolean":
        return np.equal(values, _TRUE)
    if column.type != "string":
        return values
    # The last NUL is that of padded(); numpy strips all that there are at the end.
    octets: list[bytes] = np.ascontiguousarray(values).view(f"S{column.width}").tolist()
    texts = np.empty(len(octets), object)
    texts[:] = [each.decode() for each in octets]
    return texts
