# SPDX-License-Identifier: Apache-2.0
"""Builds the native tools from bench/native into bench/out/bin."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

BENCH = Path(__file__).resolve().parent
BUILD = BENCH / "out" / "native"
BIN = BENCH / "out" / "bin"


def build_tools() -> Path:
    """The folder of the built programs. Raises RuntimeError with the compiler's words."""
    configure = ["cmake", "-S", str(BENCH / "native"), "-B", str(BUILD), "-DCMAKE_BUILD_TYPE=Release"]
    if shutil.which("ninja") and not (BUILD / "CMakeCache.txt").exists():
        configure += ["-G", "Ninja"]
    for command in (configure, ["cmake", "--build", str(BUILD)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"building bench/native failed:\n{done.stdout}{done.stderr}")
    return BIN
