# SPDX-License-Identifier: Apache-2.0
"""The whole way of a capture: frames → packets → Flows → records, and the sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from oracle.flows import FlowTable, Timeouts
from oracle.fragments import FragmentTable
from oracle.frame import DiscardError, Frame
from oracle.network import decode
from oracle.pcap_file import read_capture


@dataclass(slots=True)
class Result:
    """What a metering run says.

    records: dicts with the members of spanflow.record.RECORD and DIRECTION, plus `statistics`
    (records.Series). received, accounted, discards by reason: (packets, octets on the wire). flow_octets: IP
    octets accounted.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    discards: dict[str, tuple[int, int]] = field(default_factory=dict)
    received: tuple[int, int] = (0, 0)
    accounted: tuple[int, int] = (0, 0)
    flow_octets: int = 0
    late: int = 0
    fragment_orphan: int = 0
    warnings: list[str] = field(default_factory=list)


def meter(
    paths: Sequence[str | Path],
    *,
    active_timeout: int,
    inactive_timeout: int,
    tcp_linger: int,
    tcp_fin_timeout: int,
    key: tuple[str, ...] = (),
    reorder_window: int,
    max_fragments: int = 16384,
    sweep: Literal["never", "every_packet"] = "never",
) -> Result:
    """Meter capture files as one input, in the order given. All durations are nanoseconds.

    sweep: when timers are looked at before the end; it must not matter unless packets are late.
    Raises CaptureError for a file that is no capture.
    """
    timeouts = Timeouts(
        active=active_timeout, inactive=inactive_timeout, tcp_linger=tcp_linger, tcp_fin=tcp_fin_timeout
    )
    run = _Run(timeouts, key, reorder_window, max_fragments, sweep == "every_packet")
    for path in paths:
        for frame in read_capture(Path(path), run.warnings):
            run.receive(frame)
    return run.finish()


class _Run:
    """One metering run."""

    def __init__(
        self, timeouts: Timeouts, key: tuple[str, ...], reorder_window: int, max_fragments: int, sweeps: bool
    ) -> None:
        self.flows = FlowTable(timeouts, key)
        self.fragments = FragmentTable(max_fragments, "vlan" in key)
        self.reorder_window, self.sweeps = reorder_window, sweeps
        self.clock: int | None = None
        self.wire_lengths: dict[str, list[int]] = defaultdict(list)  # by discard reason, "" = accounted
        self.late = self.flow_octets = 0
        self.warnings: list[str] = []

    def receive(self, frame: Frame) -> None:
        clock_before = self.clock
        self.clock = frame.time_ns if clock_before is None else max(clock_before, frame.time_ns)
        if self.sweeps:
            # A deadline is taken when clock - window has passed it, not when it is just reached.
            self.flows.sweep(self.clock - self.reorder_window - 1)
        try:
            packet = decode(frame)
        except DiscardError as reason:
            self.wire_lengths[str(reason)].append(frame.wire_length)
            return
        self.wire_lengths[""].append(frame.wire_length)
        self.flow_octets += packet.octets
        self.late += clock_before is not None and packet.time_ns < clock_before - self.reorder_window
        self.fragments.place(packet)
        self.flows.account(packet)

    def finish(self) -> Result:
        self.flows.flush(self.clock or 0)
        sums = {reason: (len(lengths), sum(lengths)) for reason, lengths in self.wire_lengths.items()}
        accounted = sums.pop("", (0, 0))
        return Result(
            records=self.flows.records,
            discards=dict(sorted(sums.items())),
            received=(
                accounted[0] + sum(packets for packets, _ in sums.values()),
                accounted[1] + sum(octets for _, octets in sums.values()),
            ),
            accounted=accounted,
            flow_octets=self.flow_octets,
            late=self.late,
            fragment_orphan=self.fragments.orphans,
            warnings=self.warnings,
        )
