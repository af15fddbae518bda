# SPDX-License-Identifier: Apache-2.0
"""Medians of the counted runs, and the figures that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan
from statistics import median
from typing import Any

from rows import Row


@dataclass(slots=True)
class Summary:
    """All counted runs by row name, and why a row has none."""

    rows: dict[str, Row]
    truths: dict[str, dict[str, Any]]
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def has(self, *names: str) -> bool:
        return all(self.runs.get(name) for name in names)

    def truth(self, name: str) -> dict[str, Any]:
        return self.truths[self.rows[name].capture]

    def values(self, name: str, key: str) -> list[float]:
        """`seconds`: a program's own timing of its loop, else wall time; `cpu`: user + system."""
        return [_value(run, key) for run in self.runs[name]]

    def median(self, name: str, key: str) -> float:
        return median(self.values(name, key))

    def spread(self, name: str, key: str) -> tuple[float, float]:
        values = self.values(name, key)
        return min(values), max(values)

    def net(self, name: str, key: str) -> float:
        """The median less that of the same command on a tiny file (without one: the median itself)."""
        baseline = self.rows[name].baseline
        if baseline is None or not self.has(baseline):
            return self.median(name, key)
        return self.median(name, key) - self.median(baseline, key)

    def ns_per_packet(self, name: str, key: str = "seconds") -> float:
        """Net; not a number where the start-up varies by more than the whole run takes."""
        net = self.net(name, key)
        return net * 1e9 / float(self.truth(name)["packets"]) if net > 0 else nan

    def ratio(self, name: str, to: str, key: str = "seconds") -> float:
        """How many times as long `name` takes as `to`."""
        return self.ns_per_packet(name, key) / self.ns_per_packet(to, key)

    def floor(self, scenario: str) -> str | None:
        """The quicker way of walking the file."""
        names = [f"{scenario}/floor-{mode}" for mode in ("mmap", "read")]
        return min((name for name in names if self.has(name)), key=self.ns_per_packet, default=None)

    def records(self, name: str) -> int | None:
        run = self.runs[name][-1]
        if collectors := run.get("collectors"):
            return int(collectors[0]["records"])
        flows = run.get("report", {}).get("flows")
        return None if flows is None else int(flows)

    def wrong(self, name: str) -> list[str]:
        return sorted({text for run in self.runs[name] for text in run.get("wrong", ())})


def _value(run: dict[str, Any], key: str) -> float:
    if key == "seconds":
        return float(run.get("report", run).get("seconds", run["wall"]))
    if key == "cpu":
        return float(run["user"]) + float(run["system"])
    return float(run[key])
