# SPDX-License-Identifier: Apache-2.0
"""NFStream in a virtual environment of its own, below bench/out."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from library_rows import NFSTREAM
from traffic import OUT

HOME = OUT / "nfstream"


def nfstream_python() -> tuple[Path | None, str]:
    """The Python that has it, made if it is not there yet; else None, and why it cannot be had."""
    python = HOME / "bin/python"
    if _version(python) == NFSTREAM:
        return python, ""
    try:
        venv.create(HOME, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", f"nfstream=={NFSTREAM}"]
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(getattr(error, "stderr", None) or error, file=sys.stderr)
        return None, f"nfstream {NFSTREAM} cannot be installed here"
    if _version(python) != NFSTREAM:
        return None, f"nfstream {NFSTREAM} cannot be imported here"
    return python, ""


def _version(python: Path) -> str | None:
    command = [str(python), "-c", "import nfstream; print(nfstream.__version__)"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
