# SPDX-License-Identifier: Apache-2.0
"""Names of applications, as an engine's tables tell them."""

from __future__ import annotations

import pytest

from engines import APPLICATIONS, GOOGLE, OWN, TLS, UNKNOWN
from spanflow.applications import NO_APPLICATIONS, Application, Applications

TABLES = {
    "engine": "nDPI",
    "version": "4.2.0",
    "applications": [UNKNOWN, TLS, GOOGLE, OWN],
    "categories": [(0, "Unspecified"), (5, "Web")],
    "risks": [(1, "XSS Attack")],
}


def test_tables_are_taken_as_they_are() -> None:
    assert Applications.of_tables(TABLES) == APPLICATIONS
    assert APPLICATIONS.by_number[91] == Application(91, 22 << 24 | 91, "TLS", "Web", "Safe", False)
    assert APPLICATIONS.by_id[22 << 24 | 126].name == "Google"


@pytest.mark.parametrize(("number", "name"), [(0, "Unknown"), (91, "TLS"), (282, "intranet"), (7, "Unknown")])
def test_name(number: int, name: str) -> None:
    assert APPLICATIONS.name(number) == name


TITLES = [
    (91, 126, "TLS.Google"),
    (0, 126, "Google"),
    (91, 0, "TLS"),
    (91, 91, "TLS"),
    (91, 7, "TLS"),
    (0, 0, ""),
    (7, 7, ""),
]


@pytest.mark.parametrize(("master", "number", "title"), TITLES)
def test_title(master: int, number: int, title: str) -> None:
    assert APPLICATIONS.title(master, number) == title


def test_the_description_announces_the_version_of_the_engine() -> None:
    assert APPLICATIONS.description(APPLICATIONS.by_number[91]) == "TLS, as nDPI 4.2.0 names it"
    assert APPLICATIONS.description(APPLICATIONS.by_number[282]) == "intranet, user-defined, with nDPI 4.2.0"


def test_without_an_engine_nothing_has_a_name() -> None:
    assert NO_APPLICATIONS.title(91, 126) == ""
    assert (NO_APPLICATIONS.engine, NO_APPLICATIONS.version, NO_APPLICATIONS.by_id) == ("none", "", {})
