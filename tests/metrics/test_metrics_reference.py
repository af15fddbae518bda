# SPDX-License-Identifier: Apache-2.0
"""The page about the metrics: up to date, complete, true to what is scraped."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.kernel_counts import KernelCounts
from metrics.probe_statuses import BUSY
from spanflow import metrics_reference
from spanflow.kernel_losses import KernelLosses
from spanflow.metric_samples import Scrape
from spanflow.metric_table import METRICS

DOCS = Path(__file__).parents[2] / "docs"


def tables() -> list[list[list[str]]]:
    """The rows of each table of the page, without the two lines of its head."""
    sections = metrics_reference.reference().split("\n## ")[1:]
    return [
        [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in section.splitlines()
            if line[:1] == "|"
        ][2:]
        for section in sections
    ]


METRICS_TABLE, LABELS_TABLE = tables()


def test_the_page_is_what_the_table_gives() -> None:
    text = (DOCS / metrics_reference.PAGE.name).read_text(encoding="utf-8")
    assert text == metrics_reference.reference(), "run python -m spanflow.metrics_reference --write"


def test_the_page_has_every_metric_with_its_labels() -> None:
    told = [
        (row.name, row.kind, ", ".join(f"`{label}`" for label in row.labels), row.help) for row in METRICS
    ]
    assert [(name.strip("`"), *rest) for name, *rest in METRICS_TABLE] == told
    assert {label.strip("`") for label, *_ in LABELS_TABLE} == {
        label for row in METRICS for label in row.labels
    }


@pytest.mark.parametrize(
    ("label", "metric", "of"),
    [
        ("stage", "spanflow_capture_drops_total", "capture drops"),
        ("detail", "spanflow_flow_ends_total", "flow ends"),
        ("reason", "spanflow_flow_ends_total", "flow ends"),
        ("reason", "spanflow_export_drops_total", "export drops"),
        ("outcome", "spanflow_classify_flows_total", "classify flows"),
    ],
)
def test_the_page_has_every_value_of_a_label(
    label: str, metric: str, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = KernelCounts.installed(monkeypatch)
    kernel.card("eth0")
    (row,) = [row for row in METRICS if row.name == metric]
    drops = KernelLosses().look(BUSY.interfaces)
    values = {labels[row.labels.index(label)] for labels, _ in row.samples(Scrape(BUSY, *drops))}
    (holds,) = [holds for name, about, holds in LABELS_TABLE if (name, about) == (f"`{label}`", of)]
    assert values == set(holds.split("`")[1::2])


def test_write_makes_the_page_and_check_says_that_it_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["metrics", "--check", str(tmp_path)])
    assert metrics_reference.PAGE.main() == 1
    assert f"{tmp_path}/metrics.md: stale" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["metrics", "--write", str(tmp_path)])
    assert metrics_reference.PAGE.main() == 0
    assert not metrics_reference.PAGE.is_stale(tmp_path)
    monkeypatch.setattr("sys.argv", ["metrics", "--check", str(tmp_path)])
    assert metrics_reference.PAGE.main() == 0
