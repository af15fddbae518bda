# SPDX-License-Identifier: Apache-2.0
"""The results of classify.py as a section of RESULTS.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from classify_rows import CACHE_MIB, WORKERS, bound_mib, rows_of
from report import markdown_table
from rows import QUEUE_MIB
from summary import Summary

HEADING = "## Classification"
METHOD = """\
Method: `bench/README.md`, "Classification". Medians of the counted rounds, (least–most) in brackets; all
rows of a part in turn. "Alone" is the engine called with the same packets in the same order, by a loop that
does nothing else."""
RATIO_LIMIT = 1.15
ALONE = ("cost/alone", "cost/alone-dense")
MIB = 1 << 20
WORDS = {True: "**reached**", False: "**not reached**"}


def write_section(measured: dict[str, Any], engine: str) -> str:
    """measured: what classify.py stored. Begins with HEADING."""
    head = dict(measured["machine"])
    head["engine"] = Path(engine).name
    parts = [HEADING, METHOD, markdown_table(("", ""), head.items())]
    for part, title, write in (
        ("cost", "### Cost", _cost),
        ("memory", "### Memory", _memory),
        ("off", "### Switched off", _off),
    ):
        parts.append(title)
        if part not in measured:
            parts.append("Not measured.")
            continue
        found = measured[part]
        summary = Summary(
            {row.name: row for row in rows_of(part, engine)},
            found["truths"],
            found["runs"],
            found["failures"],
        )
        parts.append("; ".join(f"{name} {text}" for name, text in found["head"].items()) + ".")
        parts += write(summary, found)
        if wrong := sorted({f"{name}: {text}" for name in summary.runs for text in summary.wrong(name)}):
            parts.append("WRONG: " + "; ".join(wrong))
        if found["failures"]:
            parts.append("Failed: " + "; ".join(f"{name}: {why}" for name, why in found["failures"].items()))
    return "\n\n".join(parts) + "\n"


# --- cost -----------------------------------------------------------------------------------------


def _cost(s: Summary, found: dict[str, Any]) -> Iterator[str]:
    truth, calls, recorded = s.truths["applications"], found["calls"], found["recorded"]
    flows = truth["biflows"]
    unknown = int(recorded["applications"].get("0", 0))
    yield (
        f"{truth['packets']:,} whole packets, {flows:,} Biflows, {truth['ip_octets']:,} IP octets; "
        f"the engine saw {calls['inspect']:,} packets ({calls['inspect'] / flows:.2f} a Flow, "
        f"{_of(calls['inspect'], truth['packets'])} of all). Calls for each Flow: {_calls(calls, flows)}. "
        f"Unknown at the end: {unknown:,} of {recorded['records']:,} records "
        f"({_of(unknown, recorded['records'])})."
    )
    if not s.has("cost/off", "cost/on", *ALONE):
        return
    rows = []
    for alone in ALONE:
        for key, what in (("seconds", "wall"), ("cpu", "CPU")):
            ratio, rounds = _ratio(s, alone, key), _ratios(s, alone, key)
            rows.append(
                (
                    f"(with − without) / {s.rows[alone].label}, {what}",
                    f"≤ {RATIO_LIMIT}",
                    f"{ratio:.3f}; round by round {median(rounds):.3f} ({min(rounds):.3f}–{max(rounds):.3f})",
                    WORDS[ratio <= RATIO_LIMIT],
                )
            )
    yield markdown_table(("what", "target", "figure", ""), rows)
    table = [
        (
            s.rows[name].label,
            _spread(s, name, "seconds"),
            f"{_own(s, name, 'cpu'):.3f}",
            f"{_own(s, name, 'seconds') * 1e9 / truth['packets']:.0f}",
            f"{_own(s, name, 'seconds') * 1e9 / flows:.0f}",
            f"{_own(s, name, 'seconds') * 1e9 / calls['inspect']:.0f}" if name in ALONE else "",
        )
        for name in ("cost/off", "cost/on", *ALONE)
    ]
    added = _own(s, "cost/on", "seconds") - _own(s, "cost/off", "seconds")
    table.append(
        (
            "with less without",
            f"{added:.3f}",
            f"{_own(s, 'cost/on', 'cpu') - _own(s, 'cost/off', 'cpu'):.3f}",
            f"{added * 1e9 / truth['packets']:.0f}",
            f"{added * 1e9 / flows:.0f}",
            f"{added * 1e9 / calls['inspect']:.0f}",
        )
    )
    head = ("", "seconds", "CPU s", "ns/packet", "ns/Flow", "ns/inspected packet")
    yield markdown_table(head, table)
    if s.has("cost/meter-off", "cost/meter-on"):
        off, on = (s.ns_per_packet(name) for name in ("cost/meter-off", "cost/meter-on"))
        yield (
            "End to end, `spanflow meter` to a sink, net of start-up: "
            f"{off:.0f} ns per packet without classification, {on:.0f} with it."
        )


def _calls(calls: dict[str, Any], flows: int) -> str:
    names = ("begin_flow", "inspect", "give_up", "guess", "detail", "end_flow")
    return ", ".join(f"{name} {calls[name] / flows:.2f}" for name in names)


def _timed(run: dict[str, Any], key: str) -> float:
    """What a program says of its own loop."""
    return float(run["report"]["seconds" if key == "seconds" else "cpu_seconds"])


def _own(s: Summary, name: str, key: str) -> float:
    return median(_timed(run, key) for run in s.runs[name])


def _spread(s: Summary, name: str, key: str, scale: float = 1.0, digits: int = 3) -> str:
    values = [_timed(run, key) * scale for run in s.runs[name]]
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def _ratio(s: Summary, alone: str, key: str) -> float:
    return (_own(s, "cost/on", key) - _own(s, "cost/off", key)) / _own(s, alone, key)


def _ratios(s: Summary, alone: str, key: str) -> list[float]:
    rounds = zip(*(s.runs[name] for name in ("cost/off", "cost/on", alone)), strict=True)
    return [(_timed(on, key) - _timed(off, key)) / _timed(only, key) for off, on, only in rounds]


def _of(part: float, whole: float) -> str:
    return f"{part * 100 / whole:.1f} %"


# --- memory ---------------------------------------------------------------------------------------


def _memory(s: Summary, found: dict[str, Any]) -> Iterator[str]:
    def peak(name: str) -> float:
        return s.median(name, "peak_octets_sum")

    tiny = [f"memory/tiny-{state}-{workers}" for state in ("off", "on") for workers in (1, WORKERS)]
    if s.has(*tiny):
        engine = peak("memory/tiny-on-1") - peak("memory/tiny-off-1")
        all_of_them = peak(f"memory/tiny-on-{WORKERS}") - peak(f"memory/tiny-off-{WORKERS}")
        rows = [
            (
                "the engine, first worker (with the library, and up to 6 MiB of first pages)",
                f"{engine / MIB:.1f} MiB",
            ),
            ("the engine, each further worker", f"{(all_of_them - engine) / (WORKERS - 1) / MIB:.1f} MiB"),
            *_per_flow(s, found, peak),
        ]
        yield markdown_table(("peak resident memory with classification less that without it", ""), rows)
    bounded = []
    for name in ("memory/half", "memory/half-tight"):
        if s.has(name):
            net, bound = s.net(name, "peak_octets_sum") / MIB, bound_mib(name)
            bounded.append((s.rows[name].label, f"≤ {bound:.0f} MiB", f"{net:.0f} MiB", WORDS[net <= bound]))
    if bounded and s.has("memory/half-off"):
        off = s.net("memory/half-off", "peak_octets_sum") / MIB
        yield (
            f"{s.truths['half']['biflows']:,} Flows alive to the end, half of which are one packet that no "
            "engine can tell, the others a DNS question and its answer; `spanflow meter` with "
            f"cache.memory={CACHE_MIB}MiB, export.queue_size={QUEUE_MIB}MiB; peak above that of a tiny file, "
            "where the engine is in both. The bound is the sum of the settings + 5 %. Without "
            f"classification: {off:.0f} MiB."
        )
        yield markdown_table(("", "bound", "peak", ""), bounded)
        yield "\n".join(f"- `{s.rows[name].command}`" for name in ("memory/half", "memory/half-tight"))


def _per_flow(s: Summary, found: dict[str, Any], peak: Callable[[str], float]) -> Iterator[tuple[str, str]]:
    """From the difference between many Flows and few: what is there anyway is in both."""

    def flows(kind: str) -> int:
        return int(s.truths[kind]["biflows"] - s.truths[f"{kind}-few"]["biflows"])

    def added(kind: str) -> float:
        many, few = (peak(f"memory/{name}-on") - peak(f"memory/{name}-off") for name in (kind, f"{kind}-few"))
        return many - few

    calls = found["calls"]
    if not s.has(*(name for name in s.rows if name.startswith("memory/") and name.endswith(("-on", "-off")))):
        return
    yield (
        "a Flow under detection, UDP of unknown content (all but those that the engine takes for something)",
        f"{added('unfinished') / flows('unfinished'):.0f} octets",
    )
    allocated = calls["most_allocated"] / calls["flows_then"]
    yield (
        f"a Flow under detection, applications, counted at the ABI ({calls['flows_then']:,} of them)",
        f"{calls['flow_octets']} of state + {allocated:.0f} that the engine allocates",
    )
    yield (
        "a decided Flow, DNS: classification and names",
        f"{added('answered') / flows('answered'):.0f} octets",
    )
    yield (
        "a decided Flow, applications, counted at the ABI",
        f"32 of classification + {calls['detail_octets'] / s.truths['applications']['biflows']:.0f} "
        "of names on average, in cells of 64",
    )


# --- switched off ---------------------------------------------------------------------------------


def _off(s: Summary, _found: dict[str, Any]) -> Iterator[str]:
    """CPU is that of the whole process, wall that of the loop: where others work, CPU says more."""
    rows = []
    for capture in ("mix", "flood", "elephant"):
        names = [f"off/{capture}-{state}" for state in ("before", "now")]
        if not s.has(*names):
            continue
        packets = s.truths[capture]["packets"]
        for key, what in (("seconds", "wall"), ("cpu", "CPU")):
            before, now = (s.values(name, key) for name in names)
            each = [b / a for a, b in zip(before, now, strict=True)]
            rows.append(
                (
                    f"{capture}, {what}",
                    *(_nanoseconds(values, packets) for values in (before, now)),
                    f"{median(now) / median(before):.3f}",
                    f"{median(each):.3f} ({min(each):.3f}–{max(each):.3f})",
                )
            )
    yield markdown_table(
        ("ns per packet", "before", "now, switched off", "now / before", "round by round"), rows
    )


def _nanoseconds(seconds: list[float], packets: int) -> str:
    values = [value * 1e9 / packets for value in seconds]
    return f"{median(values):.1f} ({min(values):.1f}–{max(values):.1f})"
