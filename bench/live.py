# SPDX-License-Identifier: Apache-2.0
"""Measure live capture: the bare ring, spanflow and softflowd in one run. Needs root.

    python bench/live.py                   3 trials each, idle cost, start-up
    python bench/live.py --soak 600        the same, then a soak of 10 minutes at half the highest rate
    python bench/live.py --quick           short trials: a smoke test of the bench itself

Writes the section "Live" of bench/RESULTS.md and bench/out/live.json (--quick: bench/out/live.md).
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from execute import find_tool
from live_report import write_section
from live_trials import LOADS, idle, receivers, soak, start, trial
from machine import describe_machine, load_average, package_version
from native_tools import BENCH, build_tools
from sections import with_section
from traffic import OUT, Traffic, ensure_capture

STARTS = 5
CAPTURE = Traffic(scenario="mix", packets=2_000_000, flows=100_000, seed=3, snap=65_535)
QUICK_CAPTURE = Traffic(scenario="mix", packets=200_000, flows=10_000, seed=3, snap=65_535)


def main() -> int:
    given = parse_arguments()
    if os.geteuid() != 0:
        print("live: network namespaces need root", file=sys.stderr)
        return 77
    OUT.mkdir(exist_ok=True)
    with (OUT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two measurements at once would measure each other
        return measure(given)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one trial of 1 s each")
    parser.add_argument("--trials", type=int, default=3, help="per receiver and rate (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="of a trial (default %(default)s)")
    parser.add_argument(
        "--idle", type=float, default=30, help="seconds without traffic (default %(default)s)"
    )
    parser.add_argument(
        "--soak", type=float, default=0, help="seconds at half the highest rate (default: none)"
    )
    parser.add_argument(
        "--spanflow",
        default=str(Path(sys.executable).with_name("spanflow")),
        help="the command to measure (default: of this Python's environment)",
    )
    given = parser.parse_args()
    if given.quick:
        given.trials, given.seconds, given.idle = 1, 1.0, 2.0
    return given


def measure(given: argparse.Namespace) -> int:
    tools, capture = build_tools(), ensure_capture(QUICK_CAPTURE if given.quick else CAPTURE)
    spanflow, load_before = shlex.split(given.spanflow), load_average()
    programs = receivers(spanflow)
    skipped = []
    if not find_tool("softflowd"):
        del programs["softflowd"]
        skipped.append("softflowd: not installed")
    trials: dict[str, dict[str, list[dict[str, Any]]]] = {
        name: {kind: [] for kind in LOADS} for name in programs
    }
    for number in range(given.trials):
        for name, make in programs.items():  # in turn, so that a disturbance hits all alike
            for kind, load in LOADS.items():
                found = trial(make, capture.path, load, given.seconds, tools)
                trials[name][kind].append(found)
                print(f"{number + 1}/{given.trials} {name:10} {kind:11} {_brief(found)}", flush=True)
    measured: dict[str, Any] = {
        "head": _head(given, capture.truth, load_before),
        "trials": trials,
        "idle": idle(spanflow, given.idle, tools),
        "start": start(spanflow, STARTS, tools),
        "skipped": skipped,
    }
    print(f"idle {measured['idle']}\nstart {measured['start']}", flush=True)
    if given.soak:
        half = int(max(each["rate"] for each in trials["spanflow"]["unpaced"]) / 2)
        measured["soak"] = soak(spanflow, capture.path, half, given.soak, tools, print)
    _store(measured, given.quick)
    return 0 if all(each["lost"] == 0 for kind in trials["spanflow"].values() for each in kind) else 1


def _head(given: argparse.Namespace, truth: dict[str, Any], load: float) -> dict[str, str]:
    return describe_machine() | {
        "peer": f"softflowd {package_version('softflowd')}",
        "date": datetime.date.today().isoformat(),
        "trials": f"{given.trials} of {given.seconds:g} s for each receiver and rate, in turn",
        "frames": f"{truth['packets']:,} in {truth['biflows']:,} Biflows, "
        f"{truth['wire_octets'] / truth['packets']:.0f} octets on average",
        "load before": f"{load:.2f} (others' work shows here, and in the bare ring's rates)",
    }


def _brief(found: dict[str, Any]) -> str:
    return (
        f"{found['rate']:9,.0f}/s  lost {found['lost']:,} of {found['delivered']:,}  "
        f"core {found['share'] * 100:.2f} %  {found['ns_per_packet']:.0f} ns/packet"
    )


def _store(measured: dict[str, Any], quick: bool) -> None:
    section = write_section(measured)
    if quick:
        (OUT / "live.md").write_text(section)
        print("wrote bench/out/live.md")
        return
    (OUT / "live.json").write_text(json.dumps(measured, indent=1) + "\n")
    report = BENCH / "RESULTS.md"
    report.write_text(
        with_section(report.read_text() if report.exists() else "# Benchmark results\n", section)
    )
    print("wrote bench/RESULTS.md (Live) and bench/out/live.json")


if __name__ == "__main__":
    sys.exit(main())
