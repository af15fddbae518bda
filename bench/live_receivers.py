# SPDX-License-Identifier: Apache-2.0
"""What captures in a live measurement: the bare ring, spanflow, softflowd. All run on core 1.

What a process took of its core is what the scheduler says it ran, all threads together; the kernel's work on
arriving frames is done on the sender's core and is not in it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from execute import find_tool
from live_network import RECEIVER_END, Network
from rows import MAX_FLOWS, SOFTFLOWD_TIMEOUTS, TIMEOUTS, WITHOUT_DPI

RING_MIB = 64
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Place:
    """Where a receiver runs: its network, the tools of the bench, a folder of its own, the sink's port."""

    network: Network
    tools: Path
    folder: Path
    port: int


class Receiver(ABC):
    """A running receiver: ready once it is made."""

    def __init__(self, place: Place, command: Sequence[str], **environment: str) -> None:
        self._log = place.folder / "receiver.log"
        with self._log.open("w") as log:
            self.child = subprocess.Popen(
                place.network.in_receiver(*command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **environment},
            )

    @abstractmethod
    def stop(self) -> dict[str, Any]:
        """End it, everything exported: what it says of itself; `packets` if it counts them."""

    @property
    def ran_s(self) -> float:
        """Seconds that its threads ran so far."""
        files = Path(f"/proc/{self.child.pid}/task").glob("*/schedstat")
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9

    @property
    def switches(self) -> int:
        """How often its threads went to sleep so far."""
        files = Path(f"/proc/{self.child.pid}/task").glob("*/status")
        found = (re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read_text(), re.M) for file in files)
        return sum(int(each[1]) for each in found if each)

    @property
    def resident_octets(self) -> int:
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s*(\d+) kB", status, re.M)
        return int(found[1]) * 1024 if found else 0

    def kill(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.communicate()

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not condition():
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"did not start: {self._log.read_text().strip()[-300:]}")
            time.sleep(POLL_S)

    def _end(self) -> str:
        """SIGTERM; what it printed."""
        self.child.send_signal(signal.SIGTERM)
        output = self.child.communicate(timeout=STOP_TIMEOUT_S)[0]
        if self.child.returncode:
            raise RuntimeError(f"exit code {self.child.returncode}: {self._log.read_text().strip()[-300:]}")
        return output


class Ring(Receiver):
    """native/ring.cpp: what any program on this kernel interface has to pay."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, [str(place.tools / "ring"), RECEIVER_END, str(RING_MIB)])
        self._wait(lambda: "ready" in self._log.read_text())

    def stop(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self._end())
        return report


class Spanflow(Receiver):
    """`spanflow run` with one worker. started_s: from its start to READY=1."""

    def __init__(self, place: Place, command: Sequence[str], options: Sequence[str] = TIMEOUTS) -> None:
        with _notification_socket(place.folder / "notify") as notifications:
            begin = time.monotonic()
            super().__init__(
                place,
                [
                    *(*command, "run", "-i", RECEIVER_END),
                    *("--collector", f"ipfix+udp://127.0.0.1:{place.port}", *WITHOUT_DPI, *options),
                ],
                NOTIFY_SOCKET=str(place.folder / "notify"),
            )
            self._wait(lambda: "READY=1" in _heard(notifications))
            self.started_s = time.monotonic() - begin

    def stop(self) -> dict[str, Any]:
        self._end()
        said = re.search(r"\blost=(\d+)", self._log.read_text())
        return {"drops": int(said[1])} if said else {}


class Softflowd(Receiver):
    """Only `softflowctl shutdown` makes it export what it has; a signal does not."""

    def __init__(self, place: Place) -> None:
        self._control = str(place.folder / "softflowd.ctl")
        timeouts = [word for timeout in SOFTFLOWD_TIMEOUTS for word in ("-t", timeout)]
        super().__init__(
            place,
            [
                *(find_tool("softflowd") or "softflowd", "-d", "-i", RECEIVER_END, "-m", str(MAX_FLOWS)),
                *("-n", f"127.0.0.1:{place.port}", "-v", "10", "-b", "-B", str(RING_MIB << 20), *timeouts),
                *("-c", self._control, "-p", str(place.folder / "softflowd.pid")),
            ],
        )
        self._wait(lambda: self._ask("statistics") is not None)

    def stop(self) -> dict[str, Any]:
        said = self._ask("statistics") or ""
        self._ask("shutdown")
        self.child.communicate(timeout=STOP_TIMEOUT_S)
        drops = re.search(r"dropped by libpcap: (\d+)", said)
        return {"drops": int(drops[1])} if drops else {}

    def _ask(self, what: str) -> str | None:
        command = [find_tool("softflowctl") or "softflowctl", "-c", self._control, what]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else None


@contextmanager
def running(receiver: Receiver) -> Iterator[Receiver]:
    """Killed if it has not been stopped."""
    try:
        yield receiver
    finally:
        receiver.kill()


@contextmanager
def _notification_socket(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.setblocking(False)
        yield listening


def _heard(notifications: socket.socket) -> list[str]:
    """The lines of what has been said since the last call."""
    lines: list[str] = []
    try:
        while True:
            lines += notifications.recv(65536).decode().splitlines()
    except BlockingIOError:
        return lines
