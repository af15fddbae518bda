# SPDX-License-Identifier: Apache-2.0
"""The record that the native Metering Process hands over, as numpy sees it.

One record is one Biflow: source = initiator, `forward` its packets, `reverse` those that answer. Times are
int64 nanoseconds since the Unix epoch, sizes are octets of the IP packet, gaps are inter-arrival times.
The layout is that of the C++ struct (`daemon/core/cache/flow_record.hpp`), told by the native module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from spanflow import _core

Array = npt.NDArray[Any]


def _dtype(
    members: Sequence[tuple[str, str, int]], octets: int, direction: np.dtype[np.void] | None
) -> np.dtype[np.void]:
    names, formats, offsets = zip(*members, strict=True)
    return np.dtype(
        {
            "names": list(names),
            "formats": [direction if text == "direction" else text for text in formats],
            "offsets": list(offsets),
            "itemsize": octets,
        }
    )


DIRECTION = _dtype(_core.direction_layout(), _core.DIRECTION_OCTETS, None)
"""One direction of a record. `size_sum_squares` is modulo 2^64; a direction without packets is all 0."""

RECORD = _dtype(_core.record_layout(), _core.RECORD_OCTETS, DIRECTION)
"""One record. IPv4 addresses are the last 4 of the 16 octets (the form ::ffff:a.b.c.d)."""

FIRST_PACKET = np.dtype(
    {
        "names": ["gap_ns", "octets", "direction"],
        "formats": ["<i8", "<u4", "i1"],
        "offsets": [0, 8, 12],
        "itemsize": 16,
    }
)
"""One of the first packets of a record, in their order (`cache.first_packets`).

gap_ns: since the packet before it, of either direction (semantics 6.2); direction: 0 forward, 1 reverse, -1:
the record has no such packet.
"""

CONTINUATION: int = _core.CONTINUATION
"""Bit of `flags`: a record of this Flow was sent before, by the active timeout."""


class EndDetail(IntEnum):
    """Why a record left, finer than flowEndReason (semantics, section 6)."""

    IDLE = 1
    ACTIVE = 2
    FIN = 3
    RST = 4
    FIN_TIMEOUT = 5
    FLUSH = 6
    EVICTED = 7


@dataclass(frozen=True, slots=True)
class Attachment:
    """What per-packet plugins know of one Flow: values by metric, and a dict for each classifier."""

    metrics: Mapping[str, Any]
    classifiers: Mapping[str, Mapping[str, Any]]


def _no_details() -> Array:
    return np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Flow Records of one IP version, oriented, and what stands beside them.

    records: dtype RECORD, shape (n,), read-only; the memory goes back to its pool with the last view.
    details: uint8; the record's `details_offset` and `details_octets` say where its own are (see
    `spanflow.details`). first_packets: dtype FIRST_PACKET, shape (n, cache.first_packets), None where that is
    0. columns: what plugins add, by name, each of n values. attachments: one for each record, what per-packet
    plugins of the reference engine have left; empty without such plugins.
    """

    records: Array
    details: Array = field(default_factory=_no_details)
    first_packets: Array | None = None
    columns: Mapping[str, Array] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()

    def __len__(self) -> int:
        return len(self.records)

    @property
    def nbytes(self) -> int:
        """Octets of all arrays."""
        packets = 0 if self.first_packets is None else self.first_packets.nbytes
        columns = sum(column.nbytes for column in self.columns.values())
        return self.records.nbytes + self.details.nbytes + packets + columns
