# SPDX-License-Identifier: Apache-2.0
"""Template Records read with the text of RFC 7011 alone."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import NamedTuple

from spanflow.exporting.profiles import Profile

IANA, REVERSE, OURS = 0, 29305, 32473
"""Private Enterprise Numbers; IANA's own elements have none."""
VARIABLE = 65535


class Specifier(NamedTuple):
    """A Field Specifier."""

    pen: int
    number: int
    length: int


def specifiers(record: bytes) -> list[Specifier]:
    """The Field Specifiers of a Template Record (RFC 7011 section 3.4.1)."""
    (count,) = struct.unpack_from(">H", record, 2)
    found, offset = [], 4
    for _ in range(count):
        number, length = struct.unpack_from(">HH", record, offset)
        offset += 4
        pen = IANA
        if number & 0x8000:
            (pen,) = struct.unpack_from(">I", record, offset)
            offset += 4
        found.append(Specifier(pen, number & 0x7FFF, length))
    assert offset == len(record)
    return found


def classified(profile: Profile) -> Profile:
    """The profile as it is when Flows are classified."""
    return replace(profile, elements=profile.elements + profile.when_classified)
