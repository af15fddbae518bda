# SPDX-License-Identifier: Apache-2.0
"""What `spanflow meter` says at the end: what came, what became of it, and that it adds up."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from spanflow.application_counts import ApplicationCount, ApplicationCounts
from spanflow.applications import UNKNOWN
from spanflow.cli.tables import Fact, Style, summary_lines
from spanflow.short_numbers import human

if TYPE_CHECKING:
    from spanflow.applications import Applications
    from spanflow.exporting.counters import ExporterCounters
    from spanflow.exporting.process import ExportingProcess
    from spanflow.file_meter import FileMeter
    from spanflow.metering_counters import ClassificationCounters, MeteringCounters
    from spanflow.plugins.chain import PluginChain
    from spanflow.plugins.counters import PluginCounters
    from spanflow.record import Batch

_TOP_APPLICATIONS = 10

_END_REASONS = {
    "idle": "idle timeout",
    "active": "active timeout",
    "fin": "end of flow, both FINs",
    "rst": "end of flow, RST",
    "fin_timeout": "end of flow, one FIN",
    "flush": "forced end",
    "evicted": "lack of resources",
}


class Summary:
    """Takes the time from its making on."""

    def __init__(
        self,
        meter: FileMeter,
        exporters: Sequence[ExportingProcess],
        applications: Applications | None = None,
        plugins: PluginChain | None = None,
    ) -> None:
        self._meter = meter
        self._exporters = exporters
        self._applications = applications
        self._plugins = plugins
        self._counts = None if applications is None else ApplicationCounts(applications, _TOP_APPLICATIONS)
        self._started = time.monotonic()

    def add(self, batch: Batch) -> None:
        """Count the applications of a batch."""
        if self._counts is not None:
            self._counts.add(batch)

    def write(self, stream: TextIO) -> None:
        """The problems of the input as lines on standard error, then the summary."""
        seconds = time.monotonic() - self._started
        counters = self._meter.counters()
        for problem in self._meter.problems():
            print(f"spanflow: {problem.error()}", file=sys.stderr, flush=True)
        title = f"metered for {seconds:.2f} s, {human(int(counters.received.packets / seconds))} packets/s"
        facts = [*_input(counters), *_flows(counters), *_classification(counters.classification)]
        plugins = [] if self._plugins is None else self._plugins.counters()
        for plugin in plugins:
            facts += _plugin(plugin)
        for exporter in self._exporters:
            facts += _collector(exporter)
        facts.append(_conservation(counters, plugins, self._exporters))
        if self._applications is not None and self._counts is not None:
            facts += _top_applications(self._applications, self._counts.totals())
        print("\n".join(summary_lines(title, facts, Style.of(stream))), file=stream)


def _input(counters: MeteringCounters) -> Iterator[Fact]:
    received = counters.received
    yield Fact("packets received", received.packets, f"{human(received.octets)} octets on the wire")
    yield Fact("accounted", counters.accounted.packets, f"{human(counters.accounted.octets)} octets of IP", 1)
    for reason, count in counters.discarded.items():
        if count.packets:
            yield Fact(reason, count.packets, "discarded", 1)
    if counters.late:
        yield Fact("late", counters.late, "older than capture.reorder_window; accounted all the same", 1)
    if counters.fragment_orphans:
        yield Fact("fragment orphans", counters.fragment_orphans, "no first fragment known; ports 0", 1)


def _flows(counters: MeteringCounters) -> Iterator[Fact]:
    yield Fact("flow records", counters.handed_over.records, f"of {counters.flows_opened:,} flows")
    for detail, count in counters.ended.items():
        if count:
            evicted = detail == "evicted"
            advice = "raise cache.max_flows" if evicted else ""
            yield Fact(_END_REASONS[detail], count, advice, 1, warning=evicted)


def _classification(counters: ClassificationCounters) -> Iterator[Fact]:
    """What was not classified, or not kept, for want of room."""
    for label, count, advice in (
        ("not inspected, too many", counters.refused_flows, "named by port alone; raise dpi.max_flows"),
        ("not inspected, no memory", counters.refused_memory, "named by port alone; raise dpi.memory"),
        ("server names dropped", counters.dropped_details, "no memory to keep them; raise dpi.memory"),
    ):
        if count:
            yield Fact(label, count, advice, 1, warning=True)


def _top_applications(applications: Applications, counts: Sequence[ApplicationCount]) -> Iterator[Fact]:
    """Those with most octets: packets, then octets and Flows."""
    shown = counts[:_TOP_APPLICATIONS]
    known = sum(each.name != UNKNOWN for each in counts)
    most = f", these {len(shown)} with most octets" if len(counts) > len(shown) else ""
    yield Fact("applications", known, f"as {applications.engine} {applications.version} names them{most}")
    for each in shown:
        flows = "1 flow" if each.flows == 1 else f"{each.flows:,} flows"
        yield Fact(each.name, each.packets, f"packets, {human(each.octets)} octets, {flows}", 1)


def _collector(exporter: ExportingProcess) -> Iterator[Fact]:
    counters = exporter.counters()
    sent = f"as {counters.data_records:,} data records in {counters.messages:,} messages"
    yield Fact(f"sent to {exporter.collector.name}", counters.sent.records, sent)
    if counters.recovered.records > 0:
        yield Fact("found in the spool", counters.recovered.records, "from before", 1)
    if counters.recovered.records < 0:
        # The spool is closed by now, and what it holds has left the books (BatchQueue.recover).
        left = -counters.recovered.records
        yield Fact("left in the spool", left, "to be sent by the next run, or by `spanflow spool replay`", 1)
    if counters.spooled.records:
        yield Fact("in the spool", counters.spooled.records, "to be sent when the collector is back", 1)
    if counters.filtered.records:
        yield Fact("filtered", counters.filtered.records, f"{counters.filtered.packets:,} packets", 1)
    if counters.moved.records:
        yield Fact("moved", counters.moved.records, "to another collector of the group", 1)
    if counters.resent:
        yield Fact("sent again", counters.resent, "the connection ended before they were acknowledged", 1)
    for reason, tally in counters.dropped.items():
        if tally.records:
            yield Fact(f"dropped, {reason}", tally.records, f"{tally.packets:,} packets", 1, warning=True)
    if counters.refusals:
        yield Fact(
            "refused",
            counters.refusals,
            "nobody listened there; much of what was sent has not arrived",
            1,
            warning=True,
        )
    if counters.last_error:
        yield Fact("last error", counters.last_error, level=1, warning=True)


def _plugin(counters: PluginCounters) -> Iterator[Fact]:
    yield Fact(f"plugin {counters.name}", counters.records, f"flow records in {counters.seconds:.2f} s")
    if counters.failures:
        yield Fact("with empty columns", counters.failed_records, counters.last_error, 1, warning=True)


def _books(exporters: Sequence[ExportingProcess]) -> dict[str, list[ExporterCounters]]:
    """The books of each collector, and of each group together: its members share what is handed over."""
    books: dict[str, list[ExporterCounters]] = {}
    for exporter in exporters:
        group = exporter.collector.group
        name = exporter.collector.name if group is None else f"group {group}"
        books.setdefault(name, []).append(exporter.counters())
    return books


def _conservation(
    counters: MeteringCounters, plugins: Sequence[PluginCounters], exporters: Sequence[ExportingProcess]
) -> Fact:
    """Semantics §10: received = discarded + accounted; accounted = handed over = sent + dropped, with what a
    filter has left out, and what is in a spool. Over all members of a group: what moves is handed on.

    Every plugin saw all that was handed over: nothing is under way there once the input has ended.
    """
    missing = {name: value for name, value in counters.imbalance().items() if value}
    for plugin in plugins:
        if over := counters.handed_over.records - plugin.records:
            missing[f"records to plugin {plugin.name}"] = over
    for name, books in _books(exporters).items():
        for unit in ("records", "packets", "octets"):
            over = getattr(counters.handed_over, unit) - sum(
                getattr(each.offered - each.moved, unit) for each in books
            )
            value = over + sum(getattr(each.imbalance, unit) for each in books)
            if value:
                missing[f"{unit} to {name}"] = value
    if missing:
        text = ", ".join(f"{name} {value:+,}" for name, value in missing.items())
        return Fact("conservation", "VIOLATED", f"{text}; please report this", warning=True)
    each_of = [exporter.counters() for exporter in exporters]
    ends = ["sent", "dropped"]
    if any(each.filtered.records for each in each_of):
        ends.append("filtered")
    if any(each.recovered.records < 0 or each.spooled.records for each in each_of):
        ends.append("left in the spool")
    found = " + found in the spool" if any(each.recovered.records > 0 for each in each_of) else ""
    sums = f"received = accounted + discarded; accounted{found} = {' + '.join(ends)}"
    return Fact("conservation", "exact", sums)
