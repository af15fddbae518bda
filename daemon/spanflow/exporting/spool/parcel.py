# SPDX-License-Identifier: Apache-2.0
"""What is put into a spool and taken out of it."""

from __future__ import annotations

from dataclasses import dataclass

from spanflow.exporting.counters import Tally

MOST_PARCEL_OCTETS = 16 << 20
"""The longest parcel."""

MOST_COUNTS = 1 << 20
"""The most Messages in a parcel: of the shortest there is, so many fit into the longest parcel."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Whole Messages, one after the other, or whole lines of JSON.

    counts: how many Data Records each Message holds; empty for JSON. tally: the Flow Records in it, with the
    packets and octets that they account for.
    """

    octets: bytes
    counts: tuple[int, ...]
    tally: Tally


@dataclass(frozen=True, slots=True)
class Spooled:
    """A parcel that was in the spool.

    preface: the Template Messages by which it is read. wall_ns: when it was stored, since the Unix epoch.
    """

    parcel: Parcel
    preface: bytes
    wall_ns: int
