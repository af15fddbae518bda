# SPDX-License-Identifier: Apache-2.0
"""The names of applications, as the classification engine that is loaded tells them (RFC 6759).

Numbers differ between the versions of an engine, so names are never written down anywhere: they come from the
library at hand. They may be a user's (a protocols file), so whoever shows one escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "Unknown"
"""What stands for the application of a Flow that nobody could tell."""


@dataclass(frozen=True, slots=True)
class Application:
    """One application. number: dense, as records count it; application_id: as collectors see it.

    category: `Media`, `Web`. breed: how the engine judges it: `Safe`, `Unsafe`.
    """

    number: int
    application_id: int
    name: str
    category: str
    breed: str
    user_defined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Applications:
    """What one engine knows, rules and protocols file included. engine: `nDPI`; version: `4.2.0`.

    categories and risks are names by the engine's number and bit.
    """

    engine: str
    version: str
    by_number: Mapping[int, Application] = field(default_factory=dict)
    categories: Mapping[int, str] = field(default_factory=dict)
    risks: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of_tables(cls, tables: Mapping[str, Any]) -> Applications:
        """From what `_core.classification_tables` gives."""
        return cls(
            engine=tables["engine"],
            version=tables["version"],
            by_number={row[0]: Application(*row) for row in tables["applications"]},
            categories=dict(tables["categories"]),
            risks=dict(tables["risks"]),
        )

    @property
    def by_id(self) -> dict[int, Application]:
        """The applications by what collectors see. Made anew at each call."""
        return {each.application_id: each for each in self.by_number.values()}

    def name(self, number: int) -> str:
        """The name of a dense number; UNKNOWN for 0, and for one that the engine does not have."""
        found = self.by_number.get(number) if number else None
        return UNKNOWN if found is None else found.name

    def title(self, master: int, number: int) -> str:
        """Carrier and application as one word, `TLS.Google`; one of them where there is one; else empty."""
        known = [self.by_number[each].name for each in (master, number) if each and each in self.by_number]
        return ".".join(dict.fromkeys(known))

    def description(self, application: Application) -> str:
        """One line about it; the version of the engine is announced through this (applicationDescription)."""
        if application.user_defined:
            return f"{application.name}, user-defined, with {self.engine} {self.version}"
        return f"{application.name}, as {self.engine} {self.version} names it"


NO_APPLICATIONS = Applications(engine="none", version="")
"""Without classification."""
