# SPDX-License-Identifier: Apache-2.0
"""A cache of fixed size for what is computed from addresses, looked up for a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spanflow.record import Array

_ODD = np.uint64(0x9E37_79B9_7F4A_7C15)
_FOLD = np.uint64(32)


class AddressCache:
    """What `compute` gives for addresses. Each has one slot that it may be in; a newer one takes it over.

    compute: from addresses, uint64 of shape (n, words), to values of the same shape. slots: a power of 2.
    seed: a secret, so that nobody can choose addresses that fall into one slot. For one thread at a time.
    """

    def __init__(self, compute: Callable[[Array], Array], *, slots: int, words: int, seed: int) -> None:
        self._compute = compute
        self._shift = np.uint64(64 - (slots.bit_length() - 1))
        self._seed = np.uint64(seed)
        # An empty slot holds the address that is all zero, with its value.
        self._addresses = np.zeros((slots, words), np.uint64)
        self._values = np.tile(compute(np.zeros((1, words), np.uint64)), (slots, 1))
        self._writer = np.zeros(slots, np.intp)

    def of(self, addresses: Array) -> Array:
        """The values of addresses: uint64, shape (n, words), as is the result."""
        slots = self._slots_of(addresses)
        missing = np.flatnonzero(self._differ(slots, addresses))
        if not len(missing):
            return self._values[slots]
        # Of all that want one slot, one writes its number last: it is computed, and gets the slot.
        self._writer[slots[missing]] = missing
        chosen = missing[self._writer[slots[missing]] == missing]
        self._store(slots[chosen], addresses[chosen])
        values = self._values[slots]
        # Two addresses of one batch wanted the same slot.
        others = np.flatnonzero(self._differ(slots, addresses))
        if len(others):
            values[others] = self._compute(addresses[others])
        return values

    def _store(self, slots: Array, addresses: Array) -> None:
        values = self._compute(addresses)
        self._addresses[slots] = addresses
        self._values[slots] = values

    def _differ(self, slots: Array, addresses: Array) -> Array:
        differ = self._addresses[slots] != addresses
        first: Array = differ[:, 0]
        return first if differ.shape[1] == 1 else first | differ[:, 1]

    def _slots_of(self, addresses: Array) -> Array:
        mixed = np.full(len(addresses), self._seed)
        for word in range(addresses.shape[1]):
            mixed ^= addresses[:, word]
            mixed *= _ODD
            mixed ^= mixed >> _FOLD
            mixed *= _ODD
        return (mixed >> self._shift).astype(np.intp)
