# SPDX-License-Identifier: Apache-2.0
"""Loading files that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanflow.config.load import load
from spanflow.errors import ConfigError, ExitCode


def findings_of(path: Path) -> list[str]:
    """The lines of the error that locate something, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.exit_code == ExitCode.CONFIG
    prefix = f"{path}:"
    lines = str(caught.value).split("\n")
    assert all(line.startswith((prefix, "    ")) for line in lines)
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
