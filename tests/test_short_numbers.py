# SPDX-License-Identifier: Apache-2.0
"""Counts as people read them."""

from __future__ import annotations

import pytest

from spanflow.short_numbers import human


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (1234, "1.2k"),
        (999_949, "999.9k"),
        (999_950, "1.0M"),
        (34_567_890, "34.6M"),
        (2**64 - 1, "18.4E"),
        (10**22, "10000.0E"),
    ],
)
def test_human(number: int, text: str) -> None:
    assert human(number) == text
