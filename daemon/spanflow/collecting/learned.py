# SPDX-License-Identifier: Apache-2.0
"""What one Observation Domain has told about its own records, in records of Options Templates.

The names of applications (RFC 6759) and of interfaces, sampling rates (RFC 5476), and what enterprise-
specific elements are (RFC 5610). All are claims of a sender: bounded, and made harmless by whoever shows
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spanflow.collecting.records import DataRecord
from spanflow.collecting.sampling import Selector, sampling_rate, selector_of
from spanflow.collecting.templates import Template
from spanflow.collecting.values import Value
from spanflow.information_elements import (
    ABSTRACT_DATA_TYPES,
    REVERSE_PEN,
    VARIABLE_LENGTH,
    InformationElement,
    by_name,
)

Values = Mapping[str, Value | list[Value]]
ElementKey = tuple[int, int]
"""PEN and number."""

_LONGEST_NAME = 64
_ELEMENT_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,{_LONGEST_NAME - 1}}}")
_LISTS = ("basicList", "subTemplateList", "subTemplateMultiList")
_ENGINE_DIGITS = 2
_SELECTOR_DIGITS = 6


_APPLICATION = {"applicationId", "applicationName"}
_ELEMENT = {"privateEnterpriseNumber", "informationElementId", "informationElementName"}
_INTERFACES = ("ingressInterface", "egressInterface", "scopeInterface")
_INTERFACE_NAMES = ("interfaceName", "interfaceDescription")


@dataclass(frozen=True, slots=True)
class Said:
    """What options say of a Data Record; empty: nothing. sampling: one of so many packets was metered."""

    application: str = ""
    ingress_interface: str = ""
    egress_interface: str = ""
    sampling: float | None = None


NOTHING = Said()


@dataclass(slots=True)
class Budget:
    """How much all sessions together may still learn."""

    left: int

    def take(self) -> bool:
        """One more; False if there is no room."""
        if not self.left:
            return False
        self.left -= 1
        return True


class Learned:
    """applications: names by applicationId in hexadecimal. interfaces: names by number. sampling: rates by
    Selector, or for all records of the domain. elements: by PEN and number."""

    __slots__ = ("_budget", "applications", "elements", "interfaces", "sampling")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.applications: dict[str, str] = {}
        self.interfaces: dict[int, str] = {}
        self.sampling: dict[Selector | None, float] = {}
        self.elements: dict[ElementKey, InformationElement] = {}

    def forget(self) -> None:
        """Give back what was taken of the budget; this is of no more use."""
        self._budget.left += len(self.applications) + len(self.interfaces)
        self._budget.left += len(self.sampling) + len(self.elements)

    def learn(self, template: Template, records: Iterable[DataRecord]) -> set[ElementKey]:
        """Take what records of an Options Template tell; the elements that were not known before."""
        names = {field.name for field in template.fields}
        new: set[ElementKey] = set()
        for record in records:
            values = template.by_name(record)
            if names >= _APPLICATION:
                self._learn_application(values)
            if names >= _ELEMENT and (key := self._learn_element(values)):
                new.add(key)
            if not names.isdisjoint(_INTERFACE_NAMES):
                self._learn_interface(values)
            self._learn_sampling(values)
        return new

    def said(self, values: Values) -> Said:
        """What is known of a Data Record (element name → value) beside its own values."""
        return Said(
            self.application(values),
            self._interface(values.get("ingressInterface")),
            self._interface(values.get("egressInterface")),
            self._sampling(values),
        )

    def application(self, values: Values) -> str:
        """The name of a Data Record's application, behind that of what carries it: `TLS.Google`."""
        application_id, name = values.get("applicationId"), values.get("applicationName")
        if not isinstance(application_id, str):
            return name if isinstance(name, str) else ""
        own = name if isinstance(name, str) and name else self.applications.get(application_id, "")
        number = values.get("masterProtocol")
        carrier = ""
        if isinstance(number, int) and number and len(application_id) == _ENGINE_DIGITS + _SELECTOR_DIGITS:
            carrier = self.applications.get(f"{application_id[:_ENGINE_DIGITS]}{number:06x}", "")
        return ".".join(dict.fromkeys(filter(None, (carrier, own))))

    def _learn_application(self, values: Values) -> None:
        application_id, name = values["applicationId"], values["applicationName"]
        if not isinstance(application_id, str) or not isinstance(name, str):
            return
        if application_id in self.applications or self._budget.take():
            self.applications[application_id] = name[:_LONGEST_NAME]

    def _interface(self, number: Value | list[Value] | None) -> str:
        return self.interfaces.get(number, "") if isinstance(number, int) else ""

    def _sampling(self, values: Values) -> float | None:
        selector = selector_of(values)
        if selector is None and len(self.sampling) == 1:
            # Records need not name the only Selector there is.
            return next(iter(self.sampling.values()))
        return self.sampling.get(selector)

    def _learn_interface(self, values: Values) -> None:
        name = next((values[name] for name in _INTERFACE_NAMES if values.get(name)), None)
        number = next((values[name] for name in _INTERFACES if name in values), None)
        if not isinstance(name, str) or not isinstance(number, int):
            return
        if number in self.interfaces or self._budget.take():
            self.interfaces[number] = name[:_LONGEST_NAME]

    def _learn_sampling(self, values: Values) -> None:
        rate = sampling_rate(values)
        if rate is None:
            return
        selector = selector_of(values)
        if selector in self.sampling or self._budget.take():
            self.sampling[selector] = rate

    def _learn_element(self, values: Values) -> ElementKey | None:
        pen, number = values["privateEnterpriseNumber"], values["informationElementId"]
        name, data_type = values["informationElementName"], values.get("informationElementDataType", 0)
        # IANA's elements and the reverse ones are what they are, whatever somebody says.
        if not isinstance(pen, int) or pen in (0, REVERSE_PEN) or not isinstance(number, int):
            return None
        key = (pen, number)
        if key in self.elements or not isinstance(name, str) or not _ELEMENT_NAME.fullmatch(name):
            return None
        if _is_taken(name) or not isinstance(data_type, int) or not self._budget.take():
            return None
        known = 0 <= data_type < len(ABSTRACT_DATA_TYPES)
        type_name = ABSTRACT_DATA_TYPES[data_type] if known else ABSTRACT_DATA_TYPES[0]
        # Lists are read as octets, as everywhere here.
        self.elements[key] = InformationElement(
            name, number, pen, "octetArray" if type_name in _LISTS else type_name, VARIABLE_LENGTH
        )
        return key


def _is_taken(name: str) -> bool:
    """Whether one of IANA's elements has this name; no other may pretend to be it."""
    try:
        return by_name(name).pen in (0, REVERSE_PEN)
    except KeyError:
        return False
