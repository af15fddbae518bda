# SPDX-License-Identifier: Apache-2.0
"""What `spanflow collect` says at its end: what came, and what did not."""

from __future__ import annotations

from collections.abc import Sequence

from spanflow.cli.tables import Fact
from spanflow.collecting.connection import StreamListener
from spanflow.collecting.counters import CollectorCounters, SequenceCounters
from spanflow.collecting.udp_listener import UdpListener
from spanflow.short_numbers import human


def summary_facts(
    counters: CollectorCounters, listeners: Sequence[UdpListener | StreamListener]
) -> list[Fact]:
    """listeners: open ones; none if files were read."""
    facts = [Fact("messages", counters.messages, f"{human(counters.octets)} octets")]
    facts += [
        Fact(version.title, number, level=1) for version, number in sorted(counters.messages_of.items())
    ]
    facts += [
        Fact("records", counters.records),
        Fact("options records", counters.options_records),
        Fact("templates", counters.templates),
        Fact("options templates", counters.options_templates),
        Fact("transport sessions", counters.sessions),
    ]
    udp = [listener for listener in listeners if isinstance(listener, UdpListener)]
    if udp:
        facts.append(_lost_datagrams(udp))
    if len(udp) < len(listeners):
        facts += _connections(counters)
    facts += _sequence(counters.sequence, "sequence gaps", "records")
    if counters.packet_sequence != SequenceCounters():
        facts += _sequence(counters.packet_sequence, "sequence gaps of packets", "packets")
    evicted = [
        Fact("sessions forgotten", counters.evicted_sessions, "too many exporters", warning=True),
        Fact("domains forgotten", counters.evicted_domains, "too many observation domains", warning=True),
    ]
    facts += [fact for fact in evicted if fact.value]
    facts.append(Fact("errors", counters.discarded.total() + counters.ignored.total()))
    for reasons, outcome in ((counters.discarded, "message discarded"), (counters.ignored, "ignored")):
        facts += [Fact(reason, number, outcome, level=1, warning=True) for reason, number in reasons.items()]
    return facts


def _lost_datagrams(listeners: Sequence[UdpListener]) -> Fact:
    lost = sum(listener.lost() for listener in listeners)
    granted = min(listener.receive_buffer for listener in listeners)
    advice = f"{human(granted)} octets are too few; raise net.core.rmem_max" if lost else ""
    return Fact("datagrams lost here", lost, advice, warning=lost > 0)


def _connections(counters: CollectorCounters) -> list[Fact]:
    facts = [
        Fact("closed here", counters.closed_connections, "for what they sent, or to make room", level=1),
        Fact("refused", counters.refused_connections, "too many connections", level=1, warning=True),
    ]
    return [Fact("connections", counters.connections), *(fact for fact in facts if fact.value)]


def _sequence(sequence: SequenceCounters, title: str, what: str) -> list[Fact]:
    details = [
        Fact(f"{what} missing", sequence.missing, level=1),
        Fact(f"{what} out of order", sequence.reordered, level=1),
        Fact(f"{what} twice", sequence.duplicated, level=1),
        Fact("exporter restarts", sequence.restarts, level=1),
    ]
    gaps = Fact(title, sequence.gaps, warning=sequence.gaps > 0)
    return [gaps, *(fact for fact in details if fact.value)]
