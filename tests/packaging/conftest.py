# SPDX-License-Identifier: Apache-2.0
"""What tests of the packaging share: the build context of the image, and the wheel that is built from it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BUILD_TIMEOUT_S = 600.0


def copied_into_the_image() -> list[str]:
    """What the Dockerfile takes from the build context."""
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from=" not in line]
    return [name for names in copies for name in names]


@pytest.fixture(scope="session")
def build_context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that alone, as far as git knows it: nothing that was built here before."""
    context = tmp_path_factory.mktemp("context")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *copied_into_the_image()],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = REPOSITORY / name
        if source.is_file():  # one that was deleted is listed until the next commit
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, context / name)
    return context


@pytest.fixture(scope="session")
def wheel(build_context: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the image builds it, but with the build tools that are installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(build_context, folder / "source")  # a build leaves things in it
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-index"),
            *("--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)),
        ],
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("spanflow-*.whl")
    return built
