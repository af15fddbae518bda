# SPDX-License-Identifier: Apache-2.0
"""The results of export.py as a section of RESULTS.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from export_rows import Row
from report import markdown_table

HEADING = "## Export"
METHOD = """\
Method: `bench/README.md`, "Export". One exporting thread on one core, the receiver on the other; Flow Records
prepared beforehand, two Data Records of each (one as a Biflow, and in JSON). Medians of the counted rounds,
(least–most) in brackets; all rows in turn. Wall is from the start of the thread, connection and Templates
included, until all is handed to the kernel, over a stream until all is acknowledged. CPU is what the
scheduler says that the exporting thread ran; on loopback the kernel's work for the receiver is in it.
"Offering" is the CPU time of the thread that hands the batches over: the books, the filter, the
anonymisation. "Exact" means that records, packets and octets at the receiver equal those of the batches;
anything else is WRONG."""
WORDS = {True: "**reached**", False: "**not reached**"}
MIRROR, ONE = "mirror/two", "udp/generic"
MIRROR_MOST_NS = 150  # as the target of the whole program has it

Runs = Mapping[str, list[dict[str, Any]]]
Figure = Callable[[dict[str, Any]], float]


def write_section(rows: list[Row], runs: Runs, failures: Mapping[str, str], head: Mapping[str, str]) -> str:
    """Begins with HEADING."""
    parts = [HEADING, METHOD, markdown_table(("", ""), head.items())]
    parts += [
        "### Targets",
        _targets(rows, runs),
        "### By protocol, profile and transport",
        _table(rows, runs),
    ]
    if mirror := _mirror(runs):
        parts.append(mirror)
    if failures:
        parts.append("Failed: " + "; ".join(f"{name}: {why}" for name, why in failures.items()))
    return "\n\n".join(parts) + "\n"


def _targets(rows: list[Row], runs: Runs) -> str:
    table = []
    for row in rows:
        if row.least and (own := runs.get(row.name)):
            rate = _middle(own, _data_rate)
            reached = rate >= row.least and not _wrong(own)
            target = f"≥ {row.least / 1e6:.0f} M Data Records/s"
            table.append((row.label, target, f"{rate / 1e6:.2f} M", WORDS[reached]))
    if MIRROR in runs and ONE in runs:
        cost = _more(runs, _cpu)
        reached = cost <= MIRROR_MOST_NS and not _wrong(runs[MIRROR])
        target = f"≤ {MIRROR_MOST_NS} ns per Data Record"
        table.append(("one more mirror collector (CPU)", target, f"{cost:.0f} ns", WORDS[reached]))
    return markdown_table(("what", "target", "figure", ""), table) if table else "Not measured."


def _table(rows: list[Row], runs: Runs) -> str:
    head = (
        "",
        "M Data Records/s",
        "M Flow Records/s",
        "wall ns per Flow Record",
        "CPU ns per Flow Record",
        "offering, CPU ns",
        "octets per Data Record",
        "check",
    )
    return markdown_table(head, (_cells(row, runs[row.name]) for row in rows if row.name in runs))


def _cells(row: Row, own: list[dict[str, Any]]) -> tuple[str, ...]:
    return (
        row.label,
        _spread(own, lambda run: _data_rate(run) / 1e6, 2),
        f"{_middle(own, _flow_rate) / 1e6:.2f}",
        f"{_middle(own, lambda run: run['wall'] * 1e9 / run['flow_records']):.0f}",
        _spread(own, lambda run: run["exporting"] * 1e9 / run["flow_records"], 0),
        f"{_middle(own, lambda run: run['offering'] * 1e9 / run['flow_records']):.0f}",
        _octets(own[-1]),
        f"WRONG: {'; '.join(wrong)}" if (wrong := _wrong(own)) else "exact",
    )


def _mirror(runs: Runs) -> str | None:
    if MIRROR not in runs or ONE not in runs:
        return None
    return (
        "One more mirror collector (the last row less the first), per Data Record: "
        f"{_more(runs, _cpu):.0f} ns of CPU, {_more(runs, lambda run: run['wall']):.0f} ns of wall time."
    )


def _more(runs: Runs, seconds: Figure) -> float:
    """Nanoseconds per Data Record of the second collector."""
    more = _middle(runs[MIRROR], seconds) - _middle(runs[ONE], seconds)
    return more * 1e9 / float(runs[ONE][-1]["expected"]["records"])


def _cpu(run: dict[str, Any]) -> float:
    return float(run["exporting"] + run["offering"])


def _data_rate(run: dict[str, Any]) -> float:
    """Data Records per second; to several collectors, of all."""
    return float(run["expected"]["records"]) * len(run["books"]) / float(run["wall"])


def _flow_rate(run: dict[str, Any]) -> float:
    return float(run["flow_records"]) * len(run["books"]) / float(run["wall"])


def _octets(run: dict[str, Any]) -> str:
    octets = run["books"][0]["octets"]
    return f"{octets / run['expected']['records']:.0f}" if octets else "–"


def _middle(own: list[dict[str, Any]], figure: Figure) -> float:
    return median(figure(run) for run in own)


def _spread(own: list[dict[str, Any]], figure: Figure, digits: int) -> str:
    values = [figure(run) for run in own]
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def _wrong(own: list[dict[str, Any]]) -> list[str]:
    return sorted({each for run in own for each in run["wrong"]})
