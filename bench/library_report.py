# SPDX-License-Identifier: Apache-2.0
"""The results of library.py as a section of RESULTS.md."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

from library_rows import BOUND_MIB
from report import markdown_table
from summary import Summary

HEADING = "## Library"
METHOD = """\
Method: `bench/README.md`, "Library". Whole processes: Python starts, imports, meters, ends. Medians of the
counted rounds, (least–most) in brackets; all rows in turn. "Net" is less the same command on a file of 400
packets, its start-up; targets are for net figures. Applications are not named, statistics are on, active
timeout 120 s, inactive timeout 60 s; one process or worker meters where the row
says nothing else (NFStream takes no more than one on two cores). "× NFStream" is packets of the file per
second over the same of NFStream."""
NFSTREAM = "mix/nfstream"
TARGETS = (
    ("csv-classic", 20),
    ("parquet-classic", 20),
    ("parquet-full", 20),
    ("batches", 100),
    ("batches-workers", 100),
    ("batches-columns", 100),
)
MEMORY_SLACK_MIB = 8
MIB = 1 << 20
WORDS = {True: "**reached**", False: "**not reached**"}


def write_section(summary: Summary, head: dict[str, str]) -> str:
    """Begins with HEADING."""
    parts = [HEADING, METHOD, markdown_table(("", ""), head.items())]
    parts += ["### Targets", *_targets(summary)]
    for title, capture in (("### The mix", "mix"), ("### In Python, packet by packet", "small")):
        if rows := _rows(summary, capture):
            parts += [title, _truth_line(summary, capture), rows]
    parts += ["### Memory", *_memory(summary)]
    if summary.failures:
        parts.append("Failed: " + "; ".join(f"{name}: {why}" for name, why in summary.failures.items()))
    parts += ["### Commands", "\n".join(_commands(summary))]
    return "\n\n".join(parts) + "\n"


def _targets(s: Summary) -> Iterator[str]:
    rows = []
    for what, target in TARGETS:
        name = f"mix/{what}"
        if s.has(name, NFSTREAM) and not s.wrong(name):
            whole, net = _ratio(s, name, NFSTREAM), _ratio(s, name, NFSTREAM, net=True)
            figure = f"{_figure(net, 0)} × net of start-up ({_figure(whole, 0)} × with it)"
            rows.append((s.rows[name].label, f"≥ {target} × NFStream", figure, WORDS[net >= target]))
    if s.has("memory/mix", "memory/large"):
        more = (s.net("memory/large", "peak_octets_sum") - s.net("memory/mix", "peak_octets_sum")) / MIB
        figure = f"{more:+.1f} MiB"
        limit = f"≤ {MEMORY_SLACK_MIB} MiB more"
        rows.append(("peak memory, four times the packets", limit, figure, WORDS[more <= MEMORY_SLACK_MIB]))
    yield markdown_table(("what", "target", "figure", ""), rows) if rows else "Not measured."


def _truth_line(s: Summary, capture: str) -> str:
    truth = s.truths[capture]
    return f"{truth['packets']:,} packets, {truth['biflows']:,} Biflows, snap {truth['arguments']['snap']}."


def _rows(s: Summary, capture: str) -> str:
    peer = f"{capture}/nfstream"
    names = [name for name in s.rows if name.startswith(f"{capture}/") and s.has(name)]
    table = [
        (
            s.rows[name].label,
            _seconds(s, name),
            f"{s.median(start, 'seconds'):.2f}" if (start := s.rows[name].baseline) and s.has(start) else "",
            _figure(_rate(s, name), 2),
            _figure(_rate(s, name, net=True), 2),
            f"{s.net(name, 'cpu') * 1e9 / s.truth(name)['packets']:.0f}",
            *(_times(s, name, peer, net) for net in (False, True)),
            f"{s.median(name, 'peak_octets_sum') / MIB:.0f}",
            _check(s, name),
        )
        for name in names
    ]
    head = (
        "",
        "seconds",
        "start-up",
        "M packets/s",
        "net",
        "net CPU ns/packet",
        "× NFStream",
        "net",
        "peak MiB",
        "check",
    )
    return markdown_table(head, table) if table else ""


def _seconds(s: Summary, name: str) -> str:
    least, most = s.spread(name, "seconds")
    return f"{s.median(name, 'seconds'):.2f} ({least:.2f}–{most:.2f})"


def _rate(s: Summary, name: str, *, net: bool = False) -> float:
    """Million packets of the file per second; not a number where a net time is none."""
    seconds = s.net(name, "seconds") if net else s.median(name, "seconds")
    return float(s.truth(name)["packets"]) / seconds / 1e6 if seconds > 0 else float("nan")


def _ratio(s: Summary, name: str, peer: str, *, net: bool = False) -> float:
    return _rate(s, name, net=net) / _rate(s, peer, net=net)


def _times(s: Summary, name: str, peer: str, net: bool) -> str:
    return _figure(_ratio(s, name, peer, net=net), 1) if s.has(peer) else "–"


def _figure(value: float, digits: int) -> str:
    return "–" if isnan(value) else f"{value:.{digits}f}"


def _check(s: Summary, name: str) -> str:
    return "WRONG: " + "; ".join(s.wrong(name)) if s.wrong(name) else "exact"


def _memory(s: Summary) -> Iterator[str]:
    names = [name for name in s.rows if name.startswith("memory/") and s.has(name)]
    if not names:
        yield "Not measured."
        return
    yield (
        "`to_csv` with timeouts of an hour, so that every Flow stays to the end; the second file has the same"
        " number of Flows and four times the packets. In the third row the cache has"
        f" {BOUND_MIB} MiB, so Flows are evicted all the time. Net is less the same command on the tiny file."
    )
    table = []
    for name in names:
        truth, run = s.truth(name), s.runs[name][-1]["report"]
        table.append(
            (
                s.rows[name].label,
                f"{truth['packets']:,}",
                f"{truth['file_octets'] / MIB:.0f}",
                f"{run.get('flows', run.get('records')):,}",
                f"{s.median(name, 'peak_octets_sum') / MIB:.1f}",
                f"{s.net(name, 'peak_octets_sum') / MIB:.1f}",
                _check(s, name),
            )
        )
    yield markdown_table(("", "packets", "file MiB", "records", "peak MiB", "net", "check"), table)


def _commands(s: Summary) -> Iterator[str]:
    for row in s.rows.values():
        if s.has(row.name) and not row.name.startswith("start/"):
            program = {"library": "library_programs.py", "nfstream": "library_nfstream.py"}[row.program]
            yield f"- {row.name}: `{row.command.replace(row.program, program, 1)}`"
