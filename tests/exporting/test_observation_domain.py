# SPDX-License-Identifier: Apache-2.0
"""Observation Domain IDs: configured, or derived from machine and instance."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanflow.config.schema import Collector, Export
from spanflow.exporting.domain import derive, observation_domain_id

MACHINE = "0123456789abcdef0123456789abcdef"


def machine(tmp_path: Path, text: str = MACHINE) -> Path:
    path = tmp_path / "machine-id"
    path.write_text(text + "\n")
    return path


def test_derived_ids_are_stable_and_distinct(tmp_path: Path) -> None:
    path = machine(tmp_path)
    # The first value is written down: it must be the same in every version, or collectors see a new probe.
    assert derive("default", path) == derive("default", path) == 0x23BE8A9E
    ids = {derive(f"instance-{number}", path) for number in range(1000)}
    assert len(ids) == 1000
    assert all(0 < id_ < 1 << 32 for id_ in ids)
    assert derive("default", machine(tmp_path, MACHINE[::-1])) not in {*ids, 0x23BE8A9E}


@pytest.mark.parametrize("text", ["", "uninitialized", None])
def test_without_a_machine_id(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "none" if text is None else machine(tmp_path, text)
    assert 0 < derive("default", path) < 1 << 32
    assert derive("default", path) == derive("default", path) != derive("other", path)


@pytest.mark.parametrize(
    ("probe", "collector", "expected"), [(None, 7, 7), (5, None, 5), (5, 7, 7), (0, None, 0), (5, 0, 0)]
)
def test_configured_ids_win(probe: int | None, collector: int | None, expected: int) -> None:
    export = Export(observation_domain_id=probe)
    assert observation_domain_id(export, Collector(host="192.0.2.1", domain=collector)) == expected


def test_no_id_is_configured() -> None:
    export = Export(instance="uplink")
    assert observation_domain_id(export, Collector(host="192.0.2.1")) == derive("uplink")
