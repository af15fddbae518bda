# SPDX-License-Identifier: Apache-2.0
"""All options that one collector gets, in the order in which they are sent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from spanflow.applications import Applications
from spanflow.exporting.facts import ProbeFacts
from spanflow.exporting.options.applications import applications_tables
from spanflow.exporting.options.elements import elements_table
from spanflow.exporting.options.flow_keys import flow_keys
from spanflow.exporting.options.interfaces import cisco_interfaces, interface_names, interfaces
from spanflow.exporting.options.processes import (
    exporting_reliability,
    metering_reliability,
    metering_statistics,
    system_init_time,
)
from spanflow.exporting.options.sampling import Sampling, sampling_kind, selector_statistics
from spanflow.exporting.options.table import OptionsKind
from spanflow.exporting.options_choice import OptionsChoice, Table
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.exporting.template import Template
from spanflow.fields import FIELDS
from spanflow.information_elements import ENTERPRISE_NUMBER

_SINCE_START = {"flowStartSysUpTime", "flowEndSysUpTime"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsKinds:
    """What the options of a session are made of. choice: those that the collector is to get."""

    choice: OptionsChoice
    sampling: Sampling
    templates: Collection[Template]
    applications: Applications | None
    columns: Sequence[PluginColumn]
    enterprise_number: int
    observation_domain_id: int
    facts: ProbeFacts

    def first(self) -> list[OptionsKind]:
        """Those without which Data Records are misread: one record each."""
        kinds = [
            sampling_kind(form, self.sampling, self.observation_domain_id) for form in self.choice.sampling
        ]
        if self._has(Table.SYSTEM_INIT_TIME) or not _SINCE_START.isdisjoint(self._sent()):
            kinds.append(system_init_time(self.facts, self.observation_domain_id))
        return kinds

    def others(self) -> list[OptionsKind]:
        """All other ones; none whose records are none for ever."""
        return list(self._others())

    def _others(self) -> Iterator[OptionsKind]:
        domain = self.observation_domain_id
        if self._has(Table.INTERFACES):
            yield interfaces(self.facts)
        if self._has(Table.CISCO_INTERFACES):
            yield cisco_interfaces(self.facts, domain)
        if self._has(Table.INTERFACE_NAMES):
            yield interface_names(self.facts, domain)
        if self._has(Table.APPLICATIONS) and self.applications is not None and self.applications.by_number:
            yield from map(OptionsKind.of, applications_tables(self.applications, domain))
        if self._has(Table.ELEMENTS):
            sent = self._sent()
            own = [row for row in FIELDS if row.element.pen == ENTERPRISE_NUMBER and row.name in sent]
            if own or self.columns:
                yield OptionsKind.of(elements_table([*own, *self.columns], self.enterprise_number))
        if self._has(Table.FLOW_KEYS):
            yield flow_keys(self.templates, self.facts)
        if self._has(Table.METERING_STATISTICS):
            yield metering_statistics(self.facts, domain)
        if self._has(Table.METERING_RELIABILITY):
            yield metering_reliability(self.facts, domain)
        if self._has(Table.EXPORTING_RELIABILITY):
            yield exporting_reliability(self.facts)
        if self._has(Table.SELECTOR_STATISTICS):
            yield selector_statistics(self.facts)

    def _has(self, table: Table) -> bool:
        return table in self.choice.tables

    def _sent(self) -> set[str]:
        """The names of the elements in Data Records."""
        return {element.name for template in self.templates for element in template.elements}
