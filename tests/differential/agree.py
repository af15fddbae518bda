# SPDX-License-Identifier: Apache-2.0
"""What differs between the outcomes of both engines, as lines to read; quick when nothing does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from ipaddress import ip_address
from typing import Any

import numpy as np

from differential.engines import Outcome
from reference.compare import FLOAT32_TOLERANCE, GAP_TOLERANCE, HALVES
from spanflow.record import DIRECTION, FIRST_PACKET, RECORD, Array, EndDetail

AddressPair = tuple[bytes, bytes]
"""Two ends of 16 octets, the lower first: it says nothing about direction."""

UNCOMPARED = ("worker", "details_offset")
"""Where a record was made, and where its details stand."""

SINGLES = ("gap_min_ns", "gap_max_ns")
SQUARES = "gap_squared_deviations"
"""What is rounded (semantics 6.5)."""

COUNTERS = ("received", "discarded", "accounted_frames", "accounted", "late", "fragment_orphans")
OF_TIMERS = ("handed_over", "flows_opened", "ended")
"""Counters that late packets can make different (semantics 9.4)."""

AT_THE_END = ("cached", "in_batch", "dropped_at_handover")
MOST_LINES = 40


def differences(native: Outcome, reference: Outcome, apart: Set[AddressPair] = frozenset()) -> list[str]:
    """Every difference; none if both have the same records, in whatever order, and the same counters.

    apart: the ends of Flows that had late packets: their records, and what counts records, may differ.
    """
    lines = [*_counter_differences(native, reference, late=bool(apart))]
    lines += [f"{name}: {text}" for name, of in _named(native, reference) for text in _unsound(of)]
    ours, theirs = _Canonical(native, apart), _Canonical(reference, apart)
    if ours.rows != theirs.rows:
        lines += _record_differences(ours, theirs)
    else:
        lines += _rounding_differences(ours.records, theirs.records)
    return lines[:MOST_LINES]


def address_pair(one: bytes, other: bytes) -> AddressPair:
    return (one, other) if one <= other else (other, one)


def _named(native: Outcome, reference: Outcome) -> Iterator[tuple[str, Outcome]]:
    yield "native", native
    yield "reference", reference


def _counter_differences(native: Outcome, reference: Outcome, *, late: bool) -> Iterator[str]:
    for name in COUNTERS if late else (*COUNTERS, *OF_TIMERS):
        ours, theirs = getattr(native.counters, name), getattr(reference.counters, name)
        if name in ("discarded", "ended"):
            ours, theirs = _met(ours), _met(theirs)
        if name == "accounted":
            ours, theirs = (ours.packets, ours.octets), (theirs.packets, theirs.octets)
        if ours != theirs:
            yield f"counter {name}: native {ours}, reference {theirs}"
    if native.problems != reference.problems:
        yield f"problems: native {native.problems}, reference {reference.problems}"


def _met(counts: Any) -> dict[str, Any]:
    """Of counts by name those that are not 0."""
    return {name: count for name, count in counts.items() if getattr(count, "packets", count)}


def _unsound(outcome: Outcome) -> Iterator[str]:
    """What does not add up within one outcome (semantics 10)."""
    counters, records = outcome.counters, outcome.records
    if any(counters.imbalance().values()):
        yield f"counters do not balance: {counters.imbalance()}"
    for name in AT_THE_END:
        if getattr(counters, name).packets:
            yield f"{name} holds packets at the end: {getattr(counters, name)}"
    sums = [sum(int(records[half][member].sum()) for half in HALVES) for member in _SUMMED]
    if sums != [counters.handed_over.packets, counters.handed_over.octets]:
        yield f"records have {sums} packets and octets, handed over are {counters.handed_over}"
    details = Counter(_detail(record) for record in records)
    if details != _met(counters.ended):
        yield f"records ended by {dict(details)}, counted are {_met(counters.ended)}"


def _mask(dtype: np.dtype[Any]) -> Array:
    """255 for each octet of a member that must be the same, 0 for all else, also for those of no member."""
    mask = np.zeros(dtype.itemsize, np.uint8)
    for name, (member, offset, *_) in (dtype.fields or {}).items():
        if name in HALVES:
            mask[offset : offset + member.itemsize] = _mask(member)
        elif name not in (*UNCOMPARED, *SINGLES, SQUARES):
            mask[offset : offset + member.itemsize] = 255
    return mask


_OF_RECORD, _OF_FIRST_PACKET = _mask(RECORD), _mask(FIRST_PACKET)
_SUMMED = ("packet_delta_count", "octet_delta_count")


class _Canonical:
    """The records of an outcome in an order that the records alone decide, without those that stand apart.

    rows: the octets of each, and of its first packets, without what may differ by rounding or by worker.
    """

    def __init__(self, outcome: Outcome, apart: Set[AddressPair]) -> None:
        behind = _octets(outcome.first_packets, np.tile(_OF_FIRST_PACKET, outcome.first_packets.shape[1]))
        rows = [a + b for a, b in zip(_octets(outcome.records, _OF_RECORD), behind, strict=True)]
        kept = [at for at in range(len(rows)) if not apart or _pair_of(outcome.records[at]) not in apart]
        kept.sort(key=rows.__getitem__)
        self.rows = [rows[at] for at in kept]
        self.records, self.first_packets = outcome.records[kept], outcome.first_packets[kept]


def _pair_of(record: Any) -> AddressPair:
    return address_pair(record["source_address"].tobytes(), record["destination_address"].tobytes())


def _octets(rows: Array, mask: Array) -> list[bytes]:
    """The octets of each row under a mask: what is not to be compared is 0."""
    octets = np.frombuffer(rows.tobytes(), np.uint8).reshape(len(rows), len(mask)) & mask
    return [row.tobytes() for row in octets]


def _rounding_differences(native: Array, reference: Array) -> Iterator[str]:
    """Records are equal but for what is rounded: is that near enough?"""
    for prefix, ours, theirs in [
        ("", native, reference),
        *((f"{half}.", native[half], reference[half]) for half in HALVES),
    ]:
        for member in (*SINGLES, SQUARES):
            one, other = ours[member].astype(float), theirs[member].astype(float)
            if member == SQUARES:
                one, other = np.sqrt(one), np.sqrt(other)
                near = np.abs(one - other) <= np.maximum(GAP_TOLERANCE * other, 1.0)
            else:
                near = np.abs(one - other) <= FLOAT32_TOLERANCE * other
            for at in np.flatnonzero(~near):
                name = f"{_name(native[at])}: {prefix}{member}"
                yield f"{name}: native {ours[member][at]}, reference {theirs[member][at]}"


def _record_differences(native: _Canonical, reference: _Canonical) -> Iterator[str]:
    """Records of one Flow are compared in turn; a Flow that only one engine has is told as a whole."""
    ours, theirs = _by_flow(native), _by_flow(reference)
    for flow in sorted(ours.keys() | theirs.keys(), key=str):
        pairs = (ours.get(flow, []), theirs.get(flow, []))
        if len(pairs[0]) != len(pairs[1]):
            for name, records in zip(("native", "reference"), pairs, strict=True):
                for record, _ in records:
                    yield f"only in one, {name}: {_text(record)}"
        else:
            for one, other in zip(*pairs, strict=True):
                yield from _member_differences(one, other)


def _by_flow(canonical: _Canonical) -> dict[Any, list[tuple[Any, Any]]]:
    flows: dict[Any, list[tuple[Any, Any]]] = {}
    for record, packets in zip(canonical.records, canonical.first_packets, strict=True):
        numbers = (int(record[name]) for name in ("ip_version", "protocol_identifier", "flow_start_ns"))
        identity = (*_pair_of(record), *numbers)
        flows.setdefault(identity, []).append((record, packets))
    return flows


def _member_differences(native: tuple[Any, Any], reference: tuple[Any, Any]) -> Iterator[str]:
    (ours, packets), (theirs, other_packets) = native, reference
    parts = [("", ours, theirs, RECORD)]
    parts += [(f"{half}.", ours[half], theirs[half], DIRECTION) for half in HALVES]
    for prefix, one, other, dtype in parts:
        for member in dtype.names or ():
            if member in (*HALVES, *UNCOMPARED, *SINGLES, SQUARES):
                continue
            if one[member].tobytes() != other[member].tobytes():
                yield f"{_name(ours)}: {prefix}{member}: native {one[member]}, reference {other[member]}"
    if packets.tolist() != other_packets.tolist():
        yield f"{_name(ours)}: first packets: native {packets.tolist()}, reference {other_packets.tolist()}"


def _name(record: Any) -> str:
    source, destination = (
        f"{_address(record[f'{end}_address'])} port {record[f'{end}_transport_port']}"
        for end in ("source", "destination")
    )
    return f"{source} > {destination} protocol {record['protocol_identifier']}"


def _text(record: Any) -> str:
    halves = ", ".join(
        f"{half} {record[half]['packet_delta_count']} packets {record[half]['octet_delta_count']} octets"
        f" {record[half]['first_ns']}-{record[half]['last_ns']}"
        for half in HALVES
    )
    return f"{_name(record)}: {_detail(record)}, {halves}"


def _detail(record: Any) -> str:
    number = int(record["end_detail"])
    return EndDetail(number).name.lower() if number in set(EndDetail) else str(number)


def _address(octets: Any) -> str:
    return str(ip_address(octets.tobytes()))
