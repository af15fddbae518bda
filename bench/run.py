# SPDX-License-Identifier: Apache-2.0
"""Measure offline metering: floor, core, end to end, and the peers that are installed, in one run.

    python bench/run.py                    all rows, 3 counted runs each
    python bench/run.py --quick            small captures, 1 counted run: a smoke test of the bench itself
    python bench/run.py --only 'mix/*'     rows by pattern (--list shows them)

Writes bench/RESULTS.md, where the sections of live.py, classify.py and library.py stay, and
bench/out/results.json (--quick: bench/out/quick.md and quick.json).
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

from execute import Programs, find_tool, newest_core_bench, warm_page_cache
from machine import describe_machine, load_average, package_version
from native_tools import BENCH, build_tools
from report import write_report
from rows import Row, all_rows, captures, choose
from sections import KEPT, section_of, with_section
from summary import Summary
from traffic import OUT, Capture, ensure_capture
from turns import take_turn

ROOT = BENCH.parent
START_REPEATS = 3  # per round: start-up is subtracted, so it must be known better, and it is cheap
PEERS = {"softflowd": "softflowd", "nfpcapd": "nfdump"}  # program, Debian package


def main() -> int:
    given = parse_arguments()
    rows = choose(all_rows(), given.only)
    if given.list:
        print("\n".join(f"{row.name:28} {row.command}" for row in rows))
        return 0
    runs = given.runs or (1 if given.quick else 3)
    OUT.mkdir(exist_ok=True)
    with (OUT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two measurements at once would measure each other
        return measure(given, rows, runs)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="captures of 200,000 packets, one counted run")
    parser.add_argument("--runs", type=int, help="counted runs per row (default 3)")
    parser.add_argument("--only", default="*", help="comma-separated patterns of row names")
    parser.add_argument("--list", action="store_true", help="show the rows and their commands, run nothing")
    parser.add_argument("--spanflow", help="the command to measure (default: of this Python's environment)")
    parser.add_argument(
        "--core-bench",
        default=os.environ.get("SPANFLOW_CORE_BENCH"),
        help="the native core bench (default: $SPANFLOW_CORE_BENCH, else the newest below build/)",
    )
    return parser.parse_args()


def measure(given: argparse.Namespace, rows: list[Row], runs: int) -> int:
    programs = find_programs(given)
    files = {name: ensure_capture(traffic) for name, traffic in captures(given.quick).items()}
    summary = Summary(
        {row.name: row for row in rows}, {name: capture.truth for name, capture in files.items()}
    )
    skipped = {row.name: programs.missing[row.program] for row in rows if row.program in programs.missing}
    for program in sorted({row.program for row in rows if row.name in skipped}):
        print(f"skipped: {program}: {programs.missing[program]}")
    load = load_average()
    run_rounds([row for row in rows if row.name not in skipped], runs, programs, files, summary)

    head = describe_machine() | {
        "peers": ", ".join(
            f"{tool} {package_version(package)}" for tool, package in PEERS.items() if find_tool(tool)
        ),
        "date": datetime.date.today().isoformat(),
        "counted runs": str(runs),
        "sink": _sink_buffer(summary),
        "core bench": programs.commands.get("spanflow-core-bench", ["none"])[0],
        "load before": f"{load:.2f} (others' work shows here)",
    }
    name = "quick" if given.quick else "results"
    title = (
        "Smoke test of the bench (small captures: not figures to quote)"
        if given.quick
        else "Benchmark results"
    )
    text = write_report(title, summary, head, skipped).replace(f"{ROOT}/", "")
    report = OUT / "quick.md" if given.quick else BENCH / "RESULTS.md"
    before = report.read_text() if report.exists() else ""
    for heading in KEPT:
        if section := section_of(before, heading):
            text = with_section(text, section)
    report.write_text(text)
    stored = {
        "head": head,
        "truths": summary.truths,
        "runs": summary.runs,
        "failures": summary.failures,
        "skipped": skipped,
    }
    (OUT / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n")
    print(f"wrote {report.relative_to(ROOT)} and bench/out/{name}.json")
    wrong = [
        name for name in summary.runs if summary.rows[name].program == "spanflow" and summary.wrong(name)
    ]
    for name in wrong:
        print(f"WRONG: {name}: {'; '.join(summary.wrong(name))}")
    return 1 if wrong or summary.failures else 0


def run_rounds(
    rows: list[Row], runs: int, programs: Programs, files: dict[str, Capture], summary: Summary
) -> None:
    """Round after round over all rows, so that a disturbance hits every row alike; round 0 only warms up."""
    for number in range(runs + 1):
        for capture in {row.capture for row in rows}:
            warm_page_cache(files[capture].path)
        turns = [row for row in rows for _ in range(START_REPEATS if row.capture == "tiny" else 1)]
        for row in turns:
            take_turn(row, number, runs, programs, files[row.capture], summary)


def _sink_buffer(summary: Summary) -> str:
    runs = (run for runs in summary.runs.values() for run in runs)
    totals = (each for run in runs for each in run.get("collectors", ()))
    octets = next((each["receive_buffer_octets"] for each in totals if "receive_buffer_octets" in each), None)
    return (
        "not used" if octets is None else f"receive buffer {octets / 1048576:.0f} MiB as the kernel counts it"
    )


def find_programs(given: argparse.Namespace) -> Programs:
    tools = build_tools()
    commands = {"floor": [str(tools / "floor")]}
    missing: dict[str, str] = {}
    for tool in PEERS:
        if path := find_tool(tool):
            commands[tool] = [path]
        else:
            missing[tool] = "not installed"
    if core := given.core_bench or newest_core_bench():
        commands["spanflow-core-bench"] = [core]
    else:
        missing["spanflow-core-bench"] = "not built (name it with --core-bench or SPANFLOW_CORE_BENCH)"

    script = Path(sys.executable).parent / "spanflow"
    default = [str(script)] if script.exists() else [sys.executable, "-m", "spanflow"]
    command = shlex.split(given.spanflow) if given.spanflow else default
    # Where the package is not installed, its source tree is used.
    environment = {} if script.exists() else {"PYTHONPATH": str(ROOT / "daemon")}
    if reason := _cannot_meter(command, environment):
        missing["spanflow"] = reason
    else:
        commands["spanflow"] = command
    return Programs(commands, missing, environment, tools)


def _cannot_meter(command: list[str], environment: dict[str, str]) -> str | None:
    try:
        done = subprocess.run(
            [*command, "meter", "--help"],
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
            check=False,
        )
    except OSError as error:
        return f"cannot be started: {error.strerror}"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    reason = lines[-1].removeprefix(f"{sys.executable}: ") if lines else f"exit code {done.returncode}"
    return f"`spanflow meter --help` fails ({reason})"


if __name__ == "__main__":
    sys.exit(main())
