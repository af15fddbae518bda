# SPDX-License-Identifier: Apache-2.0
"""A clock that moves when a test says so."""

from __future__ import annotations

SECOND_NS = 1_000_000_000


class FakeClock:
    """Both clocks of an Exporting Process. `wait` moves it, and says that nothing is to stop."""

    def __init__(self, wall_ns: int = 1_800_000_000 * SECOND_NS) -> None:
        self.now_ns = 5 * SECOND_NS
        self.offset_ns = wall_ns - self.now_ns
        self.waits: list[float] = []

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns + self.offset_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND_NS)

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.advance(seconds)
        return False
