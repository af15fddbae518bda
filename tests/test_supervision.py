# SPDX-License-Identifier: Apache-2.0
"""What the daemon says about itself: a line for what has changed, none for what has not."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from metrics.probe_statuses import BUSY, IDLE, IDLE_COLLECTOR, IDLE_EXPORT, IDLE_INTERFACE, IDLE_METERING
from spanflow import logs
from spanflow.exporting.counters import NO_BOOKS, DropReason, Tally
from spanflow.live_meter import WorkerProgress
from spanflow.metering_counters import ClassificationCounters, FlowCount, FrameCount
from spanflow.status import PluginStatus
from spanflow.supervision import LOSSES_EVERY_S, STALLED_AFTER_S, EventLog, WorkerWatch, status_line

Line = dict[str, Any]


class Watched:
    """An EventLog that has seen an idle probe with one interface and one collector, and its lines since."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.now_s = 1000.0
        logs.configure("json", "info", stream=self.stream, clock=lambda: self.now_s)
        self.events = EventLog()
        self.status = replace(IDLE, interfaces=(IDLE_INTERFACE,), collectors=(IDLE_COLLECTOR,))
        self.first = texts(self.note() + self.note())

    def note(self, seconds: float = 1.0, **members: Any) -> list[Line]:
        """The lines after some time, with these members of the status different."""
        self.now_s += seconds
        self.status = replace(self.status, **members)
        self.events.note(self.status, self.now_s)
        return self.lines()

    def note_interface(self, **members: Any) -> list[Line]:
        return self.note(interfaces=(replace(self.status.interfaces[0], **members),))

    def note_collector(self, **members: Any) -> list[Line]:
        return self.note(collectors=(replace(self.status.collectors[0], **members),))

    def lines(self) -> list[Line]:
        """Those written since the last call."""
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(autouse=True)
def watched() -> Iterator[Watched]:
    """The logger is as before afterwards."""
    logger = logging.getLogger("spanflow")
    handlers, level = logger.handlers[:], logger.level
    yield Watched()
    logger.handlers[:] = handlers
    logger.setLevel(level)


def texts(lines: list[Line]) -> list[str]:
    return [line["message"] for line in lines]


@pytest.mark.parametrize("format", ["text", "json", "journal"])
def test_every_line_can_be_written(format: str) -> None:
    """Everything at once, there and back: no field has a name that logging keeps for itself."""
    stream = io.StringIO()
    logs.configure(format, "info", stream=stream, clock=lambda: 0.0)
    events = EventLog()
    broken = replace(BUSY.metering, received=FrameCount(1, 1), dropped_at_handover=FlowCount(9, 9, 9))
    ring, missing = BUSY.interfaces
    interfaces = (replace(ring, last_error="binding: gone"), replace(missing, engine="libpcap"))
    troubled = replace(BUSY, metering=broken, interfaces=interfaces, lost_before=7)
    for now_s, status in enumerate((IDLE, BUSY, troubled, IDLE, troubled, IDLE, troubled)):
        events.note(status, 20.0 * now_s)
    events.note_end(replace(troubled, lost_before=8))
    assert "Traceback" not in stream.getvalue()


def test_start(watched: Watched) -> None:
    assert watched.first == ["interface captured", "collector is up"]
    assert watched.note() == []


def test_stalled_threads(watched: Watched) -> None:
    """Each has a line, also of those that stall together."""
    lines = watched.note(stalled=["capture eth0 worker 0", "collector noc"])
    assert [line["stalled"] for line in lines] == ["capture eth0 worker 0", "collector noc"]
    assert {(line["message"], line["level"]) for line in lines} == {("no progress", "error")}


def test_imbalance(watched: Watched) -> None:
    (line,) = watched.note(metering=replace(IDLE_METERING, received=FrameCount(1, 100)))
    assert (line["message"], line["level"]) == ("counters do not add up", "error")
    assert (line["frames"], line["wire_octets"], "packets" in line) == (1, 100, False)


def test_interface_goes_down_and_comes_up(watched: Watched) -> None:
    assert texts(watched.note_interface(up=False)) == ["interface is down"]
    assert texts(watched.note_interface(up=True)) == ["interface is up again"]


def test_interface_is_missing_and_comes_back(watched: Watched) -> None:
    gone = watched.note_interface(bound=False, up=False, index=0)
    assert texts(gone) == ["interface missing, waiting for it"]
    watched.note(seconds=logs.INTERVAL_S)
    (back,) = watched.note_interface(bound=True, up=True, index=9, appearances=2)
    assert (back["message"], back["index"]) == ("interface captured", 9)


def test_interface_is_made_anew_between_two_looks(watched: Watched) -> None:
    watched.note(seconds=logs.INTERVAL_S)
    assert texts(watched.note_interface(index=9, appearances=2)) == ["interface captured"]


def test_libpcap_does_not_wait(watched: Watched) -> None:
    (line,) = watched.note_interface(engine="libpcap", bound=False, up=False)
    assert line["message"].startswith("interface gone, libpcap needs a restart")


def test_merged_frames_once(watched: Watched) -> None:
    (line,) = watched.note_interface(merged_frames=1)
    assert line["remedy"].startswith("ethtool -K eth0 ")
    assert watched.note_interface(merged_frames=1000) == []


def test_losses_are_summed_up(watched: Watched) -> None:
    """The first is said at once; then one line for all that was lost in LOSSES_EVERY_S."""

    def lost(drops: int) -> list[int]:
        return [line["packets"] for line in watched.note_interface(kernel_drops=drops)]

    assert lost(5) == [5]
    assert [lost(5 + 10 * second) for second in range(1, int(LOSSES_EVERY_S))] == [[]] * 9
    assert lost(105) == [100]
    assert watched.note(seconds=2 * LOSSES_EVERY_S) == []
    assert lost(106) == [1]


def test_what_was_lost_last_is_said_at_the_end(watched: Watched) -> None:
    watched.note_interface(kernel_drops=5)
    watched.note_interface(kernel_drops=12)
    watched.events.note_end(watched.status)
    assert watched.lines()[0]["packets"] == 7


def test_losses_behind_the_ring(watched: Watched) -> None:
    count = FlowCount(3, 30, 300)
    metering = replace(IDLE_METERING, accounted=count, dropped_at_handover=count)
    counters = replace(IDLE_EXPORT, dropped={**IDLE_EXPORT.dropped, DropReason.QUEUE_FULL: Tally(4, 40, 400)})
    collectors = (replace(IDLE_COLLECTOR, counters=counters),)
    handover, collector, removed = watched.note(metering=metering, collectors=collectors, lost_before=50)
    assert handover["records"] == 3
    assert (collector["collector"], collector["reason"], collector["records"]) == ("noc", "queue_full", 4)
    assert removed["packets"] == 50


def test_what_plugins_do_not_get_to(watched: Watched) -> None:
    dropped = {**NO_BOOKS.dropped, DropReason.SHUTDOWN: Tally(4, 40, 400)}
    books = replace(NO_BOOKS, offered=Tally(9, 90, 900), sent=Tally(5, 50, 500), dropped=dropped)
    (line,) = watched.note(plugins=PluginStatus(books=books))
    assert line["message"] == "records dropped, the plugins did not get to them in time"
    assert line["records"] == 4


def test_imbalance_of_the_plugins(watched: Watched) -> None:
    (line,) = watched.note(plugins=PluginStatus(books=replace(NO_BOOKS, offered=Tally(1, 2, 0))))
    assert line["message"] == "counters do not add up"
    assert (line["plugin_records"], line["plugin_packets"], "plugin_octets" in line) == (1, 2, False)


@pytest.mark.parametrize(
    ("counter", "begins", "remedy"),
    [
        ("refused_flows", "applications told by port alone, too many", "raise dpi.max_flows"),
        ("refused_memory", "applications told by port alone, no memory", "raise dpi.memory"),
        ("dropped_details", "names dropped", "raise dpi.memory"),
    ],
)
def test_flows_that_found_no_room_to_be_classified(
    watched: Watched, counter: str, begins: str, remedy: str
) -> None:
    """Summed up like losses: a flood has one line in LOSSES_EVERY_S."""

    def refused(flows: int, seconds: float = 1.0) -> list[Line]:
        found = ClassificationCounters(**{counter: flows})
        return watched.note(seconds, metering=replace(IDLE_METERING, classification=found))

    (line,) = refused(3)
    assert line["message"].startswith(begins)
    assert (line["level"], line["flows"], line["remedy"]) == ("warning", 3, remedy)
    assert refused(10) == refused(40) == []
    assert [line["flows"] for line in refused(40, LOSSES_EVERY_S)] == [37]
    assert refused(40, LOSSES_EVERY_S) == []


def test_collector_is_down_at_two_looks(watched: Watched) -> None:
    assert watched.note_collector(up=False) == []
    assert texts(watched.note_collector(up=False)) == ["collector is down"]
    assert watched.note_collector(up=True) == []
    assert texts(watched.note_collector(up=True)) == ["collector is up"]


def test_a_new_session_is_no_failure(watched: Watched) -> None:
    """Down at one look, up at the next."""
    assert [watched.note_collector(up=up) for up in (False, True, True, False, True)] == [[]] * 5


def progress(*turns: int, finished: bool = False) -> list[WorkerProgress]:
    return [WorkerProgress(f"worker {number}", count, finished) for number, count in enumerate(turns)]


def test_worker_that_does_not_move() -> None:
    watch = WorkerWatch()
    assert watch.stalled(progress(1, 1), 100.0) == []
    assert watch.stalled(progress(1, 2), 100.0 + STALLED_AFTER_S) == []
    assert watch.stalled(progress(1, 3), 100.1 + STALLED_AFTER_S) == ["worker 0"]
    assert watch.stalled(progress(2, 4), 100.2 + STALLED_AFTER_S) == []
    finished = progress(2, 4, finished=True)
    assert watch.stalled(finished, 200.0 + STALLED_AFTER_S) == []


@pytest.mark.parametrize("stalled", [(), ("main",)])
def test_status_line_ends_with_the_losses(stalled: tuple[str, ...]) -> None:
    now = replace(BUSY, stalled=stalled, unready=("interface eth1 is missing", "collector noc is down"))
    line = status_line(now, IDLE, 10.0)
    assert line.startswith("2 if, 100 packets/s, 21 flows, 1/2 collectors up, ")
    assert line.endswith(f", lost {now.lost}")
    assert ("stalled: main" in line) == bool(stalled)
    assert status_line(IDLE, None, 0.0) == "2 if, 0 packets/s, 0 flows, 2/2 collectors up, lost 0"
