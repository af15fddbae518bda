# SPDX-License-Identifier: Apache-2.0
"""Which Templates a Transport Session knows, so that Messages of an earlier one can go over it.

RFC 7011 section 8: a Template ID belongs to a Transport Session and an Observation Domain. Section 8.1: over
a stream another Template must not be given an ID that is taken, unless the one that has it is withdrawn; that
would also be the end of the live Data Records beside those of the spool. So a Template that is not known yet
keeps its ID only if that is free, and gets another one if not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from spanflow.exporting.ipfix import (
    ENTERPRISE_BIT,
    OPTIONS_TEMPLATE_SET_ID,
    SET_HEADER_OCTETS,
    TEMPLATE_SET_ID,
    message,
    set_of,
)
from spanflow.exporting.spool.messages import message_places, set_places

_HEADER = struct.Struct(">HHIII")
_SHORT = struct.Struct(">H")
_HIGHEST_ID = 65535
_LOWEST_ID = 256
_FIELD_OCTETS = 4
_RECORD_HEADER_OCTETS = {TEMPLATE_SET_ID: 4, OPTIONS_TEMPLATE_SET_ID: 6}


class _Definition(NamedTuple):
    """A Template Record without its ID."""

    domain: int
    set_id: int
    fields: bytes


@dataclass(frozen=True, slots=True)
class Admission:
    """What must be sent before Messages that need some Templates.

    octets: Messages with the Templates that the Transport Session does not know; empty if it knows all.
    counts: their Data Records: none in any; for `renumber`. template_ids: IDs that are others there.
    """

    octets: bytes
    counts: tuple[int, ...]
    template_ids: dict[int, int]


@dataclass(slots=True)
class TemplateLedger:
    """The Templates that were sent over one Transport Session."""

    _ids: dict[_Definition, int] = field(default_factory=dict)
    _taken: set[tuple[int, int]] = field(default_factory=set)
    """Observation Domain and Template ID."""

    def admit(self, template_messages: bytes) -> Admission:
        """What is new in these Messages, which is known from now on.

        They are those of one Observation Domain. Raises ValueError if they are not whole Messages with
        Templates.
        """
        needed: list[bytes] = []
        template_ids: dict[int, int] = {}
        for start, end in pairwise(message_places(template_messages)):
            _, _, export_time, sequence_number, domain = _HEADER.unpack_from(template_messages, start)
            sets = b""
            for set_id, place, set_end in set_places(template_messages, start, end):
                records = b""
                for template_id, fields in _records(set_id, template_messages[place:set_end]):
                    records += self._admit(_Definition(domain, set_id, fields), template_id, template_ids)
                if records:
                    sets += set_of(set_id, records)
            if sets:
                needed.append(
                    message(
                        sets,
                        export_time=export_time,
                        sequence_number=sequence_number,
                        observation_domain_id=domain,
                    )
                )
        return Admission(b"".join(needed), (0,) * len(needed), template_ids)

    def _admit(self, definition: _Definition, template_id: int, template_ids: dict[int, int]) -> bytes:
        """The Template Record, if it is to be sent."""
        known = self._ids.get(definition)
        new_id = self._free_id(definition.domain, template_id) if known is None else known
        if new_id != template_id:
            template_ids[template_id] = new_id
        if known is not None:
            return b""
        self._ids[definition] = new_id
        self._taken.add((definition.domain, new_id))
        return _SHORT.pack(new_id) + definition.fields

    def _free_id(self, domain: int, template_id: int) -> int:
        """This one, or the highest that is free: sessions give them from below."""
        if (domain, template_id) not in self._taken:
            return template_id
        for free in range(_HIGHEST_ID, _LOWEST_ID - 1, -1):
            if (domain, free) not in self._taken:
                return free
        raise ValueError("no Template ID is free")


def _records(set_id: int, octets: bytes) -> Iterator[tuple[int, bytes]]:
    """The Template Records of a Set (RFC 7011 section 3.4): each one's ID, and all that follows the ID."""
    header_octets = _RECORD_HEADER_OCTETS.get(set_id)
    if header_octets is None:
        raise ValueError(f"Set {set_id} has no Templates")
    place = SET_HEADER_OCTETS
    # What is shorter than a Template Record is padding (section 3.3.1).
    while place + header_octets <= len(octets):
        template_id, fields = struct.unpack_from(">HH", octets, place)
        end = place + header_octets
        for _ in range(fields):
            if end + _FIELD_OCTETS > len(octets):
                raise ValueError(f"Template {template_id} is cut short")
            (number,) = _SHORT.unpack_from(octets, end)
            end += 2 * _FIELD_OCTETS if number & ENTERPRISE_BIT else _FIELD_OCTETS
        if template_id < _LOWEST_ID or end > len(octets):
            raise ValueError(f"Template {template_id} is cut short, or no Template")
        yield template_id, octets[place + 2 : end]
        place = end
