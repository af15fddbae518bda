# SPDX-License-Identifier: Apache-2.0
"""The source line and the caret below it, for lines that are not plain and short."""

from __future__ import annotations

import pytest

from spanflow.config.findings import excerpt
from spanflow.config.wording import nearest, shown

LONG = "a" * 300


@pytest.mark.parametrize(
    ("name", "line", "column", "expected"),
    [
        ("plain", "key: value", 5, "    key: value\n         ^"),
        ("tab", "a:\tb", 3, "    a: b\n       ^"),
        ("wide", "日本: x", 4, "    日本: x\n          ^"),
        ("combining", "e\N{COMBINING ACUTE ACCENT}: x", 4, "    e\N{COMBINING ACUTE ACCENT}: x\n       ^"),
        ("control", "a\x1b[31m", 2, "    a [31m\n      ^"),
        ("end", "abc", 3, "    abc\n       ^"),
        ("long, near its start", LONG, 2, f"    {LONG[:100]}\n      ^"),
        ("long", LONG, 200, f"    …{LONG[:100]}\n     {' ' * 70}^"),
        ("long, at its end", LONG, 300, f"    …{LONG[:70]}\n     {' ' * 70}^"),
    ],
)
def test_excerpt(name: str, line: str, column: int, expected: str) -> None:
    assert excerpt(line, column) == expected, name


def test_what_does_not_print_is_escaped() -> None:
    assert shown("a\n\x1b\ud800\N{RIGHT-TO-LEFT OVERRIDE}é") == "a\\n\\x1b\\ud800\\u202eé"


def test_the_nearest_name_does_not_depend_on_case() -> None:
    assert nearest("activeTimeout", ["inactive_timeout", "active_timeout"]) == "active_timeout"
    assert nearest("mib", ["B", "MB", "MiB"]) == "MiB"
    assert nearest("x" * 100_000, ["B", "MB", "MiB"]) is None
