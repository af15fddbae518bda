# SPDX-License-Identifier: Apache-2.0
"""Collectors that share the records: the first that is there gets all, or each gets the Flows that fall to
it.

The member of a Flow is found by rendezvous hashing: when one goes, its Flows alone move to others, and they
come back when it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from spanflow.record import RECORD, Array, Batch

_OPAQUE_RECORD = np.dtype((np.void, RECORD.itemsize))
_ODD = np.uint64(0x9E37_79B9_7F4A_7C15)
_SHIFT = np.uint64(32)


class Member(Protocol):
    """What a group needs to know of an Exporting Process."""

    @property
    def up(self) -> bool:
        """Whether the collector is there."""
        ...

    def offer(self, batch: Batch, wait_s: float = 0.0) -> bool:
        """Hand over a batch; False if it was dropped."""
        ...

    def withdraw(self) -> list[Batch]:
        """Take back what is not sent."""
        ...


class CollectorGroup:
    """One group. `offer` is for the thread that offers, `leave` for that of the member.

    names: of the members, by which Flows are dealt. balance: each Flow to one member; else the first member
    that is up gets all.
    """

    def __init__(self, members: Sequence[Member], names: Sequence[str], *, balance: bool) -> None:
        self._members = members
        self._seeds = [_seed(name) for name in names]
        self._balance = balance

    def offer(self, batch: Batch, wait_s: float = 0.0) -> None:
        """Hand a batch to the members that it falls to. While none is up, it is as if all were."""
        up = [number for number, member in enumerate(self._members) if member.up]
        self._deal(batch, up or list(range(len(self._members))), wait_s)

    def leave(self, member: Member) -> None:
        """A member is away: what it has not sent goes to others that are up; if none is, it stays there."""
        up = [number for number, other in enumerate(self._members) if other is not member and other.up]
        if not up:
            return
        for batch in member.withdraw():
            self._deal(batch, up, 0.0)

    def _deal(self, batch: Batch, candidates: Sequence[int], wait_s: float) -> None:
        if not self._balance or len(candidates) == 1:
            self._members[candidates[0]].offer(batch, wait_s)
            return
        keys = flow_keys(batch)
        weights = np.stack([_mixed(keys ^ self._seeds[number]) for number in candidates])
        chosen = weights.argmax(axis=0)
        for place, number in enumerate(candidates):
            numbers = np.flatnonzero(chosen == place)
            if len(numbers):
                self._members[number].offer(part_of(batch, numbers), wait_s)


def flow_keys(batch: Batch) -> Array:
    """A number for each Flow, uint64: the same for both directions, and for every part of it."""
    records = batch.records
    ends = []
    for side in ("source", "destination"):
        # A copy, as the address stands in the middle of a record.
        words = np.ascontiguousarray(records[f"{side}_address"]).view(np.uint64)
        ends.append(_mixed(_mixed(words[:, 0]) + words[:, 1]) + records[f"{side}_transport_port"])
    together: Array = _mixed(ends[0]) + _mixed(ends[1]) + records["protocol_identifier"]
    return together


def part_of(batch: Batch, numbers: Array) -> Batch:
    """The records with these numbers, with all that stands beside them."""
    return replace(
        batch,
        # numpy copies a structured item member by member, an opaque one at once.
        records=batch.records.view(_OPAQUE_RECORD).take(numbers).view(RECORD),
        first_packets=None if batch.first_packets is None else batch.first_packets[numbers],
        columns={name: values[numbers] for name, values in batch.columns.items()},
        attachments=[batch.attachments[number] for number in numbers] if batch.attachments else (),
    )


def _mixed(values: Array) -> Array:
    """Numbers whose every bit depends on every bit (uint64, wraps)."""
    mixed: Array = values.astype(np.uint64) * _ODD
    mixed ^= mixed >> _SHIFT
    mixed *= _ODD
    mixed ^= mixed >> _SHIFT
    return mixed


def _seed(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
