# SPDX-License-Identifier: Apache-2.0
"""Counts as people read them."""

from __future__ import annotations

_UNITS = "kMGTPE"


def human(number: int) -> str:
    """A count in at most 6 characters: 999, 1.2k, 34.5M, 678.9G."""
    if number < 1000:
        return str(number)
    value, unit = number / 1000, 0
    # 999.95 would be written as 1000.0
    while value >= 999.95 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f}{_UNITS[unit]}"
