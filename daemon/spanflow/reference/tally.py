# SPDX-License-Identifier: Apache-2.0
"""Records with their packets and IP octets, counted as they move on (section 10)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spanflow.metering_counters import EXPIRY_LAG_BOUNDS_S, FlowCount
from spanflow.record import Batch


@dataclass(slots=True)
class Tally:
    """What is in one place now."""

    records: int = 0
    packets: int = 0
    octets: int = 0

    def add(self, count: FlowCount) -> None:
        self.records += count.records
        self.packets += count.packets
        self.octets += count.octets

    def subtract(self, count: FlowCount) -> None:
        self.records -= count.records
        self.packets -= count.packets
        self.octets -= count.octets

    def count(self) -> FlowCount:
        return FlowCount(self.records, self.packets, self.octets)


class Lags:
    """How long after their deadlines records left that no packet asked for."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(EXPIRY_LAG_BOUNDS_S) + 1)
        self.sum_ns = 0

    def add(self, lag_ns: int) -> None:
        self.buckets[bisect_left(EXPIRY_LAG_BOUNDS_S, lag_ns / 1e9)] += 1
        self.sum_ns += lag_ns


def content_of_record(members: Mapping[str, Any]) -> FlowCount:
    halves = (members["forward"], members["reverse"])
    return FlowCount(
        1,
        sum(half["packet_delta_count"] for half in halves),
        sum(half["octet_delta_count"] for half in halves),
    )


def content_of_batch(batch: Batch) -> FlowCount:
    halves = [batch.records[half] for half in ("forward", "reverse")]
    return FlowCount(
        len(batch),
        sum(int(half["packet_delta_count"].sum()) for half in halves),
        sum(int(half["octet_delta_count"].sum()) for half in halves),
    )
