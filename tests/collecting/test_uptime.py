# SPDX-License-Identifier: Apache-2.0
"""Times that count from the start of a system, as absolute ones, across the wrap after 49.7 days."""

from __future__ import annotations

import struct

import pytest

from collecting.netflow import UNIX_SECONDS, flowset, packet9, template9
from spanflow.collecting.process import CollectingProcess

WRAP = 2**32
NOW_MS = UNIX_SECONDS * 1000
HOUR_MS = 3_600_000

CASES = [
    # (sysUptime, time of the Flow, its age in ms)
    ("just now", 10_000, 10_000, 0),
    ("a while ago", 10_000, 4_000, 6_000),
    ("at the start of the system", 10_000, 0, 10_000),
    ("before the clock wrapped", 1_000, WRAP - 500, 1_500),
    ("just before it wraps", WRAP - 1, WRAP - 3, 2),
    ("49 days ago", 5_000, (5_000 - 49 * 24 * HOUR_MS) % WRAP, 49 * 24 * HOUR_MS),
    ("a moment after its packet was made", 10_000, 10_250, -250),
    ("so across the wrap", WRAP - 100, 150, -250),
    ("an hour after it", 10_000, 10_000 + HOUR_MS, -HOUR_MS),
    ("longer after it is long before it", 10_000, 10_001 + HOUR_MS, WRAP - HOUR_MS - 1),
]


@pytest.mark.parametrize(
    ("uptime_ms", "stamp_ms", "age_ms"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_times(uptime_ms: int, stamp_ms: int, age_ms: int) -> None:
    _, decoded = CollectingProcess().receive(
        packet9(
            flowset(0, template9(256, "flowStartSysUpTime", "flowEndSysUpTime")),
            flowset(256, struct.pack("!II", stamp_ms, uptime_ms)),
            count=2,
            uptime_ms=uptime_ms,
        ),
        "exporter",
    )
    (data_set,) = decoded.data_sets
    assert data_set.template.by_name(data_set.records[0]) == {
        "flowStartSysUpTime": stamp_ms,
        "flowEndSysUpTime": uptime_ms,
        "flowStartMilliseconds": (NOW_MS - age_ms) * 1_000_000,
        "flowEndMilliseconds": NOW_MS * 1_000_000,
    }


@pytest.mark.parametrize(
    ("fields", "added"),
    [
        (("flowEndSysUpTime",), ["flowEndMilliseconds"]),
        (("flowStartSysUpTime", "flowStartMilliseconds", "flowEndSysUpTime"), ["flowEndMilliseconds"]),
        (("flowStartSysUpTime", "flowStartSeconds"), []),
        (("flowEndSysUpTime", "flowEndNanoseconds"), []),
        (("vlanId",), []),
    ],
)
def test_only_what_is_missing_is_added(fields: tuple[str, ...], added: list[str]) -> None:
    definition = template9(256, *fields)
    size = sum(struct.unpack_from("!H", definition, 6 + 4 * index)[0] for index in range(len(fields)))
    _, decoded = CollectingProcess().receive(
        packet9(flowset(0, definition), flowset(256, bytes(size)), count=2), "exporter"
    )
    names = [field.name for field in decoded.data_sets[0].template.fields]
    assert names == [*fields, *added]
