# SPDX-License-Identifier: Apache-2.0
"""Runs one Row: sinks, the command under `measure`, and the comparison with the truth."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from native_tools import BENCH
from rows import OWN_REPORT, Row
from traffic import OUT, Capture

TIMEOUT_SECONDS = 400


@dataclass(frozen=True, slots=True)
class Programs:
    """How each program of the rows is started, and why the others cannot be."""

    commands: Mapping[str, list[str]]
    missing: Mapping[str, str]
    environment: Mapping[str, str]
    tools: Path


def execute(row: Row, programs: Programs, capture: Capture) -> dict[str, Any]:
    """One run. Returns what `measure` and the counting side said, `wrong` (a list of differences from the
    truth) and, when the command failed, `error`."""
    with tempfile.TemporaryDirectory(dir=OUT, prefix="scratch-") as folder:
        scratch = Path(folder)
        sinks = [_Sink(programs.tools / "sink") for _ in range(row.collectors)]
        try:
            outcome = _run_command(row, programs, capture, scratch, [sink.port for sink in sinks])
            totals = [sink.stop() for sink in sinks]
        finally:
            for sink in sinks:
                sink.kill()
        if "error" in outcome:
            return outcome
        if row.collectors:
            outcome["collectors"] = totals
        elif row.program == "nfpcapd":
            outcome["collectors"] = [_read_nfcapd(scratch)]
        elif row.program in OWN_REPORT:
            outcome["report"] = json.loads(outcome["stdout"].splitlines()[-1])
        outcome["wrong"] = _compare(row, outcome, capture.truth)
        del outcome["stdout"]
        return outcome


class _Sink:
    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([str(program), "0", "60"], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the sink did not start")
        greeting = json.loads(line)
        self.port: int = greeting["port"]
        self._buffer = {"receive_buffer_octets": greeting["receive_buffer_octets"]}

    def stop(self) -> dict[str, Any]:
        """It empties its socket, then reports."""
        self._process.send_signal(signal.SIGTERM)
        totals: dict[str, Any] = json.loads(self._process.communicate(timeout=30)[0])
        return totals | self._buffer

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def _run_command(
    row: Row, programs: Programs, capture: Capture, scratch: Path, ports: list[int]
) -> dict[str, Any]:
    names = {"capture": str(capture.path), "scratch": str(scratch / "files")}
    names |= {"port" if index == 0 else f"port{index + 1}": str(port) for index, port in enumerate(ports)}
    (scratch / "files").mkdir()
    cost_file = scratch / "cost.json"
    command = [
        str(programs.tools / "measure"),
        "--output",
        str(cost_file),
        "--timeout",
        str(TIMEOUT_SECONDS),
        "--",
    ]
    command += programs.commands[row.program] + [argument.format(**names) for argument in row.arguments]
    environment = {**os.environ, **programs.environment}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode or not cost_file.exists():
        return {"error": _last_line(done.stderr) or f"measure: exit code {done.returncode}"}
    outcome: dict[str, Any] = json.loads(cost_file.read_text())
    outcome["stdout"] = done.stdout
    if outcome["timed_out"]:
        outcome["error"] = f"killed after {TIMEOUT_SECONDS} s"
    elif outcome["exit_code"]:
        outcome["error"] = f"exit code {outcome['exit_code']}: {_last_line(done.stderr)}"
    return outcome


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else ""


def _read_nfcapd(folder: Path) -> dict[str, Any]:
    """Counts of the files that nfpcapd wrote, as nfdump adds them up."""
    text = subprocess.run(
        ["nfdump", "-R", str(folder / "files"), "-I"], capture_output=True, text=True, check=False
    ).stdout
    value = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return {
        "records": int(value.get("Flows", 0)),
        "packets": int(value.get("Packets", 0)),
        "octets": int(value.get("Bytes", 0)),
    }


def _compare(row: Row, outcome: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    wrong: list[str] = []

    def check(what: str, seen: int, wanted: int) -> None:
        if seen != wanted:
            wrong.append(f"{what} {seen:,} for {wanted:,}")

    if report := outcome.get("report"):
        if "packets" in report:
            check("packets", report["packets"], truth["packets"])
        if not report.get("same_answers", True):
            wrong.append("the engine answers otherwise than when it was recorded")
        if "flows" in report:
            check("flows", report["flows"], truth["biflows"])
    for totals in outcome.get("collectors", ()):
        check("packets", totals["packets"] + totals.get("reverse_packets", 0), truth["packets"])
        octets = totals["octets"] + totals.get("reverse_octets", 0)
        if octets == truth["wire_octets"] - 14 * truth["packets"] != truth["ip_octets"]:
            wrong.append("octets include Ethernet padding")
        else:
            check("octets", octets, truth["ip_octets"])
        if row.records:
            check("records", totals["records"], truth[row.records])
        for fault in ("kernel_drops", "unknown_sets", "malformed"):
            check(fault.replace("_", " "), totals.get(fault, 0), 0)
        if row.program == "spanflow":  # what a peer numbers is its own affair
            check("records missing by sequence number", totals["sequence_gaps"], 0)
    return wrong


def find_tool(name: str) -> str | None:
    """Like `which`, also where Debian keeps daemons for root only."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def warm_page_cache(path: Path) -> None:
    """Read the file in afresh, in one go.

    How a file came into the page cache decides how it lies there: read in sequence it takes large pages, as
    it was written (or after the kernel reclaimed parts) small ones, and walking it costs two to three times
    as much. So every round begins with the same state.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())  # dirty pages would stay as they are
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while file.read(1 << 20):
            pass


def brief(outcome: dict[str, Any]) -> str:
    if "error" in outcome:
        return f"FAILED: {outcome['error']}"
    seconds = outcome.get("report", outcome).get("seconds", outcome["wall"])
    cpu = outcome["user"] + outcome["system"]
    wrong = f"  WRONG: {'; '.join(outcome['wrong'])}" if outcome["wrong"] else ""
    return f"{seconds:8.3f} s  {cpu:8.3f} s CPU  {outcome['peak_octets_sum'] / 1048576:7.0f} MiB{wrong}"


def newest_core_bench() -> str | None:
    found = sorted(
        (BENCH.parent / "build").glob("**/spanflow-core-bench"), key=lambda path: path.stat().st_mtime
    )
    return str(found[-1]) if found else None
