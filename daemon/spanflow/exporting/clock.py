# SPDX-License-Identifier: Apache-2.0
"""The two clocks of an Exporting Process, as one object, so that tests can bring their own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Integer nanoseconds."""

    def monotonic_ns(self) -> int:
        """Time that never steps, for intervals."""
        ...

    def wall_ns(self) -> int:
        """Time since the Unix epoch, for Export Time."""
        ...


class SystemClock:
    """The clocks of the machine."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """CLOCK_REALTIME."""
        return time.time_ns()
