# SPDX-License-Identifier: Apache-2.0
"""The whole way of a frame: filter → packet → fragments → Flow, and the sums of section 10."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from spanflow.config.schema import Settings
from spanflow.reference.filter import FrameFilter
from spanflow.reference.flow_table import EVERY_DETAIL, FlowTable, Observer, Send
from spanflow.reference.flows import Timeouts
from spanflow.reference.fragments import FragmentTable
from spanflow.reference.frame import DiscardError, Frame
from spanflow.reference.network import decode


class Metering:
    """One input with a clock of its own: all files together, or one interface.

    send: takes what leaves. filter: None is `capture.filter`. first_interface: what `ingressInterface` counts
    from (12.4). live: there is no reorder window, and timers run when they are asked to (9.5).
    """

    def __init__(
        self,
        settings: Settings,
        send: Send,
        observers: Sequence[Observer] = (),
        *,
        capacity: int,
        filter: str | None = None,
        first_interface: int = 1,
        live: bool = False,
    ) -> None:
        capture, cache = settings.capture, settings.cache
        self.table = FlowTable(
            timeouts=Timeouts.of(cache),
            key=cache.key,
            capacity=capacity,
            first_packets=cache.first_packets,
            send=send,
            observers=observers,
        )
        self.fragments = FragmentTable(capture.max_fragments, "vlan" in cache.key)
        self.filter = FrameFilter(capture.filter if filter is None else filter)
        self.window = 0 if live else capture.reorder_window
        self.first_interface, self.live = first_interface, live
        self.clock: int | None = None
        self.frames: Counter[str] = Counter()  # by reason of discard, "" = accounted
        self.wire_octets: defaultdict[str, int] = defaultdict(int)
        self.packets = self.octets = 0  # accounted: packets and their IP octets
        self.late = self.clock_steps = 0

    def receive(self, frame: Frame) -> None:
        """Account a frame, or discard it for one reason (1.1)."""
        before = self.clock
        self.set_clock(frame.time_ns)
        reason = self._account(frame, before)
        self.frames[reason] += 1
        self.wire_octets[reason] += frame.wire_length
        if not self.live:
            self.expire()

    def _account(self, frame: Frame, clock_before: int | None) -> str:
        if not self.filter.accepts(frame):
            return "filtered"
        try:
            packet = decode(frame)
        except DiscardError as reason:
            return str(reason)
        packet.ingress_interface = self.first_interface + frame.interface
        if not self.live and clock_before is not None and packet.time_ns < clock_before - self.window:
            self.late += 1  # 9.3
        self.packets += 1
        self.octets += packet.octets
        self.fragments.place(packet)
        self.table.account(packet)
        return ""

    def set_clock(self, time_ns: int) -> None:
        """9.1: the highest time stamp of all frames, those that are discarded included."""
        self.clock = time_ns if self.clock is None else max(self.clock, time_ns)

    def step_clock(self, step_ns: int) -> None:
        """9.6."""
        if self.clock is not None:
            self.clock += step_ns
            self.table.step_clock(step_ns, self.clock)
        self.clock_steps += 1

    def expire(self, details: frozenset[str] = EVERY_DETAIL) -> None:
        """9.2: timers take a Flow when clock - window has passed its deadline."""
        if self.clock is not None:
            self.table.sweep(self.clock - self.window, details, live=self.live)

    def flush(self, most: int | None = None) -> bool:
        """The end of the input (8.6), `most` Flows at a time. Whether any are left."""
        return self.table.flush(self.clock or 0, most)
