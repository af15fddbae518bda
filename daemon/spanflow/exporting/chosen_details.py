# SPDX-License-Identifier: Apache-2.0
"""Some kinds of details without the others: for templates that do not have all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spanflow.details import Detail
from spanflow.record import Array, Batch


def chosen_details(batch: Batch, kinds: Sequence[Detail]) -> tuple[Array, Array, Array]:
    """The details of these kinds alone: octets, where those of each record start, and how long they are.

    Each kind has a length octet and so many octets, as in `spanflow.details`. A record without details has
    the first octets, which say so.
    """
    records = batch.records
    having = np.flatnonzero(records["details_octets"])
    kept_starts, kept_lengths = _pieces(batch.details, records["details_offset"][having], kinds)
    octets = np.concatenate(
        (np.zeros(len(kinds), np.uint8), _gathered(batch.details, kept_starts, kept_lengths))
    )
    starts = np.zeros(len(records), np.int64)
    lengths = np.full(len(records), len(kinds), np.int64)
    own = kept_lengths.sum(axis=1)
    lengths[having] = own
    starts[having] = len(kinds) + np.cumsum(own) - own
    return octets, starts, lengths


def _pieces(details: Array, offsets: Array, kinds: Sequence[Detail]) -> tuple[Array, Array]:
    """Where the chosen kinds start, and how long they are with their length octet: (records, kinds) each."""
    starts = np.empty((len(offsets), len(kinds)), np.int64)
    lengths = np.empty_like(starts)
    place = offsets.astype(np.int64)
    for kind in Detail:
        octets = details[place].astype(np.int64) + 1
        if kind in kinds:
            starts[:, kinds.index(kind)] = place
            lengths[:, kinds.index(kind)] = octets
        place = place + octets
    return starts, lengths


def _gathered(details: Array, starts: Array, lengths: Array) -> Array:
    """All pieces, one behind the other."""
    starts, lengths = starts.reshape(-1), lengths.reshape(-1)
    ends = np.cumsum(lengths)
    if not len(ends):
        return np.empty(0, np.uint8)
    # For each octet its own number, less that of the first of its piece, plus where the piece starts.
    gathered: Array = details[np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)]
    return gathered
