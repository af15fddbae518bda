# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile: what a linter says, what it promises, and its steps as far as they need no engine."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = REPOSITORY / "Dockerfile"

# What is native may need at run time; the run stage installs libpcap and libndpi, the rest is in its base.
LIBRARIES = {"libpcap.so.0.8", "libndpi.so.4.2", "libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libc.so.6"}

Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage; continued lines are joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[Instruction]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append((word, " ".join(rest.split())))
    return found


BUILD, RUN = stages()


def values(stage: list[Instruction], word: str) -> list[str]:
    return [rest for found, rest in stage if found == word]


def test_the_linter_finds_nothing() -> None:
    linter = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([linter, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_both_stages_have_one_base() -> None:
    assert {values(stage, "FROM")[0].split()[0] for stage in (BUILD, RUN)} == {"python:3.13-slim-bookworm"}


def test_it_runs_as_a_number_that_is_not_root() -> None:
    assert values(RUN, "USER") == ["65532:65532"]
    # After the last step that needs root, before the one that tries the program.
    words = [word for word, _ in RUN]
    assert words.index("USER") > words.index("COPY")
    assert "spanflow-launcher --version" in values(RUN, "RUN")[-1]


def test_commands_are_no_shell_lines() -> None:
    (entry,) = values(RUN, "ENTRYPOINT")
    (command,) = values(RUN, "CMD")
    assert json.loads(entry) == ["spanflow-launcher"]
    assert json.loads(command) == ["run"]
    _, _, health = values(RUN, "HEALTHCHECK")[0].partition("CMD ")
    assert json.loads(health) == ["spanflow", "healthcheck"]


def test_the_run_stage_installs_no_compiler() -> None:
    (install,) = [line for line in values(RUN, "RUN") if "apt-get install" in line]
    assert re.search(r"--no-install-recommends libcap2-bin libndpi4\.2 libpcap0\.8 &&", install)
    assert "setcap cap_net_raw=p /usr/local/bin/spanflow-launcher" in install
    # The tool goes again, after it was used.
    assert install.index("apt-get purge -y --auto-remove libcap2-bin") > install.index("setcap")


def test_labels() -> None:
    labels = dict(pair.split("=", 1) for pair in shlex.split(values(RUN, "LABEL")[0]))
    names = {"title", "description", "licenses", "version", "revision"}
    assert labels.keys() == {f"org.opencontainers.image.{name}" for name in names}
    assert labels["org.opencontainers.image.version"] == "$VERSION"


def sent_to_the_builder(path: str) -> bool:
    """By .dockerignore: the last line that matches a path or a folder above it decides."""
    folders = [path, *map(str, Path(path).parents)]
    sent = True
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        names = [Path(each).name for each in folders] if "**/" in line else folders
        if line and line[0] != "#" and any(fnmatch.fnmatchcase(each, pattern) for each in names):
            sent = line.startswith("!")
    return sent


CONTEXT = [
    ("pyproject.toml", True),
    ("README.md", True),
    ("daemon/core/CMakeLists.txt", True),
    ("daemon/core/classify/ndpi_shim.map", True),
    ("daemon/spanflow/information_elements_since_2014.iespec", True),
    ("packaging/container/launcher.c", True),
    ("daemon/spanflow/__pycache__/status.cpython-313.pyc", False),
    ("daemon/spanflow/_core.cpython-313-x86_64-linux-gnu.so", False),
    (".git/config", False),
    (".venv/bin/python", False),
    ("build/tools/build.ninja", False),
    ("tests/golden/rst.pcap", False),
    ("Dockerfile", False),
]


@pytest.mark.parametrize(("path", "sent"), CONTEXT, ids=[row[0] for row in CONTEXT])
def test_build_context(path: str, sent: bool) -> None:
    assert sent_to_the_builder(path) is sent


def test_the_whole_context_is_sent(build_context: Path) -> None:
    names = [str(path.relative_to(build_context)) for path in build_context.rglob("*") if path.is_file()]
    assert len(names) > 100
    assert [name for name in names if not sent_to_the_builder(name)] == []


def test_the_launcher_compiles_as_the_image_compiles_it(build_context: Path, tmp_path: Path) -> None:
    (line,) = [line for line in values(BUILD, "RUN") if line.startswith("gcc ")]
    (tmp_path / "launcher.c").write_bytes((build_context / "packaging/container/launcher.c").read_bytes())
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True)
    kind = subprocess.run(
        ["readelf", "-d", "spanflow-launcher"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "no dynamic section" in kind.stdout


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        names = set(archive.namelist())
    assert tops == {"spanflow", f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"}
    assert "spanflow/information_elements_since_2014.iespec" in names
    assert "spanflow/spanflow.iespec" in names
    assert any(re.fullmatch(r"spanflow/_core\..*\.so", name) for name in names)
    # The build stage has the headers of nDPI.
    assert "spanflow/spanflow-ndpi-4.2.so" in names
    assert " libndpi-dev " in values(BUILD, "RUN")[0]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment like the image's: no pip inside, the wheel installed from outside."""
    folder = tmp_path_factory.mktemp("installed") / "spanflow"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", folder / "bin/python", "install"),
            *("--disable-pip-version-check", "--quiet", "--no-index", "--no-deps", wheel),
        ],
        check=True,
    )
    return folder


# What `spanflow protocols` does, without the packages that are not installed here.
ENGINE = """
from spanflow.classification import open_classification
from spanflow.config.schema import Dpi
print(open_classification(Dpi()).applications.version)
"""

STARTS = [
    (["spanflow", "--version"], "spanflow "),
    (["python", "-I", "-c", "import spanflow._core"], ""),
    (["python", "-I", "-c", ENGINE], "4.2."),
]


@pytest.mark.parametrize(("command", "says"), STARTS, ids=["version", "native core", "classification engine"])
def test_it_starts_with_a_root_that_is_read_only(command: list[str], says: str, environment: Path) -> None:
    """And with no home, no compiler, and nothing else in the PATH; in a mount namespace of its own."""
    program = str(environment / "bin" / command[0])
    script = 'mount -o remount,bind,ro / && cd / && if touch /x 2>/dev/null; then exit 99; fi && exec "$@"'
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", *user, "--mount", "sh", "-c", script, "sh", "env", "-i", program, *command[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(says)


@pytest.mark.parametrize(
    ("pattern", "own"), [("_core.*.so", "libpcap.so.0.8"), ("spanflow-ndpi-*.so", "libndpi.so.4.2")]
)
def test_what_is_native_needs_what_the_run_stage_has(pattern: str, own: str, environment: Path) -> None:
    (file,) = environment.rglob(pattern)
    done = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True)
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", done.stdout))
    assert own in needed
    assert {name for name in needed if not name.startswith("ld-linux")} <= LIBRARIES


def test_the_image_tries_all_of_it() -> None:
    assert "spanflow-launcher protocols" in values(RUN, "RUN")[-1]
