# SPDX-License-Identifier: Apache-2.0
"""Times of a Flow that count from the start of the system become absolute (RFC 3954 section 8)."""

from __future__ import annotations

from collections.abc import Sequence

from spanflow.collecting.message import Header
from spanflow.collecting.records import DataRecord
from spanflow.collecting.templates import Template, field_of

_MODULUS_MS = 1 << 32
"""sysUptime and the times of Flows start again at 0 after 49.7 days."""

_AHEAD_MS = 3_600_000
"""A Flow may end so much later than its Message was sent; any other difference is an age, up to 49.7 days."""

# (the time since the start of the system, the absolute times that make it superfluous, the one to add)
_STAMPS = ((22, (150, 152, 154, 156), 152), (21, (151, 153, 155, 157), 153))
_TIME_OCTETS = 8


class Dating:
    """Adds flowStartMilliseconds and flowEndMilliseconds to records that have flowStartSysUpTime and
    flowEndSysUpTime alone. template: that of the records with the added values."""

    __slots__ = ("_indexes", "template")

    def __init__(self, template: Template, stamps: Sequence[tuple[int, int]]) -> None:
        """stamps: the index of a field, and the number of the element to add for it."""
        self._indexes = [index for index, _ in stamps]
        added = [field_of(0, number, _TIME_OCTETS) for _, number in stamps]
        self.template = Template(
            template.template_id,
            (*template.fields, *added),
            template.scope_count,
            template.definition,
            template.is_options,
        )

    def dated(self, records: Sequence[DataRecord], header: Header) -> list[DataRecord]:
        """The records with their absolute times behind the other values."""
        return [(*record, *(_time_ns(record[i], header) for i in self._indexes)) for record in records]


def dating_of(template: Template) -> Dating | None:
    """What makes the times of such records absolute; None if they have none, or absolute ones too."""
    numbers = [field.number if field.pen == 0 else None for field in template.fields]
    stamps = [
        (numbers.index(uptime), added)
        for uptime, absolute, added in _STAMPS
        if uptime in numbers and not any(number in numbers for number in absolute)
    ]
    return Dating(template, stamps) if stamps else None


def _time_ns(stamp_ms: object, header: Header) -> int:
    """ns since the Unix epoch, safe where sysUptime starts again at 0 between the Flow and its export."""
    assert isinstance(stamp_ms, int)
    age_ms = (header.system_uptime_ms - stamp_ms + _AHEAD_MS) % _MODULUS_MS - _AHEAD_MS
    return header.export_time_ns - age_ms * 1_000_000
