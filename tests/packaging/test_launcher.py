# SPDX-License-Identifier: Apache-2.0
"""The image's launcher: which capabilities arrive in the program that it starts, by kind of container."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "packaging/container/launcher.c"

CAP_SETGID, CAP_SETUID, CAP_NET_RAW = 1 << 6, 1 << 7, 1 << 13

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="to give a file a capability one must be root")

# Stands for the interpreter: shows what it was given.
PROGRAM = """#!/bin/sh
grep -E '^(Uid|CapPrm|CapEff|CapAmb):' /proc/self/status
for argument in "$@"; do printf 'argument: %s\\n' "$argument"; done
printf 'LD_PRELOAD: %s\\n' "$LD_PRELOAD"
"""


@dataclass(frozen=True)
class Started:
    """What the program saw."""

    uid: int
    capabilities: dict[str, int]
    arguments: list[str]
    preload: str


class Launcher:
    """The launcher, compiled for a program of the test's own, with the capability that the image gives it."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.path = folder / "spanflow-launcher"
        self.program = folder / "program"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        flags = ["-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-static"]
        macro = f'-DSPANFLOW_PYTHON="{self.program}"'
        subprocess.run(["gcc", *flags, macro, "-o", self.path, SOURCE], check=True)
        if os.geteuid() == 0:
            capability = re.search(r"setcap (\S+) ", (REPOSITORY / "Dockerfile").read_text())
            assert capability
            subprocess.run(["setcap", capability[1], self.path], check=True)

    def run(self, prefix: Sequence[str], *arguments: str, **variables: str) -> Started:
        """What the program saw; prefix: a command that makes the process what an engine makes it."""
        # The shell between is what makes the sets those that a process has after an execve().
        shell = ["sh", "-c", 'exec "$@"', "sh", str(self.path), *arguments]
        done = subprocess.run(
            [*prefix, *shell], env={**os.environ, **variables}, capture_output=True, text=True, check=True
        )
        return read(done.stdout)


def read(output: str) -> Started:
    found: dict[str, list[str]] = {}
    for line in output.splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key, []).append(value.strip())
    sets = {name: int(found[name][0], 16) for name in ("CapPrm", "CapEff", "CapAmb")}
    return Started(int(found["Uid"][0].split()[0]), sets, found["argument"], found["LD_PRELOAD"][0])


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    # Not below pytest's folder, into which only its owner may look.
    with tempfile.TemporaryDirectory(prefix="spanflow-launcher-") as folder:
        yield Launcher(Path(folder))


NOBODY = ("setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups", "--inh-caps", "-all")
ROOT = ("setpriv", "--inh-caps", "-all")

CONTAINERS: list[tuple[str, Sequence[str], int, int, int]] = [
    (
        "docker, cap_add NET_RAW: the image's user has it, and can give it up",
        [*NOBODY, "--bounding-set", "-all,+net_raw"],
        65532,
        CAP_NET_RAW,
        CAP_NET_RAW,
    ),
    ("cap_drop ALL alone: it starts all the same", [*NOBODY, "--bounding-set", "-all"], 65532, 0, 0),
    (
        "no-new-privileges: files give nothing",
        [*NOBODY, "--bounding-set", "-all,+net_raw", "--no-new-privs"],
        65532,
        0,
        0,
    ),
    (
        "Kubernetes as root with three capabilities: as they are",
        [*ROOT, "--bounding-set", "-all,+net_raw,+setuid,+setgid", "--no-new-privs"],
        0,
        CAP_NET_RAW | CAP_SETUID | CAP_SETGID,
        0,
    ),
]


@needs_root
@pytest.mark.parametrize(
    ("prefix", "uid", "effective", "ambient"),
    [row[1:] for row in CONTAINERS],
    ids=[row[0] for row in CONTAINERS],
)
def test_capabilities(
    prefix: Sequence[str], uid: int, effective: int, ambient: int, launcher: Launcher
) -> None:
    started = launcher.run(prefix, "--version")
    assert started.uid == uid
    assert started.capabilities == {"CapPrm": effective, "CapEff": effective, "CapAmb": ambient}


@needs_root
def test_who_starts_it_adds_no_code(launcher: Launcher) -> None:
    """The loader drops its variables, as the launcher gains a capability; -I makes Python drop its own."""
    prefix = [*NOBODY, "--bounding-set", "-all,+net_raw"]
    started = launcher.run(prefix, LD_PRELOAD="/nonexistent/library.so")
    assert started.preload == ""
    assert started.arguments == ["-I", "-m", "spanflow"]


def test_arguments_arrive_as_they_are(launcher: Launcher) -> None:
    words = ["run", "--set", "capture.filter=net 192.0.2.0/24 and not port 22", "", "a\nb", "*"]
    shown = "run,--set,capture.filter=net 192.0.2.0/24 and not port 22,,a,*"
    assert launcher.run([], *words).arguments == ["-I", "-m", "spanflow", *shown.split(",")]


def test_an_image_without_the_program(tmp_path: Path) -> None:
    path = tmp_path / "launcher"
    missing = tmp_path / "missing"
    subprocess.run(["gcc", f'-DSPANFLOW_PYTHON="{missing}"', "-o", path, SOURCE], check=True)
    done = subprocess.run([path, "run"], capture_output=True, text=True, check=False)
    text = f"spanflow: cannot run {missing}: No such file or directory; the image is incomplete\n"
    assert (done.returncode, done.stderr) == (71, text)
