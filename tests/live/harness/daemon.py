# SPDX-License-Identifier: Apache-2.0
"""`spanflow run` as a child inside a namespace."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from exporting.running_collector import TIMEOUT_S, wait_for
from live.harness.namespace import Namespace
from live.harness.notifications import NotificationSocket
from live.harness.samples import Samples

METRICS_PORT = 9730
UNPRIVILEGED = (
    *("setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups", "--no-new-privs"),
    *("--inh-caps", "+net_raw", "--ambient-caps", "+net_raw", "--bounding-set", "-all,+net_raw"),
    *("--pdeathsig", "KILL", "--"),
)
"""Before a command: a user that is nobody, with CAP_NET_RAW and nothing else, as the unit file has it."""


@dataclass(frozen=True, slots=True)
class End:
    """How a daemon ended. seconds: since it was asked to."""

    code: int
    seconds: float
    stderr: str


class Daemon:
    """A running `spanflow run`."""

    def __init__(self, namespace: Namespace, command: Sequence[str | Path], folder: Path) -> None:
        self._namespace = namespace
        self._stderr = folder / "stderr"
        self.configuration = folder / "spanflow.yaml"
        """Its file, if it was started with one; write it and `reload`."""
        self.notifications = NotificationSocket(folder / "notify")
        folder.chmod(0o755)
        self.notifications.path.chmod(0o777)
        with self._stderr.open("w") as stderr:
            self._child = namespace.start(
                command,
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, "NOTIFY_SOCKET": str(self.notifications.path)},
            )
        self.pid = self._child.pid
        self.started_s = time.monotonic()

    @property
    def log(self) -> str:
        """What it wrote to stderr so far."""
        return self._stderr.read_text()

    def wait_until_ready(self) -> float:
        """Seconds from the start to READY=1."""
        wait_for(lambda: self._ready_s is not None or not self.alive, "READY=1")
        assert self._ready_s is not None, self.log
        return self._ready_s - self.started_s

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def send_signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def reload(self) -> None:
        """SIGHUP; returns when the daemon says that it is ready again."""
        readies = self.notifications.count("READY", "1")
        self.send_signal(signal.SIGHUP)
        wait_for(lambda: self.notifications.count("READY", "1") > readies, "READY=1 after the reload")

    def wait_for_end(self, timeout_s: float = TIMEOUT_S) -> End:
        begin = time.monotonic()
        code = self._child.wait(timeout_s)
        return End(code, time.monotonic() - begin, self.log)

    def stop(self, timeout_s: float = TIMEOUT_S) -> End:
        """SIGTERM, and wait until it has drained."""
        self.send_signal(signal.SIGTERM)
        return self.wait_for_end(timeout_s)

    def stop_in_peace(self, timeout_s: float = TIMEOUT_S) -> End:
        """Stop it; it must succeed, and not have crashed."""
        end = self.stop(timeout_s)
        assert end.code == 0, end.stderr
        assert "Traceback" not in end.stderr, end.stderr
        return end

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of its HTTP server."""
        return http_get(self._namespace, METRICS_PORT, path)

    def metrics(self) -> Samples:
        status, page = self.get("/metrics")
        assert status == 200, page
        return Samples.of(page)

    def settle(self, frames: int) -> Samples:
        """The metrics as soon as it has taken in so many frames, with nothing lost and all sums exact."""
        wait_for(lambda: received(self.metrics()) >= frames, f"{frames} frames to be metered")
        samples = self.metrics()
        assert received(samples) == frames
        assert samples.total("spanflow_capture_drops_total", stage="kernel_ring") == 0
        check_sums(samples)
        return samples

    def kill(self) -> None:
        if self.alive:
            self._child.kill()
        self._child.wait()
        self.notifications.close()

    @property
    def _ready_s(self) -> float | None:
        return self.notifications.when("READY", "1")


def http_get(namespace: Namespace, port: int, path: str) -> tuple[int, str]:
    """Status and body of a page that a server on the namespace's `lo` has."""
    address = ("127.0.0.1", port)
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
    connection.sock = namespace.inside(lambda: socket.create_connection(address, TIMEOUT_S))
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def received(samples: Samples) -> int:
    """Frames that all workers have taken in."""
    return samples.total("spanflow_capture_packets_total")


def kernel_packets(samples: Samples) -> int:
    """Frames that the kernel had for all interfaces, as it said when it was last asked."""
    return samples.total("spanflow_capture_kernel_packets_total")


def check_sums(samples: Samples) -> None:
    """Conservation holds, in the Metering Process and for every collector (semantics §10)."""
    assert samples.by("law", "spanflow_conservation_imbalance") == {}
    assert samples.by("law", "spanflow_export_imbalance") == {}


@contextmanager
def spanflow_run(
    namespace: Namespace,
    *arguments: str | Path,
    settings: Mapping[str, str | int] | None = None,
    configuration: str | None = None,
    prefix: Sequence[str] = (),
    ready: bool = True,
) -> Iterator[Daemon]:
    """`spanflow run` with these arguments and `--set` for each of the settings; when it is ready.

    configuration: the text of its file. prefix: a command that starts it. ready: wait for READY=1.
    """
    options = [part for key, value in (settings or {}).items() for part in ("--set", f"{key}={value}")]
    with TemporaryDirectory(prefix="spanflow-live-") as folder:
        file = Path(folder) / "spanflow.yaml"
        if configuration is not None:
            file.write_text(configuration)
            options += ["-c", str(file)]
        command = [*prefix, sys.executable, "-m", "spanflow", "run", *arguments, *options]
        daemon = Daemon(namespace, command, Path(folder))
        try:
            if ready:
                daemon.wait_until_ready()
            yield daemon
        finally:
            daemon.kill()
