# SPDX-License-Identifier: Apache-2.0
"""Frames that were lost before any ring saw them, as counts that begin at 0 with the probe and only grow.

The kernel's own counts do not: they began at boot, and a network interface that is made anew has new ones.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spanflow.interfaces import CardCounters
    from spanflow.status import InterfaceStatus

CARD_STAGES = {
    "card_dropped": "rx_dropped",
    "card_missed": "rx_missed",
    "card_errors": "rx_errors",
    "card_no_buffer": "rx_no_buffer",
}
"""Where a frame was lost, and the member of CardCounters that counts it."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Growth:
    """What a count of the kernel grew by. `seen` is its value at the last look."""

    seen: int = 0
    total: int = 0

    def follow(self, value: int, *, anew: bool = False) -> None:
        """Take the next value. anew: the count began at 0 again since the last look.

        A count that goes back otherwise has lost a part (a CPU went offline); the rest was seen before.
        """
        self.total += max(0, value - (0 if anew else self.seen))
        self.seen = value


class KernelLosses:
    """Looks at the counts when it is made, and at each `look`. One thread."""

    def __init__(self) -> None:
        self._at_start, softnet = _read({}, 0)
        self._cards: dict[str, dict[str, _Growth]] = {}
        self._indexes: dict[str, int] = {}
        self._softnet = _Growth(softnet)

    def look(self, interfaces: Iterable[InterfaceStatus]) -> tuple[Mapping[str, Mapping[str, int]], int]:
        """What was lost so far: by interface and stage (CARD_STAGES), and in the kernel's receive queues."""
        cards, softnet = _read({}, self._softnet.seen)
        self._softnet.follow(softnet)
        lost = {
            interface.name: self._follow(interface, cards.get(interface.name)) for interface in interfaces
        }
        return lost, self._softnet.total

    def _follow(self, interface: InterfaceStatus, counters: CardCounters | None) -> Mapping[str, int]:
        if interface.name not in self._cards:
            before = self._at_start.get(interface.name)
            self._cards[interface.name] = {
                stage: _Growth(_count(before, member)) for stage, member in CARD_STAGES.items()
            }
        growths = self._cards[interface.name]
        if counters is not None and interface.index:
            anew = self._indexes.setdefault(interface.name, interface.index) != interface.index
            self._indexes[interface.name] = interface.index
            for stage, member in CARD_STAGES.items():
                growths[stage].follow(_count(counters, member), anew=anew)
        return {stage: growth.total for stage, growth in growths.items()}


def _count(counters: CardCounters | None, member: str) -> int:
    return 0 if counters is None else int(getattr(counters, member))


def _read(cards: Mapping[str, CardCounters], softnet: int) -> tuple[Mapping[str, CardCounters], int]:
    """The counts of now; those given where the kernel does not tell."""
    from spanflow.interfaces import card_counters, softnet_drops

    try:
        cards = card_counters()
        softnet, _ = softnet_drops()
    except OSError as error:
        log.warning("drops of network cards cannot be read", extra={"error": str(error)})
    return cards, softnet
