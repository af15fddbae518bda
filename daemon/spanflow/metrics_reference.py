# SPDX-License-Identifier: Apache-2.0
"""The page `metrics.md`, computed from the table of metrics.

`python -m spanflow.metrics_reference --write` makes it in the folder `docs`; `--check` says if it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from spanflow.application_counts import OTHER
from spanflow.applications import NO_APPLICATIONS, UNKNOWN
from spanflow.exporting.counters import DropReason
from spanflow.generated_page import GeneratedPage, markdown_table
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

_OUTCOMES = (
    "`detected`: the engine decided; `given_up`: its best guess, as the packets to inspect or the Flow came"
    " to an end; `guessed`: a Flow without payload, by port and address; `refused_flows`, `refused_memory`:"
    " likewise, as dpi.max_flows or dpi.memory was reached"
)

_APPLICATIONS = (
    f"the name that the engine or a rule gives; `{UNKNOWN}`: nobody could tell; `{OTHER}`: what has no"
    " label of its own. At most `metrics.top_applications` have one, and each keeps it until the probe"
    " ends: four fifths go to applications as they appear, the rest to those that appear later and come to"
    f" 1 % of all Flows or octets. What an application had before stays with `{OTHER}`, so nothing goes"
    " back and the sum is right"
)


def reference() -> str:
    """The whole page."""
    rows = ((_code(row.name), row.kind, ", ".join(map(_code, row.labels)), row.help) for row in METRICS)
    lines = [_HEAD, *markdown_table(("metric", "kind", "labels", "tells"), rows)]
    lines += [_LABELS_HEAD, *markdown_table(("label", "of", "holds"), _label_rows())]
    return "\n".join(lines) + "\n"


def _label_rows() -> Iterator[tuple[str, str, str]]:
    """What the labels hold, for each kind of metric that has them."""
    reasons = dict.fromkeys(FLOW_END_REASONS.values())
    stages = ("kernel_ring", *CARD_STAGES)
    for label, of, holds in (
        ("interface", "", "the name of a configured interface"),
        ("collector", "", "the name of a configured collector"),
        ("name", "plugins", "the plugin, as it is configured"),
        ("stage", "capture drops", f"{_words(stages)}; the last four as card and driver count them"),
        ("reason", "discards", "as in [semantics.md](semantics.md), section 1"),
        ("reason", "flow ends", f"flowEndReason: {_words(reasons)}"),
        ("detail", "flow ends", f"which rule: {_words(each.name.lower() for each in EndDetail)}"),
        ("reason", "export drops", _words(DropReason)),
        (
            "law",
            "imbalances",
            "which sum, as in [semantics.md](semantics.md), section 10; those of plugins in"
            " [plugins.md](plugins.md)",
        ),
        ("index", "capture info", "the number that the kernel gave it; 0 while it does not exist"),
        ("engine", "capture info", "how frames are taken"),
        (
            "engine",
            "classify info",
            f"of classification: nDPI; {_code(NO_APPLICATIONS.engine)} without",
        ),
        ("version", "classify info", "of that engine"),
        ("outcome", "classify flows", _OUTCOMES),
        ("application", "", _APPLICATIONS),
        ("version", "build info", "of Spanflow; beside it the versions of what it runs on"),
    ):
        yield _code(label), of, holds


def _words(words: Iterable[str]) -> str:
    return ", ".join(map(_code, words))


def _code(text: str) -> str:
    return f"`{text}`"


PAGE = GeneratedPage("spanflow.metrics_reference", "metrics.md", reference)

if __name__ == "__main__":
    sys.exit(PAGE.main())
