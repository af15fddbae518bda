# SPDX-License-Identifier: Apache-2.0
"""The time of one conversation: quick steps, and waits that end on the edge of a deadline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from craft.capture import SECOND

FRAGMENT_LIFETIME_NS = 30 * SECOND
"""How far a fragment may be from its first (semantics 3.2)."""


@dataclass(slots=True)
class Pace:
    """Where a conversation stands in time, and the deadlines of its Flow as far as they can be guessed.

    tick_ns: what counts as just before and just after. settings: the timeouts, by name.
    """

    random: Random
    settings: Mapping[str, Any]
    tick_ns: int
    now_ns: int
    first_ns: int = field(init=False)
    ended_ns: int | None = None

    def __post_init__(self) -> None:
        self.first_ns = self.now_ns

    def step(self) -> None:
        """To the next packet: mostly at once."""
        kind = self.random.randrange(20)
        if kind < 16:
            self.now_ns += (self.tick_ns, 1000, SECOND // 1000, SECOND // 100)[kind % 4]
        elif kind == 16:
            self.now_ns += SECOND // 2
        elif kind < 19:
            self.wait()

    def wait(self) -> None:
        """To a deadline, or to one tick before or after it."""
        edges = self._edges()
        if not edges:
            return
        by = self.random.choice((0, 1, -1)) * self.tick_ns
        self.now_ns = max(self.now_ns, self.random.choice(edges) + by)
        if by >= 0:
            self.first_ns = self.now_ns  # as if it had been a deadline of this record

    def begin(self) -> None:
        """A connection begins with the next packet."""
        self.first_ns, self.ended_ns = self.now_ns, None

    def end(self) -> None:
        """The packet that was just sent ends a TCP connection."""
        if self.ended_ns is None:
            self.ended_ns = self.now_ns

    def _edges(self) -> list[int]:
        """Points of time that lie ahead; where two deadlines fall together too."""
        active, inactive, half_close, linger = (
            self.settings[name]
            for name in ("active_timeout", "inactive_timeout", "tcp_fin_timeout", "tcp_linger")
        )
        if self.ended_ns is not None:
            edges = [self.ended_ns + linger, self.ended_ns + linger, self.ended_ns + inactive]
        else:
            edges = [self.now_ns + FRAGMENT_LIFETIME_NS]
            edges += [self.now_ns + timeout for timeout in (inactive, half_close) if timeout]
            if active:
                edges += [self.first_ns + active, self.first_ns + active - inactive]
                edges += [self.first_ns + active - half_close] if half_close else []
        return [edge for edge in edges if edge > self.now_ns]
