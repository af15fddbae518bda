# SPDX-License-Identifier: Apache-2.0
"""The feature set `classic`: the 48 columns of the system that Spanflow grew from, and its flows' names.

Its times are seconds. Where a column of ours has the same values, its row there has the old name as an
alias; what stands here are the columns that have other units or other forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from spanflow import _core
from spanflow.features.column import Column, Kind
from spanflow.features.measures import Measures
from spanflow.record import Array, EndDetail

_SIDES = (
    ("both", "", "both directions together"),
    ("forward", "f_", "the forward direction"),
    ("reverse", "b_", "the reverse direction"),
)
_OF_A_SIDE = (
    *("pktTotalCount", "octetTotalCount", "min_ps", "max_ps", "avg_ps", "std_dev_ps"),
    *("flowStart", "flowEnd", "flowDuration", "min_piat", "max_piat", "avg_piat", "std_dev_piat"),
)

CLASSIC_NAMES = (
    *("flow_key", "src_ip", "src_port", "dst_ip", "dst_port", "proto"),
    *(prefix + name for _, prefix, _ in _SIDES for name in _OF_A_SIDE),
    *("flowEndReason", "category", "application_name"),
)
"""The 48 names, in their order."""

_EXPORT_REASONS = {
    EndDetail.IDLE: 0,
    EndDetail.ACTIVE: 1,
    EndDetail.FLUSH: 2,
    EndDetail.FIN: 3,
    EndDetail.RST: 4,
    EndDetail.FIN_TIMEOUT: 5,
    EndDetail.EVICTED: 2,
}
"""The old numbers; it had none for a full cache, which sends a flow early as a flush does."""

_NANOSECONDS = 1e9
_FIN, _ACK = 0x01, 0x10


def _seconds(name: str, path: str, definition: str, aliases: tuple[str, ...]) -> Column:
    """Exact seconds of nanoseconds, by their path in Measures."""
    return Column(
        name=name,
        kind=Kind.SECONDS,
        cells=attrgetter(path),
        definition=definition,
        unit="s",
        aliases=aliases,
    )


def _mean_seconds(name: str, path: str, definition: str) -> Column:
    nanoseconds = attrgetter(path)
    return Column(
        name=name,
        kind=Kind.FLOAT,
        cells=lambda measures: nanoseconds(measures) / _NANOSECONDS,
        definition=definition,
        unit="s",
    )


def _integer(name: str, cells: Callable[[Measures], Any], dtype: str, definition: str) -> Column:
    return Column(name=name, kind=Kind.INTEGER, dtype=dtype, cells=cells, definition=definition)


def _times() -> Iterator[Column]:
    for side, prefix, about in _SIDES:
        path = f"{side}."
        start = (f"{prefix}start_time",)
        end = (f"{prefix}end_time",)
        yield _seconds(f"{prefix}flowStart", path + "start_ns", f"Start of {about}, since 1970.", start)
        yield _seconds(f"{prefix}flowEnd", path + "end_ns", f"End of {about}, since 1970.", end)
        yield _seconds(f"{prefix}flowDuration", path + "duration_ns", f"Duration of {about}.", ())
        yield _seconds(f"{prefix}min_piat", path + "gap_min_ns", f"Shortest gap of {about}.", ())
        yield _seconds(f"{prefix}max_piat", path + "gap_max_ns", f"Longest gap of {about}.", ())
        yield _mean_seconds(f"{prefix}avg_piat", path + "gap_mean_ns", f"Mean gap of {about}.")
        yield _mean_seconds(
            f"{prefix}std_dev_piat",
            path + "gap_stddev_ns",
            f"Sample standard deviation of the gaps of {about}.",
        )


def _wide_address(name: str, member: str, end: str) -> Column:
    def cells(measures: Measures) -> list[int]:
        octets = measures.member(member).tobytes()
        version = measures.member("ip_version").tolist()
        places = (
            (16 * row + (12 if version[row] == 4 else 0), 16 * row + 16) for row in range(len(measures))
        )
        return [int.from_bytes(octets[first:last], "big") for first, last in places]

    return Column(
        name=name, kind=Kind.WIDE_INTEGER, cells=cells, definition=f"Address of the {end} as one integer."
    )


def _export_reason(measures: Measures) -> Array:
    table = np.full(len(_core.END_DETAILS), -1, np.int8)
    for detail, number in _EXPORT_REASONS.items():
        table[detail] = number
    return np.asarray(table[measures.member("end_detail")])


def _directions_with(flag: int) -> Callable[[Measures], Array]:
    def cells(measures: Measures) -> Array:
        flags = [measures.member(f"{half}.tcp_control_bits") & flag for half in ("forward", "reverse")]
        return np.asarray(np.sum([each != 0 for each in flags], axis=0, dtype=np.uint8))

    return cells


def _rest() -> Iterator[Column]:
    yield Column(
        name="flow_key",
        kind=Kind.HEXADECIMAL,
        cells=lambda measures: measures.member("flow_id"),
        definition="flow_id as 16 hexadecimal digits.",
        aliases=("key",),
    )
    yield _wide_address("ip_src", "source_address", "initiator")
    yield _wide_address("ip_dst", "destination_address", "responder")
    yield _integer(
        "export_reason",
        _export_reason,
        "i1",
        "end_detail by the old numbers: 0 idle, 1 active, 2 flush or evicted, 3 fin, 4 rst, 5 fin_timeout.",
    )
    yield _integer(
        "ndpi_proto_num",
        lambda measures: measures.member("application_id") & np.uint32(0xFFFFFF),
        "u4",
        "The selector of application_id: the number of the protocol in the engine.",
    )
    yield _integer(
        "FIN_flag_counter", _directions_with(_FIN), "u1", "Directions that sent a FIN (0 to 2), not packets."
    )
    yield _integer(
        "ACK_flag_counter", _directions_with(_ACK), "u1", "Directions that sent an ACK (0 to 2), not packets."
    )


CLASSIC: tuple[Column, ...] = (*_times(), *_rest())
"""Columns of their own; the others of the 48 are aliases."""
