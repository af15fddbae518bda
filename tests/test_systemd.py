# SPDX-License-Identifier: Apache-2.0
"""Notifications to systemd, both ways to send them, against a socket that stands in for its own."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from spanflow.systemd import STATUS_CHARACTERS, Notifier

DAEMON = Path(__file__).parents[1] / "daemon"

# systemd reads so much of a datagram (PIPE_BUF).
SYSTEMD_READS_OCTETS = 4096


class Manager:
    """The receiving side of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)

    def received(self) -> list[str]:
        """All that has come, in order. Local datagrams are there when the sender returns."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(65_536).decode("utf-8"))
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@spanflow-{secrets.token_hex(8)}"
    made = Manager(address)
    yield made
    made.socket.close()


@pytest.fixture(params=["systemd-python", "built-in"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How notifications are sent. Without systemd-python the first way fails: it is there to be tested."""
    if request.param == "systemd-python":
        import systemd.daemon

        assert systemd.daemon.notify
    else:
        monkeypatch.setitem(sys.modules, "systemd.daemon", None)  # an import of it fails now
    return str(request.param)


@pytest.fixture
def notifier(way: str, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> Notifier:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    made = Notifier.from_environment()
    assert getattr(made._send, "__name__", "") == ("notify" if way == "systemd-python" else "send")
    return made


def test_each_state_is_one_datagram(notifier: Notifier, manager: Manager) -> None:
    notifier.ready()
    notifier.status("2 interfaces, 812 kpps, lost 0")
    notifier.watchdog()
    notifier.stopping()
    notifier.extend_timeout(2.5)
    assert manager.received() == [
        "READY=1",
        "STATUS=2 interfaces, 812 kpps, lost 0",
        "WATCHDOG=1",
        "STOPPING=1",
        "EXTEND_TIMEOUT_USEC=2500000",
    ]


def test_reloading_carries_the_monotonic_time(notifier: Notifier, manager: Manager) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    (message,) = manager.received()
    state, _, stamp = message.partition("\nMONOTONIC_USEC=")
    assert state == "RELOADING=1"
    assert before <= int(stamp) <= after


def test_microseconds_of_the_clock_that_is_passed_in() -> None:
    sent: list[str] = []
    Notifier(sent.append, monotonic_ns=lambda: 1_234_567_999).reloading()
    assert sent == ["RELOADING=1\nMONOTONIC_USEC=1234567"]


STATUS: list[tuple[str, str, str]] = [
    ("a line feed would begin another field", "up\nREADY=1\rx", "up\\nREADY=1\\rx"),
    ("escape sequences reach no terminal", "name \x1b[31m\x00", "name \\x1b[31m\\x00"),
    ("what is not UTF-8", "file \udcff", "file \\udcff"),
    ("words of any language", "süd 東", "süd 東"),
    ("empty", "", ""),
]


@pytest.mark.parametrize(("text", "shown"), [row[1:] for row in STATUS], ids=[row[0] for row in STATUS])
def test_status_is_one_line(text: str, shown: str, notifier: Notifier, manager: Manager) -> None:
    notifier.status(text)
    assert manager.received() == [f"STATUS={shown}"]


@pytest.mark.parametrize("filling", ["x", "東", "\U0001f600", "\x1b"])
def test_of_a_long_status_both_ends_stay(filling: str, notifier: Notifier, manager: Manager) -> None:
    notifier.status(f"3 interfaces, {filling * 5000}, lost 17")
    (message,) = manager.received()
    assert message.startswith("STATUS=3 interfaces, ")
    assert message.endswith(", lost 17")
    assert len(message) <= len("STATUS=") + STATUS_CHARACTERS
    assert len(message.encode()) <= SYSTEMD_READS_OCTETS


def test_a_socket_that_is_gone_is_logged_once_and_found_again(
    notifier: Notifier, manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    def go() -> None:
        manager.socket.close()
        Path(manager.address).unlink(missing_ok=True)

    go()
    with caplog.at_level(logging.WARNING, "spanflow"):
        notifier.watchdog()
        notifier.status("still here")
        assert [record.message for record in caplog.records] == ["systemd takes no notification"]
        assert caplog.records[0].__dict__["error"]
        again = Manager(manager.address)
        notifier.watchdog()
        assert again.received() == ["WATCHDOG=1"]
        again.socket.close()
        Path(manager.address).unlink(missing_ok=True)
        notifier.watchdog()
    assert len(caplog.records) == 2


def test_a_manager_that_reads_nothing_holds_up_the_built_in_way_for_a_second(tmp_path: Path) -> None:
    silent = Manager(str(tmp_path / "notify"))
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": silent.address})
    start = time.monotonic()
    # The kernel queues net.unix.max_dgram_qlen of them.
    most = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 2
    sent = 0
    while not notifier._failing and sent < most:
        notifier.watchdog()
        sent += 1
    assert notifier._failing
    assert time.monotonic() - start < 5
    silent.socket.close()


@pytest.mark.parametrize("address", ["", "/", "@", "vsock:2:1234", "relative/path"])
def test_without_a_socket_of_a_known_kind_nothing_is_sent(address: str) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"})
    for notify in (notifier.ready, notifier.reloading, notifier.stopping, notifier.watchdog):
        notify()
    notifier.status("nobody sees it")
    notifier.extend_timeout(1)
    assert notifier.watchdog_interval_s is None


def test_a_path_that_no_socket_can_have_does_not_end_the_daemon() -> None:
    Notifier.from_environment({"NOTIFY_SOCKET": "/" + "x" * 200}).ready()


ME = str(os.getpid())

WATCHDOG: list[tuple[str, Mapping[str, str], float | None]] = [
    ("half of what the unit allows", {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": ME}, 15.0),
    ("no process named: every process is meant", {"WATCHDOG_USEC": "1000000"}, 0.5),
    ("another process is meant", {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
    ("not set", {}, None),
    ("off", {"WATCHDOG_USEC": "0", "WATCHDOG_PID": ME}, None),
    ("negative", {"WATCHDOG_USEC": "-5"}, None),
    ("no number", {"WATCHDOG_USEC": "soon"}, None),
    ("no process id", {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": ""}, None),
]


@pytest.mark.parametrize(
    ("environ", "interval"), [row[1:] for row in WATCHDOG], ids=[row[0] for row in WATCHDOG]
)
def test_watchdog_interval(environ: Mapping[str, str], interval: float | None) -> None:
    given = {"NOTIFY_SOCKET": "@nobody-listens-here", **environ}
    assert Notifier.from_environment(given).watchdog_interval_s == interval


SCRIPT = """
import sys
from spanflow.systemd import Notifier
Notifier.from_environment().ready()
print(sorted(sys.modules.keys() & {"systemd", "numpy", "spanflow.meter", "spanflow.status"}))
"""


@pytest.mark.parametrize(
    ("options", "loaded"),
    # -S: without site-packages, so there is no systemd-python.
    [([], "['systemd']"), (["-S"], "[]")],
    ids=["with systemd-python", "without"],
)
def test_a_fresh_interpreter_takes_what_is_there_and_nothing_heavy(
    options: list[str], loaded: str, manager: Manager
) -> None:
    environ = {**os.environ, "NOTIFY_SOCKET": manager.address, "PYTHONPATH": str(DAEMON)}
    done = subprocess.run(
        [sys.executable, *options, "-c", SCRIPT], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == loaded
    assert manager.received() == ["READY=1"]
