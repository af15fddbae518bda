# SPDX-License-Identifier: Apache-2.0
"""A probe with one interface, for whoever wants to see what options tell of a probe."""

from __future__ import annotations

from collections.abc import Sequence

from spanflow.exporting.example_flows import EXAMPLE_INTERFACE, EXAMPLE_NS
from spanflow.exporting.facts import ExportingFacts, MeteringFacts, ObservedInterface


class ExampleProbe:
    """The probe that saw the example Flows; it has lost nothing."""

    started_ns = EXAMPLE_NS
    version = 0
    more_keys: Sequence[str] = ()

    def interfaces(self) -> Sequence[ObservedInterface]:
        """The one interface."""
        return (ObservedInterface(EXAMPLE_INTERFACE, "eth0"),)

    def metering(self) -> MeteringFacts:
        """Nothing was lost."""
        return MeteringFacts()

    def exporting(self) -> ExportingFacts:
        """Nothing was sent."""
        return ExportingFacts()
