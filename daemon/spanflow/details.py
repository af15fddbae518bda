# SPDX-License-Identifier: Apache-2.0
"""The details of Flow Records: names and other texts that only some Flows have, kept beside the records.

The details of one record are all kinds, in the order of `Detail`: for each a length octet and so many
octets of UTF-8, the short form of variable-length values (RFC 7011 section 7). Length 0: the Flow has none
of that kind. A record without any has `details_octets` 0.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache

import numpy as np

from spanflow.record import Array, Batch


class Detail(IntEnum):
    """The kinds, in their order. The value is the place."""

    SERVER_NAME = 0
    JA3_CLIENT = 1
    JA3_SERVER = 2
    JA4_CLIENT = 3
    ALPN = 4
    HTTP_USER_AGENT = 5
    HTTP_URL = 6
    DNS_ANSWER = 7


NO_DETAILS = bytes(len(Detail))
"""What stands for a record without any: every kind with length 0."""

_LONGEST = 254
_CONTINUATION_MASK, _CONTINUATION = 0xC0, 0x80
"""An octet of this form continues a character (RFC 3629 section 3)."""
_LONGEST_CHARACTER = 4


class Texts:
    """Where the texts of one batch are. numbers: of the records that have details, in order."""

    def __init__(self, batch: Batch) -> None:
        self.numbers: Array = np.flatnonzero(batch.records["details_octets"])
        # So much behind the last text that a window on any of them stays inside.
        self._octets = np.concatenate((batch.details, np.zeros(_LONGEST + 1, np.uint8)))
        starts = np.empty((len(Detail), len(self.numbers)), np.int64)
        lengths = np.empty_like(starts)
        place = batch.records["details_offset"][self.numbers].astype(np.int64)
        for kind in Detail:
            lengths[kind] = self._octets[place]
            starts[kind] = place + 1
            place = starts[kind] + lengths[kind]
        self._starts, self._lengths = starts, lengths

    def of_kind(self, kind: Detail) -> list[str]:
        """The text of each of the `numbers`; empty where a record has none."""
        octets = self._octets.tobytes()
        places = zip(self._starts[kind].tolist(), self._lengths[kind].tolist(), strict=True)
        return [octets[start : start + length].decode("utf-8", "replace") for start, length in places]

    def column(self, kind: Detail, width: int) -> tuple[Array, Array]:
        """The records that have this kind (their numbers), and for each its text in `width` octets.

        Opaque items, filled up with NULs, one at the least; a text that is too long is cut before the first
        character that does not fit as a whole.
        """
        having = np.flatnonzero(self._lengths[kind])
        starts, lengths = self._starts[kind][having], self._lengths[kind][having]
        # Every place of the octets as the start of an item: so numpy copies an item at once.
        windows = np.ndarray(
            (len(self._octets) - width + 1,), np.dtype((np.void, width)), self._octets.data, strides=(1,)
        )
        items: Array = windows[starts]
        items.view(np.uint8).reshape(-1, width)[...] &= _masks(width)[self._cut(starts, lengths, width)]
        return self.numbers[having], items

    def _cut(self, starts: Array, lengths: Array, width: int) -> Array:
        """The octets of each text that are kept."""
        kept: Array = np.minimum(lengths, width - 1)
        longer = np.flatnonzero(lengths >= width)
        for _ in range(_LONGEST_CHARACTER - 1):
            if not len(longer):
                break
            following = self._octets[starts[longer] + kept[longer]]
            longer = longer[(following & _CONTINUATION_MASK) == _CONTINUATION]
            kept[longer] -= 1
        return kept


def texts(batch: Batch, kind: Detail) -> list[str]:
    """The text of each record; empty where it has none."""
    found = [""] * len(batch)
    if len(batch.details):
        places = Texts(batch)
        for number, text in zip(places.numbers.tolist(), places.of_kind(kind), strict=True):
            found[number] = text
    return found


@cache
def _masks(width: int) -> Array:
    """Row n has n octets of all ones, then zeros."""
    masks: Array = np.tri(width + 1, width, -1, dtype=np.uint8) * np.uint8(255)
    return masks
