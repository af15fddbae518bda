# SPDX-License-Identifier: Apache-2.0
"""The offline targets of the design (without nDPI), each beside its figure.

A target whose rows were not measured is "not measured", one whose records were wrong is not reached
whatever its speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan

from rows import BOUND_MIB, QUEUE_MIB
from summary import Summary

# CPU nanoseconds per packet of mix, from a published comparison on another run and other traffic of the
# same kind: softflowd -m 4194304 is the bridge to this run, since it is measured in both.
REFERENCE_SOFTFLOWD = 926
REFERENCE_PEERS = {
    "YAF 2.16 (to a file)": 199,
    "ipfixprobe 5.7": 421,
    "pmacctd 1.7": 1894,
    "NFStream 6.6": 6511,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    what: str
    target: str
    figure: str
    reached: bool | None  # None: not measured


def chained_ratio(summary: Summary, reference_ns: int) -> float:
    """What softflowd's ratio to spanflow in this run implies for a peer of the reference run."""
    return summary.ratio("mix/softflowd", "mix/spanflow", "cpu") * reference_ns / REFERENCE_SOFTFLOWD


def judge(summary: Summary) -> list[Verdict]:
    return [*_core(summary), *_end_to_end(summary), *_memory(summary), *_rest(summary)]


def _verdict(
    summary: Summary, names: tuple[str, ...], what: str, target: str, figure: str, reached: bool | None
) -> Verdict:
    own = [name for name in names if summary.rows[name].program.startswith("spanflow")]
    if faults := [fault for name in own for fault in summary.wrong(name)]:
        return Verdict(what, target, f"{figure}, but WRONG: {faults[0]}", False)
    if reached is None:
        figure = "lost in the variation of the start-up"
    return Verdict(what, target, figure, reached)


def _at_most(value: float, limit: float) -> bool | None:
    return None if isnan(value) else value <= limit


def _at_least(value: float, limit: float) -> bool | None:
    return None if isnan(value) else value >= limit


def _missing(what: str, target: str) -> Verdict:
    return Verdict(what, target, "not measured", None)


def _core(s: Summary) -> Iterator[Verdict]:
    what = "core alone, mix, all statistics"
    if not s.has("mix/core"):
        yield _missing(what, "≤ 60 ns per packet, ≤ 15 × the floor")
        return
    ns = s.ns_per_packet("mix/core")
    yield _verdict(s, ("mix/core",), what, "≤ 60 ns per packet", f"{ns:.1f} ns", _at_most(ns, 60))
    if floor := s.floor("mix"):
        ratio = s.ratio("mix/core", floor)
        figure = f"{ratio:.1f} × the quicker floor ({floor.removeprefix('mix/floor-')})"
        yield _verdict(s, ("mix/core",), what, "≤ 15 × the floor", figure, _at_most(ratio, 15))


def _end_to_end(s: Summary) -> Iterator[Verdict]:
    mine = "mix/spanflow"
    what = "end to end, mix, to IPFIX over UDP"
    if s.has(mine):
        ns, whole = s.ns_per_packet(mine), s.median(mine, "wall") * 1e9 / s.truth(mine)["packets"]
        figure = f"{ns:.1f} ns net of start-up ({whole:.1f} ns with it)"
        yield _verdict(s, (mine,), what, "≤ 70 ns wall per packet", figure, _at_most(ns, 70))
    else:
        yield _missing(what, "≤ 70 ns wall per packet")
    if s.has(mine, "mix/softflowd"):
        ratio = s.ratio("mix/softflowd", mine)
        yield _verdict(
            s,
            (mine, "mix/softflowd"),
            what,
            "≥ 10 × softflowd",
            f"{ratio:.1f} × in wall time",
            _at_least(ratio, 10),
        )
        for peer, least in (("YAF 2.16 (to a file)", 3), ("NFStream 6.6", 60)):
            if isnan(chained := chained_ratio(s, REFERENCE_PEERS[peer])):
                continue
            yield Verdict(
                what, f"≥ {least} × {peer}", f"about {chained:.0f} ×, chained through softflowd", None
            )
    else:
        yield _missing(what, "≥ 10 × softflowd")

    what = "SYN flood, end to end"
    if s.has("flood/spanflow"):
        rate = 1e3 / s.ns_per_packet("flood/spanflow")
        yield _verdict(
            s, ("flood/spanflow",), what, "≥ 3 M Flows/s", f"{rate:.1f} M Flows/s", _at_least(rate, 3)
        )
    else:
        yield _missing(what, "≥ 3 M Flows/s")
    what = "elephants, end to end"
    if s.has("elephant/spanflow"):
        ns = s.ns_per_packet("elephant/spanflow")
        yield _verdict(
            s, ("elephant/spanflow",), what, "≤ 45 ns per packet", f"{ns:.1f} ns", _at_most(ns, 45)
        )
    else:
        yield _missing(what, "≤ 45 ns per packet")


def octets_per_flow(s: Summary, name: str) -> float:
    return s.net(name, "peak_octets_sum") / float(s.truth(name)["biflows"])


def _memory(s: Summary) -> Iterator[Verdict]:
    what = "memory per Flow, all statistics"
    if s.has("memory/spanflow"):
        octets = octets_per_flow(s, "memory/spanflow")
        yield _verdict(s, ("memory/spanflow",), what, "≤ 300 octets", f"{octets:.0f} octets", octets <= 300)
    else:
        yield _missing(what, "≤ 300 octets")
    bound = (BOUND_MIB + QUEUE_MIB) * 1.05
    what = f"memory in a flood, cache.memory={BOUND_MIB}MiB, export.queue_size={QUEUE_MIB}MiB"
    target = f"≤ {bound:.0f} MiB (the two + 5 %)"
    if s.has("memory/spanflow-bound"):
        taken = s.net("memory/spanflow-bound", "peak_octets_sum") / 1048576
        yield _verdict(
            s, ("memory/spanflow-bound",), what, target, f"{taken:.0f} MiB above start-up", taken <= bound
        )
    else:
        yield _missing(what, target)


def collector_cost(s: Summary, key: str) -> float:
    """Nanoseconds per Data Record that the second collector costs."""
    more = s.net("collectors/two", key) - s.net("mix/spanflow", key)
    return more * 1e9 / float(s.truth("mix/spanflow")["one_way_flows"])


def _rest(s: Summary) -> Iterator[Verdict]:
    what = "one more collector (CPU)"
    if s.has("collectors/two", "mix/spanflow"):
        cost = collector_cost(s, "cpu")
        yield _verdict(s, ("collectors/two",), what, "≤ 150 ns per record", f"{cost:.0f} ns", cost <= 150)
    else:
        yield _missing(what, "≤ 150 ns per record")
    for name, text, least in (
        ("start/mix-spanflow", "start, a tiny file, drain, exit", 0.5),
        ("start/version", "`spanflow --version`", 0.15),
    ):
        if s.has(name):
            seconds = s.median(name, "wall")
            yield Verdict(text, f"< {least} s", f"{seconds:.2f} s", seconds < least)
        else:
            yield _missing(text, f"< {least} s")
