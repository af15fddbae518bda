# SPDX-License-Identifier: Apache-2.0
"""docs/running.md, where it repeats what the code decides."""

from __future__ import annotations

import re
from pathlib import Path

from spanflow import logs
from spanflow.classification import open_classification
from spanflow.config.load import load
from spanflow.config.schema import Dpi
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
        *DEFINES,
    }
    values = {
        "SPANFLOW_INTERFACE": "eth0",
        "SPANFLOW_EXPORT_OBSERVATION_DOMAIN_ID": "1",
        "SPANFLOW_PROCESS_USER": "65532",
        "SPANFLOW_LOG_LEVEL": "debug",
    }
    assert variables == set(values)
    load(None, environment=values)


DEFINES = {"SPANFLOW_NDPI_PREFIXES", "SPANFLOW_NDPI_LICENCE"}


def test_defines_of_the_build_exist() -> None:
    build = (REPOSITORY / "daemon/core/classify/CMakeLists.txt").read_text()
    assert set(re.findall(r"cmake\.define\.(\w+)=", PAGE)) == DEFINES
    assert all(f"set({name} " in build for name in DEFINES)
    _, _, words = build.partition('set(SPANFLOW_NDPI_LICENCE "" CACHE STRING "')
    named = re.findall(r"`((?:not-)?for-profit[a-z-]*)`", PAGE)
    assert len(named) == 3
    assert all(name in words.partition('"')[0] for name in named)


def test_the_example_of_rules_is_one(tmp_path: Path) -> None:
    _, _, after = PAGE.partition("### Names of your own")
    path = tmp_path / "probe.yaml"
    path.write_text(after.split("```")[1])
    assert [rule.name for rule in load(path).dpi.rules] == ["intranet", "wiki"]


def test_the_example_of_a_protocols_file_is_one(tmp_path: Path) -> None:
    _, _, after = PAGE.partition("### Names of your own")
    path = tmp_path / "protocols.txt"
    path.write_text(after.split("```")[3].lstrip())
    found = open_classification(Dpi(protocols_file=str(path))).applications
    assert found is not None
    own = [each.name for each in found.by_number.values() if each.user_defined]
    assert own == ["TVHeadend", "Lab"]


def test_defaults_of_classification() -> None:
    dpi = Dpi()
    assert f"At most {dpi.tcp_packets}\n  packets with payload of a TCP Flow" in PAGE
    assert f"and {dpi.udp_packets} of others" in PAGE
    assert dpi.udp_packets == dpi.other_packets
    assert f"`dpi.max_flows` ({dpi.max_flows:,}) and `dpi.memory` ({dpi.memory >> 20} MiB)" in PAGE


def test_files_exist() -> None:
    linked = re.findall(r"\]\((\S+?)\)", PAGE)
    named = re.findall(r"\b((?:packaging|config)/[\w./@-]+\w)", PAGE)
    assert len(linked) >= 5
    assert [path for path in linked if not (REPOSITORY / "docs" / path).exists()] == []
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
