# SPDX-License-Identifier: Apache-2.0
"""One moment of a running probe, as metrics, health checks and the status line see it.

Made by `service.py` out of snapshots of counters; nothing in it touches the packet path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanflow.application_counts import OTHER, ApplicationCount
from spanflow.applications import NO_APPLICATIONS, UNKNOWN
from spanflow.exporting.counters import NO_BOOKS, NOTHING, ExporterCounters, QueueCounters, Tally
from spanflow.metering_counters import MeteringCounters
from spanflow.plugins.counters import PluginCounters


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceStatus:
    """One capture interface, all its workers together. Counts are since the start and never go back.

    index: the kernel's ifIndex, 0 while the interface does not exist. bound: every worker captures on it.
    up: it is bound and the kernel says that it is up. kernel_received: frames that passed the kernel's
    filter, those with no room in the ring included. kernel_drops: the frames with no room.
    ring_freezes: times that the ring was full. merged_frames: frames that the kernel or the network card put
    together out of several packets (GRO, LRO, or our own host's TSO). appearances: times that it was bound.
    clock_steps: steps of the wall clock that the workers noticed.
    """

    name: str
    index: int
    bound: bool
    up: bool
    workers: int
    engine: str
    kernel_received: int
    kernel_drops: int
    ring_freezes: int
    merged_frames: int
    appearances: int
    clock_steps: int
    last_error: str
    metering: MeteringCounters


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorStatus:
    """One collector. up: connected, and the last attempt to send went well.

    last_template_ns: when Templates were sent last, spool_oldest_ns: when the oldest record in the spool was
    stored, certificate_not_after_ns: when our certificate expires, all in ns since the Unix epoch; 0 for
    never. spool_octets: on disk.
    """

    name: str
    url: str
    up: bool
    counters: ExporterCounters
    last_template_ns: int
    spool_octets: int = 0
    spool_oldest_ns: int = 0
    certificate_not_after_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationStatus:
    """The engine that names applications, and what it named.

    capacity_flows, capacity_octets: the bounds, all workers together; 0 without an engine. applications:
    those that are told apart, among them always UNKNOWN and OTHER.
    """

    engine: str = NO_APPLICATIONS.engine
    version: str = NO_APPLICATIONS.version
    capacity_flows: int = 0
    capacity_octets: int = 0
    applications: Sequence[ApplicationCount] = (ApplicationCount(UNKNOWN), ApplicationCount(OTHER))


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginStatus:
    """Per-flow plugins, and the records on their way through them.

    books: offered is what was taken from the hand-over, sent what went on to the exporters, queued what is
    under way. queued_octets: of the batches that are under way. plugins: each, in their order.
    """

    books: QueueCounters = NO_BOOKS
    queued_octets: int = 0
    plugins: Sequence[PluginCounters] = ()

    @property
    def dropped(self) -> Tally:
        """What did not go on, for any reason."""
        return sum(self.books.dropped.values(), NOTHING)

    def imbalance(self) -> dict[str, int]:
        """What is missing in each law of conservation: taken − gone on − under way − dropped."""
        missing = self.books.imbalance
        return {
            "plugin_records": missing.records,
            "plugin_packets": missing.packets,
            "plugin_octets": missing.octets,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStatus:
    """The whole probe. started_ns: wall clock. stalled: names of threads that make no progress.

    lost_before: packets that collectors did not get which a reload has removed. unready: why the probe is not
    ready, one line each; empty when it is.
    """

    version: str
    started_ns: int
    interfaces: Sequence[InterfaceStatus]
    collectors: Sequence[CollectorStatus]
    metering: MeteringCounters
    cache_capacity_flows: int
    handover_octets: int
    stalled: Sequence[str]
    unready: Sequence[str]
    lost_before: int
    reloads: int
    reload_failures: int
    last_reload_successful: bool
    labels: Mapping[str, str]
    """What /metrics says in build_info beside the version: python, libpcap."""
    classification: ClassificationStatus = ClassificationStatus()
    plugins: PluginStatus = PluginStatus()

    @property
    def lost(self) -> int:
        """Packets that were lost anywhere: in the kernel's rings, at the hand-over, before plugins, at the
        collectors.

        A packet that a record carries to several collectors counts once for each that did not get it.
        """
        kernel = sum(each.kernel_drops for each in self.interfaces)
        exported = sum(tally.packets for each in self.collectors for tally in each.counters.dropped.values())
        before_export = self.metering.dropped_at_handover.packets + self.plugins.dropped.packets
        return kernel + before_export + exported + self.lost_before
