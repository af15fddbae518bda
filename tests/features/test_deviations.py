# SPDX-License-Identifier: Apache-2.0
"""Squared deviations of sizes come out of sums modulo 2^64 as whole numbers give them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spanflow.features.deviations import SizeSums, squared_deviations

LARGEST = 2**32 - 1
Counts = dict[int, int]
"""How often a size occurs: so flows of any number of packets are short to write."""

sizes = st.one_of(st.integers(20, 1500), st.integers(20, 65535), st.integers(20, LARGEST))
# Octets are counted in 64 bits.
counts = st.dictionaries(sizes, st.one_of(st.integers(1, 9), st.integers(1, 1 << 34)), max_size=4).filter(
    lambda found: sum(size * count for size, count in found.items()) < 1 << 63
)


def sums_of(found: Counts) -> SizeSums:
    values = (
        sum(found.values()),
        sum(size * count for size, count in found.items()),
        sum(size * size * count for size, count in found.items()) % 2**64,
        min(found, default=0),
        max(found, default=0),
    )
    types = (np.uint64, np.uint64, np.uint64, np.uint32, np.uint32)
    return SizeSums(*(np.array([value], kind) for value, kind in zip(values, types, strict=True)))


def exactly(found: Counts) -> Fraction:
    """From the sizes themselves."""
    packets = sum(found.values())
    if not packets:
        return Fraction(0)
    mean = Fraction(sum(size * count for size, count in found.items()), packets)
    return sum(((size - mean) ** 2 * count for size, count in found.items()), Fraction(0))


def is_told(found: Counts) -> bool:
    """Semantics 6.4."""
    return not found or sum(found.values()) * (max(found) - min(found)) ** 2 < 2**66


@given(forward=counts, reverse=counts)
@example({100: 1 << 32, 101: 1}, {})
@example({65535: 10**10, 65534: 1}, {40: 10**10})
@example({LARGEST: 3}, {LARGEST - 1: 1})
@example({20: 2, LARGEST: 2}, {20: 2, LARGEST: 2})
@example({}, {})
def test_they_are_those_of_the_sizes(forward: Counts, reverse: Counts) -> None:
    both = {size: forward.get(size, 0) + reverse.get(size, 0) for size in forward | reverse}
    one, other = sums_of(forward), sums_of(reverse)
    for sums, found, told in (
        ([one], forward, is_told(forward)),
        ([other], reverse, is_told(reverse)),
        ([one, other], both, is_told(forward) and is_told(reverse)),
    ):
        (value,) = squared_deviations(sums).tolist()
        if told:
            assert value == pytest.approx(float(exactly(found)), rel=1e-14, abs=0)
        else:
            assert math.isnan(value) or value == pytest.approx(float(exactly(found)), rel=1e-14)


def test_beyond_the_bounds_they_are_unknown() -> None:
    """2^33 packets of each of two sizes that are 2^17 apart: 2^34 * 2^34 / 4 is 2^66."""
    assert math.isnan(squared_deviations([sums_of({20: 1 << 33, 20 + (1 << 17): 1 << 33})])[0])
