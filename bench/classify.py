# SPDX-License-Identifier: Apache-2.0
"""Measure classification: its cost beside that of the engine alone, its memory, and what it costs when off.

    python bench/classify.py                          cost and memory
    python bench/classify.py --before CORE_BENCH      also "off": against the core bench of an older state
    python bench/classify.py --parts cost --rounds 9  one part; the others stay in the report as they were
    python bench/classify.py --quick                  small captures, one round: a smoke test of the bench

Writes the section "Classification" of bench/RESULTS.md and bench/out/classify.json (--quick:
bench/out/classify-quick.md and classify-quick.json).
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from classify_report import write_section
from classify_rows import PARTS, captures, rows_of
from execute import Programs, newest_core_bench, warm_page_cache
from machine import describe_machine, load_average
from native_tools import BENCH, build_tools
from rows import Row
from sections import with_section
from summary import Summary
from traffic import OUT, Capture, ensure_capture
from turns import take_turn

MEMORY_ROUNDS = 3  # the peak hardly varies


def main() -> int:
    given = parse_arguments()
    OUT.mkdir(exist_ok=True)
    with (OUT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two measurements at once would measure each other
        return measure(given)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small captures, one counted round")
    parser.add_argument("--rounds", type=int, help="counted rounds of cost and off (default 9)")
    parser.add_argument("--parts", help=f"comma-separated: {', '.join(PARTS)} (default: those that can be)")
    parser.add_argument(
        "--before", help="spanflow-core-bench of an older state of the code, for the part off"
    )
    parser.add_argument("--engine", help="the shim (default: beside the core bench's build)")
    parser.add_argument(
        "--core-bench",
        default=os.environ.get("SPANFLOW_CORE_BENCH"),
        help="the native core bench (default: $SPANFLOW_CORE_BENCH, else the newest below build/)",
    )
    parser.add_argument(
        "--spanflow",
        default=str(Path(sys.executable).with_name("spanflow")),
        help="the command to measure (default: of this Python's environment)",
    )
    given = parser.parse_args()
    given.core_bench = given.core_bench or newest_core_bench()
    if given.core_bench is None:
        parser.error("spanflow-core-bench is not built: name it with --core-bench or SPANFLOW_CORE_BENCH")
    given.engine = given.engine or _engine_beside(Path(given.core_bench))
    if given.engine is None:
        parser.error("no spanflow-ndpi-*.so beside the core bench: name it with --engine")
    default = PARTS if given.before else tuple(part for part in PARTS if part != "off")
    given.parts = tuple(given.parts.split(",")) if given.parts else default
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"--parts: {', '.join(sorted(unknown))} is unknown, use {', '.join(PARTS)}")
    if "off" in given.parts and not given.before:
        parser.error("the part off needs --before")
    given.rounds = given.rounds or (1 if given.quick else 9)
    return given


def _engine_beside(core_bench: Path) -> str | None:
    """The newest release of the engine in the build folder that holds tests/spanflow-core-bench."""
    found = sorted(core_bench.resolve().parent.parent.glob("spanflow-ndpi-*.so"))
    return str(found[-1]) if found else None


def measure(given: argparse.Namespace) -> int:
    tools = build_tools()
    kept = OUT / ("classify-quick.json" if given.quick else "classify.json")
    measured: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    failed = False
    for part in given.parts:
        summary, more = measure_part(part, given, tools)
        measured[part] = {
            "head": {
                "date": datetime.date.today().isoformat(),
                "counted rounds": str(len(next(iter(summary.runs.values()), []))),
                "load before": f"{more.pop('load'):.2f} (others' work shows here)",
            },
            "truths": summary.truths,
            "runs": summary.runs,
            "failures": summary.failures,
        } | more
        wrong = {name: summary.wrong(name) for name in summary.runs if summary.wrong(name)}
        for name, reasons in wrong.items():
            print(f"WRONG: {name}: {'; '.join(reasons)}")
        failed |= bool(wrong or summary.failures)
    measured["machine"] = describe_machine()
    kept.write_text(json.dumps(measured, indent=1) + "\n")
    section = write_section(measured, given.engine).replace(f"{BENCH.parent}/", "")
    if given.quick:
        (OUT / "classify-quick.md").write_text(section)
        print("wrote bench/out/classify-quick.md")
    else:
        report = BENCH / "RESULTS.md"
        report.write_text(
            with_section(report.read_text() if report.exists() else "# Benchmark results\n", section)
        )
        print("wrote bench/RESULTS.md (Classification) and bench/out/classify.json")
    return 1 if failed else 0


def measure_part(part: str, given: argparse.Namespace, tools: Path) -> tuple[Summary, dict[str, Any]]:
    """Rounds over the rows of a part, and what else is known of it."""
    rows = rows_of(part, given.engine)
    wanted = {row.capture for row in rows}
    files = {
        name: ensure_capture(traffic)
        for name, traffic in captures(given.quick).items()
        if name in wanted | {"tiny"} | ({"applications"} if part == "memory" else set())
    }
    trace = OUT / f"{files['applications'].path.stem}.trace" if "applications" in files else OUT / "none"
    programs = Programs(
        {
            "spanflow-core-bench": [given.core_bench],
            "core-before": [given.before or ""],
            "spanflow": shlex.split(given.spanflow),
            "replay": [str(tools / "replay"), given.engine, str(trace)],
        },
        {},
        {},
        tools,
    )
    more: dict[str, Any] = {"load": load_average()}
    if part != "off":
        more["recorded"] = record(given, tools, files["applications"], trace)
        command = [str(tools / "replay"), given.engine, str(trace)]
        more["calls"] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    summary = Summary(
        {row.name: row for row in rows}, {name: capture.truth for name, capture in files.items()}
    )
    rounds = given.rounds if part != "memory" else min(given.rounds, MEMORY_ROUNDS)
    warm = [files[name].path for name in wanted] + ([trace] if part == "cost" else [])
    run_rounds(rows, rounds, programs, files, warm, summary)
    trace.unlink(missing_ok=True)
    return summary, more


def record(given: argparse.Namespace, tools: Path, capture: Capture, trace: Path) -> dict[str, Any]:
    """Has the core call an engine that writes everything down. Returns what the core says of that run."""
    command = [given.core_bench, str(capture.path), "--active", "120", "--inactive", "60"]
    command += ["--max-flows", "1000000", "--engine", str(tools / "recorder.so"), "--applications"]
    names = {"RECORDER_ENGINE": given.engine, "RECORDER_TRACE": str(trace)}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | names, check=False)
    if done.returncode:
        raise RuntimeError(f"recording failed: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def run_rounds(
    rows: list[Row],
    rounds: int,
    programs: Programs,
    files: dict[str, Capture],
    warm: list[Path],
    summary: Summary,
) -> None:
    """In turn, so that a disturbance hits every row alike; round 0 only warms up."""
    for number in range(rounds + 1):
        for path in warm:
            warm_page_cache(path)
        for row in rows if number % 2 else reversed(rows):  # who comes after whom should not matter
            take_turn(row, number, rounds, programs, files[row.capture], summary)


if __name__ == "__main__":
    sys.exit(main())
