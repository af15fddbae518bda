# SPDX-License-Identifier: Apache-2.0
"""Measure the Exporting Process alone: Data Records per second that one exporting thread encodes and sends.

    python bench/export.py                        all rows, some 10 minutes
    python bench/export.py --only 'udp/*'         rows by pattern (--list shows them)
    python bench/export.py --quick                fewer records, one round: a smoke test of the bench

Writes the section "Export" of bench/RESULTS.md and bench/out/export.json (--quick: bench/out/export-quick.md
and export-quick.json).
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import os
import secrets
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export_peers import Peer, free_port, make_certificate
from export_report import write_section
from export_rows import Row, choose
from machine import describe_machine, load_average
from native_tools import BENCH, build_tools
from sections import with_section
from traffic import OUT

TRIAL_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Place:
    """Where trials run. passes: over the batches. folder: what rows need as files; spool: of one round."""

    tools: Path
    folder: Path
    batches: int
    passes: int
    cores: tuple[int, int]


def main() -> int:
    given = parse_arguments()
    rows = choose(given.only)
    if given.list:
        print("\n".join(f"{row.name:24} {row.label}" for row in rows))
        return 0
    OUT.mkdir(exist_ok=True)
    with (OUT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two measurements at once would measure each other
        return measure(given, rows)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer records, one counted round")
    parser.add_argument("--rounds", type=int, help="counted rounds (default 9)")
    parser.add_argument("--only", default="*", help="comma-separated patterns of row names")
    parser.add_argument("--list", action="store_true", help="show the rows, run nothing")
    given = parser.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 9)
    return given


def measure(given: argparse.Namespace, rows: list[Row]) -> int:
    tools = build_tools()
    load = load_average()
    allowed = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir=OUT, prefix="export-") as folder:
        place = Place(
            tools,
            Path(folder),
            batches=32 if given.quick else 64,
            passes=8 if given.quick else 32,
            cores=(allowed[0], allowed[-1]),
        )
        make_certificate(place.folder / "certificate.pem")
        key = place.folder / "key"
        key.touch(0o600)
        key.write_text(secrets.token_hex(32))
        runs, failures = run_rounds(rows, given.rounds, place)
    head = describe_machine() | {
        "date": datetime.date.today().isoformat(),
        "counted rounds": str(given.rounds),
        "Flow Records": f"{place.batches} batches of 2,048, {place.passes} times",
        "load before": f"{load:.2f} (others' work shows here)",
    }
    name = "export-quick" if given.quick else "export"
    stored = {"head": head, "runs": runs, "failures": failures}
    (OUT / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n")
    write(write_section(rows, runs, failures, head), given.quick)
    wrong = {name for name, own in runs.items() if any(run["wrong"] for run in own)}
    return 1 if wrong or failures else 0


def run_rounds(
    rows: list[Row], rounds: int, place: Place
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """In turn, so that a disturbance hits every row alike; round 0 only warms up. One that fails is not run
    again."""
    runs: dict[str, list[dict[str, Any]]] = {}
    failures: dict[str, str] = {}
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory(dir=place.folder, prefix="spool-") as spool:
            for row in rows:
                if row.name in failures:
                    continue
                try:
                    run = run_trial(row, place, spool)
                except (RuntimeError, subprocess.SubprocessError, ValueError) as error:
                    failures[row.name] = str(error).strip().splitlines()[-1][:300]
                    print(f"{number}/{rounds} {row.name:24} FAILED: {failures[row.name]}", flush=True)
                    continue
                print(f"{number}/{rounds} {row.name:24} {brief(run)}", flush=True)
                if number:
                    runs.setdefault(row.name, []).append(run)
    return runs, failures


def run_trial(row: Row, place: Place, spool: str) -> dict[str, Any]:
    """Peers, the trial, and what arrived held against what must have. Raises RuntimeError if it fails."""
    names = {"key": str(place.folder / "key"), "certificate": str(place.folder / "certificate.crt")}
    with ExitStack() as stack:
        peers = [
            stack.enter_context(
                Peer(row.peer, place.tools, place.cores[1], str(place.folder / "certificate.pem"))
            )
            for _ in range(row.collectors)
            if row.peer
        ]
        ports = [peer.port for peer in peers] or [free_port()]
        task = {
            "core": place.cores[0],
            "urls": [f"{row.scheme}://127.0.0.1:{port}" for port in ports],
            "options": {
                name: value.format(**names) if isinstance(value, str) else value
                for name, value in row.options.items()
            },
            "detailed": row.detailed,
            "version": row.version,
            "counts": row.counts,
            "batches": place.batches,
            "passes": max(1, place.passes // row.part) if row.part else 1,
            "spool": spool if row.spool else None,
            "peer": row.peer,
        }
        command = [sys.executable, str(BENCH / "export_trial.py"), json.dumps(task)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_TIMEOUT_S, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"exit code {done.returncode}")
        outcome: dict[str, Any] = json.loads(done.stdout)
        if outcome["error"]:
            raise RuntimeError(outcome["error"])
        outcome["peers"] = [peer.totals() for peer in peers]
    outcome["wrong"] = differences(outcome)
    return outcome


def differences(outcome: dict[str, Any]) -> list[str]:
    """Where what arrived, or the books, are not what they must be."""
    wrong: list[str] = []

    def check(what: str, seen: int, wanted: int) -> None:
        if seen != wanted:
            wrong.append(f"{what} {seen:,} for {wanted:,}")

    for totals in outcome["peers"]:
        for what, wanted in outcome["expected"].items():
            if what in totals:
                check(what, totals[what] + totals.get(f"reverse_{what}", 0), wanted)
        for fault in ("kernel_drops", "unknown_sets", "malformed", "sequence_gaps"):
            check(fault.replace("_", " "), totals.get(fault, 0), 0)
    for books in outcome["books"]:
        accounted = books["sent"] + books["filtered"] + books["spooled"]
        check("Flow Records in the books", accounted, outcome["flow_records"])
        for fault in ("dropped", "resent"):
            check(fault, books[fault], 0)
    return wrong


def brief(run: dict[str, Any]) -> str:
    rate = run["expected"]["records"] / run["wall"] / 1e6
    cpu = run["exporting"] * 1e9 / run["flow_records"]
    wrong = f"  WRONG: {'; '.join(run['wrong'])}" if run["wrong"] else ""
    return f"{run['wall']:7.3f} s {rate:7.2f} M Data Records/s {cpu:7.0f} ns CPU per Flow Record{wrong}"


def write(section: str, quick: bool) -> None:
    if quick:
        (OUT / "export-quick.md").write_text(section)
        print("wrote bench/out/export-quick.md")
        return
    report = BENCH / "RESULTS.md"
    before = report.read_text() if report.exists() else "# Benchmark results\n"
    report.write_text(with_section(before, section))
    print("wrote bench/RESULTS.md (Export) and bench/out/export.json")


if __name__ == "__main__":
    sys.exit(main())
