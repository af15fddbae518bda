# SPDX-License-Identifier: Apache-2.0
"""What /metrics answers: the table of metrics over the probe's status, rendered by prometheus_client.

A scrape reads snapshots only; it never touches the packet path. The page `metrics.md` is computed from the
same table: `python -m spanflow.metrics --write` makes it in the folder `docs`, `--check` says if it is stale.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
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

from spanflow.exporting.counters import DropReason
from spanflow.kernel_losses import CARD_STAGES, KernelLosses
from spanflow.metric_samples import FLOW_END_REASONS, Sample, Scrape
from spanflow.metric_table import METRICS, Metric
from spanflow.record import EndDetail
from spanflow.status import ProbeStatus

TEXT = "text/plain"
OPENMETRICS = "application/openmetrics-text"

NAME = "metrics.md"

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


_HEAD = """\
# Metrics

What `/metrics` answers, in the text format of Prometheus or as OpenMetrics. This page is computed from
`daemon/spanflow/metric_table.py`; do not edit it.

- Everything is there from the start, with 0. Counters begin at 0 with the probe and never go back.
- Octets are called bytes, as Prometheus names its units.
- Beside these there are the `process_*` metrics that every Prometheus client has.

## Metrics
"""

_LABELS_HEAD = """
## Labels
"""


def reference() -> str:
    """The whole page."""
    rows = ((_code(row.name), row.kind, ", ".join(map(_code, row.labels)), row.help) for row in METRICS)
    lines = [_HEAD, *_table(("metric", "kind", "labels", "tells"), rows)]
    lines += [_LABELS_HEAD, *_table(("label", "of", "holds"), _label_rows())]
    return "\n".join(lines) + "\n"


def _label_rows() -> Iterator[tuple[str, str, str]]:
    """What the labels hold, for each kind of metric that has them."""
    reasons = dict.fromkeys(FLOW_END_REASONS.values())
    stages = ("kernel_ring", *CARD_STAGES)
    for label, of, holds in (
        ("interface", "", "the name of a configured interface"),
        ("collector", "", "the name of a configured collector"),
        ("stage", "capture drops", f"{_words(stages)}; the last four as card and driver count them"),
        ("reason", "discards", "as in [semantics.md](semantics.md), section 1"),
        ("reason", "flow ends", f"flowEndReason: {_words(reasons)}"),
        ("detail", "flow ends", f"which rule: {_words(each.name.lower() for each in EndDetail)}"),
        ("reason", "export drops", _words(DropReason)),
        ("law", "imbalances", "which sum, as in [semantics.md](semantics.md), section 10"),
        ("index", "capture info", "the number that the kernel gave it; 0 while it does not exist"),
        ("engine", "capture info", "how frames are taken"),
        ("version", "build info", "of Spanflow; beside it the versions of what it runs on"),
    ):
        yield _code(label), of, holds


def _words(words: Iterable[str]) -> str:
    return ", ".join(map(_code, words))


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table in Markdown."""
    for cells in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


def is_stale(folder: Path) -> bool:
    """Whether the page in `folder` is missing or not what the table of metrics gives."""
    path = folder / NAME
    return not path.exists() or path.read_text(encoding="utf-8") != reference()


def main() -> int:
    """Write the page, or say that it is stale (exit code 1)."""
    parser = argparse.ArgumentParser(prog="python -m spanflow.metrics")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the page")
    action.add_argument("--check", action="store_true", help="only say whether it is stale")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs"), help="default: docs")
    arguments = parser.parse_args()
    if not is_stale(arguments.folder):
        return 0
    if arguments.write:
        (arguments.folder / NAME).write_text(reference(), encoding="utf-8")
        return 0
    print(f"{arguments.folder / NAME}: stale; run with --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
