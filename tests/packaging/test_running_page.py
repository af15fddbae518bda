# SPDX-License-Identifier: Apache-2.0
"""docs/running.md, where it repeats what the code decides."""

from __future__ import annotations

import re
from pathlib import Path

from spanflow import logs
from spanflow.config.load import load
from spanflow.errors import ExitCode

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/running.md").read_text()


def test_every_exit_code() -> None:
    _, _, after = PAGE.partition("## Exit codes")
    table, _, _ = after.partition("## Log")
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == sorted(ExitCode)


def test_the_namespace_of_message_ids() -> None:
    assert set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", PAGE)) == {
        str(logs.MESSAGE_ID_NAMESPACE)
    }


def test_limits_of_the_log() -> None:
    assert f"one line in {logs.INTERVAL_S:.0f} s" in PAGE
    assert f"{logs.MOST_CLASSES} classes" in PAGE
    assert f"{logs.FIELD_CHARACTERS:,} characters" in PAGE


def test_variables_exist() -> None:
    variables = set(re.findall(r"\b(SPANFLOW_[A-Z_]*[A-Z])[= `]", PAGE)) - {
        "SPANFLOW_ERROR",
        "SPANFLOW_COLLECTOR",
    }
    values = {
        "SPANFLOW_INTERFACE": "eth0",
        "SPANFLOW_EXPORT_OBSERVATION_DOMAIN_ID": "1",
        "SPANFLOW_PROCESS_USER": "65532",
        "SPANFLOW_LOG_LEVEL": "debug",
    }
    assert variables == set(values)
    load(None, environment=values)


def test_files_exist() -> None:
    linked = re.findall(r"\]\((\S+?)\)", PAGE)
    named = re.findall(r"\b((?:packaging|config)/[\w./@-]+\w)", PAGE)
    assert len(linked) >= 5
    assert [path for path in linked if not (REPOSITORY / "docs" / path).exists()] == []
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
