# SPDX-License-Identifier: Apache-2.0
"""Counting by application: sums that are exact, labels that stay, counters that never go back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanflow.application_counts import OTHER, ApplicationCount, ApplicationCounts
from spanflow.applications import UNKNOWN, Application, Applications
from spanflow.record import CONTINUATION, RECORD, Batch

Row = tuple[int, int, int]
"""Application, packets, octets of one record."""


def applications(*names: str) -> Applications:
    """Numbered from 1 on; 0 is unknown."""
    listed = [Application(number, 0, name, "", "", False) for number, name in enumerate((UNKNOWN, *names))]
    return Applications(engine="nDPI", version="4.2.0", by_number={each.number: each for each in listed})


MANY = applications(*(f"a{number}" for number in range(1, 201)))


def batch(*rows: Row, **members: Any) -> Batch:
    """Records whose packets are shared between both directions."""
    records = np.zeros(len(rows), RECORD)
    for record, (number, packets, octets) in zip(records, rows, strict=True):
        record["application"] = number
        record["forward"]["packet_delta_count"], record["reverse"]["packet_delta_count"] = packets - 1, 1
        record["forward"]["octet_delta_count"], record["reverse"]["octet_delta_count"] = octets - 1, 1
    for name, value in members.items():
        records[name] = value
    return Batch(records)


def shown(counts: ApplicationCounts) -> dict[str, tuple[int, int, int]]:
    found = counts.shown()
    assert len({each.name for each in found}) == len(found)
    return {each.name: (each.flows, each.packets, each.octets) for each in found}


def test_both_directions_count_and_the_largest_comes_first() -> None:
    counts = ApplicationCounts(applications("x", "y"), 50)
    counts.add(batch((1, 2, 100), (2, 3, 500), (1, 4, 60), (0, 5, 7)))
    assert counts.totals() == [
        ApplicationCount("y", 1, 3, 500),
        ApplicationCount("x", 2, 6, 160),
        ApplicationCount(UNKNOWN, 1, 5, 7),
    ]


def test_a_flow_counts_with_its_first_record() -> None:
    counts = ApplicationCounts(applications("x"), 50)
    counts.add(batch((1, 2, 100)))
    counts.add(batch((1, 2, 100), flags=CONTINUATION))
    assert counts.totals() == [ApplicationCount("x", 1, 4, 200)]


def test_there_is_a_zero_from_the_start() -> None:
    counts = ApplicationCounts(applications("x"), 50)
    assert shown(counts) == {UNKNOWN: (0, 0, 0), OTHER: (0, 0, 0)}
    assert counts.totals() == []


def test_an_empty_batch_changes_nothing() -> None:
    counts = ApplicationCounts(applications("x"), 50)
    counts.add(batch())
    assert shown(counts) == {UNKNOWN: (0, 0, 0), OTHER: (0, 0, 0)}


def test_two_numbers_of_one_name_are_one_and_a_number_without_a_name_is_unknown() -> None:
    counts = ApplicationCounts(applications("x", "y", "x"), 50)
    counts.add(batch((1, 1, 10), (3, 1, 20), (65_535, 1, 30)))
    assert shown(counts) == {UNKNOWN: (1, 1, 30), OTHER: (0, 0, 0), "x": (2, 2, 30)}


def test_large_numbers_are_exact() -> None:
    counts = ApplicationCounts(applications("x"), 50)
    octets = (1 << 52) + 1
    for _ in range(1000):
        counts.add(batch((1, 2, octets)))
    assert counts.totals() == [ApplicationCount("x", 1000, 2000, 1000 * octets)]


# Places: with five of them, four go to those that come first, one is kept.


def test_first_places_go_as_applications_appear_the_largest_of_a_batch_first() -> None:
    counts = ApplicationCounts(MANY, 5)
    counts.add(batch((9, 1, 10), (8, 1, 30)))
    counts.add(batch((7, 1, 20), (6, 1, 10), (5, 1, 40)))
    assert list(shown(counts)) == [UNKNOWN, OTHER, "a8", "a9", "a5", "a7"]
    assert shown(counts)[OTHER] == (1, 1, 10)


def filled() -> ApplicationCounts:
    """Four of five places are taken, by applications with 1,000 Flows of 100 octets in all."""
    counts = ApplicationCounts(MANY, 5)
    for _ in range(250):
        counts.add(batch(*((number, 2, 100) for number in (1, 2, 3, 4))))
    return counts


def test_a_kept_place_goes_to_who_comes_to_a_hundredth_later() -> None:
    counts = filled()
    for _ in range(9):
        counts.add(batch((5, 2, 100)))
        counts.add(batch((6, 2, 100)))
    assert "a5" not in shown(counts)
    assert shown(counts)[OTHER] == (18, 36, 1800)
    counts.add(batch((5, 2, 100)))
    # What it had stays with the others; it begins with 0.
    assert shown(counts)["a5"] == (0, 0, 0)
    assert shown(counts)[OTHER] == (19, 38, 1900)
    counts.add(batch((5, 3, 200), (6, 2, 100)))
    assert shown(counts)["a5"] == (1, 3, 200)
    assert shown(counts)[OTHER] == (20, 40, 2000)


def test_octets_alone_are_enough_for_a_kept_place() -> None:
    counts = filled()
    counts.add(batch((5, 2, 100_000)))
    assert shown(counts)["a5"] == (1, 2, 100_000)


def test_when_no_place_is_left_the_largest_stays_with_the_others() -> None:
    counts = filled()
    counts.add(batch((5, 2, 100_000)))
    counts.add(batch((6, 2, 10**12)))
    assert len(shown(counts)) == 2 + 5
    assert shown(counts)[OTHER] == (1, 2, 10**12)
    assert counts.totals()[0] == ApplicationCount("a6", 1, 2, 10**12)


def test_more_places_let_others_in_and_fewer_take_nothing_away() -> None:
    counts = filled()
    counts.allow(2)
    counts.add(batch((6, 2, 100)))
    assert list(shown(counts)) == [UNKNOWN, OTHER, "a1", "a2", "a3", "a4"]
    counts.allow(50)
    counts.add(batch((7, 2, 100)))
    assert shown(counts)["a7"] == (1, 2, 100)
    # It was there before: it begins with 0.
    assert shown(counts)["a6"] == (0, 0, 0)
    assert shown(counts)[OTHER] == (1, 2, 100)


ROWS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 50), st.integers(1, 10**6)), max_size=20)


@given(batches=st.lists(ROWS, max_size=12), places=st.lists(st.integers(1, 12), min_size=12, max_size=12))
def test_nothing_ever_goes_back_or_vanishes_and_sums_are_right(
    batches: list[list[Row]], places: list[int]
) -> None:
    counts = ApplicationCounts(MANY, places[0])
    before: dict[str, tuple[int, int, int]] = {}
    everything: list[Row] = []
    for rows, most in zip(batches, places, strict=False):
        counts.allow(most)
        counts.add(batch(*rows))
        everything += rows
        now = shown(counts)
        assert before.keys() <= now.keys()
        assert list(now)[: len(before)] == list(before)
        for name, had in before.items():
            assert all(old <= new for old, new in zip(had, now[name], strict=True)), name
        assert len(now) - 2 <= max(places)
        for column, total in enumerate(
            (len(everything), sum(row[1] for row in everything), sum(row[2] for row in everything))
        ):
            assert sum(each[column] for each in now.values()) == total
        before = now
    assert sum(each.octets for each in counts.totals()) == sum(row[2] for row in everything)


@pytest.mark.parametrize("most", [1, 4, 5, 50, 1000])
def test_the_bound_holds(most: int) -> None:
    counts = ApplicationCounts(MANY, most)
    for _ in range(3):
        counts.add(batch(*((number, 2, 100) for number in range(201))))
    assert len(shown(counts)) - 2 == min(most - most // 5, 200)
