# SPDX-License-Identifier: Apache-2.0
"""The native Metering Process gives the right Flow Records: of goldens, random and real captures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import oracle
from craft.strategies import captures
from golden import load, names
from metering.native import SECOND, Outcome, meter, rows
from oracle.compare import compare, statistics_differences

WORKERS = (1, 2, 4)


def check(outcome: Outcome, expected: oracle.Result) -> None:
    assert compare(outcome.records, expected) == []
    counters = outcome.counters
    discards = {reason: (c.packets, c.octets) for reason, c in counters.discarded.items() if c.packets}
    assert discards == expected.discards
    assert (counters.received.packets, counters.received.octets) == expected.received
    assert (counters.accounted_frames.packets, counters.accounted_frames.octets) == expected.accounted
    assert counters.accounted.octets == expected.flow_octets
    assert counters.late == expected.late
    assert counters.fragment_orphans == expected.fragment_orphan


@pytest.mark.parametrize("name", names())
def test_golden(name: str) -> None:
    golden = load(name)
    outcome = meter([golden.capture], **golden.settings)
    check(outcome, golden.result)
    full = oracle.meter([golden.capture], **golden.settings)
    assert statistics_differences(outcome.records, full) == []
    for workers in WORKERS[1:]:
        assert rows(meter([golden.capture], workers=workers, **golden.settings).records) == rows(
            outcome.records
        )


@st.composite
def timeouts(draw: st.DrawFn) -> dict[str, Any]:
    """Short ones, so that the deadlines of a capture of some seconds are reached; all may be off."""
    duration = st.integers(0, 8000).map(lambda ms: ms * 1_000_000)
    return {
        "active_timeout": draw(duration),
        "inactive_timeout": draw(duration),
        "tcp_linger": draw(duration),
        "tcp_fin_timeout": draw(duration),
        "key": draw(st.sampled_from([(), ("vlan",), ("interface",), ("vlan", "interface")])),
    }


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(capture=captures(), options=timeouts(), workers=st.sampled_from(WORKERS))
def test_random_captures(
    capture: Any, options: dict[str, Any], workers: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("random") / "capture"
    path.write_bytes(capture.pcapng())
    expected = oracle.meter([path], reorder_window=10 * SECOND, **options)
    outcome = meter([path], workers=workers, **options)
    if expected.late:
        # Only late packets may make a record depend on when the timers ran.
        assert outcome.counters.late == expected.late
        return
    check(outcome, expected)
    assert statistics_differences(outcome.records, expected) == []


def real_captures() -> list[Path]:
    folder = os.environ.get("SPANFLOW_CAPTURES")
    return sorted(path for path in Path(folder).rglob("*.*cap*") if path.is_file()) if folder else []


@pytest.mark.parametrize("path", real_captures(), ids=lambda path: path.name)
def test_real_capture(path: Path) -> None:
    """The same as the oracle, where no packet is late, and the same from any number of workers."""
    options = {"active_timeout": 60 * SECOND, "inactive_timeout": 15 * SECOND, "tcp_linger": 2 * SECOND}
    expected = oracle.meter([path], tcp_fin_timeout=0, reorder_window=10 * SECOND, **options)
    outcome = meter([path], **options)
    if expected.late:
        # With a window that holds all of it nothing is late.
        window = 1 << 60
        expected = oracle.meter([path], tcp_fin_timeout=0, reorder_window=window, **options)
        outcome = meter([path], reorder_window=window, **options)
    check(outcome, expected)
    for workers in WORKERS[1:]:
        assert rows(meter([path], workers=workers, **options).records) == rows(
            meter([path], **options).records
        )
