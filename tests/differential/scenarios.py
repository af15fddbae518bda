# SPDX-License-Identifier: Apache-2.0
"""One capture with settings and a number of workers for each seed, the same for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from craft import traffic
from craft.capture import Frame
from craft.crafted import Crafted
from craft.framing import LINK_TYPES

WORKERS = (1, 2, 4)
FILTERS = ("tcp", "udp or icmp or icmp6", "not port 443", "ip6 or host 10.0.0.1", "ip or ip6")
MOST_FLOWS = 4096
"""Room for all of a scenario, and quickly made: nothing is ever evicted."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A capture and everything that it is metered with. more: settings that have no say in the traffic."""

    seed: int
    crafted: Crafted
    workers: int
    more: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of metering.native.settings_of."""
        return {**self.crafted.settings, **self.more, "workers": self.workers}

    def of_frames(self, frames: Sequence[Frame]) -> Scenario:
        """The same with other frames."""
        return replace(self, crafted=self.crafted.of_frames(frames))


def scenario(seed: int) -> Scenario:
    """Most are small; some are so large that Flows leave by timers long before the end."""
    random = Random(seed)
    size, late = random.randrange(20), random.randrange(8) == 7
    if size < 12:
        crafted = traffic.capture(random, late=late, conversations=4, packets=10)
    elif size < 18:
        crafted = traffic.capture(random, late=late, conversations=10, packets=14, spread_seconds=30)
    else:
        crafted = traffic.capture(random, late=late, conversations=36, packets=24, spread_seconds=180)
    more: dict[str, Any] = {
        "max_flows": MOST_FLOWS,
        "first_packets": random.choice((0, 0, 0, 1, 5, 64)),
    }
    if random.randrange(8) == 7 and set(crafted.form.link_types) <= set(LINK_TYPES):
        more["filter"] = random.choice(FILTERS)
    workers = WORKERS[seed % len(WORKERS)]
    if workers > 1:
        # Each worker has a table of fragments: when it is full, the number of workers shows (semantics 0.1).
        crafted.settings["max_fragments"] = 16_384
    return Scenario(seed, crafted, workers, more)
