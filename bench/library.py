# SPDX-License-Identifier: Apache-2.0
"""Measure the library beside NFStream: flows one by one, in batches, as CSV, Parquet and data frames; memory.

    python bench/library.py                        all rows
    python bench/library.py --only 'mix/*'         rows by pattern (--list shows them)
    python bench/library.py --quick                small captures, one round: a smoke test of the bench

Writes the section "Library" of bench/RESULTS.md and bench/out/library.json (--quick:
bench/out/library-quick.md and library-quick.json). NFStream is installed below bench/out.
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import sys
from importlib.metadata import version
from pathlib import Path

from execute import Programs, warm_page_cache
from library_peer import nfstream_python
from library_report import write_section
from library_rows import NFSTREAM, all_rows, captures, rounds_of
from machine import describe_machine, load_average
from native_tools import BENCH, build_tools
from rows import Row, choose
from sections import with_section
from summary import Summary
from traffic import OUT, Capture, ensure_capture
from turns import take_turn


def main() -> int:
    given = parse_arguments()
    rows = choose(all_rows(), given.only)
    if given.list:
        print("\n".join(f"{row.name:28} {row.command}" for row in rows))
        return 0
    OUT.mkdir(exist_ok=True)
    with (OUT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two measurements at once would measure each other
        return measure(given, rows)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small captures, one counted round")
    parser.add_argument("--rounds", type=int, help="counted rounds (default 9; what is slow has 3)")
    parser.add_argument("--only", default="*", help="comma-separated patterns of row names")
    parser.add_argument("--list", action="store_true", help="show the rows and their commands, run nothing")
    given = parser.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 9)
    return given


def measure(given: argparse.Namespace, rows: list[Row]) -> int:
    tools = build_tools()
    peer, why_not = nfstream_python()
    commands = {
        "library": [sys.executable, str(BENCH / "library_programs.py")],
        "nfstream": [str(peer), str(BENCH / "library_nfstream.py")],
    }
    programs = Programs(commands, {} if peer else {"nfstream": why_not}, {}, tools)
    skipped = [row for row in rows if row.program in programs.missing]
    rows = [row for row in rows if row not in skipped]
    wanted = {row.capture for row in rows}
    files = {name: ensure_capture(each) for name, each in captures(given.quick).items() if name in wanted}
    summary = Summary(
        {row.name: row for row in rows}, {name: capture.truth for name, capture in files.items()}
    )
    load = load_average()
    run_rounds(rows, given.rounds, programs, files, summary)
    head = describe_machine() | {
        "packages": ", ".join(f"{name} {version(name)}" for name in ("pandas", "pyarrow")),
        "peer": f"nfstream {NFSTREAM}" if peer else f"none: {why_not}",
        "date": datetime.date.today().isoformat(),
        "counted rounds": str(given.rounds),
        "load before": f"{load:.2f} (others' work shows here)",
    }
    stored = {"head": head, "truths": summary.truths, "runs": summary.runs, "failures": summary.failures}
    name = "library-quick" if given.quick else "library"
    (OUT / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n")
    write(write_section(summary, head), given.quick)
    ours = [name for name in summary.runs if summary.rows[name].program == "library" and summary.wrong(name)]
    for name in ours:
        print(f"WRONG: {name}: {'; '.join(summary.wrong(name))}")
    return 1 if ours or summary.failures else 0


def run_rounds(
    rows: list[Row], rounds: int, programs: Programs, files: dict[str, Capture], summary: Summary
) -> None:
    """In turn, so that a disturbance hits every row alike; round 0 only warms up."""
    for number in range(rounds + 1):
        turns = [row for row in rows if number <= rounds_of(row, rounds)]
        for capture in {row.capture for row in turns}:
            warm_page_cache(files[capture].path)
        for row in turns:
            take_turn(row, number, rounds, programs, files[row.capture], summary)


def write(section: str, quick: bool) -> None:
    if quick:
        (OUT / "library-quick.md").write_text(section)
        print("wrote bench/out/library-quick.md")
        return
    report: Path = BENCH / "RESULTS.md"
    before = report.read_text() if report.exists() else "# Benchmark results\n"
    report.write_text(with_section(before, section))
    print("wrote bench/RESULTS.md (Library) and bench/out/library.json")


if __name__ == "__main__":
    sys.exit(main())
