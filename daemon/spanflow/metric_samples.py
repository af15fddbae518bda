# SPDX-License-Identifier: Apache-2.0
"""How the samples of a metric are taken from one moment of the probe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from spanflow.application_counts import ApplicationCount
from spanflow.exporting.counters import DropReason
from spanflow.metering_counters import EXPIRY_LAG_BOUNDS_S, ClassificationCounters
from spanflow.plugins.counters import PluginCounters
from spanflow.record import EndDetail
from spanflow.status import CollectorStatus, InterfaceStatus, ProbeStatus

SECOND_NS = 1_000_000_000

FLOW_END_REASONS = {
    EndDetail.IDLE: "idle_timeout",
    EndDetail.ACTIVE: "active_timeout",
    EndDetail.FIN: "end_of_flow_detected",
    EndDetail.RST: "end_of_flow_detected",
    EndDetail.FIN_TIMEOUT: "end_of_flow_detected",
    EndDetail.FLUSH: "forced_end",
    EndDetail.EVICTED: "lack_of_resources",
}
"""flowEndReason in the words of the IANA registry, for each rule that ends a record."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """One moment. card_drops: by interface and stage, since the start, as is softnet_drops."""

    status: ProbeStatus
    card_drops: Mapping[str, Mapping[str, int]]
    softnet_drops: int


Sample: TypeAlias = tuple[tuple[str, ...], Any]
"""Label values, and the value: a number; of an info further labels; of a histogram (buckets, sum)."""
Samples: TypeAlias = Callable[[Scrape], Iterable[Sample]]


def of_probe(take: Callable[[ProbeStatus], float]) -> Samples:
    return lambda scrape: [((), take(scrape.status))]


def of_interfaces(take: Callable[[InterfaceStatus], float]) -> Samples:
    return lambda scrape: [((each.name,), take(each)) for each in scrape.status.interfaces]


def of_plugins(take: Callable[[PluginCounters], float]) -> Samples:
    return lambda scrape: [((each.name,), take(each)) for each in scrape.status.plugins.plugins]


def of_collectors(take: Callable[[CollectorStatus], float]) -> Samples:
    return lambda scrape: [((each.name,), take(each)) for each in scrape.status.collectors]


def capture_drops(scrape: Scrape) -> Iterator[Sample]:
    for each in scrape.status.interfaces:
        yield (each.name, "kernel_ring"), each.kernel_drops
        for stage, frames in scrape.card_drops[each.name].items():
            yield (each.name, stage), frames


def interface_info(scrape: Scrape) -> Iterator[Sample]:
    for each in scrape.status.interfaces:
        yield (each.name, str(each.index), each.engine), {}


def discards(scrape: Scrape) -> Iterator[Sample]:
    for each in scrape.status.interfaces:
        for reason, count in each.metering.discarded.items():
            yield (each.name, reason), count.packets


def flow_ends(scrape: Scrape) -> Iterator[Sample]:
    for detail, reason in FLOW_END_REASONS.items():
        name = detail.name.lower()
        yield (name, reason), scrape.status.metering.ended[name]


def expiry_lag(scrape: Scrape) -> Iterator[Sample]:
    """Prometheus wants each bucket to hold those below it too."""
    lag = scrape.status.metering.expiry_lag
    bounds = (*map(str, EXPIRY_LAG_BOUNDS_S), "+Inf")
    buckets = [(bound, sum(lag.buckets[: number + 1])) for number, bound in enumerate(bounds)]
    yield (), (buckets, lag.sum_ns / SECOND_NS)


def export_drops(scrape: Scrape) -> Iterator[Sample]:
    for each in scrape.status.collectors:
        for reason in DropReason:
            yield (each.name, reason.value), each.counters.dropped[reason].records


def imbalance(scrape: Scrape) -> Iterator[Sample]:
    for law, missing in scrape.status.metering.imbalance().items():
        yield (law,), missing
    for law, missing in scrape.status.plugins.imbalance().items():
        yield (law,), missing


def export_imbalance(scrape: Scrape) -> Iterator[Sample]:
    for each in scrape.status.collectors:
        missing = each.counters.imbalance
        yield (each.name, "records"), missing.records
        yield (each.name, "packets"), missing.packets
        yield (each.name, "octets"), missing.octets


def applications(take: Callable[[ApplicationCount], int]) -> Samples:
    return lambda scrape: [((each.name,), take(each)) for each in scrape.status.classification.applications]


CLASSIFY_OUTCOMES: Mapping[str, Callable[[ClassificationCounters], int]] = {
    "detected": lambda counters: counters.detected,
    "given_up": lambda counters: counters.given_up,
    "guessed": lambda counters: counters.guessed,
    "refused_flows": lambda counters: counters.refused_flows,
    "refused_memory": lambda counters: counters.refused_memory,
}
"""How the application of a Flow was found."""


def classify_outcomes(scrape: Scrape) -> Iterator[Sample]:
    for outcome, take in CLASSIFY_OUTCOMES.items():
        yield (outcome,), take(scrape.status.metering.classification)


def engine_info(scrape: Scrape) -> Iterator[Sample]:
    yield (scrape.status.classification.engine, scrape.status.classification.version), {}


def build_info(scrape: Scrape) -> Iterator[Sample]:
    yield (scrape.status.version,), scrape.status.labels
