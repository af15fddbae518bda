# SPDX-License-Identifier: Apache-2.0
"""The samples of a metrics page."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SAMPLE = re.compile(r"(?P<name>[a-z_:0-9]+)(\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Samples:
    """Every sample: name, labels, value."""

    rows: list[tuple[str, dict[str, str], float]]

    @classmethod
    def of(cls, page: str) -> Samples:
        rows = []
        for line in page.splitlines():
            if line and not line.startswith("#"):
                sample = _SAMPLE.fullmatch(line)
                assert sample is not None, line
                labels = dict(_LABEL.findall(sample["labels"] or ""))
                rows.append((sample["name"], labels, float(sample["value"])))
        return cls(rows)

    def total(self, name: str, **labels: str) -> int:
        """The sum of a metric over all samples that have these labels; there must be one."""
        values = [value for found, has, value in self.rows if found == name and labels.items() <= has.items()]
        assert values, f"no sample of {name} with {labels}"
        return int(sum(values))

    def by(self, label: str, name: str) -> dict[str, int]:
        """The samples of a metric that are not 0, added up by a label."""
        sums: dict[str, int] = {}
        for found, labels, value in self.rows:
            if found == name and value:
                sums[labels[label]] = sums.get(labels[label], 0) + int(value)
        return sums
