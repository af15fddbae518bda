# SPDX-License-Identifier: Apache-2.0
"""An engine that crashes: the probe dies of it, loudly; the unit starts it again (tests/packaging)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from craft.capture import SECOND, Capture
from craft.network import ipv4
from craft.transport import udp
from end_to_end.command import spanflow

ROOT = Path(__file__).parents[2]
FAKE_ENGINE = ROOT / "build" / "tools" / "tests" / "spanflow-fake-engine.so"
RAW_IP = 101


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_in_the_engine_says_so_and_ends_the_process(tmp_path: Path, workers: int) -> None:
    assert FAKE_ENGINE.exists(), "it is not built; run ./dev test"
    capture = Capture()
    capture.add(SECOND, ipv4("192.0.2.1", "192.0.2.2", udp(1000, 2000, b"X")))
    path = tmp_path / "crash.pcap"
    path.write_bytes(capture.pcap(link_type=RAW_IP))
    done = spanflow(
        "meter", path, "--set", f"dpi.engine={FAKE_ENGINE}", "--set", f"capture.workers={workers}"
    )
    assert done.returncode == -signal.SIGSEGV
    thread = "spanflow-meter" if workers == 1 else "spanflow-w"
    (line,) = [line for line in done.stderr.splitlines() if "crashed" in line]
    assert line.startswith(f"spanflow: crashed: SIGSEGV in thread '{thread}")
    assert "in the classification engine; dpi.enabled: false runs without it" in line
