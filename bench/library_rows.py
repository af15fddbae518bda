# SPDX-License-Identifier: Apache-2.0
"""What library.py measures: rows as those of rows.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rows import Row
from rows import captures as offline_captures
from traffic import Traffic

NFSTREAM = "6.6.0"
SLOW_ROUNDS = 3  # counted, of what is slow or hardly varies
BOUND_MIB = 32

_TIMEOUTS = ("--set", "active_timeout=120s", "--set", "inactive_timeout=60s")
_ALIVE = tuple(
    word
    for name in ("active_timeout", "inactive_timeout", "cache_tcp_linger")
    for word in ("--set", f"{name}=3600s")
)
PROGRAMS = {
    "csv-classic": "`to_csv`, 48 columns",
    "parquet-classic": "`to_parquet`, 48 columns",
    "parquet-full": "`to_parquet`, core and statistics",
    "pandas": "`to_pandas`, core and statistics",
    "flows": "iterating flows, 3 attributes of each",
    "batches-columns": "`batches()`, 3 columns of each",
    "batches": "`batches()`",
}


def captures(quick: bool) -> dict[str, Traffic]:
    """small: for what takes packets in Python. large: as many Flows as mix, with four times the packets."""
    found = {name: each for name, each in offline_captures(quick).items() if name in ("mix", "tiny")}
    mix = found["mix"]
    packets = 20_000 if quick else 200_000
    return found | {
        "small": replace(mix, packets=packets, flows=packets // 20),
        "large": replace(mix, packets=4 * mix.packets),
    }


def all_rows() -> list[Row]:
    """Each with the same command on the tiny file as its baseline."""
    return [each for row in _rows() for each in _with_baseline(row)]


def rounds_of(row: Row, rounds: int) -> int:
    """How many rounds it is counted in."""
    slow = row.program == "nfstream" or row.capture in ("small", "large") or row.name.startswith("memory/")
    return min(rounds, SLOW_ROUNDS) if slow else rounds


def _rows() -> Iterator[Row]:
    yield _nfstream("mix/nfstream", "NFStream, iterating flows", "mix")
    for what, label in PROGRAMS.items():
        yield _library(f"mix/{what}", label, "mix", what, *_TIMEOUTS)
    two = ("--set", "workers=2")
    yield _library("mix/batches-workers", "`batches()`, two workers", "mix", "batches", *_TIMEOUTS, *two)
    yield _library("small/reference", "reference engine", "small", "reference", *_TIMEOUTS)
    yield _library(
        "small/reference-plugin",
        "reference engine, a per-packet plugin",
        "small",
        "reference-plugin",
        *_TIMEOUTS,
    )
    yield _library("small/flows", "native engine, iterating flows", "small", "flows", *_TIMEOUTS)
    yield _nfstream("small/nfstream", "NFStream", "small")
    yield _nfstream("small/nfstream-plugin", "NFStream, an NFPlugin", "small", "--plugin")
    for capture in ("mix", "large"):
        yield _library(f"memory/{capture}", "`to_csv`, every Flow alive", capture, "csv-classic", *_ALIVE)
    bound = ("--split", "--set", f"cache_memory={BOUND_MIB}MiB")
    yield _library("memory/bound", f"the same, {bound[-1]}", "large", "csv-classic", *_ALIVE, *bound)


def _library(name: str, label: str, capture: str, what: str, *options: str) -> Row:
    return Row(
        name=name,
        label=label,
        capture=capture,
        program="library",
        arguments=(what, *options, "{scratch}/table", "{capture}"),
    )


def _nfstream(name: str, label: str, capture: str, *options: str) -> Row:
    return Row(name=name, label=label, capture=capture, program="nfstream", arguments=(*options, "{capture}"))


def _with_baseline(row: Row) -> Iterator[Row]:
    start = replace(row, name=f"start/{row.name.replace('/', '-')}", capture="tiny")
    yield from (start, replace(row, baseline=start.name))
