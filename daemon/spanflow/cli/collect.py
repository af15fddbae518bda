# SPDX-License-Identifier: Apache-2.0
"""`spanflow collect`: a small IPFIX collector that shows what arrives, as a table or as JSON lines."""

from __future__ import annotations

import argparse
import io
import math
import os
import select
import stat
import sys
import time
from typing import Any, TextIO

from spanflow.cli.record_writers import JsonLines, RecordWriter, TableRows
from spanflow.cli.tables import Fact, Style, summary_lines
from spanflow.collecting.listener import DEFAULT_PORT, UdpListener, address_text, parse_address
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import DataSet, Message
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.session import TransportSession
from spanflow.errors import ExitCode, SpanflowError
from spanflow.short_numbers import human
from spanflow.stop_signals import StopSignals

FLUSH_INTERVAL_SECONDS = 0.2
"""Output waits no longer; rows that arrive together are aligned together."""

_LONGEST_WAIT_SECONDS = 3600
_MOST_PENDING = 1000
_DATAGRAMS_PER_ROUND = 256


class OutputError(SpanflowError):
    """Standard output cannot be written."""

    exit_code = ExitCode.IO_ERROR


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "collect",
        help="receive IPFIX and show the flows",
        description="Receive IPFIX Messages over UDP and show their Data Records, as a table or as JSON "
        "lines. SIGINT (Ctrl-C) or SIGTERM ends it with a summary on standard error.",
    )
    parser.add_argument(
        "--listen",
        metavar="ADDRESS:PORT",
        default=f"127.0.0.1:{DEFAULT_PORT}",
        help="where to listen; [ADDRESS]:PORT for IPv6, port 0 for any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object per Data Record, those of Options Templates included",
    )
    parser.add_argument(
        "--count",
        metavar="N",
        type=_positive_integer,
        help="end after N Data Records; those of Options Templates do not count",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_positive_seconds,
        help="end after this time; with --count, an error if fewer records came",
    )
    parser.set_defaults(run=run)


def _positive_integer(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def _positive_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Collect until a signal, --count or --timeout ends it. Raises SpanflowError; returns an exit code."""
    host, port = parse_address(args.listen)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    with StopSignals() as stop, UdpListener(host, port) as listener:
        print(f"listening on {listener.address} (udp)", file=sys.stderr, flush=True)
        writer: RecordWriter = JsonLines() if args.json else TableRows(Style.of(sys.stdout))
        collection = Collection(listener, writer, sys.stdout, args.count)
        started = time.monotonic()
        try:
            collection.run(stop, None if args.timeout is None else started + args.timeout)
            collection.flush()
        except BrokenPipeError:
            # Whoever read has seen enough.
            return ExitCode.OK
        title = f"collected for {time.monotonic() - started:.1f} s"
        for line in summary_lines(title, _facts(collection.process, listener), Style.of(sys.stderr)):
            print(line, file=sys.stderr)
    if collection.missing and not stop.requested:
        return ExitCode.UNAVAILABLE
    return ExitCode.OK


class Collection:
    """The loop of one run: datagrams in, text out. missing: records that --count still waits for."""

    def __init__(
        self, listener: UdpListener, writer: RecordWriter, output: TextIO, count: int | None
    ) -> None:
        self.process = CollectingProcess(name_of=address_text)
        self.missing = count
        self._listener = listener
        self._writer = writer
        self._output = output
        self._next_flush = math.inf

    def run(self, stop: StopSignals, deadline: float | None) -> None:
        """Collect until it is enough. deadline: time.monotonic(). Raises BrokenPipeError, OutputError."""
        poller = select.poll()
        poller.register(self._listener, select.POLLIN)
        poller.register(stop, select.POLLIN)
        watched_output = _pipe(self._output)
        if watched_output is not None:
            # No events asked for: only the closing of the other end is reported.
            poller.register(watched_output, 0)
        end = math.inf if deadline is None else deadline
        while not stop.requested and self.missing != 0 and (now := time.monotonic()) < end:
            wait = min(end - now, self._next_flush - now, _LONGEST_WAIT_SECONDS)
            ready = poller.poll(max(0, math.ceil(wait * 1000)))
            if any(descriptor == watched_output for descriptor, _ in ready):
                raise BrokenPipeError
            for octets, sender in self._listener.datagrams(_DATAGRAMS_PER_ROUND):
                self._receive(octets, sender)
                if self.missing == 0:
                    break
            self._flush_when_due()

    def flush(self) -> None:
        """Write what waits. Raises BrokenPipeError when nobody reads, OutputError for all else."""
        self._next_flush = math.inf
        try:
            _write_all(self._output, self._writer.take())
        except OSError as error:
            # The interpreter must not try to write the rest once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._output.fileno())
            if isinstance(error, BrokenPipeError):
                raise
            raise OutputError(f"standard output: {error.strerror}; make room or write elsewhere") from None

    def _flush_when_due(self) -> None:
        now = time.monotonic()
        if self._writer.pending and self._next_flush == math.inf:
            self._next_flush = now + FLUSH_INTERVAL_SECONDS
        if now >= self._next_flush or self._writer.pending >= _MOST_PENDING:
            self.flush()

    def _receive(self, octets: bytes, sender: tuple[Any, ...]) -> None:
        counters = self.process.counters
        try:
            session, message = self.process.receive(octets, sender)
        except MalformedMessageError as error:
            if counters.discarded[error.reason] == 1:
                _tell(f"{address_text(sender)}: {error}; message discarded, further ones are counted")
            return
        skipped = message.ignored[Reason.TEMPLATE_MISSING]
        if skipped and counters.ignored[Reason.TEMPLATE_MISSING] == skipped:
            _tell(f"{session.exporter}: data before its template; waiting for the exporter to send it again")
        self._write(session, message)

    def _write(self, session: TransportSession, message: Message) -> None:
        for data_set in message.data_sets:
            if self.missing is not None and not data_set.template.is_options:
                data_set = DataSet(data_set.template, data_set.records[: self.missing])
                self.missing -= len(data_set.records)
            self._writer.add(session, message.header.observation_domain_id, data_set)


def _write_all(output: TextIO, text: str) -> None:
    """Write and flush, whatever the buffering.

    Unbuffered (PYTHONUNBUFFERED), a write to a full pipe that a signal ends takes only a part, and a text
    stream drops the rest.
    """
    output.flush()
    octets = memoryview(text.encode(output.encoding, output.errors or "strict"))
    while octets:
        octets = octets[output.buffer.write(octets) :]
    output.flush()


def _pipe(stream: TextIO) -> int | None:
    """The descriptor of a stream whose reader can go away, or None."""
    descriptor = stream.fileno()
    mode = os.fstat(descriptor).st_mode
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _facts(process: CollectingProcess, listener: UdpListener) -> list[Fact]:
    counters, sequence, lost = process.counters, process.counters.sequence, listener.lost()
    advice = f"{human(listener.receive_buffer)} octets are too few; raise net.core.rmem_max" if lost else ""
    facts = [
        Fact("messages", counters.messages, f"{human(counters.octets)} octets"),
        Fact("records", counters.records),
        Fact("options records", counters.options_records),
        Fact("templates", counters.templates),
        Fact("options templates", counters.options_templates),
        Fact("transport sessions", counters.sessions),
        Fact("datagrams lost here", lost, advice, warning=lost > 0),
        Fact("sequence gaps", sequence.gaps, warning=sequence.gaps > 0),
    ]
    details = [
        Fact("records missing", sequence.missing, level=1),
        Fact("records out of order", sequence.reordered, level=1),
        Fact("records twice", sequence.duplicated, level=1),
        Fact("exporter restarts", sequence.restarts, level=1),
    ]
    facts += [fact for fact in details if fact.value]
    evicted = [
        Fact("sessions forgotten", counters.evicted_sessions, "too many exporters", warning=True),
        Fact("domains forgotten", counters.evicted_domains, "too many observation domains", warning=True),
    ]
    facts += [fact for fact in evicted if fact.value]
    facts.append(Fact("errors", counters.discarded.total() + counters.ignored.total()))
    for reasons, outcome in ((counters.discarded, "message discarded"), (counters.ignored, "ignored")):
        facts += [Fact(reason, number, outcome, level=1, warning=True) for reason, number in reasons.items()]
    return facts
