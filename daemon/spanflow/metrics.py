# SPDX-License-Identifier: Apache-2.0
"""What /metrics answers: the table of metrics over the probe's status, rendered by prometheus_client.

A scrape reads snapshots only; it never touches the packet path.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from spanflow.kernel_losses import KernelLosses
from spanflow.metric_samples import Sample, Scrape
from spanflow.metric_table import METRICS, Metric
from spanflow.status import ProbeStatus

TEXT = "text/plain"
OPENMETRICS = "application/openmetrics-text"

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily

_FAMILIES: dict[str, type[Family]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
    "info": InfoMetricFamily,
}


class Metrics:
    """The metrics of one probe, in a registry of their own. For any thread.

    snapshot: what the probe is like now. Losses that only the kernel counts are counted from here on, so a
    probe needs one object for its whole life.
    """

    def __init__(self, snapshot: Callable[[], ProbeStatus]) -> None:
        self._rendering = threading.Lock()
        self._registry = CollectorRegistry()
        self._registry.register(_TableCollector(snapshot))
        self._registry.register(OwnProcess(registry=None))

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics of this moment and their content type: OpenMetrics if `accept` prefers it, else text.

        accept: the field Accept of the request (RFC 9110 section 12.5.1).
        """
        weight = _weight(accept, OPENMETRICS)
        # The library would repeat the version that a client asks for, whatever it is; so it gets our words.
        encode, content_type = choose_encoder(
            OPENMETRICS if weight and weight >= _weight(accept, TEXT) else ""
        )
        with self._rendering:
            return encode(self._registry), content_type


class _TableCollector(Collector):
    """Takes every row of the table from one snapshot."""

    def __init__(self, snapshot: Callable[[], ProbeStatus]) -> None:
        self._snapshot = snapshot
        self._losses = KernelLosses()
        self._losses.look(snapshot().interfaces)  # whose cards these counts are

    def describe(self) -> Iterable[Family]:
        """The names, without values: nothing is asked of the probe when the registry checks for doubles."""
        return [_family(row, ()) for row in METRICS]

    def collect(self) -> Iterator[Family]:
        status = self._snapshot()
        scrape = Scrape(status, *self._losses.look(status.interfaces))
        for row in METRICS:
            yield _family(row, row.samples(scrape))


def _family(row: Metric, samples: Iterable[Sample]) -> Family:
    # prometheus_client adds the suffix of an info itself.
    family = _FAMILIES[row.kind](row.name.removesuffix("_info"), row.help, labels=row.labels)
    add: Callable[..., None] = family.add_metric
    for labels, value in samples:
        if row.kind == "histogram":
            add(labels, *value)
        else:
            add(labels, value)
    return family


class OwnProcess(ProcessCollector):
    """process_*, also where /proc has nothing but processes (ProcSubset=pid in the unit file)."""

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _weight(accept: str, media_type: str) -> float:
    """The weight that a client gives to a media type; 0 if it does not name it."""
    found = 0.0
    for item in accept.split(","):
        named, *parameters = (part.strip().lower() for part in item.split(";"))
        if named == media_type:
            weights = [text[2:] for text in parameters if text.startswith("q=")]
            found = max(found, _number(weights[0]) if weights else 1.0)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
