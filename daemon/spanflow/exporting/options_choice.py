# SPDX-License-Identifier: Apache-2.0
"""Which options one collector gets (RFC 7011 section 4): what it reads differs from product to product."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class SamplingForm(Enum):
    """How the sampling of packets is told; each form is a record of its own."""

    SELECTOR = "selectorId: selectorAlgorithm, samplingPacketInterval, samplingPacketSpace (RFC 5477)"
    INTERVAL = "samplingInterval, samplingAlgorithm, as Cisco's exporters have it"
    RATE = "samplingInterval alone: nfdump 1.7.1 takes no notice of a record with an algorithm in it"
    SAMPLER = "samplerId, samplerMode, samplerRandomInterval, as Cisco's exporters have it"


class Table(Enum):
    """All other options."""

    INTERFACES = auto()
    CISCO_INTERFACES = auto()
    """The same as Cisco's exporters have it, for collectors that do not look into the scope."""
    INTERFACE_NAMES = auto()
    """One text for each, as interfaceDescription: the only one that nfdump reads."""
    APPLICATIONS = auto()
    ELEMENTS = auto()
    """Types of our own elements (RFC 5610)."""
    SYSTEM_INIT_TIME = auto()
    """Templates with times since then have it in any case (RFC 5153 section 4.7)."""
    METERING_STATISTICS = auto()
    METERING_RELIABILITY = auto()
    EXPORTING_RELIABILITY = auto()
    FLOW_KEYS = auto()
    SELECTOR_STATISTICS = auto()


@dataclass(frozen=True, slots=True)
class OptionsChoice:
    """What a collector gets. The default is what every other one can be without."""

    sampling: tuple[SamplingForm, ...] = (SamplingForm.SELECTOR,)
    tables: frozenset[Table] = frozenset({Table.APPLICATIONS, Table.ELEMENTS})


NAMES_AND_SAMPLING = OptionsChoice(tables=frozenset({Table.CISCO_INTERFACES, Table.APPLICATIONS}))
EVERYTHING = OptionsChoice(tables=frozenset(Table) - {Table.CISCO_INTERFACES, Table.INTERFACE_NAMES})
