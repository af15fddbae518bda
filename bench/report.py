# SPDX-License-Identifier: Apache-2.0
"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isnan

from rows import SCENARIOS
from summary import Summary
from targets import (
    REFERENCE_PEERS,
    REFERENCE_SOFTFLOWD,
    chained_ratio,
    collector_cost,
    judge,
    octets_per_flow,
)

METHOD = """\
Method: `bench/README.md`. Medians of the counted runs, (least–most) in brackets; rows taken in turn, the
first round not counted; page cache warm. "Net" is the command's time less that of the same command on a
file of 400 packets, so start-up is not in it. The floor is the quicker of its two rows. CPU is user +
system of all processes. Floor and core are timed by themselves around their loop. "Exact" means that the
packets, IP octets and records that arrived equal the truth of the capture; anything else is WRONG and
says what."""


def write_report(title: str, summary: Summary, head: dict[str, str], skipped: dict[str, str]) -> str:
    parts = [f"# {title}", METHOD, markdown_table(("", ""), head.items()), "## Targets", _targets(summary)]
    for scenario in SCENARIOS:
        if tables := _scenario(summary, scenario):
            parts += [f"## {scenario}", _truth_line(summary, scenario), tables]
    parts += ["## Peers", *_peers(summary)]
    parts += ["## Memory, collectors, start", *_other(summary)]
    if reasons := {**skipped, **summary.failures}:
        parts += ["## Not measured", _reasons(reasons)]
    parts += ["## Commands", "\n".join(_commands(summary))]
    return "\n\n".join(parts) + "\n"


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Rows of cells below their heads."""
    names = list(head)
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _targets(summary: Summary) -> str:
    words = {True: "**reached**", False: "**not reached**", None: "–"}
    rows = ((v.what, v.target, v.figure, words[v.reached]) for v in judge(summary))
    return markdown_table(("what", "target", "figure", ""), rows)


def _truth_line(summary: Summary, scenario: str) -> str:
    truth = summary.truths[scenario]
    return (
        f"{truth['packets']:,} packets, {truth['biflows']:,} Biflows ({truth['one_way_flows']:,} one-way), "
        f"{truth['ip_octets']:,} IP octets, {truth['wire_octets']:,} wire octets, "
        f"snap {truth['arguments']['snap']}."
    )


def _reasons(reasons: dict[str, str]) -> str:
    """One line per reason, with the rows that it keeps away."""
    lines = []
    for reason in sorted(set(reasons.values())):
        names = ", ".join(f"`{name}`" for name, why in reasons.items() if why == reason)
        lines.append(f"- {reason}: {names}")
    return "\n".join(lines)


def _scenario(summary: Summary, scenario: str) -> str | None:
    names = [name for name in summary.rows if name.startswith(f"{scenario}/") and summary.has(name)]
    if not names:
        return None
    head = (
        "",
        "seconds",
        "net ns/packet",
        "CPU ns/packet",
        "M packets/s",
        "× floor",
        "peak MiB",
        "records",
        "check",
    )
    table = markdown_table(head, [_scenario_row(summary, scenario, name) for name in names])
    return f"{table}\n\n{stages}" if (stages := _stages(summary, f"{scenario}/core")) else table


def _stages(s: Summary, name: str) -> str | None:
    """The core's own account of one run, where it gives one."""
    if not s.has(name) or not (stages := s.runs[name][-1]["report"].get("stages")):
        return None
    packets = s.truth(name)["packets"]
    parts = ", ".join(f"{stage} {seconds * 1e9 / packets:.1f}" for stage, seconds in stages.items())
    return f"Stages of the core, ns per packet: {parts}."


def _scenario_row(s: Summary, scenario: str, name: str) -> tuple[str, ...]:
    ns = s.ns_per_packet(name)
    floor = s.floor(scenario)
    records = s.records(name)
    own_timing = s.rows[name].baseline is None
    wrong = s.wrong(name)
    return (
        s.rows[name].label,
        f"{s.median(name, 'seconds'):.3f}",
        _net_with_spread(s, name),
        "" if own_timing else _number(s.ns_per_packet(name, "cpu")),
        _number(1e3 / ns, 2),
        _number(s.ratio(name, floor)) if floor else "",
        f"{s.median(name, 'peak_octets_sum') / 1048576:.0f}",
        "" if records is None else f"{records:,}",
        f"WRONG: {'; '.join(wrong)}" if wrong else "exact",
    )


def _number(value: float, digits: int = 1) -> str:
    return "lost in start-up" if isnan(value) else f"{value:.{digits}f}"


def _net_with_spread(s: Summary, name: str) -> str:
    """Median net ns per packet (least-most); the start-up taken off is the same median for all."""
    ns = s.ns_per_packet(name)
    if isnan(ns):
        return _number(ns)
    packets = s.truth(name)["packets"]
    low, high = (
        ns + (value - s.median(name, "seconds")) * 1e9 / packets for value in s.spread(name, "seconds")
    )
    return f"{ns:.1f} ({low:.1f}–{high:.1f})"


def _peers(s: Summary) -> Iterator[str]:
    rows = []
    for scenario in SCENARIOS:
        for peer in ("softflowd", "nfpcapd"):
            if s.has(f"{scenario}/{peer}", f"{scenario}/spanflow"):
                ratios = [
                    s.ratio(f"{scenario}/{peer}", f"{scenario}/spanflow", key) for key in ("seconds", "cpu")
                ]
                rows.append((scenario, peer, *map(_number, ratios)))
    if rows:
        yield "How many times as long the peer takes, in this run (net):"
        yield markdown_table(("", "peer", "wall", "CPU"), rows)
    else:
        yield "No row of spanflow and a peer together."
    yield (
        "Peers that are not installed here: **reference figures of another run**, on other traffic of the "
        "same kind, not measured in this one. The last column is chained through softflowd, which both "
        "runs have."
    )
    have = s.has("mix/softflowd", "mix/spanflow")
    reference = [
        (peer, str(ns), f"{ns / REFERENCE_SOFTFLOWD:.2f}", _number(chained_ratio(s, ns)) if have else "")
        for peer, ns in REFERENCE_PEERS.items()
    ]
    yield markdown_table(
        ("reference, mix", "CPU ns/packet there", "× softflowd there", "× spanflow, chained"), reference
    )


def _other(s: Summary) -> Iterator[str]:
    memory = [
        (s.rows[name].label, f"{octets_per_flow(s, name):.0f}", _peak(s, name))
        for name in ("memory/spanflow", "flood/softflowd", "memory/nfpcapd")
        if s.has(name)
    ]
    if memory:
        yield "Peak on flood, every Flow alive, less the peak on a tiny file, over the Flows:"
        yield markdown_table(("", "octets per Flow", "peak MiB: flood, tiny"), memory)
    if s.has("memory/spanflow-bound"):
        peaks = _peak(s, "memory/spanflow-bound")
        yield f"{s.rows['memory/spanflow-bound'].label}: peak MiB {peaks} (flood, tiny)."
    if s.has("collectors/two", "mix/spanflow"):
        yield (
            "One more collector on mix, per Data Record: "
            f"{collector_cost(s, 'cpu'):.0f} ns of CPU, {collector_cost(s, 'seconds'):.0f} ns of wall time."
        )
    starts = [
        (s.rows[name].label, f"{s.median(name, 'wall'):.3f}", f"{s.median(name, 'cpu'):.3f}")
        for name in s.rows
        if name.startswith("start/") and s.has(name)
    ]
    if starts:
        yield markdown_table(("start-up", "wall s", "CPU s"), starts)


def _peak(s: Summary, name: str) -> str:
    baseline = s.rows[name].baseline
    names = [name] if baseline is None else [name, baseline]
    return ", ".join(f"{s.median(each, 'peak_octets_sum') / 1048576:.0f}" for each in names)


def _commands(s: Summary) -> Iterator[str]:
    for name, row in s.rows.items():
        if s.has(name) and not name.startswith("start/"):
            yield f"- `{name}`: `{row.command}`"
