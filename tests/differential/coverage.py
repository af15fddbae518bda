# SPDX-License-Identifier: Apache-2.0
"""What the scenarios have met: a test of nothing passes too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from differential.engines import Outcome
from differential.scenarios import Scenario
from spanflow.record import CONTINUATION

END_DETAILS = frozenset(("idle", "active", "fin", "rst", "fin_timeout", "flush"))
"""All but `evicted`: the engines may evict different Flows."""

DISCARDS = frozenset(("filtered", "unsupported_link", "non_ip", "malformed", "truncated"))
"""All that files can have."""


@dataclass(slots=True)
class Coverage:
    """Sums over scenarios. frames: read; packets: accounted; late: scenarios with late packets."""

    scenarios: int = 0
    frames: int = 0
    packets: int = 0
    records: int = 0
    continuations: int = 0
    fragment_orphans: int = 0
    late: int = 0
    with_first_packets: int = 0
    workers: Counter[int] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    discarded: Counter[str] = field(default_factory=Counter)

    def add(self, scenario: Scenario, outcome: Outcome) -> None:
        counters = outcome.counters
        self.scenarios += 1
        self.frames += counters.received.packets
        self.packets += counters.accounted.packets
        self.records += len(outcome.records)
        self.continuations += int((outcome.records["flags"] & CONTINUATION != 0).sum())
        self.fragment_orphans += counters.fragment_orphans
        self.late += counters.late > 0
        self.with_first_packets += outcome.first_packets.size > 0
        self.workers[scenario.workers] += 1
        self.ended.update({name: count for name, count in counters.ended.items() if count})
        self.discarded.update(
            {name: count.packets for name, count in counters.discarded.items() if count.packets}
        )

    def merge(self, other: Coverage) -> None:
        for name in self.__slots__:
            ours, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, ours + theirs)

    def missing(self) -> list[str]:
        """End details and discard reasons that were not met."""
        return sorted((END_DETAILS - self.ended.keys()) | (DISCARDS - self.discarded.keys()))

    def __str__(self) -> str:
        numbers = [
            f"{name.replace('_', ' ')} {getattr(self, name):,}"
            for name in self.__slots__
            if isinstance(getattr(self, name), int)
        ]
        counts = [
            f"{name}: " + ", ".join(f"{key} {count:,}" for key, count in sorted(getattr(self, name).items()))
            for name in ("workers", "ended", "discarded")
        ]
        return "\n".join((", ".join(numbers), *counts))
