# SPDX-License-Identifier: Apache-2.0
"""The records of one Options Template, and how they become Sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from spanflow.errors import EncodeError
from spanflow.exporting.ipfix import SET_HEADER_OCTETS, set_of
from spanflow.exporting.template import OptionsTemplate

METERING_PROCESS, EXPORTING_PROCESS = 1, 1
"""meteringProcessId, exportingProcessId: there is one of each in an Observation Domain."""


@dataclass(frozen=True, slots=True)
class OptionsTable:
    """The Data Records of one Options Template.

    sets_of_one: each is in a Set of its own; nfdump 1.7 takes wrong steps from one record to the next.
    """

    template: OptionsTemplate
    records: Sequence[bytes]
    sets_of_one: bool = False

    def bodies(self, room: int) -> Iterator[tuple[bytes, int]]:
        """Sets of together at most `room` octets, as many Data Records in each as fit; and how many.

        Raises EncodeError if one alone does not fit.
        """
        octets = self.template.record_octets
        several = (
            room // (SET_HEADER_OCTETS + octets) if self.sets_of_one else (room - SET_HEADER_OCTETS) // octets
        )
        if several < 1:
            raise EncodeError(f"an options record of {octets} octets does not fit into a Message")
        for first in range(0, len(self.records), several):
            records = self.records[first : first + several]
            sets = records if self.sets_of_one else [b"".join(records)]
            yield b"".join(set_of(self.template.template_id, each) for each in sets), len(records)


@dataclass(frozen=True, slots=True)
class OptionsKind:
    """An Options Template, and what makes its records when they are to be sent."""

    template: OptionsTemplate
    table: Callable[[], OptionsTable]

    @classmethod
    def of(cls, table: OptionsTable) -> OptionsKind:
        """One whose records never change."""
        return cls(table.template, lambda: table)

    @classmethod
    def single(cls, template: OptionsTemplate, values: Callable[[], Sequence[int]]) -> OptionsKind:
        """One with a single record, of these values."""
        return cls(template, lambda: OptionsTable(template, [template.encode_record(*values())]))
