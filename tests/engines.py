# SPDX-License-Identifier: Apache-2.0
"""Classification engines for tests: files in the place of real ones, and what they would answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from spanflow import _core
from spanflow.applications import Application, Applications

UNKNOWN = (0, 22 << 24, "Unknown", "Unspecified", "Unrated", False)
TLS = (91, 22 << 24 | 91, "TLS", "Web", "Safe", False)
GOOGLE = (126, 22 << 24 | 126, "Google", "Web", "Acceptable", False)
OWN = (282, 22 << 24 | 0x812345, "intranet", "Web", "Acceptable", True)

APPLICATIONS = Applications(
    engine="nDPI",
    version="4.2.0",
    by_number={row[0]: Application(*row) for row in (UNKNOWN, TLS, GOOGLE, OWN)},
    categories={0: "Unspecified", 5: "Web"},
    risks={1: "XSS Attack"},
)


@dataclass
class Engines:
    """A folder of engines, none of which is real. `asked`: the options of each opening, in order."""

    folder: Path
    refuse: Callable[[dict[str, Any]], str] = lambda options: ""
    asked: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def installed(cls, patch: pytest.MonkeyPatch, folder: Path, *names: str) -> Engines:
        """In the place of those of this machine, for the whole program."""
        engines = cls(folder)
        for name in names:
            (folder / f"spanflow-{name}.so").touch()
        patch.setattr(_core, "__file__", str(folder / "_core.so"))
        patch.setattr(_core, "ClassificationOptions", lambda **options: options)
        patch.setattr(_core, "classification_tables", engines.tables)
        return engines

    def tables(self, options: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(options)
        if reason := self.refuse(options):
            raise RuntimeError(reason)
        version = Path(options["shim"]).stem.rpartition("-")[2]
        return {
            "engine": "nDPI",
            "version": f"{version}.0",
            "applications": [UNKNOWN, TLS, GOOGLE, *([OWN] if options["rules"] else [])],
            "categories": [(0, "Unspecified"), (5, "Web")],
            "risks": [(1, "XSS Attack")],
        }
