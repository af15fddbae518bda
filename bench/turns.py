# SPDX-License-Identifier: Apache-2.0
"""One run of one row in a round, and where its outcome goes."""

from __future__ import annotations

from execute import Programs, brief, execute
from rows import Row
from summary import Summary
from traffic import Capture


def take_turn(
    row: Row, number: int, rounds: int, programs: Programs, capture: Capture, summary: Summary
) -> None:
    """Run `row` in round `number`; 0 only warms up. One that fails is not run again."""
    if row.name in summary.failures:
        return
    outcome = execute(row, programs, capture)
    print(f"{number}/{rounds} {row.name:28} {brief(outcome)}", flush=True)
    if "error" in outcome:
        summary.failures[row.name] = outcome["error"]
        summary.runs.pop(row.name, None)
    elif number:
        summary.runs.setdefault(row.name, []).append(outcome)
