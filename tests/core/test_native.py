# SPDX-License-Identifier: Apache-2.0
"""The native tests, plain and under sanitizers; goldens and real captures replayed under sanitizers.

`./dev test` builds the programs. Of classification, the core and the engine's shim are instrumented. The
library nDPI is not: of its faults, reads beyond a packet are seen, and what it does to memory through
functions that a sanitizer replaces (allocation, copying).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from classify.crafted import application_traffic

ROOT = Path(__file__).parents[2]
GOLDEN = sorted(path for path in (ROOT / "tests" / "golden").iterdir() if path.suffix in (".pcap", ".pcapng"))
DEMO = ROOT / "config" / "demo.pcap"


def run(build: str, program: str, *arguments: str | Path) -> str:
    """Run a program of a build; a finding of a sanitizer is an exit code that is not 0."""
    path = ROOT / "build" / build / "tests" / program
    assert path.exists(), f"{path.relative_to(ROOT)} is not built; run ./dev test"
    done = subprocess.run(
        [path, *arguments], capture_output=True, text=True, timeout=900, check=False, errors="replace"
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def engines(build: str) -> list[Path]:
    """The shims of a build, one for each nDPI that was found."""
    found = sorted((ROOT / "build" / build).glob("spanflow-ndpi-*.so"))
    assert found, f"build/{build} has no engine; run ./dev test where libndpi-dev is installed"
    return found


def real_captures() -> list[Path]:
    folder = Path(os.environ["SPANFLOW_CAPTURES"])
    return sorted(path for path in folder.rglob("*.*cap*") if path.is_file())


with_captures = pytest.mark.skipif(
    "SPANFLOW_CAPTURES" not in os.environ, reason="SPANFLOW_CAPTURES names no folder of captures"
)


@pytest.mark.parametrize("build", ["tools", "asan", "tsan"])
def test_units(build: str) -> None:
    assert "Status: SUCCESS" in run(build, "spanflow-core-test")


def test_goldens_under_sanitizers() -> None:
    """Every prefix of every frame, and 20 seeded mutations of each file."""
    assert f"{len(GOLDEN) + 1} files" in run("asan", "spanflow-replay", "--mutate", "20", *GOLDEN, DEMO)


def test_every_truncation_of_every_golden_under_sanitizers() -> None:
    assert f"{len(GOLDEN)} files" in run("asan", "spanflow-replay", "--truncate", *GOLDEN)


def test_threads_under_sanitizers() -> None:
    assert "files replayed" in run("tsan", "spanflow-replay", *GOLDEN[::8], DEMO)


@with_captures
def test_real_captures_under_sanitizers() -> None:
    files = real_captures()
    assert f"{len(files)} files" in run("asan", "spanflow-replay", "--mutate", "10", *files)


# Decode and classify.


def traffic(folder: Path) -> Path:
    """Flows of many applications, so that nDPI's dissectors run."""
    path = folder / "traffic.pcap"
    path.write_bytes(application_traffic().pcap())
    return path


def classify_pieces(files: list[Path], mutations: int) -> None:
    """Frames whole, cut and mutated, each at the end of readable memory."""
    for engine in engines("asan"):
        options = ("--engine", engine, "--pieces", "--mutate", str(mutations))
        assert f"{len(files)} files" in run("asan", "spanflow-replay", *options, *files)


def test_goldens_are_classified_in_pieces_under_sanitizers(tmp_path: Path) -> None:
    classify_pieces([*GOLDEN, DEMO, traffic(tmp_path)], 10)


@with_captures
def test_real_captures_are_classified_in_pieces_under_sanitizers() -> None:
    classify_pieces(real_captures(), 5)


@pytest.mark.parametrize("build", ["asan", "tsan"])
def test_workers_classify_under_sanitizers(build: str, tmp_path: Path) -> None:
    files = [*GOLDEN[::10], DEMO, traffic(tmp_path)]
    for engine in engines(build):
        assert f"{len(files)} files" in run(build, "spanflow-replay", "--engine", engine, *files)
