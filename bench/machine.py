# SPDX-License-Identifier: Apache-2.0
"""The machine in general words, for the head of the results."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import numpy as np


def describe_machine() -> dict[str, str]:
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    release = re.match(r"\d+\.\d+", platform.release())
    return {
        "cores": str(os.cpu_count()),
        "processor": cpu.group(1).strip() if cpu else platform.machine(),
        "memory": f"{int(memory.group(1)) / 1048576:.0f} GiB" if memory else "unknown",
        "system": f"{_distribution()}, Linux {release.group() if release else 'unknown'}",
        "compiler": _first_line("c++", "--version"),
        "Python": f"{platform.python_version()}, numpy {np.__version__}",
    }


def load_average() -> float:
    return os.getloadavg()[0]


def package_version(package: str) -> str:
    """Of a Debian package, or "unknown"."""
    return _first_line("dpkg-query", "-W", "-f", "${Version}", package)


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown distribution"


def _first_line(*command: str) -> str:
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    except OSError:
        return "unknown"
    return lines[0] if lines else "unknown"
