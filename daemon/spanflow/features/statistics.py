# SPDX-License-Identifier: Apache-2.0
"""The feature sets `statistics` (semantics 6) and `packets`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter

import numpy as np

from spanflow.config.wording import quoted
from spanflow.errors import ConfigError
from spanflow.features.column import Column, Kind
from spanflow.features.measures import Measures
from spanflow.record import FIRST_PACKET, Array

# Path in Measures, prefix, prefix of aliases, what it is.
_SIDES = (
    ("both", "", "", "both directions together"),
    ("forward", "forward_", "f_", "the forward direction"),
    ("reverse", "reverse_", "b_", "the reverse direction"),
)

# Name, path in a Side, dtype ("" is float64), definition, unit; then the original's names, if in this unit.
_MEASURES = (
    ("duration_ns", "duration_ns", "i8", "From the lowest time stamp to the highest", "ns"),
    ("packet_length_min", "size_min", "u4", "Smallest IP packet", "octets", "min_ps", "min_pkt_size"),
    ("packet_length_max", "size_max", "u4", "Largest IP packet", "octets", "max_ps", "max_pkt_size"),
    ("packet_length_mean", "size_mean", "", "Mean length of IP packets", "octets", "avg_ps", "avg_pkt_size"),
    (
        *("packet_length_stddev", "size_stddev", "", "Sample standard deviation of the lengths", "octets"),
        *("std_dev_ps", "std_dev_pkt_size"),
    ),
    ("gap_min_ns", "gap_min_ns", "i8", "Shortest gap between packets (single precision)", "ns"),
    ("gap_max_ns", "gap_max_ns", "i8", "Longest gap between packets (single precision)", "ns"),
    ("gap_mean_ns", "gap_mean_ns", "", "Mean gap between packets", "ns"),
    ("gap_stddev_ns", "gap_stddev_ns", "", "Sample standard deviation of the gaps", "ns"),
)


def _statistics() -> Iterator[Column]:
    for side, prefix, letter, about in _SIDES:
        for name, path, dtype, definition, unit, *aliases in _MEASURES:
            yield Column(
                name=prefix + name,
                kind=Kind.INTEGER if dtype else Kind.FLOAT,
                dtype=dtype,
                cells=attrgetter(f"{side}.{path}"),
                definition=f"{definition}, of {about}.",
                unit=unit,
                aliases=tuple(letter + alias for alias in aliases),
            )


STATISTICS: tuple[Column, ...] = tuple(_statistics())


def _first(name: str, member: str, definition: str, unit: str = "") -> Column:
    return Column(
        name=name,
        kind=Kind.INTEGERS,
        dtype=FIRST_PACKET[member].str.lstrip("<|"),
        cells=_first_cells(name, member),
        definition=definition,
        unit=unit,
    )


def _first_cells(name: str, member: str) -> Callable[[Measures], tuple[Array, Array]]:
    def cells(measures: Measures) -> tuple[Array, Array]:
        packets = measures.batch.first_packets
        if packets is None:
            raise ConfigError(
                f"feature {quoted(name)}: the first packets were not kept (cache.first_packets is 0);"
                " set how many are, up to 64"
            )
        counts = np.count_nonzero(packets["direction"] >= 0, axis=1).astype(np.int64)
        return np.ascontiguousarray(packets[member]), counts

    return cells


PACKETS: tuple[Column, ...] = (
    _first("first_packet_lengths", "octets", "Lengths of the first IP packets of the record.", "octets"),
    _first("first_packet_directions", "direction", "Directions of these packets: 0 forward, 1 reverse."),
    _first(
        "first_packet_gaps_ns", "gap_ns", "Time from the packet before, of either direction; first 0.", "ns"
    ),
)
