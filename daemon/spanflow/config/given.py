# SPDX-License-Identifier: Apache-2.0
"""What the user has set, from all sources together, and where each thing was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spanflow.config.findings import Place
from spanflow.config.schema import Collector, Interface, Plugin


@dataclass(slots=True)
class Given:
    """Values by full key, the items of each list in order. Owner: one call of `load`."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    interfaces: list[tuple[Place, Interface]] = field(default_factory=list)
    collectors: list[tuple[Place, Collector]] = field(default_factory=list)
    plugins: list[tuple[Place, Plugin]] = field(default_factory=list)

    def put(self, key: str, value: Any, place: Place) -> None:
        """Set a value; a later one replaces it."""
        self.values[key] = value
        self.places[key] = place
