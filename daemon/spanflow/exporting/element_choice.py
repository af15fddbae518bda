# SPDX-License-Identifier: Apache-2.0
"""A profile with what the user wants otherwise: elements, Biflows, strings; and what is wrong with that.

Loads quickly: it is asked when the configuration is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from spanflow.config.collector_settings import Collector
from spanflow.config.wording import quoted, unknown
from spanflow.exporting.profiles import PRODUCTS, TEMPLATE_KEYS, Profile
from spanflow.fields import element_names, fields_of
from spanflow.information_elements import ENTERPRISE_NUMBER, by_name

HEADERS_OCTETS = 24
"""Of a Message and of a Set, in the longer one of IPFIX and NetFlow version 9."""

SHORTEST_FIXED_PART = 64
"""Octets that stand before strings of variable length: so many are written at once."""

NOT_IN_VERSION_9 = frozenset({"flowId"})
"""For nfdump it is the connection of a firewall's event there, and the Flow then an event."""

_DIRECTIONAL_KEYS = frozenset(
    name for name in element_names() if name.startswith(("source", "destination")) and "IPv" in name
) | {"sourceTransportPort", "destinationTransportPort"}

_WITHOUT_CHOICE = {
    "netflow5": "NetFlow version 5 has one fixed form",
    "json": "lines of JSON have every field",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementChoice:
    """What a user wants. None: as the profile says. protocol: `ipfix`, `netflow9`, `netflow5` or `json`.

    max_message_octets: the longest Message, into which a Data Record must fit; 0: not known yet.
    """

    profile: str = "generic"
    protocol: str = "ipfix"
    elements: Sequence[str] | None = None
    add: Sequence[str] = ()
    remove: Sequence[str] = ()
    biflow: bool | None = None
    strings: str | None = None
    max_message_octets: int = 0

    def profile_for(self, *, classified: bool) -> Profile:
        """The profile. classified: whether Flows have an application. Raises ValueError for a wrong
        choice."""
        for problem in self.problems():
            raise ValueError(problem)
        return self._made(classified)

    def problems(self) -> list[str]:
        """What is wrong, each as one line without its place."""
        if self.protocol in _WITHOUT_CHOICE:
            return list(self._for_nothing())
        found = [*self._wrong_names(), *self._not_in_version_9()]
        if not found:
            made = self._made(classified=True)
            found = [*self._wrong_biflow(made), *self._wrong_lengths(made)]
        return found

    def _made(self, classified: bool) -> Profile:
        base = PRODUCTS[self.profile]
        elements = base.elements if self.elements is None else tuple(self.elements)
        if self.elements is None and classified:
            elements += tuple(name for name in base.when_classified if name not in elements)
        elements = tuple(name for name in (*elements, *self.add) if name not in self.remove)
        made = replace(
            base,
            elements=elements,
            biflow=base.biflow if self.biflow is None else self.biflow,
            variable_strings=base.variable_strings if self.strings is None else self.strings == "variable",
        )
        if self.protocol == "netflow9":
            return replace(made, biflow=False, variable_strings=False)
        if self.strings is None and _fixed_octets(made) < SHORTEST_FIXED_PART:
            return replace(made, variable_strings=False)
        return made

    def _for_nothing(self) -> Iterator[str]:
        wanted = {
            "elements": self.elements is not None,
            "add": bool(self.add),
            "remove": bool(self.remove),
            "strings": self.strings is not None,
            "biflow": self.biflow is not None,
        }
        for option, given in wanted.items():
            if given:
                yield f"{option}: {_WITHOUT_CHOICE[self.protocol]}; leave it out"

    def _wrong_names(self) -> Iterator[str]:
        known = element_names()
        base = PRODUCTS[self.profile]
        there = (*base.elements, *base.when_classified) if self.elements is None else tuple(self.elements)
        for option, names in self._named():
            for name in names:
                if name not in known:
                    yield f"{option}: {_unknown(name, known)}"
            for name in sorted({name for name in names if list(names).count(name) > 1}):
                yield f"{option}: {name} is there twice; a Data Record has each element once"
        for name in self.add:
            if name in there:
                yield f"add: {name} is sent in any case; leave it out"
        for name in self.remove:
            if name in known and name not in there:
                yield f"remove: {name} would not be sent anyway; leave it out"
        left = [name for name in (*there, *self.add) if name not in self.remove]
        for version, icmp in TEMPLATE_KEYS if set(left) <= set(known) else ():
            if not icmp and not fields_of(left, version, icmp):
                yield (
                    f"elements: none of them describes an IPv{version} Flow; add one, such as octetDeltaCount"
                )

    def _named(self) -> tuple[tuple[str, Sequence[str]], ...]:
        return (("elements", self.elements or ()), ("add", self.add), ("remove", self.remove))

    def _not_in_version_9(self) -> Iterator[str]:
        if self.protocol != "netflow9":
            return
        known = element_names()
        for option, names in (("elements", self.elements or ()), ("add", self.add)):
            for name in names:
                if name in NOT_IN_VERSION_9:
                    yield f"{option}: {name} is not sent in NetFlow version 9; leave it out"
                if name in known and by_name(name).pen == ENTERPRISE_NUMBER:
                    yield f"{option}: {name} has an enterprise number, which NetFlow version 9 does not know"
        if self.strings == "variable":
            yield "strings: NetFlow version 9 has no variable lengths; use fixed"
        if self.biflow:
            yield "biflow: NetFlow version 9 has no Biflows; leave it out, or use IPFIX"

    @staticmethod
    def _wrong_biflow(made: Profile) -> Iterator[str]:
        # RFC 5103 section 3: what is reversed depends on what is source and what is destination.
        if made.biflow and _DIRECTIONAL_KEYS.isdisjoint(made.elements):
            yield "biflow: no element says who is source and who destination; add some, or use uniflows"

    def _wrong_lengths(self, made: Profile) -> Iterator[str]:
        longest = max(template.record_octets for template in made.templates().values())
        if self.max_message_octets and longest + HEADERS_OCTETS > self.max_message_octets:
            yield (
                f"elements: a Data Record of {longest} octets does not fit into a Message of"
                f" {self.max_message_octets}; set mtu to {longest + HEADERS_OCTETS}, or leave some out"
            )
        longest = max(len(template.encode()) for template in made.templates().values())
        if self.max_message_octets and longest + HEADERS_OCTETS > self.max_message_octets:
            yield (
                f"elements: a Template of {longest} octets does not fit into a Message of"
                f" {self.max_message_octets}; set mtu to {longest + HEADERS_OCTETS}, or leave some out"
            )
        octets = _fixed_octets(made)
        if made.has_variable_strings and octets < SHORTEST_FIXED_PART:
            yield (
                f"strings: variable ones need {SHORTEST_FIXED_PART} octets of other elements before them, and"
                f" here are {octets}; use fixed, or add elements"
            )


def choice_of(collector: Collector) -> ElementChoice:
    """What the options of a collector ask for."""
    return ElementChoice(
        profile=collector.profile,
        protocol=collector.protocol,
        elements=collector.elements,
        add=collector.add or (),
        remove=collector.remove or (),
        biflow=collector.biflow,
        strings=collector.strings,
        max_message_octets=collector.max_message_size or 0,
    )


def _fixed_octets(made: Profile) -> int:
    """Octets before the strings, in the shortest template."""
    return min(template.record_octets for template in made.templates().values())


def _unknown(name: str, known: Sequence[str]) -> str:
    forward = name.removeprefix("reverse")
    if forward != name and forward[:1].lower() + forward[1:] in known:
        return f"{quoted(name)} is a reverse element, and biflow=true sends them; leave it out"
    problem = unknown("element", name, known)
    if "did you mean" in problem:
        return problem
    return f"unknown element {quoted(name)}; docs/fields.md lists them"
