# SPDX-License-Identifier: Apache-2.0
"""What a Collecting Process counts. Owner: the thread that calls receive(); all start at 0."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from spanflow.collecting.malformed import Reason
from spanflow.collecting.message import Version


@dataclass(slots=True)
class SequenceCounters:
    """Of all sessions and Observation Domains together.

    Units, except as named: Data Records (IPFIX, and the Flows of NetFlow v5) or packets (NetFlow v9).
    """

    gaps: int = 0
    """Places (not records) where Sequence Numbers jumped ahead."""
    missing: int = 0
    """Those that the numbers say were sent and that have not come (yet)."""
    reordered: int = 0
    """Those that came late, behind others sent after them."""
    duplicated: int = 0
    """Those whose numbers had been seen before."""
    restarts: int = 0
    """Times (not records) that an Exporting Process counted from the start again."""


@dataclass(slots=True)
class CollectorCounters:
    messages: int = 0
    """Messages decoded; those discarded are not among them."""
    messages_of: Counter[Version] = field(default_factory=Counter)
    """The same by protocol."""
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
    connections: int = 0
    """Connections accepted."""
    closed_connections: int = 0
    """Of these, such as were closed here: a malformed Message, a failed handshake, no room."""
    refused_connections: int = 0
    """Connections that found no room."""
    discarded: Counter[Reason] = field(default_factory=Counter)
    """Malformed Messages, discarded as a whole (RFC 7011 section 9.1)."""
    ignored: Counter[Reason] = field(default_factory=Counter)
    """Sets and withdrawals that were ignored; the rest of their Messages was used."""
    sequence: SequenceCounters = field(default_factory=SequenceCounters)
    """Of IPFIX and NetFlow v5."""
    packet_sequence: SequenceCounters = field(default_factory=SequenceCounters)
    """Of NetFlow v9."""
