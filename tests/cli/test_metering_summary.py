# SPDX-License-Identifier: Apache-2.0
"""The summary of `spanflow meter`, where it tells of applications and of groups."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pytest

from metrics.probe_statuses import IDLE_EXPORT, IDLE_METERING
from spanflow.applications import Application, Applications
from spanflow.cli.metering_summary import Summary
from spanflow.config.schema import Collector
from spanflow.exporting.counters import ExporterCounters, Tally
from spanflow.file_meter import FileMeter
from spanflow.metering_counters import ClassificationCounters, FlowCount
from spanflow.record import RECORD, Batch


@dataclass
class Metered:
    """A meter that has come to its end."""

    classification: ClassificationCounters = field(default_factory=ClassificationCounters)
    handed_over: FlowCount = field(default_factory=FlowCount)

    def counters(self) -> Any:
        return replace(IDLE_METERING, classification=self.classification, handed_over=self.handed_over)

    def problems(self) -> list[Any]:
        return []


def named(*names: str) -> Applications:
    return Applications(
        engine="nDPI",
        version="4.2.0",
        by_number={number: Application(number, 0, name, "", "", False) for number, name in enumerate(names)},
    )


def lines_of(
    applications: Applications | None, numbers: list[int], counters: ClassificationCounters | None = None
) -> list[str]:
    """The summary without its title. Record n has application numbers[n], n + 1 packets of 1,000 octets."""
    records = np.zeros(len(numbers), RECORD)
    records["application"] = numbers
    records["forward"]["packet_delta_count"] = np.arange(1, len(numbers) + 1)
    records["forward"]["octet_delta_count"] = np.arange(1, len(numbers) + 1) * 1000
    metered = Metered(counters or ClassificationCounters())
    summary = Summary(cast(FileMeter, metered), [], applications)
    summary.add(Batch(records))
    stream = io.StringIO()
    summary.write(stream)
    return stream.getvalue().splitlines()[1:]


def test_it_ends_with_the_applications() -> None:
    lines = lines_of(named("Unknown", "TLS", "bell\x07"), [1, 2, 1, 0, 2])
    start = next(number for number, line in enumerate(lines) if line.startswith("  applications"))
    assert lines[start - 1].startswith("  conservation")
    assert [" ".join(line.split()) for line in lines[start:]] == [
        "applications 2 as nDPI 4.2.0 names them",
        "bell\\x07 7 packets, 7.0k octets, 2 flows",
        "TLS 4 packets, 4.0k octets, 2 flows",
        "Unknown 4 packets, 4.0k octets, 1 flow",
    ]


def test_it_tells_the_ten_with_most_octets() -> None:
    lines = lines_of(named("Unknown", *(f"a{number}" for number in range(1, 13))), list(range(1, 13)))
    start = next(number for number, line in enumerate(lines) if line.startswith("  applications"))
    assert " ".join(lines[start].split()) == (
        "applications 12 as nDPI 4.2.0 names them, these 10 with most octets"
    )
    assert [line.split()[0] for line in lines[start + 1 :]] == [f"a{number}" for number in range(12, 2, -1)]


def test_nothing_was_metered() -> None:
    last = lines_of(named("Unknown"), [])[-1]
    assert " ".join(last.split()) == "applications 0 as nDPI 4.2.0 names them"


def test_without_an_engine_it_is_silent() -> None:
    assert "applications" not in "\n".join(lines_of(None, [1, 2]))


@pytest.mark.parametrize(
    ("counters", "line"),
    [
        (
            ClassificationCounters(refused_flows=1234),
            "    not inspected, too many  1,234  named by port alone; raise dpi.max_flows",
        ),
        (
            ClassificationCounters(refused_memory=7),
            "    not inspected, no memory      7  named by port alone; raise dpi.memory",
        ),
        (
            ClassificationCounters(dropped_details=7),
            "    server names dropped      7  no memory to keep them; raise dpi.memory",
        ),
    ],
)
def test_what_was_refused_with_what_to_do(counters: ClassificationCounters, line: str) -> None:
    found = lines_of(named("Unknown"), [], counters)
    assert " ".join(line.split()) in [" ".join(each.split()) for each in found]
    assert " ".join(line.split()) not in [" ".join(each.split()) for each in lines_of(named("Unknown"), [])]


@dataclass
class Exported:
    """An Exporting Process that has come to its end."""

    books: ExporterCounters
    collector: Collector

    def counters(self) -> ExporterCounters:
        return self.books


@pytest.mark.parametrize(("sent", "says"), [(7, "exact"), (6, "VIOLATED")])
def test_what_moved_within_a_group_counts_once(sent: int, says: str) -> None:
    """Ten records: the first member sent three and gave seven away, the second got them."""
    moved = Tally(7)
    books = [
        replace(IDLE_EXPORT, offered=Tally(10), sent=Tally(3), moved=moved),
        replace(IDLE_EXPORT, offered=moved, sent=Tally(sent)),
    ]
    exporters = [
        Exported(each, Collector(host="192.0.2.1", name=name, group="noc"))
        for each, name in zip(books, ("first", "second"), strict=True)
    ]
    metered = Metered(handed_over=FlowCount(10))
    stream = io.StringIO()
    Summary(cast(FileMeter, metered), cast(Any, exporters), None).write(stream)
    (line,) = [line for line in stream.getvalue().splitlines() if line.startswith("  conservation")]
    assert says in line
    assert ("accounted = sent + dropped" in line) == (says == "exact")
