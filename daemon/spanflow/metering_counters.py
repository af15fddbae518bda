# SPDX-License-Identifier: Apache-2.0
"""What the Metering Process counted, and whether it adds up (semantics §10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spanflow import _core


@dataclass(frozen=True, slots=True)
class FrameCount:
    """Frames, with the octets that they had on the wire."""

    packets: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True)
class FlowCount:
    """Packets with their IP octets, and the Flow Records that they are in."""

    records: int = 0
    packets: int = 0
    octets: int = 0


EXPIRY_LAG_BOUNDS_S = tuple(bound / 1000 for bound in _core.EXPIRY_LAG_BOUNDS_MS)


@dataclass(frozen=True, slots=True)
class ExpiryLag:
    """How long after its deadline a record left that no packet asked for.

    buckets: how many up to each of EXPIRY_LAG_BOUNDS_S and above the one before; the last: above all.
    """

    buckets: tuple[int, ...]
    sum_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationCounters:
    """What finding the applications took and gave; all 0 where nobody looks for them.

    under_detection: Flows whose application is looked for now; memory_octets: what their states and the
    details of all Flows hold now. detected: the engine decided; given_up: the budget or the Flow ended first;
    guessed: Flows without payload, by port and address; refused_flows, refused_memory: so too, as the bound
    on Flows or on memory was reached. dropped_details: Flows whose names found no room.
    """

    under_detection: int = 0
    memory_octets: int = 0
    inspected_packets: int = 0
    detected: int = 0
    given_up: int = 0
    guessed: int = 0
    refused_flows: int = 0
    refused_memory: int = 0
    dropped_details: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringCounters:
    """All workers together. `discarded` has every reason, `ended` every end detail, also those that are 0."""

    received: FrameCount
    discarded: Mapping[str, FrameCount]
    accounted_frames: FrameCount
    accounted: FlowCount
    cached: FlowCount
    in_batch: FlowCount
    handed_over: FlowCount
    dropped_at_handover: FlowCount
    late: int
    fragment_orphans: int
    flows_opened: int
    crowded_evictions: int
    cached_flows: int
    ended: Mapping[str, int]
    clock_steps: int
    merged_frames: int
    expiry_lag: ExpiryLag
    classification: ClassificationCounters = field(default_factory=ClassificationCounters)

    @classmethod
    def of_workers(cls, workers: Sequence[Mapping[str, Any]]) -> MeteringCounters:
        """The sum over what each worker published."""
        return cls(**{name: _typed(name, _sum([worker[name] for worker in workers])) for name in workers[0]})

    def imbalance(self) -> dict[str, int]:
        """What is missing in each law of conservation; all 0 in a sound program.

        frames and wire_octets: received − discarded − accounted; packets and octets (of IP): accounted −
        cached − in batches − dropped at hand-over − handed over.
        """
        discarded = self.discarded.values()
        left = (self.cached, self.in_batch, self.dropped_at_handover, self.handed_over)
        return {
            "frames": self.received.packets
            - self.accounted_frames.packets
            - sum(d.packets for d in discarded),
            "wire_octets": self.received.octets
            - self.accounted_frames.octets
            - sum(d.octets for d in discarded),
            "packets": self.accounted.packets - sum(count.packets for count in left),
            "octets": self.accounted.octets - sum(count.octets for count in left),
        }


def _sum(values: Sequence[Any]) -> Any:
    if isinstance(values[0], Mapping):
        return {name: _sum([value[name] for value in values]) for name in values[0]}
    if isinstance(values[0], list):
        return [sum(column) for column in zip(*values, strict=True)]
    return sum(values)


def _typed(name: str, value: Any) -> Any:
    if name == "discarded":
        return {reason: FrameCount(**count) for reason, count in value.items()}
    if name in ("received", "accounted_frames"):
        return FrameCount(**value)
    if name == "expiry_lag":
        return ExpiryLag(tuple(value["buckets"]), value["sum_ns"])
    if name == "classification":
        return ClassificationCounters(**value)
    if isinstance(value, dict) and name != "ended":
        return FlowCount(**value)
    return value
