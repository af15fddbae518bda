# SPDX-License-Identifier: Apache-2.0
"""Template IDs. An id keeps its meaning for ever: a changed template gets a new one.

RFC 7011 section 8.1: an id must not be redefined while a collector may remember it, and over UDP nothing
tells the collector to forget (section 8.4). So an id is written down here, or it comes from a hash of what
the template is: the same after every start, and another one for another template. Two templates out of a
thousand may meet; those of one session never do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from spanflow.exporting.template import Form, Template

if TYPE_CHECKING:
    from spanflow.exporting.plugin_columns import PluginColumn

TemplateKey = tuple[int, bool]
"""Which Flows a template is for: IP version, and whether they are ICMP."""


class TemplateId(IntEnum):
    """The ids that are written down. Each of Data Records is the first of a block: `with_offset`."""

    GENERIC = 256
    APPLICATION = 272
    RICH = 288
    RICH_FIXED = 304
    SAMPLING = 512
    APPLICATIONS = 513
    APPLICATION_ATTRIBUTES = 514
    ELEMENTS = 515
    SAMPLING_INTERVAL = 516
    SAMPLER = 517
    INTERFACES = 518
    SYSTEM_INIT_TIME = 519
    METERING_STATISTICS = 520
    METERING_RELIABILITY = 521
    EXPORTING_RELIABILITY = 522
    FLOW_KEYS = 523
    SELECTOR_STATISTICS = 524
    CISCO_INTERFACES = 525
    INTERFACE_NAMES = 526
    SAMPLING_RATE = 527


FIRST_HASHED = 1024
"""From here on ids come from hashes."""
_END = 65_536
_BLOCK = 64
"""Data Records have written ids from 256 on, so many at the most."""
_BLOCKS = (_END - FIRST_HASHED) // _BLOCK


def with_offset(first: int, key: TemplateKey, *, biflow: bool) -> int:
    """The id in the block of `first`."""
    version, icmp = key
    return first + 8 * biflow + 2 * icmp + (version == 6)


def id_with_columns(columns: Sequence[PluginColumn], base_id: int, enterprise_number: int) -> int:
    """The id of the template `base_id`, a written one, with these columns of plugins behind it."""
    content = [(column.number, column.type, column.element.length) for column in columns]
    block = _hash(repr((enterprise_number, content)).encode()) % _BLOCKS
    return FIRST_HASHED + block * _BLOCK + (base_id - TemplateId.GENERIC)


def template_ids(
    templates: Mapping[TemplateKey, Template], form: Form, first: int | None
) -> dict[TemplateKey, int]:
    """The id of each of a session's templates. first: of the block that is theirs without columns, if any."""
    if first is not None:
        written = {key: with_offset(first, key, biflow=form.biflow) for key in templates}
        if not form.columns:
            return written
        return {
            key: id_with_columns(form.columns, each, form.enterprise_number) for key, each in written.items()
        }
    found: dict[TemplateKey, int] = {}
    for key, template in templates.items():
        content = repr((key, form.biflow)).encode() + template.encode()[2:]
        place = _hash(content) % (_END - FIRST_HASHED)
        while FIRST_HASHED + place in found.values():
            place = (place + 1) % (_END - FIRST_HASHED)
        found[key] = FIRST_HASHED + place
    return found


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
