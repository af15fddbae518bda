# SPDX-License-Identifier: Apache-2.0
"""What options tell collectors of the probe itself: its interfaces, and what its processes have lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObservedInterface:
    """One Observation Point. index: as ingressInterface has it."""

    index: int
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringFacts:
    """What the Metering Process metered, and what it did not (RFC 7011 section 4.2), since the start.

    observed, selected: packets that came to the selector, and those that it took: without sampling, the same.
    ignored: packets that were lost or could not be accounted for, their IP octets as far as known, and when
    the first and the last of them were noticed, in ns since the Unix epoch; 0: never.
    """

    observed_packets: int = 0
    selected_packets: int = 0
    ignored_packets: int = 0
    ignored_octets: int = 0
    first_ignored_ns: int = 0
    last_ignored_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportingFacts:
    """What the Exporting Process of one collector sent and did not send (RFC 7011 sections 4.1 and 4.3)."""

    messages: int = 0
    octets: int = 0
    data_records: int = 0
    not_sent_records: int = 0
    not_sent_packets: int = 0
    not_sent_octets: int = 0
    first_not_sent_ns: int = 0
    last_not_sent_ns: int = 0


class ProbeFacts(Protocol):
    """The probe, as one collector is told of it.

    started_ns: since the Unix epoch. version: another number after a change of `interfaces`.
    more_keys: names of elements that are Flow Keys by the settings (`vlanId`, `ingressInterface`).
    """

    @property
    def started_ns(self) -> int: ...

    @property
    def version(self) -> int: ...

    @property
    def more_keys(self) -> Sequence[str]: ...

    def interfaces(self) -> Sequence[ObservedInterface]:
        """The interfaces that packets come from."""
        ...

    def metering(self) -> MeteringFacts:
        """What was not metered."""
        ...

    def exporting(self) -> ExportingFacts:
        """What was sent to this collector, and what was not."""
        ...


class _NoFacts:
    """Of a probe about which nothing is known."""

    started_ns = 0
    version = 0
    more_keys = ()

    def interfaces(self) -> Sequence[ObservedInterface]:
        return ()

    def metering(self) -> MeteringFacts:
        return MeteringFacts()

    def exporting(self) -> ExportingFacts:
        return ExportingFacts()


NO_FACTS: ProbeFacts = _NoFacts()


class CollectorFacts:
    """The facts of a probe, with those of one collector's export."""

    def __init__(self, probe: ProbeFacts, exporting: Callable[[], ExportingFacts]) -> None:
        self._probe = probe
        self.exporting = exporting

    @property
    def started_ns(self) -> int:
        """As the probe's."""
        return self._probe.started_ns

    @property
    def version(self) -> int:
        """As the probe's."""
        return self._probe.version

    @property
    def more_keys(self) -> Sequence[str]:
        """As the probe's."""
        return self._probe.more_keys

    def interfaces(self) -> Sequence[ObservedInterface]:
        """As the probe's."""
        return self._probe.interfaces()

    def metering(self) -> MeteringFacts:
        """As the probe's."""
        return self._probe.metering()
