# SPDX-License-Identifier: Apache-2.0
"""Flows, packets and octets by application, out of the records as they are handed over."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from spanflow.applications import UNKNOWN, Applications
from spanflow.record import CONTINUATION, Array, Batch

OTHER = "other"
"""What has no place of its own. Neither an engine nor a rule has an application of this name."""

_EVERY_NUMBER = 1 << 16

# Of the places: for those that come later.
_KEPT_SHARE = 5
# Who gets one of the kept places: 1 % of the Flows, or of the octets, so far.
_LARGE_SHARE = 100


@dataclass(frozen=True, slots=True)
class ApplicationCount:
    """What one application had, both directions together. A Flow counts with its first record."""

    name: str
    flows: int = 0
    packets: int = 0
    octets: int = 0


class ApplicationCounts:
    """Adds up batches. `add` is for one thread, the rest for any.

    most: how many applications `shown` tells apart. One that has a place of its own keeps it, and nothing
    that is told ever goes back: what it had before it got its place stays with OTHER. The first four fifths
    of the places go to applications as they appear; the rest is kept for those that appear later and come to
    1 % of all Flows or octets. When no place is left an application stays with OTHER, however large.
    """

    def __init__(self, applications: Applications, most: int) -> None:
        self._names = list(
            dict.fromkeys([UNKNOWN, *(each.name for each in applications.by_number.values() if each.number)])
        )
        self._places = most
        self._lock = threading.Lock()
        places = {name: place for place, name in enumerate(self._names)}
        # Two numbers may have one name; a number without one counts as unknown.
        self._name_of_number: Array = np.zeros(_EVERY_NUMBER, np.intp)
        for number in applications.by_number:
            self._name_of_number[number] = places[applications.name(number)]
        # Rows: Flows, packets, octets. Columns: names.
        self._totals: Array = np.zeros((3, len(self._names)), np.uint64)
        self._before: Array = np.zeros_like(self._totals)
        """What those that have a place had before they got it."""
        self._placed: list[int] = []

    def allow(self, most: int) -> None:
        """Change how many are told apart; those that have a place keep it."""
        self._places = most

    def add(self, batch: Batch) -> None:
        """Count the records of a batch."""
        records = batch.records
        names = self._name_of_number[records["application"]]
        forward, reverse = records["forward"], records["reverse"]
        packets = forward["packet_delta_count"] + reverse["packet_delta_count"]
        octets = forward["octet_delta_count"] + reverse["octet_delta_count"]
        opened = (records["flags"] & CONTINUATION) == 0
        with self._lock:
            had: Array = np.any(self._totals, axis=0)
            for row, values in enumerate((opened, packets, octets)):
                # Sums of a batch are far below 2^53, where the weights of bincount are exact.
                counted = np.bincount(names, weights=values, minlength=len(self._names))
                self._totals[row] += counted.astype(np.uint64)
            self._assign_places(had)

    def totals(self) -> list[ApplicationCount]:
        """Every application that occurred, the one with most octets first."""
        with self._lock:
            totals = self._totals.copy()
        occurred = np.flatnonzero(totals.any(axis=0)).tolist()
        counts = [ApplicationCount(self._names[name], *map(int, totals[:, name])) for name in occurred]
        return sorted(counts, key=lambda each: (-each.octets, each.name))

    def shown(self) -> list[ApplicationCount]:
        """UNKNOWN, OTHER, and those that have a place of their own, in the order in which they got it."""
        with self._lock:
            totals, before, placed = self._totals.copy(), self._before.copy(), list(self._placed)
        own = totals[:, placed] - before[:, placed]
        other = totals[:, 1:].sum(axis=1, dtype=np.uint64) - own.sum(axis=1, dtype=np.uint64)
        return [
            ApplicationCount(UNKNOWN, *map(int, totals[:, 0])),
            ApplicationCount(OTHER, *map(int, other)),
            *(
                ApplicationCount(self._names[name], *map(int, own[:, column]))
                for column, name in enumerate(placed)
            ),
        ]

    def _assign_places(self, had: Array) -> None:
        """had: for each name, whether it occurred before the batch that was just added."""
        free = self._places - len(self._placed)
        if free <= 0:
            return
        waiting: Array = np.any(self._totals, axis=0)
        waiting[[0, *self._placed]] = False
        flows, _, octets = self._totals
        kept = self._places // _KEPT_SHARE
        if free <= kept:
            large = (flows >= flows.sum() // _LARGE_SHARE) | (octets >= octets.sum() // _LARGE_SHARE)
            names = np.flatnonzero(waiting & large)
        else:
            names, free = np.flatnonzero(waiting), free - kept
        # Of several at once the largest come first.
        order = np.argsort(octets.max() - octets[names], kind="stable")
        for name in names[order][:free].tolist():
            self._placed.append(name)
            # One that has just appeared has told nothing before.
            if had[name]:
                self._before[:, name] = self._totals[:, name]
