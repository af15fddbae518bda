# SPDX-License-Identifier: Apache-2.0
"""The reference of the exported elements, and the registry of our own: up to date, complete, true."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from exporting.classified_flows import APPLICATIONS
from exporting.plain_ipfix import Reader
from spanflow import fields_reference
from spanflow.exporting.profiles import GENERIC, GENERIC_APPLICATION, PRODUCTS, RICH, RICH_FIXED, Profile
from spanflow.exporting.session import IpfixSession
from spanflow.exporting.template_ids import TemplateId
from spanflow.fields import FIELDS, VARIANTS
from spanflow.information_elements import ENTERPRISE_NUMBER, REVERSE_PEN, VARIABLE_LENGTH, by_name

DOCS = Path(__file__).parents[1] / "docs"
Row = dict[str, str]


def tables() -> list[list[Row]]:
    """The tables of the page: each a list of rows, cells by the head of their column."""
    found = []
    for section in fields_reference.reference().split("\n## "):
        lines = [line for line in section.splitlines() if line.startswith("|")]
        head, _, *rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


FIELDS_TABLE, VARIANTS_TABLE, TEMPLATES_TABLE, PROFILES_TABLE, OPTIONS_TABLE = tables()
PROFILES = {
    "generic": (GENERIC, ("generic",)),
    "generic, classified": (GENERIC_APPLICATION, ("generic", "classified")),
    "rich, variable strings": (RICH, ("generic", "classified", "rich")),
    "rich, fixed strings": (RICH_FIXED, ("generic", "classified", "rich")),
}
"""Name of a template on the page: its profile, and what its rows are marked with."""


@pytest.mark.parametrize(
    "page", [fields_reference.PAGE, fields_reference.REGISTRY], ids=lambda each: each.name
)
def test_the_pages_are_what_the_table_gives(page: fields_reference.GeneratedPage) -> None:
    text = (DOCS / page.name).read_text(encoding="utf-8")
    assert text == page.text(), "run python -m spanflow.fields_reference --write"


def test_the_page_has_every_field_in_the_order_of_the_template() -> None:
    descriptions = [row["holds"] for row in FIELDS_TABLE]
    assert sorted(descriptions) == sorted(field.description for field in FIELDS)
    names = list(dict.fromkeys(row["element"] for row in FIELDS_TABLE))
    assert names == list(RICH.elements)


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("icmp", [False, True], ids=["not ICMP", "ICMP"])
@pytest.mark.parametrize("name", PROFILES)
def test_a_template_can_be_told_from_the_page(name: str, version: int, icmp: bool, biflow: bool) -> None:
    """Who only reads the page knows every element, its place and its length."""
    profile, marks = PROFILES[name]
    has = ("all", f"IPv{version}", "ICMP" if icmp else "not ICMP")
    rows = [
        row for row in FIELDS_TABLE if set(row["Flows"].split(", ")) <= set(has) and row["profile"] in marks
    ]
    reverse = [(row["reverse element"], int(row["octets"])) for row in rows if row["reverse element"]]
    forward = [(row["element"], octets_of(row, rows, profile)) for row in rows]
    template = profile.templates(biflow=biflow)[version, icmp]
    told = reverse + forward if biflow else forward
    assert told == [(element.name, element.length) for element in template.elements]

    form = "Biflow" if biflow else "uniflow"
    (row,) = [row for row in TEMPLATES_TABLE if row["id"] == str(int(template.template_id))]
    assert (row["template"], row["Flows"], row["form"]) == (name, f"IPv{version}, {has[2]}", form)
    assert int(row["elements"]) == len(told)
    fixed = sum(length for _, length in told if length != VARIABLE_LENGTH)
    more = " and the strings" if profile is RICH else ""
    assert row["octets of a Data Record"] == f"{fixed}{more}"


def octets_of(row: Row, rows: list[Row], profile: Profile) -> int:
    """The strings at the end of `rich` have variable lengths, unless fixed ones are set."""
    if profile is not RICH:
        return int(row["octets"])
    names = [each["element"] for each in rows]
    at_the_end = names.index(row["element"]) >= names.index("serverName")
    return VARIABLE_LENGTH if at_the_end else int(row["octets"])


def test_numbers_and_types_are_those_of_the_registry() -> None:
    for row in FIELDS_TABLE + VARIANTS_TABLE + OPTIONS_TABLE:
        element = by_name(row["element"])
        number = f"{element.pen}/{element.number}" if element.pen else str(element.number)
        assert (row["id"], row["type"]) == (number, element.type)
        assert element.length in (int(row["octets"]), VARIABLE_LENGTH)
    for row in FIELDS_TABLE + VARIANTS_TABLE:
        if row["reverse element"]:
            reverse = by_name(row["reverse element"])
            assert (reverse.pen, str(reverse.number)) == (REVERSE_PEN, row["id"])


def test_elements_by_choice() -> None:
    assert [row["element"] for row in VARIANTS_TABLE] == [field.name for field in VARIANTS]
    for row in VARIANTS_TABLE:
        having = [name for name, profile in PRODUCTS.items() if row["element"] in profile.elements]
        assert row["profiles"] == ", ".join(having)


def test_profiles_differ_from_generic_as_the_page_says() -> None:
    assert [row["profile"] for row in PROFILES_TABLE] == list(PRODUCTS)
    for row in PROFILES_TABLE:
        profile = PRODUCTS[row["profile"]]
        more = RICH.elements if "rich" in row["elements more"] else row["elements more"].split("` `")
        less = row["elements less"].split("` `")
        names = {*GENERIC_APPLICATION.elements, *more} - {*less, ""}
        assert names == {*profile.elements, *profile.when_classified}
        assert profile.biflow == row["form"].startswith("Biflow")


@pytest.mark.parametrize("profile", PRODUCTS.values(), ids=PRODUCTS)
def test_options_are_those_of_the_templates(profile: Profile) -> None:
    session = IpfixSession(
        profile.templates(),
        options=profile.options,
        observation_domain_id=1,
        max_message_octets=1400,
        applications=APPLICATIONS,
    )
    reader = Reader().read_all(session.template_messages(0))
    (said,) = [row for row in PROFILES_TABLE if row["profile"] == profile.name]
    names = {f"sampling: {name}" for name in said["sampling"].split(", ")} | {
        *said["other options"].split(", ")
    }
    told: dict[str, list[tuple[int, int]]] = {}
    for row in OPTIONS_TABLE:
        if row["options"] in names:
            told.setdefault(row["template"], []).append((int(row["id"]), int(row["octets"])))
    sent = {
        str(template_id): [(number, length) for (_, number), length in reader.templates[template_id]]
        for template_id in reader.scopes
    }
    # Types are told of elements of our own, if there are some.
    if profile.name not in ("rich", "ipfixcol2"):
        told.pop(str(int(TemplateId.ELEMENTS)), None)
    assert told == sent


def test_every_options_template_is_on_the_page() -> None:
    told = {int(row["template"]) for row in OPTIONS_TABLE}
    assert told == {int(each) for each in TemplateId if each >= TemplateId.SAMPLING}


def test_the_registry_has_every_element_of_our_own() -> None:
    lines = fields_reference.registry().splitlines()
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    kinds = {"uint": ("unsigned8", "unsigned16", "unsigned64"), "string": ("string",)}
    for number, name, kind in rows:
        element = by_name(name)
        assert number == f"{element.pen}.{element.number}"
        assert element.type in kinds[kind]
    own = {element.name for element in RICH.templates(biflow=False)[4, False].elements if element.pen}
    assert {name for _, name, _ in rows} == own
    assert all(number.startswith(f"{ENTERPRISE_NUMBER}.") for number, _, _ in rows)


def test_write_makes_the_pages_and_check_says_that_they_are_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fields_reference", "--check", str(tmp_path)])
    assert fields_reference.main() == 1
    said = capsys.readouterr().err
    assert f"{tmp_path}/fields.md: stale" in said
    assert f"{tmp_path}/spanflow-elements.csv: stale" in said
    monkeypatch.setattr("sys.argv", ["fields_reference", "--write", str(tmp_path)])
    assert fields_reference.main() == 0
    assert not fields_reference.PAGE.is_stale(tmp_path)
    assert not fields_reference.REGISTRY.is_stale(tmp_path)
    monkeypatch.setattr("sys.argv", ["fields_reference", "--check", str(tmp_path)])
    assert fields_reference.main() == 0
    (tmp_path / "spanflow-elements.csv").unlink()
    assert fields_reference.main() == 1
