# SPDX-License-Identifier: Apache-2.0
"""What is counted of each per-flow plugin."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginCounters:
    """One moment of one plugin.

    failed_records: those of the batches that it failed on, which `records` has too. seconds: that it took, by
    the clock. last_error: the latest failure; empty without one.
    """

    name: str
    batches: int = 0
    records: int = 0
    failures: int = 0
    failed_records: int = 0
    seconds: float = 0.0
    last_error: str = ""
