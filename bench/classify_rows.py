# SPDX-License-Identifier: Apache-2.0
"""What classify.py measures: rows as those of rows.py, in three parts."""

from __future__ import annotations

from collections.abc import Iterator

from rows import (
    COLLECTOR,
    LONG_TIMEOUTS,
    QUEUE_MIB,
    SMALL_QUEUE,
    TIMEOUTS,
    WITHOUT_DPI,
    Row,
    core_flows,
    with_baselines,
)
from rows import captures as offline_captures
from traffic import Traffic

PARTS = ("cost", "memory", "off")
WORKERS = 9  # of the row that tells what each further engine takes
CACHE_MIB = 300  # room for a million Flows
DPI_MIB, TIGHT_DPI_MIB = 256, 64
UNBOUND = ("--dpi-flows", "4000000", "--dpi-memory", "8192")
ALIVE = ("--active", "3600", "--inactive", "3600", "--max-flows", "1000000")


def captures(quick: bool) -> dict[str, Traffic]:
    packets, flows = (200_000, 20_000) if quick else (2_000_000, 400_000)

    def datagrams(scenario: str, per_flow: float, count: int) -> Traffic:
        return Traffic(scenario=scenario, packets=int(count * per_flow), flows=count, seed=5, snap=65_535)

    return offline_captures(quick) | {
        "applications": Traffic(
            scenario="applications", packets=packets, flows=packets // 20, seed=3, snap=65_535
        ),
        "unfinished": datagrams("unfinished", 1, flows),
        "unfinished-few": datagrams("unfinished", 1, flows // 4),
        "answered": datagrams("answered", 2, flows),
        "answered-few": datagrams("answered", 2, flows // 4),
        "half": datagrams("half", 1.5, 50_000 if quick else 1_000_000),
    }


def rows_of(part: str, engine: str) -> list[Row]:
    """engine: the shim's path. `replay` and `core-before` are named in the programs."""
    return list({"cost": _cost_rows, "memory": _memory_rows, "off": _off_rows}[part](engine))


def _core(name: str, label: str, capture: str, *arguments: str, program: str = "spanflow-core-bench") -> Row:
    return Row(
        name=name,
        label=label,
        capture=capture,
        program=program,
        arguments=("{capture}", *arguments),
        records="biflows",
    )


def _meter(name: str, label: str, capture: str, *options: str) -> Row:
    return Row(
        name=name,
        label=label,
        capture=capture,
        program="spanflow",
        arguments=("meter", "{capture}", *options, *COLLECTOR),
        collectors=1,
        records="one_way_flows",
    )


def _cost_rows(engine: str) -> Iterator[Row]:
    timeouts = ("--workers", "1", "--active", "120", "--inactive", "60", *core_flows("applications"))
    yield _core("cost/off", "core alone, without classification", "applications", *timeouts)
    yield _core("cost/on", "core alone, with it", "applications", *timeouts, "--engine", engine)
    for name, label, arguments in (
        ("cost/alone", "the engine alone, packets where they lie in the file", ("{capture}",)),
        ("cost/alone-dense", "the engine alone, packets one behind the other", ()),
    ):
        yield Row(name=name, label=label, capture="applications", program="replay", arguments=arguments)
    meter = [
        _meter("cost/meter-off", "spanflow meter, without", "applications", *TIMEOUTS, *WITHOUT_DPI),
        _meter("cost/meter-on", "spanflow meter, with it", "applications", *TIMEOUTS),
    ]
    yield from with_baselines(meter)


def _memory_rows(engine: str) -> Iterator[Row]:
    for workers in ("1", str(WORKERS)):
        for state in ("off", "on"):
            options = ("--engine", engine) if state == "on" else ()
            name = f"memory/tiny-{state}-{workers}"
            yield _core(name, f"core, {workers} workers, {state}", "tiny", "--workers", workers, *options)
    kinds = ("unfinished", "answered")
    for capture in (*kinds, *(f"{kind}-few" for kind in kinds)):
        for state in ("off", "on"):
            more = ("--engine", engine, *UNBOUND) if state == "on" else ()
            yield _core(f"memory/{capture}-{state}", f"core, {capture}, {state}", capture, *ALIVE, *more)
    bounds = (*LONG_TIMEOUTS, "--set", f"cache.memory={CACHE_MIB}MiB", *SMALL_QUEUE)
    half = [
        _meter(
            "memory/half", "dpi.max_flows by default", "half", *bounds, "--set", f"dpi.memory={DPI_MIB}MiB"
        ),
        _meter(
            "memory/half-tight",
            "dpi.max_flows=1000000",
            "half",
            *bounds,
            *("--set", "dpi.max_flows=1000000", "--set", f"dpi.memory={TIGHT_DPI_MIB}MiB"),
        ),
        _meter("memory/half-off", "dpi.enabled=false", "half", *bounds, *WITHOUT_DPI),
    ]
    yield from with_baselines(half)


def bound_mib(name: str) -> float:
    """Of memory/half and memory/half-tight: what the settings allow, and 5 % as for the flood of run.py."""
    return (CACHE_MIB + QUEUE_MIB + (TIGHT_DPI_MIB if name.endswith("tight") else DPI_MIB)) * 1.05


def _off_rows(_engine: str) -> Iterator[Row]:
    for capture in ("mix", "flood", "elephant"):
        timeouts = ("--workers", "1", "--active", "120", "--inactive", "60", *core_flows(capture))
        yield _core(f"off/{capture}-before", "before", capture, *timeouts, program="core-before")
        yield _core(f"off/{capture}-now", "now, switched off", capture, *timeouts)
