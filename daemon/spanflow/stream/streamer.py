# SPDX-License-Identifier: Apache-2.0
"""Streamer: a FlowStream with the argument names, defaults and attributes of the system of old."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from spanflow.stream.flow_stream import FlowStream, Metric, Seconds
from spanflow.stream.sources import Source


class Streamer(FlowStream):
    """What a program of the original system finds when it says `from spanflow import Streamer`.

    Further arguments are those of FlowStream. docs/migration.md says what has changed, and why.
    """

    def __init__(
        self,
        source: Source | None = None,
        capacity: int = 128_000,
        active_timeout: Seconds = 120,
        inactive_timeout: Seconds = 60,
        user_metrics: Mapping[str, Metric] | None = None,
        user_classifiers: Any = None,
        enable_ndpi: bool = True,
        **more: Any,
    ) -> None:
        super().__init__(
            source,
            capacity=capacity,
            active_timeout=active_timeout,
            inactive_timeout=inactive_timeout,
            user_metrics=user_metrics,
            user_classifiers=user_classifiers,
            enable_ndpi=enable_ndpi,
            **more,
        )

    @property
    def flows_number(self) -> int:
        """Flows opened."""
        return self.flows

    @property
    def processed_packets(self) -> int:
        """Packets received."""
        return self.packets

    def inactive_watcher(self, event: threading.Event) -> None:
        """Wait for `event`: the engine watches its timers by itself."""
        event.wait()

    def active_watcher(self, event: threading.Event) -> None:
        """Wait for `event`: the engine watches its timers by itself."""
        event.wait()
