# SPDX-License-Identifier: Apache-2.0
"""How many packets stand behind each metered one, in all the forms in which exporters say it.

selectorId with a packet sampling element (RFC 5476, RFC 5477); samplerId with samplerRandomInterval, and
samplingInterval, of NetFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from spanflow.collecting.values import Value

Selector: TypeAlias = tuple[str, int]
"""The element that names it, and its value: selectorId and samplerId do not share their numbers."""

_SELECTORS = ("selectorId", "samplerId")
_INTERVALS = ("samplingInterval", "samplerRandomInterval")


def selector_of(values: Mapping[str, Value | list[Value]]) -> Selector | None:
    """The Selector that a record (element name → value) names, if it does."""
    for name in _SELECTORS:
        number = values.get(name)
        if isinstance(number, int):
            return name, number
    return None


def sampling_rate(values: Mapping[str, Value | list[Value]]) -> float | None:
    """One of so many packets is metered, a record (element name → value) says; None if it does not."""
    # RFC 5477 section 8.2: so many packets in a row, then so many that are left out.
    interval, space = _number(values, "samplingPacketInterval"), _number(values, "samplingPacketSpace")
    if interval and space is not None:
        return (interval + space) / interval
    size, population = _number(values, "samplingSize"), _number(values, "samplingPopulation")
    if size and population:
        return population / size
    probability = _number(values, "samplingProbability")
    if probability and 0 < probability <= 1:
        return 1 / probability
    return next((float(rate) for name in _INTERVALS if (rate := _number(values, name))), None)


def _number(values: Mapping[str, Value | list[Value]], name: str) -> int | float | None:
    value = values.get(name)
    return value if isinstance(value, int | float) else None
