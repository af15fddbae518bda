# SPDX-License-Identifier: Apache-2.0
"""A server in a process of its own, that another process can press hard, and what that costs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    pid: int
    port: int

    def memory_octets(self) -> int:
        return self._status("VmRSS") * 1024

    def threads(self) -> int:
        return self._status("Threads")

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith(f"{name}:")]
        return int(line.split()[1])


@contextmanager
def child(script: str, *arguments: str) -> Iterator[tuple[int, str]]:
    """A script of this folder until the end of the block: its process id, and the first line it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"metrics.{script}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=FOLDER.parent,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.pid, process.stdout.readline()
        process.stdin.close()
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()


@contextmanager
def running_server() -> Iterator[RunningServer]:
    with child("serving_child") as (pid, line):
        yield RunningServer(pid, int(line))


@contextmanager
def slow_clients(server: RunningServer, count: int, pause_s: float) -> Iterator[None]:
    """Many clients that never finish their request, from the moment that all of them have come."""
    with child("slow_clients_child", str(server.port), str(count), str(pause_s)) as (_, line):
        assert line == "all connected\n"
        yield
