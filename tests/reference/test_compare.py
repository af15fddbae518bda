# SPDX-License-Identifier: Apache-2.0
"""The comparison finds what differs and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reference
from craft.capture import Capture
from craft.conversation import play
from craft.strategies import Crafted, captures
from golden import load, names
from golden.recipe import DEFAULT_SETTINGS
from reference.compare import compare, size_sum_squares, statistics_differences
from spanflow.record import DIRECTION, RECORD
from spanflow.reference.batches import row_of

TWO_FLOWS = ("0 > S", "0.1 < SA 10", "0.3 > A 20", "20 > A", "20.5 < A 5", "21.7 < A 6")


def as_native(records: list[dict[str, Any]]) -> np.ndarray:
    """Exact records as they are handed over."""
    octets = b"".join(row_of({**record, "flow_id": record["flow_id"] or 7}) for record in records)
    return np.frombuffer(bytearray(octets), RECORD)


@pytest.fixture
def result(tmp_path: Path) -> reference.Result:
    path = tmp_path / "1.pcap"
    path.write_bytes(play(Capture(), *TWO_FLOWS).pcap())
    return reference.meter([path], **DEFAULT_SETTINGS)


@pytest.mark.parametrize("name", names())
def test_goldens_equal_themselves(name: str) -> None:
    golden = load(name)
    full = reference.meter([golden.capture], **golden.settings)
    native = as_native(full.records)
    assert compare(native[::-1], golden.result) == []
    assert compare(native, full) == []


@settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=60
)
@given(crafted=captures(), random=st.randoms(use_true_random=False))
def test_records_equal_themselves_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, crafted: Crafted, random: Any
) -> None:
    result = reference.meter([crafted.write(tmp_path_factory.getbasetemp())], **crafted.settings)
    shuffled = random.sample(result.records, len(result.records))
    assert compare(as_native(shuffled), result) == []


@pytest.mark.parametrize("member", [n for n in RECORD.names or () if n not in ("forward", "reverse")])
def test_a_wrong_member_is_found(result: reference.Result, member: str) -> None:
    native = as_native(result.records)
    with np.errstate(over="ignore"):
        native[member][0] = native[member][0] * 2 + 3
    compared = result.records[0].keys() - {"worker"}
    assert bool(compare(native, result)) == (member in compared)


@pytest.mark.parametrize("half", ["forward", "reverse"])
@pytest.mark.parametrize("member", DIRECTION.names or ())
def test_a_wrong_member_of_a_half_is_found(result: reference.Result, half: str, member: str) -> None:
    native = as_native(result.records)
    native[half][member][0] = native[half][member][0] * 2 + 3
    assert f"{half}.{member} is" in " ".join(compare(native, result))


def test_halves_the_wrong_way_round_are_found(result: reference.Result) -> None:
    native = as_native(result.records)
    native["forward"], native["reverse"] = native["reverse"].copy(), native["forward"].copy()
    assert compare(native, result)


def test_missing_and_additional_records_are_counted(result: reference.Result) -> None:
    native = as_native(result.records)
    assert "1 records, expected 2" in compare(native[:1], result)[0]
    assert "3 records, expected 2" in compare(np.concatenate([native, native[:1]]), result)[0]


def test_rounding_is_no_difference(result: reference.Result) -> None:
    native = as_native(result.records)
    native["gap_squared_deviations"] *= 1 + 1e-9
    assert compare(native, result) == []
    native["gap_squared_deviations"] *= 1 + 1e-5
    assert compare(native, result) != []


def test_statistics_come_out_of_the_sums(result: reference.Result) -> None:
    assert statistics_differences(as_native(result.records), result) == []


def test_a_wrong_sum_of_squares_shows_in_the_statistics(result: reference.Result) -> None:
    native = as_native(result.records)
    native["gap_squared_deviations"] *= 2
    assert "both.gap_stddev" in " ".join(statistics_differences(native, result))


@given(st.lists(st.integers(20, 2**31), min_size=1, max_size=12))
def test_the_sum_of_squares_comes_back_from_its_remainder(sizes: list[int]) -> None:
    exact = sum(size * size for size in sizes)
    found = size_sum_squares(len(sizes), sum(sizes), min(sizes), max(sizes), exact % 2**64)
    assert found in (exact, None)
    if len(sizes) * (max(sizes) - min(sizes)) ** 2 < 2**66 - 8:
        assert found == exact
