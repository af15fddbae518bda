# SPDX-License-Identifier: Apache-2.0
"""What a running probe tells its collectors of itself, out of snapshots that are at most a second old."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from spanflow.exporting.facts import ExportingFacts, MeteringFacts, ObservedInterface
from spanflow.metering_counters import MeteringCounters
from spanflow.status import InterfaceStatus

_WANTED = ("filtered", "own_export")
"""Packets that were left out on purpose are not ignored."""

_KEY_ELEMENTS = {"vlan": "vlanId", "interface": "ingressInterface"}
"""Elements by the words of the setting `cache.key`."""

_SNAPSHOT_S = 1.0


class MeterFacts:
    """The facts of a Metering Process, for any number of threads. started_ns: since the Unix epoch.

    counters, interfaces: snapshots; a file has no interfaces that have names. key: the setting `cache.key`.
    """

    def __init__(
        self,
        started_ns: int,
        counters: Callable[[], MeteringCounters],
        interfaces: Callable[[], Sequence[InterfaceStatus]] = lambda: (),
        *,
        key: Collection[str] = (),
    ) -> None:
        self.started_ns = started_ns
        self.more_keys = tuple(_KEY_ELEMENTS[part] for part in key)
        self._counters = counters
        self._interfaces = interfaces
        self._lock = threading.Lock()
        self._looked_s = -_SNAPSHOT_S
        self._version = 0
        self._observed: tuple[ObservedInterface, ...] = ()
        self._metering = MeteringFacts()

    @property
    def version(self) -> int:
        """Grows when an interface comes, goes or gets another number."""
        self._look()
        return self._version

    def interfaces(self) -> Sequence[ObservedInterface]:
        """Those that exist."""
        self._look()
        return self._observed

    def metering(self) -> MeteringFacts:
        """What was lost before or in the Metering Process, or discarded as it could not be metered.

        The times are those when it was noticed; octets of what the kernel dropped are not known.
        """
        self._look()
        return self._metering

    def exporting(self) -> ExportingFacts:
        """Every collector has its own."""
        return ExportingFacts()

    def _look(self) -> None:
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._looked_s < _SNAPSHOT_S:
                return
            self._looked_s = now_s
            statuses = self._interfaces()
            observed = tuple(
                ObservedInterface(each.index, each.name, f"captured with {each.engine}")
                for each in statuses
                if each.index
            )
            if observed != self._observed:
                self._observed = observed
                self._version += 1
            self._metering = self._ignored(statuses, self._counters())

    def _ignored(self, statuses: Sequence[InterfaceStatus], counters: MeteringCounters) -> MeteringFacts:
        discarded = [count for reason, count in counters.discarded.items() if reason not in _WANTED]
        packets = sum(count.packets for count in discarded) + counters.dropped_at_handover.packets
        packets += sum(each.kernel_drops for each in statuses)
        # Nothing is sampled: the selector takes all that it sees.
        before, metered = self._metering, counters.accounted.packets
        if packets == before.ignored_packets:
            return replace(before, observed_packets=metered, selected_packets=metered)
        now_ns = time.time_ns()
        return MeteringFacts(
            observed_packets=metered,
            selected_packets=metered,
            ignored_packets=packets,
            ignored_octets=sum(count.octets for count in discarded) + counters.dropped_at_handover.octets,
            first_ignored_ns=before.first_ignored_ns or now_ns,
            last_ignored_ns=now_ns,
        )
