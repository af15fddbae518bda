# SPDX-License-Identifier: Apache-2.0
"""What a Collecting Process counts. Owner: the thread that calls receive(); all start at 0."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from spanflow.collecting.malformed import Reason


@dataclass(slots=True)
class SequenceCounters:
    """Of all sessions and Observation Domains together. Units: Data Records, except as named."""

    gaps: int = 0
    """Places (not records) where Sequence Numbers jumped ahead."""
    missing: int = 0
    """Records that the numbers say were sent and that have not come (yet)."""
    reordered: int = 0
    """Records that came late, behind records sent after them."""
    duplicated: int = 0
    """Records whose numbers had been seen before."""
    restarts: int = 0
    """Times (not records) that an Exporting Process counted from the start again."""


@dataclass(slots=True)
class CollectorCounters:
    messages: int = 0
    """Messages decoded; those discarded are not among them."""
    octets: int = 0
    """Octets of those Messages."""
    records: int = 0
    """Data Records of Templates: Flow Records, in most cases."""
    options_records: int = 0
    """Data Records of Options Templates."""
    templates: int = 0
    """Template Records that were new or different; refreshes are not among them."""
    options_templates: int = 0
    """The same for Options Template Records."""
    sessions: int = 0
    """Transport Sessions seen; one that comes back after its eviction counts again."""
    evicted_sessions: int = 0
    """Sessions that made room for others; their Templates are forgotten."""
    evicted_domains: int = 0
    """Observation Domains that made room for others of the same session."""
    discarded: Counter[Reason] = field(default_factory=Counter)
    """Malformed Messages, discarded as a whole (RFC 7011 section 9.1)."""
    ignored: Counter[Reason] = field(default_factory=Counter)
    """Sets and withdrawals that were ignored; the rest of their Messages was used."""
    sequence: SequenceCounters = field(default_factory=SequenceCounters)
