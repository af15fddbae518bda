# SPDX-License-Identifier: Apache-2.0
"""The unit files as they are shipped: hardened, without mistakes, and in step with the daemon."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from spanflow.config.schema import Export
from spanflow.errors import ExitCode

PACKAGING = Path(__file__).parents[2] / "packaging"
SERVICE = PACKAGING / "systemd" / "spanflow.service"
TEMPLATE = PACKAGING / "systemd" / "spanflow@.service"
NOTIFY_RELOAD = PACKAGING / "systemd" / "notify-reload.conf"
SYSUSERS = PACKAGING / "sysusers.d" / "spanflow.conf"

UNITS = pytest.mark.parametrize("unit", [SERVICE, TEMPLATE], ids=lambda path: path.name)

# 0 is closed, 100 open; what other probes ship has 96.
MOST_EXPOSURE = 20


def settings(unit: Path, section: str = "Service") -> dict[str, list[str]]:
    """The settings of one section: key and its values in order, as keys may repeat."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in unit.read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif current == section and line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@UNITS
def test_exposure(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSURE}", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with the units of this system, and the commands that ours run."""
    shutil.copytree("/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    for command in ("usr/bin/spanflow", "bin/kill"):
        (tmp_path / command).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / command).touch(0o755)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    return tmp_path


def verify(root: Path, name: str, text: str) -> str:
    """What systemd says about a unit with this text."""
    (root / "etc/systemd/system" / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={root}", "--man=no", f"{root}/etc/systemd/system/{name}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("unit", "name"), [(SERVICE, "spanflow.service"), (TEMPLATE, "spanflow@uplink.service")]
)
def test_systemd_has_nothing_to_say(unit: Path, name: str, root: Path) -> None:
    assert verify(root, name, unit.read_text()) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("WatchdogSec=30", "WatchdogSecs=30"),
        ("SystemCallFilter=capset", "SystemCallFilter=@capset"),
        ("Type=notify", "Type=notifies"),
        ("ExecStart=/usr/bin/spanflow", "ExecStart=/usr/bin/spanflows"),
    ],
)
def test_systemd_would_say_so(right: str, wrong: str, root: Path) -> None:
    text = SERVICE.read_text()
    assert right in text
    assert verify(root, "spanflow.service", text.replace(right, wrong, 1)) != ""


def test_commands() -> None:
    file = "/etc/spanflow/spanflow.yaml"
    found = settings(SERVICE)
    assert found["Type"] == ["notify"]
    # A check that fails is not the end of the start: systemd would repeat it for ever. See the comment there.
    assert found["ExecStartPre"] == [f"-/usr/bin/spanflow check {file}"]
    assert found["ExecStart"] == [f"/usr/bin/spanflow run -c {file}"]
    assert found["ExecReload"] == [f"/usr/bin/spanflow check {file}", "/bin/kill -HUP $MAINPID"]


@UNITS
def test_restart(unit: Path) -> None:
    found = settings(unit)
    final = {ExitCode.USAGE, ExitCode.NO_PERMISSION, ExitCode.CONFIG}
    assert found["Restart"] == ["on-failure"]
    assert {int(code) for code in found["RestartPreventExitStatus"][0].split()} == final
    assert settings(unit, "Unit")["StartLimitIntervalSec"] == ["0"]
    assert found["WatchdogSec"] == ["30"]
    assert int(found["TimeoutStopSec"][0]) * 1e9 > Export().drain_timeout


@UNITS
def test_the_one_place_to_write_to(unit: Path) -> None:
    """Flow data is personal data: in the spool and in files nobody else can read it."""
    found = settings(unit)
    assert found["ProtectSystem"] == ["strict"]
    assert found["StateDirectoryMode"] == ["0700"]
    assert found["UMask"] == ["0077"]
    assert not found.keys() & {"ReadWritePaths", "CacheDirectory", "LogsDirectory"}


@UNITS
def test_capabilities(unit: Path) -> None:
    found = settings(unit)
    assert found["AmbientCapabilities"] == found["CapabilityBoundingSet"] == ["CAP_NET_RAW"]
    assert found["NoNewPrivileges"] == ["yes"]
    assert found["User"] == ["spanflow"]
    # Without this exception @privileged would forbid to give the capability up.
    assert found["SystemCallFilter"][-1] == "capset"


@UNITS
def test_what_would_break_the_capture(unit: Path) -> None:
    found = settings(unit)
    assert not found.keys() & {"PrivateNetwork", "PrivateUsers", "IPAddressDeny", "RestrictNetworkInterfaces"}
    families = set(found["RestrictAddressFamilies"][0].split())
    assert families == {"AF_UNIX", "AF_INET", "AF_INET6", "AF_PACKET", "AF_NETLINK"}


def test_an_instance_is_the_service_with_another_file_and_a_name() -> None:
    service, instance = settings(SERVICE), settings(TEMPLATE)
    assert instance.pop("Environment") == ["SPANFLOW_EXPORT_INSTANCE=%i"]
    assert instance["StateDirectory"] == ["spanflow/%i"]
    assert service == {
        key: [
            value.replace("/etc/spanflow/%i.yaml", "/etc/spanflow/spanflow.yaml").replace("/%i", "")
            for value in values
        ]
        for key, values in instance.items()
    }
    for section in ("Unit", "Install"):
        assert settings(SERVICE, section).keys() == settings(TEMPLATE, section).keys()


def test_notify_reload_sends_no_second_signal() -> None:
    assert settings(NOTIFY_RELOAD) == {"Type": ["notify-reload"], "ExecReload": [""]}


def test_the_user_has_no_shell_and_no_home(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    user = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    subprocess.run([*user, "systemd-sysusers", f"--root={tmp_path}", SYSUSERS], check=True)
    (line,) = (tmp_path / "etc/passwd").read_text().splitlines()
    name, _, uid, _, comment, home, shell = line.split(":")
    assert (name, comment, home, shell) == ("spanflow", "Spanflow flow probe", "/", "/usr/sbin/nologin")
    assert 0 < int(uid) < 1000
