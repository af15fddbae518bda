# SPDX-License-Identifier: Apache-2.0
"""The reference of the exported elements: up to date, complete, true to the templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanflow import fields_reference
from spanflow.exporting.options import sampling_template
from spanflow.exporting.profiles import GENERIC
from spanflow.fields import FIELDS
from spanflow.information_elements import REVERSE_PEN, by_name

DOCS = Path(__file__).parents[1] / "docs"


def tables() -> list[list[dict[str, str]]]:
    """The tables of the page: each a list of rows, cells by the head of their column."""
    found = []
    for section in fields_reference.reference().split("\n## "):
        lines = [line for line in section.splitlines() if line.startswith("|")]
        head, _, *rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


FIELDS_TABLE, TEMPLATES_TABLE, OPTIONS_TABLE = tables()


def test_the_page_is_what_the_table_gives() -> None:
    text = (DOCS / fields_reference.PAGE.name).read_text(encoding="utf-8")
    assert text == fields_reference.reference(), "run python -m spanflow.fields_reference --write"


def test_the_page_has_every_field_in_the_order_of_the_template() -> None:
    descriptions = [row["holds"] for row in FIELDS_TABLE]
    assert sorted(descriptions) == sorted(field.description for field in FIELDS)
    names = list(dict.fromkeys(row["element"] for row in FIELDS_TABLE))
    assert names == list(GENERIC.elements)


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("icmp", [False, True], ids=["not ICMP", "ICMP"])
def test_a_template_can_be_told_from_the_page(version: int, icmp: bool, biflow: bool) -> None:
    """Who only reads the page knows every element, its place and its length."""
    has = ("all", f"IPv{version}", "ICMP" if icmp else "not ICMP")
    rows = [row for row in FIELDS_TABLE if set(row["Flows"].split(", ")) <= set(has)]
    reverse = [(row["reverse element"], int(row["octets"])) for row in rows if row["reverse element"]]
    forward = [(row["element"], int(row["octets"])) for row in rows]
    template = GENERIC.templates(biflow=biflow)[version, icmp]
    told = reverse + forward if biflow else forward
    assert told == [(element.name, element.length) for element in template.elements]

    form = "Biflow" if biflow else "uniflow"
    (row,) = [row for row in TEMPLATES_TABLE if row["id"] == str(int(template.template_id))]
    assert (row["Flows"], row["form"]) == (f"IPv{version}, {has[2]}", form)
    assert int(row["elements"]) == len(told)
    assert int(row["octets of a Data Record"]) == sum(length for _, length in told)


def test_numbers_and_types_are_those_of_the_registry() -> None:
    for row in FIELDS_TABLE + OPTIONS_TABLE:
        element = by_name(row["element"])
        assert (row["id"], row["type"], row["octets"]) == (
            str(element.number),
            element.type,
            str(element.length),
        )
    for row in FIELDS_TABLE:
        if row["reverse element"]:
            reverse = by_name(row["reverse element"])
            assert (reverse.pen, str(reverse.number)) == (REVERSE_PEN, row["id"])
    assert [row["element"] for row in OPTIONS_TABLE] == [
        element.name for element in sampling_template().elements
    ]


def test_write_makes_the_page_and_check_says_that_it_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fields_reference", "--check", str(tmp_path)])
    assert fields_reference.PAGE.main() == 1
    assert f"{tmp_path}/fields.md: stale" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["fields_reference", "--write", str(tmp_path)])
    assert fields_reference.PAGE.main() == 0
    assert not fields_reference.PAGE.is_stale(tmp_path)
    monkeypatch.setattr("sys.argv", ["fields_reference", "--check", str(tmp_path)])
    assert fields_reference.PAGE.main() == 0
