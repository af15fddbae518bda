# SPDX-License-Identifier: Apache-2.0
"""What differs between the records of the native Metering Process and those of the reference engine."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from reference.run import Result
from reference.two_pass import TwoPassSeries

RecordLike = Mapping[str, Any]
Half = tuple[str, Any, TwoPassSeries | None]
"""Name of a series (forward, reverse, both), the record or half record that describes it, what is behind it.
"""

HALVES = ("forward", "reverse")
UNCOMPARED = ("worker", "statistics")
FLOAT32_TOLERANCE = 2.0**-23
GAP_TOLERANCE = 1e-6


def compare(native_records: np.ndarray, result: Result) -> list[str]:
    """Every difference as one line; an empty list means that both have the same records, in whatever order.

    native_records: dtype spanflow.record.RECORD, all batches of a run concatenated. The worker is ignored,
    and the flowId where the result has none. Sums of squared gaps may differ by 1e-6, the shortest and
    longest gap by the precision of float32.
    """
    differences = []
    natives, references = _by_flow(native_records), _by_flow(result.records)
    for identity in sorted(natives.keys() | references.keys()):
        ours, theirs = natives.get(identity, []), references.get(identity, [])
        name = _name((ours or theirs)[0])
        if len(ours) != len(theirs):
            differences.append(f"{name}: {len(ours)} records, expected {len(theirs)}")
        for number, (native, reference) in enumerate(zip(ours, theirs, strict=False)):
            found = [*_member_differences(native, reference), *_sum_differences(native, reference)]
            differences += [f"{name}: record {number}: {text}" for text in found]
    return differences


def statistics_differences(native_records: np.ndarray, result: Result) -> list[str]:
    """Where mean or deviation, derived from the members of a record, miss the two-pass ones (semantics §5).

    Sizes: 1e-9 relative. Gaps: 1e-6 relative or 1 ns. Records must already be equal by `compare`.
    """
    differences = []
    natives, references = _by_flow(native_records), _by_flow(result.records)
    for identity in natives.keys() & references.keys():
        for number, (native, reference) in enumerate(
            zip(natives[identity], references[identity], strict=True)
        ):
            where = f"{_name(native)}: record {number}"
            for text in _statistics_differences(native, reference):
                differences.append(f"{where}: {text}")
    return differences


def size_sum_squares(packets: int, octets: int, smallest: int, largest: int, remainder: int) -> int | None:
    """The sum of squares of sizes from its value modulo 2^64, None when the bounds leave it open.

    It lies between (Σx)²/n and that plus n(max-min)²/4 (Cauchy and Popoviciu), a range that is narrower than
    2^64 unless the sizes are of jumbograms.
    """
    low = -(-octets * octets // packets)
    value = low + (remainder - low) % 2**64
    widest = octets * octets // packets + packets * (largest - smallest) ** 2 // 4
    return value if value + 2**64 > widest else None


def _by_flow(records: Any) -> dict[tuple[Any, ...], list[RecordLike]]:
    """Records by their ends without direction and protocol, in each group by time, VLAN, interface,
    reason.
    """
    groups = defaultdict(list)
    for record in records:
        ends = sorted(
            (bytes(record[f"{end}_address"]), int(record[f"{end}_transport_port"]))
            for end in ("source", "destination")
        )
        groups[int(record["ip_version"]), int(record["protocol_identifier"]), *ends].append(record)
    for group in groups.values():
        group.sort(key=_order)
    return groups


def _order(record: RecordLike) -> tuple[int, ...]:
    halves = [record[half] for half in HALVES if record[half]["packet_delta_count"]]
    return (
        min(int(half["vlan_id"]) for half in halves),
        min(int(half["ingress_interface"]) for half in halves),
        int(record["flow_start_ns"]),
        min(int(half["first_ns"]) for half in halves),
        max(int(half["last_ns"]) for half in halves),
        sum(int(half["packet_delta_count"]) for half in halves),
        sum(int(half["octet_delta_count"]) for half in halves),
        int(record["end_detail"]),
    )


def _name(record: RecordLike) -> str:
    source, destination = (
        f"{bytes(record[f'{end}_address']).hex()}.{record[f'{end}_transport_port']}"
        for end in ("source", "destination")
    )
    return f"{source} > {destination} protocol {record['protocol_identifier']}"


def _halves(record: RecordLike, reference: RecordLike) -> Iterator[tuple[str, Any, Any]]:
    """The record itself and both halves: (prefix, ours, theirs)."""
    yield "", record, reference
    for half in HALVES:
        yield f"{half}.", record[half], reference[half]


def _member_differences(native: RecordLike, reference: RecordLike) -> Iterator[str]:
    for prefix, ours, theirs in _halves(native, reference):
        for member, expected in theirs.items():
            if member in HALVES or member in UNCOMPARED or expected is None:
                continue
            value = ours[member]
            value = bytes(value) if isinstance(expected, bytes) else value.item()
            if not _equal(member, value, expected):
                yield f"{prefix}{member} is {_text(value)}, expected {_text(expected)}"


def _equal(member: str, value: Any, expected: Any) -> bool:
    if member == "gap_squared_deviations":
        return math.isclose(math.sqrt(value), math.sqrt(expected), rel_tol=GAP_TOLERANCE, abs_tol=1.0)
    if member in ("gap_min_ns", "gap_max_ns"):
        return math.isclose(value, expected, rel_tol=FLOAT32_TOLERANCE)
    return bool(value == expected)


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _sum_differences(native: RecordLike, reference: RecordLike) -> Iterator[str]:
    """The whole sum of squares of sizes must come out of its remainder."""
    for name, half, series in _series(native, reference):
        if name == "both" or series is None or not series.sizes:
            continue
        value, exact = _sum_of_squares(half), sum(size * size for size in series.sizes)
        if value is not None and value != exact:
            yield f"{name}: the sum of squared sizes is {value}, expected {exact}"


def _sum_of_squares(half: RecordLike) -> int | None:
    members = ("packet_delta_count", "octet_delta_count", "size_min", "size_max", "size_sum_squares")
    numbers = [int(half[member]) for member in members]
    return size_sum_squares(*numbers) if numbers[0] else 0


def _series(native: RecordLike, reference: RecordLike) -> Iterator[Half]:
    behind = reference.get("statistics", {})
    for half in HALVES:
        yield half, native[half], behind.get(half)
    yield "both", native, behind.get("both")


def _statistics_differences(native: RecordLike, reference: RecordLike) -> Iterator[str]:
    for name, members, series in _series(native, reference):
        if series is None or not series.sizes:
            continue
        halves = [native[half] for half in HALVES] if name == "both" else [members]
        derived = {**_size_statistics(halves), **_gap_statistics(halves, members)}
        for what, value in derived.items():
            expected = getattr(series, what)
            relative, absolute = (1e-9, 0.0) if what.startswith("size") else (1e-6, 1.0)
            if not math.isclose(value, expected, rel_tol=relative, abs_tol=absolute):
                yield f"{name}.{what} is {value}, two passes give {expected}"


def _size_statistics(halves: list[RecordLike]) -> dict[str, float]:
    packets = sum(int(half["packet_delta_count"]) for half in halves)
    octets = sum(int(half["octet_delta_count"]) for half in halves)
    squares = [_sum_of_squares(half) for half in halves]
    statistics = {"size_mean": octets / packets}
    if None not in squares:
        statistics["size_stddev"] = _deviation(packets, octets, sum(squares))
    return statistics


def _gap_statistics(halves: list[RecordLike], members: RecordLike) -> dict[str, float]:
    gaps = sum(int(half["packet_delta_count"]) for half in halves) - 1
    total = int(members["gap_sum_ns"])
    squared = float(members["gap_squared_deviations"])
    deviation = math.sqrt(squared / (gaps - 1)) if gaps > 1 else 0.0
    return {"gap_mean": total / gaps if gaps else 0.0, "gap_stddev": deviation}


def _deviation(count: int, total: int, sum_squares: int) -> float:
    """The sample standard deviation from exact sums."""
    if count < 2:
        return 0.0
    return math.sqrt((count * sum_squares - total * total) / (count * (count - 1)))
