# SPDX-License-Identifier: Apache-2.0
"""The command `spanflow` as a child process, and collectors around it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from exporting.running_collector import TIMEOUT_S, collector_running, free_port

SPANFLOW = [sys.executable, "-m", "spanflow"]
GOLDEN = Path(__file__).parents[1] / "golden"
DEMO = Path(__file__).parents[2] / "config" / "demo.pcap"


def spanflow(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end."""
    return subprocess.run(
        [*SPANFLOW, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        **options,
    )


def shown(summary: str) -> dict[str, str]:
    """The lines of a summary by their labels: `packets received` → `70`."""
    lines = (line.strip() for line in summary.splitlines()[1:])
    parts = ([part.strip() for part in line.split("  ") if part.strip()] for line in lines)
    return {label: value for label, value, *_ in parts}


class JsonCollector:
    """A running `spanflow collect --json`. output: a file that it writes to; a full pipe would hold it up."""

    def __init__(self, child: subprocess.Popen[str], output: IO[str], url: str) -> None:
        self._child = child
        self._output = output
        self.url = url
        self.summary = ""

    def records(self) -> list[dict[str, Any]]:
        """Ends it; all Data Records that it got, those of options left out."""
        self._child.send_signal(signal.SIGINT)
        _, self.summary = self._child.communicate(timeout=TIMEOUT_S)
        self._output.seek(0)
        records = [json.loads(line) for line in self._output]
        return [record for record in records if "_scope" not in record]


@contextmanager
def json_collector(listen: str = "127.0.0.1:0") -> Iterator[JsonCollector]:
    """Listens when it is entered."""
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(
            [*SPANFLOW, "collect", "--json", "--listen", listen],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            assert child.stderr is not None
            address = child.stderr.readline().split()[2]
            yield JsonCollector(child, output, f"ipfix+udp://{address}")
        finally:
            child.kill()
            child.communicate()


def through_nfdump(folder: Path, *arguments: str | Path, options: str = "") -> list[dict[str, str]]:
    """Meters to nfcapd; the records that nfdump shows, by its own labels."""
    port = free_port()
    command = ["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", str(folder), "-t", "3600"]
    with collector_running(command, port):
        done = spanflow("meter", *arguments, "--collector", f"ipfix+udp://127.0.0.1:{port}{options}")
        assert done.returncode == 0, done.stderr
    (file,) = folder.glob("nfcapd.2*")
    text = subprocess.run(
        ["nfdump", "-q", "-r", str(file), "-o", "raw"], capture_output=True, text=True, check=True
    ).stdout
    return [
        {
            key.strip(): value.strip()
            for key, _, value in (line.partition("=") for line in record.splitlines())
        }
        for record in text.split("Flow Record:")[1:]
    ]
