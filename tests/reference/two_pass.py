# SPDX-License-Identifier: Apache-2.0
"""Every size and gap of a record in lists, and the statistics that two passes over them give."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from fractions import Fraction

from spanflow.reference.flows import Flow
from spanflow.reference.packet import Packet


@dataclass(slots=True)
class TwoPassSeries:
    """Packets in arrival order: of one direction or of both. Times and gaps are ns, sizes octets."""

    sizes: list[int] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    latest: int | None = None

    def add(self, time_ns: int, octets: int) -> None:
        if self.latest is not None:
            # A negative inter-arrival time counts as 0, measured against the highest time so far.
            self.gaps.append(max(0, time_ns - self.latest))
        self.latest = time_ns if self.latest is None else max(self.latest, time_ns)
        self.sizes.append(octets)

    @property
    def size_mean(self) -> float:
        return _mean(self.sizes)

    @property
    def size_stddev(self) -> float:
        return _stddev(self.sizes)

    @property
    def gap_mean(self) -> float:
        return _mean(self.gaps)

    @property
    def gap_stddev(self) -> float:
        return _stddev(self.gaps)

    @property
    def gap_squared_deviations(self) -> float:
        """Without rounding."""
        if not self.gaps:
            return 0.0
        mean = Fraction(sum(self.gaps), len(self.gaps))
        return float(sum((gap - mean) ** 2 for gap in self.gaps))


class TwoPasses:
    """An Observer that leaves the lists of each record in `flow.metrics`, by "forward", "reverse", "both"."""

    def on_open(self, flow: Flow) -> None:
        pass

    def on_packet(self, packet: Packet, flow: Flow) -> None:
        if flow.pktTotalCount == 1:
            flow.metrics = {part: TwoPassSeries() for part in ("forward", "reverse", "both")}
        for part in ("both", "reverse" if packet.direction else "forward"):
            flow.metrics[part].add(packet.time_ns, packet.octets)

    def on_record(self, flow: Flow) -> None:
        pass

    def on_close(self, flow: Flow) -> None:
        pass


def _mean(values: list[int]) -> float:
    return float(statistics.mean(values)) if values else 0.0


def _stddev(values: list[int]) -> float:
    """The sample one (n - 1), 0 for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else 0.0
