# SPDX-License-Identifier: Apache-2.0
"""docs/migration.md: what it calls ours is there, and nothing that people look for is missing."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanflow import FlowStream, Streamer
from spanflow.config.schema import sections
from spanflow.features.classic import CLASSIC_NAMES
from spanflow.features.selection import column_names
from spanflow.stream.stream_settings import METERING_SECTIONS

OTHERS = tomllib.loads((Path(__file__).parent / "names_of_others.toml").read_text())
PAGE = (Path(__file__).parents[2] / "docs/migration.md").read_text()
SETTINGS = {f"{name}_{key}" for name in METERING_SECTIONS for key in sections()[name].settings}


def arguments_of(stream: type[FlowStream]) -> set[str]:
    return {*inspect.signature(stream.__init__).parameters, *SETTINGS}


def section(title: str) -> str:
    """Below a heading, to the next of the same rank or a higher one."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,3}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[2]


def rows(title: str) -> Iterator[list[str]]:
    """The cells of all tables of a section, without their heads."""
    for line in section(title).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if (
            line.startswith("| ")
            and len(cells) > 2
            and cells[1] not in ("Spanflow", "bidirectional", "it is")
        ):
            yield cells


def names(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def theirs(title: str) -> set[str]:
    return {name for cells in rows(title) for name in names(cells[0])}


def ours(title: str) -> set[str]:
    return {name for cells in rows(title) for cell in cells[1:-1] for name in names(cell)}


@pytest.mark.parametrize("title", ["Flows", "The CSV file", "NFlow", "CICFlowMeter"])
def test_our_columns_exist(title: str) -> None:
    attributes = {"metrics", "classifiers"}
    assert ours(title) - {*column_names(), *attributes} == set()
    assert len(ours(title)) > 3


def test_our_arguments_exist() -> None:
    assert ours("NFStreamer") - arguments_of(FlowStream) == set()
    members = {*dir(Streamer), "terminate()"}
    assert ours("Streamer") - arguments_of(Streamer) - members == set()


def test_every_argument_of_nfstream() -> None:
    assert theirs("NFStreamer") == set(OTHERS["nfstream"]["arguments"])


def test_every_attribute_of_nfstream() -> None:
    directions = ("bidirectional_", "src2dst_", "dst2src_")
    expected = {name for name in OTHERS["nfstream"]["attributes"] if not name.startswith(directions)}
    expected |= {
        name.partition("_")[2] for name in OTHERS["nfstream"]["attributes"] if name.startswith(directions)
    }
    assert theirs("NFlow") == expected


def test_every_column_of_cicflowmeter() -> None:
    assert theirs("CICFlowMeter") == set(OTHERS["cicflowmeter"]["columns"])


def test_every_name_of_the_original_system() -> None:
    """Those of flows exist by the same name; the page tells them apart where they mean something else."""
    assert set(OTHERS["original"]["attributes"]) - {*column_names(), "metrics", "classifiers"} == set()
    sides = ("f_", "b_")
    expected = {name for name in OTHERS["original"]["attributes"] if not name.startswith(sides)}
    assert expected - theirs("Flows") == set()
    assert theirs("The CSV file") <= set(CLASSIC_NAMES)


def test_the_short_form() -> None:
    found = re.search(r"short form.*?features=\((.*?)\)", PAGE, re.DOTALL)
    assert found is not None
    short = re.findall(r'"(\w+)"', found[1])
    assert len(short) == 10
    assert set(short) <= set(column_names())
