# SPDX-License-Identifier: Apache-2.0
"""What is measured: one Row per program, options and capture.

Names are SCENARIO/WHAT; `run.py --only` takes them as patterns. Arguments may hold {capture}, {port},
{port2} and {scratch}. A row's baseline is the same command on a tiny capture: its time is start-up, its
peak memory is what the program takes before Flows come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch

from traffic import Traffic

SCENARIOS = ("mix", "flood", "elephant")
MAX_FLOWS = 4_194_304
QUEUE_MIB = 2
BOUND_MIB = 256
OWN_REPORT = (  # programs that print one JSON line
    "floor",
    "spanflow-core-bench",
    "core-before",
    "replay",
    "library",
    "nfstream",
)

TIMEOUTS = ("--set", "cache.active_timeout=120s", "--set", "cache.inactive_timeout=60s")
WITHOUT_DPI = ("--set", "dpi.enabled=false")  # its cost has rows of its own, in classify_rows.py
LONG_TIMEOUTS = ("--set", "cache.active_timeout=3600s", "--set", "cache.inactive_timeout=3600s")
_LARGE = ("--set", f"cache.max_flows={MAX_FLOWS}")
_FULL = ("--set", "cache.max_flows=2000000")  # as many as the flood has: none is evicted
SMALL_QUEUE = ("--set", f"export.queue_size={QUEUE_MIB}MiB")
COLLECTOR = ("--collector", "ipfix+udp://127.0.0.1:{port}")
_BIFLOW_COLLECTOR = ("--collector", "ipfix+udp://127.0.0.1:{port}?biflow=true")
_SECOND_COLLECTOR = ("--collector", "ipfix+udp://127.0.0.1:{port2}")
SOFTFLOWD_TIMEOUTS = (
    "tcp=60",
    "tcp.rst=60",
    "tcp.fin=60",
    "udp=60",
    "icmp=60",
    "general=60",
    "maxlife=120",
    "expint=60",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One command on one capture. records: the number of the truth that its records must equal."""

    name: str
    label: str
    capture: str
    program: str
    arguments: tuple[str, ...]
    collectors: int = 0
    records: str | None = None
    baseline: str | None = None

    @property
    def command(self) -> str:
        return " ".join((self.program, *self.arguments))


def captures(quick: bool) -> dict[str, Traffic]:
    packets = (200_000, 200_000, 200_000) if quick else (5_000_000, 2_000_000, 2_000_000)
    mix, flood, elephant = packets
    return {
        "mix": Traffic(scenario="mix", packets=mix, flows=mix // 20, snap=128),
        "flood": Traffic(scenario="flood", packets=flood, flows=flood, snap=96),
        "elephant": Traffic(scenario="elephant", packets=elephant, flows=8, snap=128),
        "tiny": Traffic(scenario="mix", packets=400, flows=20, snap=128),
    }


def all_rows() -> list[Row]:
    rows: list[Row] = []
    for scenario in SCENARIOS:
        rows += _scenario_rows(scenario)
    rows += _memory_rows()
    rows.append(
        _spanflow(
            "collectors/two",
            "spanflow, two collectors",
            "mix",
            *TIMEOUTS,
            *COLLECTOR,
            *_SECOND_COLLECTOR,
        )
    )
    return [*with_baselines(rows), _version_row()]


def choose(rows: list[Row], patterns: str) -> list[Row]:
    """The rows that match a comma-separated list of patterns, and the baselines that they need."""
    wanted = {row.name for row in rows if any(fnmatch(row.name, p) for p in patterns.split(","))}
    needed = wanted | {row.baseline for row in rows if row.name in wanted and row.baseline}
    return [row for row in rows if row.name in needed]


def _spanflow(name: str, label: str, capture: str, *options: str) -> Row:
    biflow = "biflow=true" in " ".join(options)
    return Row(
        name=name,
        label=label,
        capture=capture,
        program="spanflow",
        arguments=("meter", "{capture}", *WITHOUT_DPI, *options),
        collectors=options.count("--collector"),
        records="biflows" if biflow else "one_way_flows",
    )


def core_flows(scenario: str) -> tuple[str, ...]:
    """The cache that `spanflow meter` has by default; a flood needs a larger one."""
    return ("--max-flows", "4194304" if scenario == "flood" else "1000000")


def _scenario_rows(scenario: str) -> Iterator[Row]:
    for mode in ("mmap", "read"):
        yield Row(
            name=f"{scenario}/floor-{mode}",
            label=f"floor, {mode}",
            capture=scenario,
            program="floor",
            arguments=(mode, "{capture}"),
        )
    yield Row(
        name=f"{scenario}/core",
        label="core alone",
        capture=scenario,
        program="spanflow-core-bench",
        arguments=(
            "{capture}",
            "--workers",
            "1",
            "--active",
            "120",
            "--inactive",
            "60",
            *core_flows(scenario),
        ),
        records="biflows",
    )
    large = _LARGE if scenario == "flood" else ()
    label = f"spanflow meter, max_flows={MAX_FLOWS}" if large else "spanflow meter"
    yield _spanflow(f"{scenario}/spanflow", label, scenario, *TIMEOUTS, *large, *COLLECTOR)
    if scenario == "mix":
        yield _spanflow(
            "mix/spanflow-biflow", "spanflow meter, Biflows", scenario, *TIMEOUTS, *_BIFLOW_COLLECTOR
        )
    yield Row(
        name=f"{scenario}/softflowd",
        label="softflowd -b -m 4194304",
        capture=scenario,
        program="softflowd",
        arguments=(
            *(
                "-d",
                "-r",
                "{capture}",
                "-n",
                "127.0.0.1:{port}",
                "-v",
                "10",
                "-6",
                "-b",
                "-m",
                str(MAX_FLOWS),
            ),
            *(word for timeout in SOFTFLOWD_TIMEOUTS for word in ("-t", timeout)),
            *("-c", "none", "-p", "{scratch}/softflowd.pid"),
        ),
        collectors=1,
        records="biflows",
    )
    # Room for more Flows makes nfpcapd quicker in a flood; elsewhere it only makes its start slow and uneven.
    if scenario == "flood":
        yield _nfpcapd("flood/nfpcapd", f"nfpcapd -B {MAX_FLOWS} (to files)", scenario, "-B", str(MAX_FLOWS))
    else:
        yield _nfpcapd(f"{scenario}/nfpcapd", "nfpcapd (to files)", scenario)


def _nfpcapd(name: str, label: str, capture: str, *options: str) -> Row:
    arguments = ("-r", "{capture}", "-w", "{scratch}", "-e", "120,60", "-t", "3600", *options)
    return Row(
        name=name,
        label=label,
        capture=capture,
        program="nfpcapd",
        arguments=arguments,
        records="one_way_flows",
    )


def _memory_rows() -> Iterator[Row]:
    """The flood with every Flow alive until its end."""
    alive = (*LONG_TIMEOUTS, *_FULL, *SMALL_QUEUE, *COLLECTOR)
    yield _spanflow("memory/spanflow", "spanflow meter, every Flow alive", "flood", *alive)
    bound = (*LONG_TIMEOUTS, "--set", f"cache.memory={BOUND_MIB}MiB", *SMALL_QUEUE, *COLLECTOR)
    yield _spanflow("memory/spanflow-bound", f"spanflow meter, cache.memory={BOUND_MIB}MiB", "flood", *bound)
    yield _nfpcapd("memory/nfpcapd", "nfpcapd (to files)", "flood")


def with_baselines(rows: list[Row]) -> Iterator[Row]:
    """Adds the row on the tiny capture to every row that runs a whole program; equal commands share one."""
    made: dict[str, str] = {}
    for row in rows:
        if row.program in OWN_REPORT:
            yield row
            continue
        if row.command not in made:
            made[row.command] = "start/" + row.name.replace("/", "-")
            yield replace(row, name=made[row.command], label=f"{row.label}, tiny file", capture="tiny")
        yield replace(row, baseline=made[row.command])


def _version_row() -> Row:
    return Row(
        name="start/version",
        label="spanflow --version",
        capture="tiny",
        program="spanflow",
        arguments=("--version",),
    )
