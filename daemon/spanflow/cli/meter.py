# SPDX-License-Identifier: Apache-2.0
"""`spanflow meter`: capture files in, Flow Records out to collectors, to files or as a table."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from spanflow.cli.meter_outputs import Outputs, add_output_arguments
from spanflow.cli.settings_arguments import add_settings_arguments
from spanflow.errors import ExitCode

if TYPE_CHECKING:
    from spanflow.applications import Applications
    from spanflow.exporting.process import ExportingProcess
    from spanflow.file_meter import InputProblem
    from spanflow.record import Batch


_KILLED_BY = 128
"""What a shell adds to the number of the signal that ended a process."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "meter",
        help="meter capture files, export the flows or show them",
        description="Meter pcap and pcapng files, one after the other, as one input. The flows go to the"
        " collectors and files that are named, or to standard output as a table. A summary that adds up ends"
        " it.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="a capture file; - is standard input")
    add_output_arguments(parser)
    add_settings_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Meter, export, sum up. Raises SpanflowError; returns an exit code."""
    from spanflow.logs import warnings_shown

    with warnings_shown(sys.stderr):
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    from spanflow.applications import NO_APPLICATIONS
    from spanflow.classification import REMEDY, open_classification
    from spanflow.config.load import load
    from spanflow.metering_progress import Progress
    from spanflow.stop_signals import StopSignals

    settings = load(arguments.config, arguments.overrides, arguments.collectors)

    # Late: numpy takes longer to load than the rest of the start.
    from spanflow import _core
    from spanflow.cli.metering_summary import Summary
    from spanflow.exporting.exporters import Exporters
    from spanflow.features.batch import FlowBatch
    from spanflow.file_meter import FileMeter
    from spanflow.plugins.configured import open_plugins
    from spanflow.probe_facts import MeterFacts

    _core.install_crash_report()
    classification = open_classification(settings.dpi)
    if classification.missing:
        print(f"spanflow: applications are not named: {classification.missing}; {REMEDY}", file=sys.stderr)
    applications = classification.applications
    names = applications or NO_APPLICATIONS
    plugins = open_plugins(settings.plugins)
    outputs = Outputs(arguments, settings, plugins.chain.columns)
    meter = FileMeter(settings, arguments.files, classification.options)
    exporters = Exporters(
        settings,
        offline=True,
        applications=applications,
        columns=plugins.exported,
        facts=MeterFacts(time.time_ns(), meter.counters, key=settings.cache.key),
    )
    processes = exporters.processes
    summary = Summary(meter, processes, applications, plugins.chain)
    try:
        with StopSignals() as stop, outputs:
            show = None if processes or outputs else _flow_table(names)
            shown = sys.stderr.isatty() and not (show and sys.stdout.isatty())
            with Progress(meter, arguments.files, shown=shown) as progress:
                meter.start()
                for batch in meter.batches():
                    if stop.requested:
                        meter.stop()
                    if batch is not None:
                        batch = plugins.chain.apply(batch, names)
                        if outputs:
                            outputs.write(FlowBatch(batch, names))
                        exporters.offer(batch, deadline_s=math.inf)
                        summary.add(batch)
                        if show:
                            show(batch)
                    progress.update()
                exporters.drain(time.monotonic() + settings.export.drain_timeout / 1e9)
    finally:
        meter.stop()
        exporters.stop()
        plugins.chain.close()
    apart = outputs.to_standard_output or not (processes or outputs)
    summary.write(sys.stderr if apart else sys.stdout)
    meter.raise_if_failed()
    if stop.requested:
        print("spanflow: interrupted: the rest of the input was not read", file=sys.stderr)
        return _KILLED_BY + stop.number
    return _exit_code(meter.problems(), processes)


def _flow_table(applications: Applications) -> Callable[[Batch], None]:
    from spanflow.cli.flow_rows import rows_from_batch
    from spanflow.cli.tables import FlowTable, Style

    table = FlowTable(Style.of(sys.stdout))

    def show(batch: Batch) -> None:
        print("\n".join(table.lines(list(rows_from_batch(batch, applications)))))

    return show


def _exit_code(problems: Sequence[InputProblem], exporters: Sequence[ExportingProcess]) -> int:
    """The first problem of the input decides, else a record that some collector did not get."""
    if problems:
        return int(problems[0].error().exit_code)
    for counters in (exporter.counters() for exporter in exporters):
        if counters.refusals or any(tally.records for tally in counters.dropped.values()):
            return int(ExitCode.UNAVAILABLE)
    return int(ExitCode.OK)
