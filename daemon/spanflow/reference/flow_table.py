# SPDX-License-Identifier: Apache-2.0
"""All Flows: which one a packet belongs to, and which ones leave when (section 8)."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count, islice
from typing import Any, Protocol

from spanflow.metering_counters import FlowCount
from spanflow.reference.flow_key import FlowKey, key_of
from spanflow.reference.flows import Flow, Timeouts, opens_connection
from spanflow.reference.packet import Packet
from spanflow.reference.tally import Lags, Tally, content_of_record

Send = Callable[[Flow, dict[str, Any]], None]
"""Takes a Flow whose record leaves, and the members of the record."""

END_DETAILS = frozenset(("idle", "fin", "rst", "fin_timeout"))
ACTIVE = frozenset(("active",))
EVERY_DETAIL = END_DETAILS | ACTIVE

AHEAD_NS = 1_000_000_000
"""9.6: a Flow that lies so far ahead of the clock was left there by a clock that was set back."""


class Observer(Protocol):
    """What looks on as Flows live: it finds applications, or runs plugins."""

    def on_open(self, flow: Flow) -> None:
        """Before the first packet is accounted."""

    def on_packet(self, packet: Packet, flow: Flow) -> None:
        """After the packet was accounted."""

    def on_record(self, flow: Flow) -> None:
        """Before a record leaves; `flow.detail` is "" where the Flow lives on."""

    def on_close(self, flow: Flow) -> None:
        """After the Flow has left."""


class FlowTable:
    """Flows by their key, at most `capacity`."""

    def __init__(
        self,
        *,
        timeouts: Timeouts,
        key: tuple[str, ...],
        capacity: int,
        first_packets: int,
        send: Send,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.timeouts, self.key, self.capacity = timeouts, key, capacity
        self.first_packets, self.send, self.observers = first_packets, send, observers
        self.flows: dict[FlowKey, Flow] = {}
        self.opened = 0
        self.ended: Counter[str] = Counter()
        self.lags = Lags()  # live
        self.cached = Tally()  # records that are not empty
        self._timers: list[tuple[int, int, Flow]] = []  # a heap; an entry holds if it is where its Flow says
        self._serial = count()
        self._stepped_to_ns = 0  # a deadline before it says nothing about how late a record leaves

    # ---- the packet path ----

    def account(self, packet: Packet) -> None:
        """8.1: deadlines are tested before the packet is accounted, so that no timer can change a record."""
        key = key_of(packet, self.key)
        flow = self.flows.get(key)
        if flow:
            self._expire(flow, packet.time_ns)
            if not flow.detail and flow.ended and opens_connection(packet):
                self._leave(flow, flow.ended[0])  # 7.3
        if flow is None or flow.detail:
            flow = self._open(key, packet)
        flow.direct(packet)
        self.cached.add(FlowCount(int(flow.record is None), 1, packet.octets))
        flow.add(packet, self.first_packets)
        for observer in self.observers:
            observer.on_packet(packet, flow)
        if flow.ended and self.timeouts.tcp_linger == 0:
            self._leave(flow, flow.ended[0])  # 8.5
        else:
            self._schedule(flow)

    def _open(self, key: FlowKey, packet: Packet) -> Flow:
        self.make_room(1)
        flow = self.flows[key] = Flow(key, packet)
        self.opened += 1
        for observer in self.observers:
            observer.on_open(flow)
        return flow

    # ---- leaving ----

    def sweep(self, now: int, details: frozenset[str] = EVERY_DETAIL, *, live: bool = False) -> None:
        """9.2: send what was due before `now`, as far as it is one of `details`."""
        self.make_room()
        not_ours = []
        while self._timers and self._timers[0][0] < now:
            time_ns, serial, flow = heapq.heappop(self._timers)
            if flow.scheduled_ns != time_ns:
                continue
            flow.scheduled_ns = None
            left_ahead = live and flow.last_ns > now + AHEAD_NS
            if (left_ahead or flow.due.time_ns < now) and flow.due.detail not in details:
                not_ours.append((time_ns, serial, flow))
            elif left_ahead:
                self._leave(flow, flow.due.detail)
            else:
                if live and self._stepped_to_ns <= flow.due.time_ns < now:
                    self.lags.add(now - flow.due.time_ns)
                self._expire(flow, now - 1, details)
                self._schedule(flow)
        for time_ns, serial, flow in not_ours:
            flow.scheduled_ns = time_ns
            heapq.heappush(self._timers, (time_ns, serial, flow))

    def step_clock(self, step_ns: int, now: int) -> None:
        """9.6: every Flow keeps the time that it had left. now: the clock after the step."""
        self._stepped_to_ns = now
        self._timers = [(time_ns + step_ns, serial, flow) for time_ns, serial, flow in self._timers]
        for flow in self.flows.values():
            if flow.scheduled_ns is not None:
                flow.scheduled_ns += step_ns

    def make_room(self, wanted: int = 0) -> None:
        """8.8: whoever has the earliest deadline goes, of all; the native engine looks at some."""
        while self.flows and len(self.flows) + wanted > self.capacity:
            time_ns, _, flow = heapq.heappop(self._timers)
            if flow.scheduled_ns == time_ns:
                flow.scheduled_ns = None
                if flow.due.time_ns > time_ns:
                    self._schedule(flow)
                else:
                    self._leave(flow, "evicted")

    def flush(self, now: int, most: int | None = None) -> bool:
        """8.6: the end of the input. Whether any are left after `most` have gone."""
        for flow in list(islice(self.flows.values(), most)):
            reached = flow.ended or flow.due.time_ns <= now
            self._leave(flow, flow.due.detail if reached else "flush")
        return bool(self.flows)

    def _expire(self, flow: Flow, now: int, details: frozenset[str] = EVERY_DETAIL) -> None:
        """Apply the deadlines that `now` has reached, the earliest first."""
        while not flow.detail and flow.due.time_ns <= now and flow.due.detail in details:
            if flow.due.detail == "active":
                self._split(flow)
            else:
                self._leave(flow, flow.due.detail)

    def _split(self, flow: Flow) -> None:
        """8.3: the record leaves, the Flow lives on."""
        self._send(flow, "active")
        flow.record, flow.continuation = None, True
        flow.due = flow.next_deadline(self.timeouts)

    def _leave(self, flow: Flow, detail: str) -> None:
        flow.detail = detail
        flow.scheduled_ns = None
        del self.flows[flow.flow_key]
        self._send(flow, detail)
        for observer in self.observers:
            observer.on_close(flow)

    def _send(self, flow: Flow, detail: str) -> None:
        """8.4: an empty record is never sent."""
        for observer in self.observers:
            observer.on_record(flow)
        if flow.record:
            self.ended[detail] += 1
            members = flow.record.members(flow.members(), detail, continuation=flow.continuation)
            self.cached.subtract(content_of_record(members))
            self.send(flow, members)

    # ---- timers ----

    def _schedule(self, flow: Flow) -> None:
        """A deadline that has moved away is found to have when its old place comes up."""
        if flow.detail:
            return
        flow.due = flow.next_deadline(self.timeouts)
        if flow.scheduled_ns is None or flow.due.time_ns < flow.scheduled_ns:
            flow.scheduled_ns = flow.due.time_ns
            heapq.heappush(self._timers, (flow.due.time_ns, next(self._serial), flow))
            if len(self._timers) > 2 * len(self.flows) + 1024:
                self._timers = [each for each in self._timers if each[2].scheduled_ns == each[0]]
                heapq.heapify(self._timers)
