# SPDX-License-Identifier: Apache-2.0
"""The live results as a section of RESULTS.md."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from live_trials import LOADS
from report import markdown_table

HEADING = "## Live"
METHOD = """\
Method: `bench/README.md`, "Live". Two network namespaces joined by a veth pair, the sender on core 0, the
receiver on core 1; whole frames of the capture named below, over and over. On veth the kernel's work on
arriving frames is done on the sender's core, so the sender sets the limit, and the share of core 1 is what
the receiver's own threads ran. A second sender shares core 1 with the receiver. "Lost" is what the
interface delivered less what is in the records at the sink (the ring: what it counted), "own drops" what
the receiver says that it lost. softflowd ends without reading a block of its ring that is not full yet:
that is a few hundred packets a trial. Medians of the trials, losses added up."""

SHARE_LIMIT, IDLE_LIMIT, START_LIMIT_S, GROWTH_LIMIT_OCTETS = 0.07, 0.005, 0.5, 1 << 20
MIB = 1 << 20

Trials = Sequence[dict[str, Any]]


def write_section(measured: dict[str, Any]) -> str:
    """measured: what live.py stored. Begins with HEADING."""
    parts = [HEADING, METHOD, markdown_table(("", ""), measured["head"].items())]
    parts += ["### Targets", markdown_table(("what", "target", "figure", ""), _verdicts(measured))]
    parts += ["### Trials", _trials(measured["trials"])]
    if soak := measured.get("soak"):
        parts += ["### Soak", _soak(soak)]
    if measured["skipped"]:
        parts += ["### Not measured", "\n".join(f"- {line}" for line in measured["skipped"])]
    return "\n\n".join(parts) + "\n"


def _verdicts(measured: dict[str, Any]) -> list[tuple[str, ...]]:
    trials = measured["trials"]
    loads = trials["spanflow"]
    paced = loads["paced"]
    lost = sum(each["lost"] for runs in loads.values() for each in runs)
    most = {kind: max(each["rate"] for each in loads[kind]) for kind in ("unpaced", "two senders")}
    share, ring = _median(paced, "share"), _median(trials["bare ring"]["paced"], "share")
    rate = _median(paced, "rate")
    peer = trials.get("softflowd")
    beside = f"; softflowd {_percent(_median(peer['paced'], 'share'))}" if peer else ""
    idle, start = measured["idle"], median(measured["start"])
    rows = [
        (
            "live on veth, one worker, ring of 64 MiB",
            "0 lost at the most that the senders can offer",
            f"{lost} lost at up to {most['unpaced']:,.0f} packets/s of one sender and "
            f"{most['two senders']:,.0f} of two",
            _word(lost == 0),
        ),
        (
            f"share of the receiver's core at {rate:,.0f} packets/s",
            f"≤ {_percent(SHARE_LIMIT)}",
            f"{_range(paced)}; bare ring {_percent(ring)}{beside}",
            _word(share <= SHARE_LIMIT),
        ),
        (
            "idle, one interface and one collector",
            f"< {_percent(IDLE_LIMIT)} of one core",
            f"{_percent(idle['share'], 2)} over {idle['seconds']:.0f} s, "
            f"{idle['sleeps_per_second']:.0f} wake-ups a second, {idle['resident_octets'] / MIB:.0f} MiB",
            _word(idle["share"] < IDLE_LIMIT),
        ),
        (
            "start to READY=1",
            f"< {START_LIMIT_S} s",
            f"{start:.2f} s ({min(measured['start']):.2f}–{max(measured['start']):.2f})",
            _word(start < START_LIMIT_S),
        ),
    ]
    if soak := measured.get("soak"):
        growth = _growth(soak)
        rows.append(
            (
                f"soak at half of that rate, {soak['seconds'] / 60:.0f} minutes",
                "0 lost, flat memory: < 1 MiB in the second half",
                f"{soak['lost']} lost at {soak['rate']:,.0f} packets/s, {growth / MIB:+.1f} MiB",
                _word(soak["lost"] == 0 and growth < GROWTH_LIMIT_OCTETS),
            )
        )
    return rows


def _trials(trials: dict[str, dict[str, Trials]]) -> str:
    rows = []
    for name, kinds in trials.items():
        for kind, runs in kinds.items():
            drops = [run["drops"] for run in runs if run["drops"] is not None]
            rows.append(
                (
                    name,
                    LOADS[kind].words,
                    f"{_median(runs, 'rate'):,.0f}",
                    f"{sum(run['delivered'] for run in runs):,}",
                    f"{sum(run['lost'] for run in runs):,}",
                    f"{sum(drops):,}" if drops else "",
                    _range(runs),
                    f"{_median(runs, 'ns_per_packet'):.0f}",
                )
            )
    head = ("", "offered", "packets/s", "delivered", "lost", "own drops", "share of core 1", "ns/packet")
    return markdown_table(head, rows)


def _soak(soak: dict[str, Any]) -> str:
    first, last = soak["resident"][0][1], soak["resident"][-1][1]
    most = max(octets for _, octets in soak["resident"])
    return (
        f"{soak['delivered']:,} packets in {soak['seconds']:.0f} s, {soak['lost']} lost; {soak['records']:,} "
        f"Data Records, {soak['sequence_gaps']} missing by sequence numbers; "
        f"{_percent(soak['share'])} of core 1. "
        f"Resident memory (ring included) {first / MIB:.1f} MiB after 10 s, {most / MIB:.1f} MiB at most, "
        f"{last / MIB:.1f} MiB at the end."
    )


def _growth(soak: dict[str, Any]) -> int:
    """Octets of resident memory that came in the second half."""
    samples = soak["resident"]
    return int(samples[-1][1] - samples[len(samples) // 2][1])


def _median(runs: Trials, what: str) -> float:
    return float(median(run[what] for run in runs))


def _range(runs: Trials) -> str:
    """The share of the core: median (least–most)."""
    shares = [run["share"] for run in runs]
    return f"{_percent(median(shares))} ({_percent(min(shares))}–{_percent(max(shares))})"


def _percent(share: float, digits: int = 1) -> str:
    return f"{share * 100:.{digits}f} %"


def _word(reached: bool) -> str:
    return "**reached**" if reached else "**not reached**"
