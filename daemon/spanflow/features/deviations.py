# SPDX-License-Identifier: Apache-2.0
"""The squared deviations of packet sizes from their mean, out of exact sums (semantics 6.3, 6.4).

A record has n, the sum of sizes S (exact) and the sum of their squares Q modulo 2^64. Wanted is
D = Q - S²/n. As 0 <= D <= n(max-min)²/4 (Popoviciu), Q - floor(S²/n) is what it is modulo 2^64 wherever that
bound is below 2^64; and that is integer arithmetic, where nothing is rounded away. What stays is a fraction
below 1, and D is at least 1/2 unless it is 0 (sizes are integers): the result is exact to the last bits of a
float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from spanflow.record import Array

_MODULUS = 1 << 64
_MOST_PACKETS = 1 << 32
"""Up to here the square of a remainder by n fits into 64 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class SizeSums:
    """Sums of the packet sizes of n directions: arrays of n values each, by the members of DIRECTION."""

    packets: Array
    octets: Array
    squares: Array
    size_min: Array
    size_max: Array


def squared_deviations(directions: Sequence[SizeSums]) -> Array:
    """Σ(x - mean)² over the sizes of one direction, or of two together: n values of float64.

    0 for a direction without packets; NaN where the sums do not tell it (semantics 6.4).
    """
    packets = _total([each.packets for each in directions])
    octets = _total([each.octets for each in directions])
    squares = _total([each.squares for each in directions])
    counted = np.maximum(packets, np.uint64(1))
    whole, rest = np.divmod(octets, counted)
    # S²/n with S = whole n + rest, modulo 2^64.
    fraction, remainder = np.divmod(rest * rest, counted)
    mean_square = whole * (octets + rest) + fraction
    found: Array = (squares - mean_square).astype(np.float64) - remainder / counted
    for row in np.flatnonzero(_beyond(directions, packets)).tolist():
        found[row] = _exactly(directions, row)
    return found


def _total(values: Sequence[Array]) -> Array:
    """The sum of one or two arrays, modulo 2^64."""
    first, *others = values
    return first + others[0] if others else first


def _beyond(directions: Sequence[SizeSums], packets: Array) -> Array:
    """Where 64 bits do not do, with some room: (max-min)² n/4 of all directions together."""
    lowest, highest = directions[0].size_min, directions[0].size_max
    if len(directions) > 1:
        lowest, highest = lowest_of(directions), np.maximum(highest, directions[1].size_max)
    spread = highest.astype(np.float64) - lowest
    return (spread * spread * packets >= 4.0 * _MODULUS) | (packets > _MOST_PACKETS)


def lowest_of(directions: Sequence[SizeSums]) -> Array:
    """The smallest size of two directions; one without packets has no say."""
    one, other = directions
    smallest = np.minimum(one.size_min, other.size_min)
    found = np.where(one.packets == 0, other.size_min, np.where(other.packets == 0, one.size_min, smallest))
    return np.asarray(found)


def _exactly(directions: Sequence[SizeSums], row: int) -> float:
    """The same for one row in whole numbers: each direction's sum of squares by its own bounds."""
    packets = octets = squares = 0
    for each in directions:
        n, total, remainder, smallest, largest = (
            int(values[row])
            for values in (each.packets, each.octets, each.squares, each.size_min, each.size_max)
        )
        if n == 0:
            continue
        low = -(-total * total // n)
        found = low + (remainder - low) % _MODULUS
        if found + _MODULUS <= total * total // n + n * (largest - smallest) ** 2 // 4:
            return math.nan
        packets, octets, squares = packets + n, octets + total, squares + found
    return float(squares - Fraction(octets * octets, packets)) if packets else 0.0
