# SPDX-License-Identifier: Apache-2.0
"""States of a probe to show: two interfaces and two collectors, idle or with numbers that all differ."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from spanflow.application_counts import OTHER, ApplicationCount
from spanflow.applications import UNKNOWN
from spanflow.exporting.counters import DropReason, ExporterCounters, QueueCounters, Tally
from spanflow.metering_counters import (
    ClassificationCounters,
    ExpiryLag,
    FlowCount,
    FrameCount,
    MeteringCounters,
)
from spanflow.plugins.counters import PluginCounters
from spanflow.status import (
    ClassificationStatus,
    CollectorStatus,
    InterfaceStatus,
    PluginStatus,
    ProbeStatus,
)

DISCARDS = (
    "non_ip",
    "truncated",
    "malformed",
    "unsupported_link",
    "filtered",
    "own_export",
    "sampled_out",
    "duplicate",
)
ENDS = ("idle", "active", "fin", "rst", "fin_timeout", "flush", "evicted")

IDLE_METERING = MeteringCounters(
    received=FrameCount(),
    discarded=dict.fromkeys(DISCARDS, FrameCount()),
    accounted_frames=FrameCount(),
    accounted=FlowCount(),
    cached=FlowCount(),
    in_batch=FlowCount(),
    handed_over=FlowCount(),
    dropped_at_handover=FlowCount(),
    late=0,
    fragment_orphans=0,
    flows_opened=0,
    crowded_evictions=0,
    cached_flows=0,
    ended=dict.fromkeys(ENDS, 0),
    clock_steps=0,
    merged_frames=0,
    expiry_lag=ExpiryLag(buckets=(0,) * 7, sum_ns=0),
)

BUSY_METERING = replace(
    IDLE_METERING,
    received=FrameCount(1000, 200_000),
    discarded={name: FrameCount(number, 100 * number) for number, name in enumerate(DISCARDS, 1)},
    accounted_frames=FrameCount(964, 196_400),
    accounted=FlowCount(0, 964, 180_000),
    cached=FlowCount(0, 300, 60_000),
    in_batch=FlowCount(2, 64, 10_000),
    handed_over=FlowCount(50, 500, 95_000),
    dropped_at_handover=FlowCount(10, 100, 15_000),
    late=11,
    fragment_orphans=12,
    flows_opened=81,
    crowded_evictions=13,
    cached_flows=21,
    ended={name: number for number, name in enumerate(ENDS, 31)},
    expiry_lag=ExpiryLag(buckets=(1, 2, 3, 4, 5, 6, 7), sum_ns=90_500_000_000),
    classification=ClassificationCounters(
        under_detection=41,
        memory_octets=42_000,
        inspected_packets=43,
        detected=44,
        given_up=45,
        guessed=46,
        refused_flows=47,
        refused_memory=48,
        dropped_details=49,
    ),
)

IDLE_INTERFACE = InterfaceStatus(
    name="eth0",
    index=2,
    bound=True,
    up=True,
    workers=1,
    engine="ring",
    kernel_received=0,
    kernel_drops=0,
    ring_freezes=0,
    merged_frames=0,
    appearances=1,
    clock_steps=0,
    last_error="",
    metering=IDLE_METERING,
)

BUSY_INTERFACE = replace(
    IDLE_INTERFACE,
    kernel_received=1064,
    kernel_drops=64,
    ring_freezes=3,
    merged_frames=5,
    appearances=4,
    clock_steps=6,
    metering=BUSY_METERING,
)

IDLE_EXPORT = ExporterCounters(
    data_records=0,
    messages=0,
    octets_sent=0,
    refusals=0,
    connections=0,
    resent=0,
    template_sends=0,
    last_template_ns=0,
    resolutions=0,
    last_error="",
)

BUSY_EXPORT = replace(
    IDLE_EXPORT,
    offered=Tally(85, 850, 165_000),
    recovered=Tally(8, 80, 16_000),
    sent=Tally(30, 300, 60_000),
    queued=Tally(5, 50, 5_000),
    spooled=Tally(4, 40, 8_000),
    filtered=Tally(3, 30, 6_000),
    moved=Tally(6, 60, 12_000),
    dropped={
        reason: Tally(number, 10 * number, 2000 * number) for number, reason in enumerate(DropReason, 1)
    },
    data_records=61,
    messages=17,
    octets_sent=9876,
    refusals=7,
    connections=15,
    resent=14,
    template_sends=8,
    resolutions=9,
    last_error="connection refused",
)

IDLE_COLLECTOR = CollectorStatus(
    name="noc", url="ipfix+udp://192.0.2.1:4739", up=True, counters=IDLE_EXPORT, last_template_ns=0
)
BUSY_COLLECTOR = replace(
    IDLE_COLLECTOR,
    counters=BUSY_EXPORT,
    last_template_ns=1_800_000_000_500_000_000,
    spool_octets=4096,
    spool_oldest_ns=1_800_000_001_500_000_000,
    certificate_not_after_ns=1_800_000_002_500_000_000,
)

IDLE = ProbeStatus(
    version="1.2.3",
    started_ns=1_799_999_999_250_000_000,
    interfaces=(IDLE_INTERFACE, replace(IDLE_INTERFACE, name="eth1", index=3)),
    collectors=(IDLE_COLLECTOR, replace(IDLE_COLLECTOR, name="lab", url="ipfix+udp://192.0.2.2:4739")),
    metering=IDLE_METERING,
    cache_capacity_flows=1_000_000,
    handover_octets=33_554_432,
    lost_before=0,
    stalled=(),
    unready=(),
    reloads=0,
    reload_failures=0,
    last_reload_successful=True,
    labels={"python": "3.11.2", "libpcap": "1.10.3"},
)

BUSY = replace(
    IDLE,
    interfaces=(BUSY_INTERFACE, replace(BUSY_INTERFACE, name="eth1", index=0, bound=False, up=False)),
    collectors=(BUSY_COLLECTOR, replace(BUSY_COLLECTOR, name="lab", up=False)),
    metering=BUSY_METERING,
    stalled=("spanflow-w0", "export noc"),
    unready=("capture eth1: no such interface",),
    reloads=3,
    reload_failures=1,
    last_reload_successful=False,
    classification=ClassificationStatus(
        engine="nDPI",
        version="4.2.0",
        capacity_flows=65_536,
        capacity_octets=268_435_456,
        applications=(
            ApplicationCount(UNKNOWN, 51, 61, 71),
            ApplicationCount(OTHER, 52, 62, 72),
            ApplicationCount("TLS", 53, 63, 73),
            ApplicationCount('my "own"', 54, 64, 74),
        ),
    ),
    plugins=PluginStatus(
        books=QueueCounters(
            offered=Tally(49, 490, 94_000),
            sent=Tally(40, 400, 80_000),
            queued=Tally(6, 60, 9_000),
            dropped={**dict.fromkeys(DropReason, Tally()), DropReason.SHUTDOWN: Tally(3, 30, 5_000)},
        ),
        queued_octets=6 * 328,
        plugins=(
            PluginCounters(
                name="labels:label",
                batches=81,
                records=82,
                failures=83,
                failed_records=84,
                seconds=8.5,
                last_error="KeyError",
            ),
            PluginCounters(name="/srv/my labels.py:Labels"),
        ),
    ),
)


@dataclass
class Probe:
    """A probe in whose place a test says what it is like."""

    status: ProbeStatus = IDLE
    looks: int = field(default=0, init=False)

    def snapshot(self) -> ProbeStatus:
        self.looks += 1
        return self.status

    def change(self, **members: Any) -> None:
        self.status = replace(self.status, **members)
