# SPDX-License-Identifier: Apache-2.0
"""A collector that starts after the export began decodes everything from the next template refresh on."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

from end_to_end.command import DEMO, SPANFLOW, json_collector
from exporting.running_collector import free_port


def test_a_collector_that_starts_late(tmp_path: Path) -> None:
    """The capture comes through a pipe: half of it before the collector is there, half of it after."""
    port = free_port()
    octets = DEMO.read_bytes()
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [
            *SPANFLOW,
            "meter",
            "-",
            "--collector",
            f"ipfix+udp://127.0.0.1:{port}?template_refresh=200ms",
            # Each packet is a record at once, so that records flow while the pipe does.
            "--set",
            "cache.inactive_timeout=1ms",
            "--set",
            "capture.reorder_window=0s",
        ],
        stdin=reading,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(reading)
    half = len(octets) // 2
    os.write(writing, octets[:half])
    with json_collector(f"127.0.0.1:{port}") as collector:
        rest = threading.Thread(target=lambda: (os.write(writing, octets[half:]), os.close(writing)))
        rest.start()
        output, _ = child.communicate(timeout=60)
        rest.join()
        records = collector.records()
    assert child.returncode in (0, 69), output
    assert records
    assert "errors" in collector.summary
