# SPDX-License-Identifier: Apache-2.0
"""SIGTERM and SIGINT: the first is a request, the second an end, also for the first process of all."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

TIMEOUT_S = 30

WAITING = """
import time
from spanflow.stop_signals import StopSignals
with StopSignals() as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
    print("requested", flush=True)
    time.sleep(60)
"""

FIRST_PROCESS = ("unshare", "--pid", "--fork", "--kill-child")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("before", [(), FIRST_PROCESS], ids=["a process", "the first of its namespace"])
def test_the_second_signal_ends_the_process(before: Sequence[str], number: signal.Signals) -> None:
    child = subprocess.Popen([*before, sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        target = _only_child(child.pid) if before else child.pid
        subprocess.run(["kill", f"-{number.value}", str(target)], check=True)
        assert child.stdout.readline() == "requested\n"
        subprocess.run(["kill", f"-{number.value}", str(target)], check=True)
        code = child.wait(TIMEOUT_S)
    finally:
        child.kill()
        child.wait()
    assert code == (128 + number if before else -number)


def _only_child(process: int) -> int:
    deadline = time.monotonic() + TIMEOUT_S
    while not (children := Path(f"/proc/{process}/task/{process}/children").read_text().split()):
        assert time.monotonic() < deadline
    return int(children[0])
