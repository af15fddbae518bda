# SPDX-License-Identifier: Apache-2.0
"""Options of NetFlow version 9 (RFC 3954 section 6): sampling, and names of interfaces and applications.

Options Template:  Template ID, octets of the scope's specifiers, octets of the others, then both, scope first
Field Specifier:   type and length
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from spanflow.applications import Applications
from spanflow.errors import EncodeError
from spanflow.exporting.facts import ObservedInterface
from spanflow.exporting.netflow9_frame import ALIGNMENT, FLOWSET_HEADER_OCTETS, flowset
from spanflow.exporting.options import Sampling
from spanflow.exporting.template import padded

Specifier = tuple[int, int]
"""Type and length of a field."""


DETERMINISTIC = 1
"""samplerMode: every Nth packet (RFC 3954 section 8)."""


class Scope(IntEnum):
    """What an options record is about (RFC 3954 section 6.1)."""

    SYSTEM = 1
    INTERFACE = 2


@dataclass(frozen=True, slots=True)
class OptionsTemplate:
    """What one kind of options record looks like: a scope of 4 octets, and fields."""

    template_id: int
    scope: Scope
    fields: tuple[Specifier, ...]

    @property
    def record_octets(self) -> int:
        """Octets of one record."""
        return 4 + sum(length for _, length in self.fields)

    def encode(self) -> bytes:
        """The Options Template Record."""
        specifiers = ((self.scope, 4), *self.fields)
        header = struct.pack(">HHH", self.template_id, 4, 4 * len(self.fields))
        return header + b"".join(struct.pack(">HH", *each) for each in specifiers)

    def encode_record(self, scope: int, *values: int | str) -> bytes:
        """One record: what it is about, then the values of its fields."""
        return scope.to_bytes(4, "big") + b"".join(
            padded(value, length) if isinstance(value, str) else value.to_bytes(length, "big")
            for value, (_, length) in zip(values, self.fields, strict=True)
        )


@dataclass(frozen=True, slots=True)
class OptionsTable:
    """The records of one Options Template.

    sets_of_one: each is in a FlowSet of its own; nfdump 1.7.1 reads only the first interface of a FlowSet.
    """

    template: OptionsTemplate
    records: Sequence[bytes]
    sets_of_one: bool = False

    def flowsets(self, room: int) -> Iterator[tuple[bytes, int]]:
        """FlowSets of at most `room` octets each, and how many records they have.

        Raises EncodeError if a record does not fit.
        """
        octets = self.template.record_octets
        several = (room // ALIGNMENT * ALIGNMENT - FLOWSET_HEADER_OCTETS) // octets
        if several < 1:
            raise EncodeError(f"an options record of {octets} octets does not fit into a Message")
        several = 1 if self.sets_of_one else several
        for first in range(0, len(self.records), several):
            records = self.records[first : first + several]
            yield flowset(self.template.template_id, b"".join(records)), len(records)


SAMPLING = OptionsTemplate(512, Scope.SYSTEM, ((34, 4),))
"""samplingInterval. With samplingAlgorithm (35) beside it nfdump 1.7.1 would take no notice of the rate."""

SAMPLER = OptionsTemplate(516, Scope.SYSTEM, ((48, 1), (49, 1), (50, 4)))
"""samplerId, samplerMode, samplerRandomInterval: the same for those who know no other form."""

INTERFACES = OptionsTemplate(517, Scope.INTERFACE, ((10, 4), (82, 32), (83, 64)))
"""ingressInterface, interfaceName, interfaceDescription. nfdump takes the index from the fields only."""

APPLICATIONS = OptionsTemplate(513, Scope.SYSTEM, ((95, 4), (96, 24), (94, 55)))
"""applicationId, applicationName, applicationDescription, as Cisco's exporters have them."""


def sampling_tables(sampling: Sampling) -> list[OptionsTable]:
    """The records that announce a sampling of packets, also if it is 1:1."""
    rate = sampling.rate
    return [
        OptionsTable(SAMPLING, [SAMPLING.encode_record(0, rate)]),
        OptionsTable(SAMPLER, [SAMPLER.encode_record(0, 0, DETERMINISTIC, rate)]),
    ]


def interfaces_table(interfaces: Sequence[ObservedInterface]) -> OptionsTable:
    """Names and descriptions of interfaces. nfdump shows the description only."""
    return OptionsTable(
        INTERFACES,
        [
            INTERFACES.encode_record(each.index, each.index, each.name, each.description or each.name)
            for each in interfaces
        ],
        sets_of_one=True,
    )


def applications_table(applications: Applications) -> OptionsTable:
    """A record for each application, in the order of the ids."""
    in_order = sorted(applications.by_number.values(), key=lambda each: each.application_id)
    return OptionsTable(
        APPLICATIONS,
        [
            APPLICATIONS.encode_record(0, each.application_id, each.name, applications.description(each))
            for each in in_order
        ],
    )
