# SPDX-License-Identifier: Apache-2.0
"""The native tests, plain and under sanitizers; goldens and real captures replayed under sanitizers.

`./dev test` builds the programs.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

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


@pytest.mark.skipif(
    "SPANFLOW_CAPTURES" not in os.environ, reason="SPANFLOW_CAPTURES names no folder of captures"
)
def test_real_captures_under_sanitizers() -> None:
    folder = Path(os.environ["SPANFLOW_CAPTURES"])
    files = sorted(path for path in folder.rglob("*.*cap*") if path.is_file())
    assert f"{len(files)} files" in run("asan", "spanflow-replay", "--mutate", "10", *files)
