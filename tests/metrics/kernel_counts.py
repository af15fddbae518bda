# SPDX-License-Identifier: Apache-2.0
"""A kernel in whose place a test says what its network cards and receive queues have lost."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from spanflow import interfaces
from spanflow.interfaces import CardCounters


@dataclass
class KernelCounts:
    """`error`: what the kernel answers instead."""

    cards: dict[str, CardCounters] = field(default_factory=dict)
    softnet: int = 0
    error: OSError | None = None

    @classmethod
    def installed(cls, patch: pytest.MonkeyPatch) -> KernelCounts:
        """In the place of the kernel of this machine."""
        kernel = cls()
        patch.setattr(interfaces, "card_counters", kernel.card_counters)
        patch.setattr(interfaces, "softnet_drops", lambda: (kernel.softnet, 0))
        return kernel

    def card(
        self, name: str, *, dropped: int = 0, missed: int = 0, errors: int = 0, no_buffer: int = 0
    ) -> None:
        self.cards[name] = CardCounters(
            rx_packets=0, rx_dropped=dropped, rx_missed=missed, rx_errors=errors, rx_no_buffer=no_buffer
        )

    def card_counters(self) -> dict[str, CardCounters]:
        if self.error is not None:
            raise self.error
        return dict(self.cards)
