# SPDX-License-Identifier: Apache-2.0
"""What a spool counts. Owner: the thread that uses it. Others read copies."""

from __future__ import annotations

from dataclasses import dataclass

from spanflow.exporting.counters import NOTHING, Tally


@dataclass(slots=True)
class SpoolCounters:
    """Since the spool was opened."""

    evicted: Tally = NOTHING
    """Made room for younger ones."""
    expired: Tally = NOTHING
    """Were in the spool for too long."""
    corrupt: Tally = NOTHING
    """In damaged parcels, as far as the headers of these could be read."""
    corrupt_parcels: int = 0
    """Damaged parcels, and stretches of octets that are no parcel."""
    corrupt_octets: int = 0
    """Octets on disk that were damaged: they held what is in `corrupt`, and more that nobody can count."""
    torn_octets: int = 0
    """Octets of parcels that were being written when a process was killed: they were never acknowledged."""
    files_set_aside: int = 0
    """Segments in which nothing could be read, or that are no files."""
    foreign_files: int = 0
    """Other files in the directory: left alone."""
    perhaps_twice: Tally = NOTHING
    """Found at the start, and perhaps delivered before: the position was damaged."""
    sync_failures: int = 0
    checkpoint_failures: int = 0
    last_error: str = ""
