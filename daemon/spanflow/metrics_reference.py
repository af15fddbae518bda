# SPDX-License-Identifier: Apache-2.0
"""The page `metrics.md`, computed from the table of metrics.

`python -m spanflow.metrics_reference --write` makes it in the folder `docs`; `--check` says if it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from spanflow.exporting.counters import DropReason
from spanflow.generated_page import GeneratedPage
from spanflow.kernel_losses import CARD_STAGES
from spanflow.metric_samples import FLOW_END_REASONS
from spanflow.metric_table import METRICS
from spanflow.record import EndDetail

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


PAGE = GeneratedPage("spanflow.metrics_reference", "metrics.md", reference)

if __name__ == "__main__":
    sys.exit(PAGE.main())
