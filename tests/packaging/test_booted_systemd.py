# SPDX-License-Identifier: Apache-2.0
"""The shipped unit under a real systemd, which is booted in namespaces of its own for these tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PACKAGING = Path(__file__).parents[2] / "packaging"
BOOT = Path(__file__).parent / "boot_systemd.sh"
TIMEOUT_S = 30.0

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="to boot a systemd one must be root")

# No more than the journal and the users.
TARGET = """[Unit]
DefaultDependencies=no
Requires=systemd-journald.service systemd-sysusers.service
After=systemd-journald.service systemd-sysusers.service
AllowIsolate=yes
"""

# The interpreter and its packages are mounted there, as the unit cannot see those that are below /root.
COMMAND = """#!/bin/sh
export LD_LIBRARY_PATH=/python/lib
exec /python/bin/python{version} -I -c '
import sys
sys.path[:0] = ["/wheel", "/packages"]
from spanflow.cli.main import main
sys.exit(main())
' "$@"
"""

# Shorter times than in the unit, so that the tests take seconds.
DROP_IN = """[Service]
WatchdogSec=3
RestartSec=100ms
"""

CONFIGURATION = """\
interfaces: [tap0]
collectors: ["ipfix+udp://127.0.0.1:4739"]
"""

# A hundred frames of a protocol of nobody.
SEND = """
import socket
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("wire0", 0))
for _ in range(100):
    wire.send(bytes(12) + b"\\x88\\xb5" + bytes(46))
"""


class Machine:
    """The systemd that was booted, seen from outside."""

    def __init__(self, systemd: int) -> None:
        self.systemd = systemd

    def command(self, *words: str) -> list[str]:
        enter = ["nsenter", "--target", str(self.systemd), *("-m", "-p", "-n", "-u", "-i", "-C")]
        return [*enter, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *words]

    def try_to_run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )

    def run(self, *words: str) -> str:
        done = self.try_to_run(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self.journal()}"
        return done.stdout

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.run("systemctl", "show", "--property", name, "--value", "spanflow").strip()

    def journal(self) -> str:
        return self.try_to_run("journalctl", "--no-pager", "--output=cat", "--unit=spanflow").stdout

    def entries(self) -> list[dict[str, Any]]:
        """What the daemon logged, with all fields."""
        text = self.run("journalctl", "--output=json", "--identifier=spanflow")
        return [json.loads(line) for line in text.splitlines()]

    def configure(self, text: str) -> None:
        self.run("sh", "-c", f"mkdir -p /etc/spanflow && cat >/etc/spanflow/spanflow.yaml <<'END'\n{text}END")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, f"no {what}: {self.journal()}"
            time.sleep(0.05)


def files_of_the_machine(folder: Path) -> None:
    """What the machine has beside what this one has."""
    system = folder / "etc/systemd/system"
    (system / "spanflow.service.d").mkdir(parents=True)
    shutil.copy(PACKAGING / "systemd/spanflow.service", system)
    (system / "spanflow.service.d/test.conf").write_text(DROP_IN)
    (system / "test.target").write_text(TARGET)
    (folder / "etc/sysusers.d").mkdir()
    shutil.copy(PACKAGING / "sysusers.d/spanflow.conf", folder / "etc/sysusers.d")
    command = folder / "usr/bin/spanflow"
    command.parent.mkdir(parents=True)
    command.write_text(COMMAND.format(version=f"{sys.version_info.major}.{sys.version_info.minor}"))
    command.chmod(0o755)


@pytest.fixture(scope="module")
def machine(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    for name in ("work", "files", "wheel"):
        (folder / name).mkdir(mode=0o755)
    files_of_the_machine(folder / "files")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "wheel")
    binds = {
        sys.base_prefix: "/python",
        sysconfig.get_path("platlib"): "/packages",
        str(folder / "wheel"): "/wheel",
    }
    group = control_group()
    join = f"echo 0 >{group}/cgroup.procs && exec unshare --mount --pid --fork --kill-child --cgroup"
    boot = ["sh", BOOT, folder / "work", folder / "files", *(f"{one}:{two}" for one, two in binds.items())]
    with (folder / "console").open("w") as console:
        outer = subprocess.Popen(
            [*("setpriv", "--pdeathsig", "KILL", "sh", "-c", f'{join} --ipc --uts --net "$@"', "sh"), *boot],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
        )
    try:
        yield booted(outer, folder / "console")
    finally:
        outer.kill()  # its child goes with it, and with that one everything in its namespace
        outer.wait()
        remove(group)


def control_group() -> Path:
    """An empty group in the second version's hierarchy."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    (hierarchy, *_) = [fields[1] for fields in mounts if fields[2] == "cgroup2"]
    group = Path(hierarchy) / f"spanflow-test-{os.getpid()}"
    group.mkdir()
    return group


def remove(group: Path) -> None:
    """Wait until its processes are gone, then remove it from the inside out."""
    deadline = time.monotonic() + TIMEOUT_S
    while "populated 1" in (group / "cgroup.events").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for path, _, _ in os.walk(group, topdown=False):
        os.rmdir(path)


def booted(outer: subprocess.Popen[bytes], console: Path) -> Machine:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        machine = Machine(int(children[0])) if children else None
        if machine and machine.try_to_run("systemctl", "is-active", "test.target").stdout == "active\n":
            return machine
        assert outer.poll() is None, console.read_text()
        assert time.monotonic() < deadline, console.read_text()
        time.sleep(0.1)


@pytest.fixture
def running(machine: Machine) -> Machine:
    """The unit, started anew with a configuration that is right."""
    machine.configure(CONFIGURATION)
    machine.run("systemctl", "restart", "spanflow")
    return machine


def test_it_captures_as_nobody_special(running: Machine) -> None:
    assert running.show("ActiveState") == "active"
    assert running.show("StatusText").endswith("lost 0")
    process = running.show("MainPID")
    tasks = running.run("sh", "-c", f"cat /proc/{process}/task/*/status")
    for name, expected in [
        *((name, "0000000000000000") for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")),
        ("CapBnd", "0000000000002000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),  # a filter
    ]:
        found = re.findall(rf"^{name}:\s*(\S+)$", tasks, re.MULTILINE)
        assert len(found) >= 3, "threads"
        assert set(found) == {expected}, name
    assert running.run("ps", "-o", "user=", "-p", process).strip() == "spanflow"
    assert running.run("spanflow", "healthcheck") == "127.0.0.1:9730: ok\n"
    subprocess.run(
        ["nsenter", "--target", str(running.systemd), "-n", sys.executable, "-c", SEND], check=True
    )
    running.wait_for(lambda: captured(running) >= 100, "hundred frames")


def metrics(machine: Machine) -> str:
    script = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9730/metrics').read().decode())"
    return machine.run("python3", "-c", script)


def captured(machine: Machine) -> float:
    page = metrics(machine)
    found = re.search(r'^spanflow_capture_packets_total\{interface="tap0"\} (\S+)$', page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_applications_are_named(running: Machine) -> None:
    """The engine can be loaded, and a protocols file be read, under all that the unit forbids."""
    running.run("sh", "-c", "echo 'tcp:9981@Mine' >/etc/spanflow/protocols.txt")
    running.configure(CONFIGURATION + "dpi: {protocols_file: /etc/spanflow/protocols.txt}\n")
    running.run("systemctl", "restart", "spanflow")
    assert 'spanflow_classify_info{engine="nDPI",version="4.2.0"} 1.0' in metrics(running)
    running.wait_for(lambda: "applications are named" in running.journal(), "message")


def test_the_journal_has_its_fields(running: Machine) -> None:
    running.wait_for(lambda: "collector is down" in running.journal(), "message")
    entry = next(each for each in running.entries() if each["MESSAGE"].startswith("collector is down"))
    assert entry["SPANFLOW_COLLECTOR"] == "ipfix+udp://127.0.0.1:4739"
    assert entry["PRIORITY"] == "4"
    assert entry["_TRANSPORT"] == "journal"


def test_reload(running: Machine) -> None:
    process = running.show("MainPID")
    running.configure(CONFIGURATION + "cache: {active_timeout: 30s}\n")
    running.run("systemctl", "reload", "spanflow")
    running.wait_for(lambda: "reloaded" in running.journal(), "reload")
    running.configure(CONFIGURATION + "cahce: {}\n")
    assert running.try_to_run("systemctl", "reload", "spanflow").returncode != 0
    assert "cahce: unknown key; did you mean cache?" in running.journal()
    assert running.show("ActiveState") == "active"
    assert running.show("MainPID") == process


def test_stop(running: Machine) -> None:
    running.run("systemctl", "stop", "spanflow")
    assert running.show("Result") == "success"
    assert running.show("ActiveState") == "inactive"


def test_a_daemon_that_hangs_is_started_again(running: Machine) -> None:
    process = running.show("MainPID")
    running.run("kill", "-STOP", process)
    running.wait_for(
        lambda: running.show("ActiveState") == "active" and running.show("MainPID") != process, "restart"
    )
    assert "watchdog" in running.run("journalctl", "--no-pager", "--output=cat", "_PID=1").lower()


def test_a_daemon_that_crashes_says_so_and_is_started_again(running: Machine) -> None:
    process = running.show("MainPID")
    running.run("kill", "-SEGV", process)
    running.wait_for(
        lambda: running.show("ActiveState") == "active" and running.show("MainPID") not in (process, "0"),
        "restart",
    )
    assert "spanflow: crashed: SIGSEGV in thread" in running.journal()
    assert running.run("spanflow", "healthcheck") == "127.0.0.1:9730: ok\n"


FINAL = [
    ("a configuration with an error", f"{CONFIGURATION}cahce: {{}}\n", "", "78"),
    ("no capability", CONFIGURATION, "[Service]\nAmbientCapabilities=\n", "77"),
]


@pytest.mark.parametrize(
    ("configuration", "drop_in", "code"), [row[1:] for row in FINAL], ids=[row[0] for row in FINAL]
)
def test_what_another_start_would_not_mend_ends_it(
    configuration: str, drop_in: str, code: str, running: Machine
) -> None:
    extra = "/run/systemd/system/spanflow.service.d"
    running.configure(configuration)
    running.run("sh", "-c", f"mkdir -p {extra} && printf '{drop_in}' >{extra}/extra.conf")
    running.run("systemctl", "daemon-reload")
    try:
        assert running.try_to_run("systemctl", "restart", "spanflow").returncode != 0
        running.wait_for(lambda: running.show("ActiveState") == "failed", "end")
        assert running.show("ExecMainStatus") == code
        assert running.show("NRestarts") == "0"
    finally:
        running.run("rm", "-r", extra)
        running.run("systemctl", "daemon-reload")


def test_what_it_may_not_write(running: Machine) -> None:
    """Its own view of the file system, as its mounts say."""
    mounts = running.run("cat", f"/proc/{running.show('MainPID')}/mounts")
    root = next(line.split() for line in mounts.splitlines() if line.split()[1] == "/")
    assert "ro" in root[3].split(",")
    assert re.search(r"^proc /proc proc \S*subset=pid", mounts, re.MULTILINE)


def test_the_one_place_where_it_may_write(running: Machine) -> None:
    """A spool below the state directory, which systemd has made, and into which nobody else looks."""
    spool = "export: {spool_directory: /var/lib/spanflow/spool}\n"
    running.configure(CONFIGURATION.replace("ipfix+udp", "ipfix+tcp") + spool)
    running.run("systemctl", "restart", "spanflow")
    stat = ("stat", "--format=%a %U", "/var/lib/spanflow")
    assert running.run(*stat) == "700 spanflow\n"
    running.wait_for(lambda: running.try_to_run(*stat, "/var/lib/spanflow/spool").returncode == 0, "spool")
    assert running.run(*stat, "/var/lib/spanflow/spool") == "700 spanflow\n" * 2
    assert "spool not written" not in running.journal()
