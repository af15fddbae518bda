# SPDX-License-Identifier: Apache-2.0
"""The native Metering Process gives the right Flow Records: of goldens, random and real captures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reference
from craft.capture import Capture, Frame
from craft.strategies import Crafted, captures
from golden import load, names
from metering.native import SECOND, Outcome, meter, rows
from reference.compare import compare, statistics_differences

WORKERS = (1, 2, 4)
FIRST_PACKETS = 5


def check_both(native: Outcome, paths: Sequence[Path], expected: reference.Result, **options: Any) -> None:
    """The native engine, and the reference engine as users run it, give what the rules alone give."""
    whole = reference.meter_as_users_do(paths, first_packets=FIRST_PACKETS, **options)
    check(native, expected)
    check(whole, expected)
    assert whole.problems == native.problems
    assert first_packets(whole) == first_packets(meter(paths, first_packets=FIRST_PACKETS, **options))
    ours, theirs = whole.counters, native.counters
    assert (ours.ended, ours.flows_opened) == (theirs.ended, theirs.flows_opened)
    assert (ours.accounted, ours.handed_over) == (theirs.accounted, theirs.handed_over)


def first_packets(outcome: Outcome) -> list[Any]:
    """Of each record, by what tells it from others."""
    found = []
    for batch in outcome.batches:
        assert batch.first_packets is not None
        starts = [batch.records[half]["first_ns"].tolist() for half in ("forward", "reverse")]
        found += zip(batch.records["flow_id"].tolist(), *starts, batch.first_packets.tolist(), strict=True)
    return sorted(found)


def check(outcome: Outcome, expected: reference.Result) -> None:
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
    check_both(outcome, [golden.capture], golden.result, **golden.settings)
    full = reference.meter([golden.capture], **golden.settings)
    assert statistics_differences(outcome.records, full) == []
    for workers in WORKERS[1:]:
        assert rows(meter([golden.capture], workers=workers, **golden.settings).records) == rows(
            outcome.records
        )


@pytest.mark.parametrize("link_type", [147, 0xFFFF])
def test_an_unsupported_link_type_is_a_problem(link_type: int, tmp_path: Path) -> None:
    """Whichever it is."""
    path = tmp_path / "1.pcap"
    path.write_bytes(Capture([Frame(SECOND, bytes(60))]).pcap(link_type=link_type))
    outcome = meter([path])
    assert [problem.kind for problem in outcome.problems] == ["unsupported"]
    check_both(outcome, [path], reference.meter([path]))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(capture=captures(), workers=st.sampled_from(WORKERS))
def test_random_captures(capture: Crafted, workers: int) -> None:
    if capture.settings["max_fragments"] < 16_384:
        workers = 1  # each worker has a table of fragments of its own; when it is full, that shows
    with TemporaryDirectory() as folder:
        path = capture.write(Path(folder))
        expected = reference.meter([path], **capture.settings)
        outcome = meter([path], workers=workers, **capture.settings)
        check_both(outcome, [path], expected, **capture.settings)
        assert statistics_differences(outcome.records, expected) == []
        one = meter([path], **capture.settings)
    assert rows(outcome.records) == rows(one.records)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(capture=captures(late=True), workers=st.sampled_from(WORKERS))
def test_late_packets_are_counted_and_nothing_is_lost(capture: Crafted, workers: int) -> None:
    """Only they may make a record depend on when the timers ran; meter() checks the sums."""
    with TemporaryDirectory() as folder:
        path = capture.write(Path(folder))
        expected = reference.meter([path], **capture.settings)
        outcome = meter([path], workers=workers, **capture.settings)
    assert outcome.counters.late == expected.late
    assert outcome.counters.accounted.octets == expected.flow_octets


def real_captures() -> list[Path]:
    folder = os.environ.get("SPANFLOW_CAPTURES")
    return sorted(path for path in Path(folder).rglob("*.*cap*") if path.is_file()) if folder else []


@pytest.mark.parametrize("path", real_captures(), ids=lambda path: path.name)
def test_real_capture(path: Path) -> None:
    """The same as the reference engine, where no packet is late, and the same from any number of workers."""
    options = {"active_timeout": 60 * SECOND, "inactive_timeout": 15 * SECOND, "tcp_linger": 2 * SECOND}
    expected = reference.meter([path], tcp_fin_timeout=0, reorder_window=10 * SECOND, **options)
    outcome = meter([path], **options)
    if expected.late:
        # With a window that holds all of it nothing is late.
        window = 1 << 60
        expected = reference.meter([path], tcp_fin_timeout=0, reorder_window=window, **options)
        outcome = meter([path], reorder_window=window, **options)
        options["reorder_window"] = window
    check_both(outcome, [path], expected, **options)
    for workers in WORKERS[1:]:
        assert rows(meter([path], workers=workers, **options).records) == rows(
            meter([path], **options).records
        )
