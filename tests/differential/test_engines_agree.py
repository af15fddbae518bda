# SPDX-License-Identifier: Apache-2.0
"""Both engines agree on some hundred scenarios, which meet every way to end and to be discarded.

`./dev compare` runs any number.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from differential import engines
from differential.agree import SINGLES, SQUARES, UNCOMPARED, differences
from differential.check import check
from differential.coverage import Coverage
from differential.engines import Outcome
from differential.regressions import REGRESSIONS
from differential.run import Disagreement, run_block
from differential.scenarios import scenario
from differential.shrink import shrink
from metering.native import settings_of
from reference.compare import HALVES
from spanflow.config.schema import Settings
from spanflow.metering_counters import FrameCount
from spanflow.record import DIRECTION, RECORD

SEEDS = range(360)


@pytest.fixture(scope="module")
def covered() -> Coverage:
    outcome = run_block(SEEDS)
    if isinstance(outcome, Disagreement):
        pytest.fail("\n".join((*outcome.differences, repr(outcome.scenario.crafted))))
    return outcome


def test_the_engines_agree(covered: Coverage) -> None:
    assert covered.scenarios == len(SEEDS)
    assert covered.records > len(SEEDS)


def test_every_end_and_every_discard_is_met(covered: Coverage) -> None:
    assert covered.missing() == []
    assert min(covered.late, covered.continuations, covered.fragment_orphans, covered.with_first_packets) > 0
    assert covered.workers.keys() == {1, 2, 4}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_regression(name: str, tmp_path: Path) -> None:
    regression, coverage = REGRESSIONS[name], Coverage()
    assert check(regression.scenario(), tmp_path, coverage) == []
    assert (coverage.discarded, coverage.ended) == (regression.discarded, regression.ended)
    assert coverage.fragment_orphans == regression.fragment_orphans


def test_a_seed_gives_the_same_scenario() -> None:
    assert [repr(scenario(seed)) for seed in range(9)] == [repr(scenario(seed)) for seed in range(9)]
    assert scenario(1).crafted.octets != scenario(2).crafted.octets


def test_a_wrong_engine_is_found_and_the_capture_made_small(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An engine that ends idle Flows a nanosecond late."""

    def late_reference(path: Path, settings: Settings) -> Outcome:
        cache = replace(settings.cache, inactive_timeout=settings.cache.inactive_timeout + 1)
        return reference(path, replace(settings, cache=cache))

    reference = engines.reference
    monkeypatch.setattr(engines, "reference", late_reference)
    failing = next(made for seed in range(90) if check(made := scenario(seed), tmp_path))
    small = shrink(failing, lambda smaller: bool(check(smaller, tmp_path)))
    assert check(small, tmp_path)
    assert len(small.crafted.frames) <= 3 < len(failing.crafted.frames)
    written = Disagreement(small, ["a difference"]).write(tmp_path)
    assert written.read_bytes() == small.crafted.octets
    assert written.with_suffix(".json").exists()


def test_an_engine_that_fails_is_a_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def failing(path: Path, settings: Settings) -> Outcome:
        raise RuntimeError("worker died")

    monkeypatch.setattr(engines, "native", failing)
    assert check(scenario(0), tmp_path)[0] == "RuntimeError: worker died"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One with more than one record, and with first packets."""
    made = next(made for seed in range(90) if (made := scenario(seed)).more["first_packets"] == 5)
    return engines.reference(made.crafted.write(tmp_path_factory.mktemp("one")), settings_of(**made.options))


def with_records(outcome: Outcome, records: Any) -> Outcome:
    return replace(outcome, records=records, first_packets=outcome.first_packets[: len(records)])


def test_outcomes_equal_themselves_in_any_order(outcome: Outcome) -> None:
    turned = replace(
        outcome, records=outcome.records[::-1].copy(), first_packets=outcome.first_packets[::-1].copy()
    )
    assert differences(turned, outcome) == []


def other(values: Any) -> Any:
    """Another value than the first one, beyond all rounding."""
    with np.errstate(over="ignore"):
        return values[0] * 2 + 3 if values.dtype.kind == "f" else values[0] + values.dtype.type(1)


@pytest.mark.parametrize("member", [name for name in RECORD.names or () if name not in HALVES])
def test_a_wrong_member_is_found(outcome: Outcome, member: str) -> None:
    records = outcome.records.copy()
    records[member][0] = other(records[member])
    assert bool(differences(with_records(outcome, records), outcome)) == (member not in UNCOMPARED)


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("member", DIRECTION.names or ())
def test_a_wrong_member_of_a_half_is_found(outcome: Outcome, half: str, member: str) -> None:
    records = outcome.records.copy()
    records[half][member][0] = other(records[half][member])
    assert f"{half}.{member}: native" in "\n".join(differences(with_records(outcome, records), outcome))


def test_rounding_is_no_difference(outcome: Outcome) -> None:
    for factor, is_equal in ((1 + 2.0**-24, True), (1 + 1e-5, False)):
        records = outcome.records.copy()
        for member in (*SINGLES, SQUARES):
            records[member] = records[member] * factor
        assert (differences(with_records(outcome, records), outcome) == []) == is_equal


def test_missing_records_are_found(outcome: Outcome) -> None:
    found = differences(with_records(outcome, outcome.records[1:]), outcome)
    assert any(line.startswith("only in one, reference") for line in found)


def test_a_wrong_first_packet_is_found(outcome: Outcome) -> None:
    packets = outcome.first_packets.copy()
    packets["gap_ns"][0, 0] += 1
    assert "first packets: native" in "\n".join(differences(replace(outcome, first_packets=packets), outcome))


@pytest.mark.parametrize("name", ["late", "fragment_orphans", "flows_opened"])
def test_a_wrong_count_is_found(outcome: Outcome, name: str) -> None:
    counters = replace(outcome.counters, **{name: getattr(outcome.counters, name) + 1})
    assert f"counter {name}" in differences(replace(outcome, counters=counters), outcome)[0]


def test_wrong_sums_are_found(outcome: Outcome) -> None:
    counters = outcome.counters
    discarded = {**counters.discarded, "non_ip": FrameCount(999, 999)}
    wrong = replace(outcome, counters=replace(counters, discarded=discarded, ended={"idle": 999}))
    found = "\n".join(differences(wrong, wrong))
    assert "counters do not balance" in found
    assert "records ended by" in found
    assert "counter ended" in "\n".join(differences(wrong, outcome))


def test_what_had_late_packets_may_differ(outcome: Outcome) -> None:
    """And nothing else may."""
    pairs = frozenset(
        tuple(sorted((record["source_address"].tobytes(), record["destination_address"].tobytes())))
        for record in outcome.records[:1]
    )
    records = outcome.records.copy()
    records["flow_start_ns"][0] += 1
    wrong = with_records(outcome, records)
    assert differences(wrong, outcome, pairs) == []
    assert differences(wrong, outcome) != []
    assert np.any(outcome.records["source_address"] != outcome.records["source_address"][0])
