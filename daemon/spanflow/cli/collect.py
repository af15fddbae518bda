# SPDX-License-Identifier: Apache-2.0
"""`spanflow collect`: a small collector of flows that shows what arrives, as a table or as JSON lines."""

from __future__ import annotations

import argparse
import io
import math
import ssl
import sys
import time
from contextlib import ExitStack

from spanflow.cli.collect_summary import summary_facts
from spanflow.cli.collection import Collection
from spanflow.cli.record_writers import JsonLines, RecordWriter, TableRows
from spanflow.cli.tables import Style, summary_lines
from spanflow.collecting.connection import StreamListener
from spanflow.collecting.listen_address import (
    DEFAULT_PORT,
    DEFAULT_SECURE_PORT,
    ListenAddress,
    address_text,
    parse_address,
)
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.receiver import Receiver
from spanflow.collecting.tls import server_context
from spanflow.collecting.udp_listener import UdpListener
from spanflow.errors import ExitCode, UsageError
from spanflow.stop_signals import StopSignals

_DEFAULT_LISTEN = f"127.0.0.1:{DEFAULT_PORT}"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "collect",
        help="receive IPFIX or NetFlow and show the flows",
        description="Receive IPFIX, NetFlow v9 and NetFlow v5 over UDP, or IPFIX over TCP and TLS, or read"
        " IPFIX files, and show the Data Records, as a table or as JSON lines. SIGINT (Ctrl-C) or SIGTERM"
        " ends it with a summary on standard error.",
    )
    parser.add_argument(
        "--listen",
        metavar="[TRANSPORT://]ADDRESS:PORT",
        action="append",
        default=[],
        help="where to listen, as often as needed: udp:// (if not said otherwise), tcp:// or tls://;"
        " [ADDRESS]:PORT for IPv6, port 0 for any free one"
        f" (default: {_DEFAULT_LISTEN}; without a port: {DEFAULT_PORT}, for TLS {DEFAULT_SECURE_PORT})",
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        nargs="+",
        action="extend",
        default=[],
        help="read IPFIX files (RFC 5655), also compressed with gzip, instead; - is standard input",
    )
    parser.add_argument("--certificate", metavar="FILE", help="of this collector, PEM, for tls://")
    parser.add_argument("--key", metavar="FILE", help="the key of the certificate, PEM, without a password")
    parser.add_argument(
        "--ca",
        metavar="FILE",
        help="PEM; exporters must show a certificate that one of these CAs has signed",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object per Data Record, those of Options Templates included",
    )
    parser.add_argument(
        "--options",
        action="store_true",
        help="show the records of Options Templates in the table too",
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
    """Collect until a signal, the end of the files, --count or --timeout.

    Raises SpanflowError; returns an exit code.
    """
    addresses = [parse_address(text) for text in args.listen or [_DEFAULT_LISTEN]]
    if args.file and args.listen:
        raise UsageError("--file and --listen: files and sockets do not go together; leave one of them out")
    context = _tls_context(args, addresses)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    with StopSignals() as stop, ExitStack() as opened:
        process = CollectingProcess(name_of=str if args.file else address_text)
        listeners = [] if args.file else [_listener(opened, address, context) for address in addresses]
        for listener in listeners:
            print(f"listening on {listener.address} ({listener.transport})", file=sys.stderr, flush=True)
        started = time.monotonic()
        deadline = math.inf if args.timeout is None else started + args.timeout
        writer: RecordWriter = JsonLines() if args.json else TableRows(Style.of(sys.stdout), args.options)
        collection = Collection(process, writer, sys.stdout, stop, count=args.count, deadline=deadline)
        faults = []
        try:
            if args.file:
                faults = collection.read(args.file)
            else:
                collection.receive(opened.enter_context(Receiver(process, listeners)))
            collection.flush()
        except BrokenPipeError:
            # Whoever read has seen enough.
            return ExitCode.OK
        if not faults or process.counters.messages:  # else there is nothing to sum up
            title = f"collected for {time.monotonic() - started:.1f} s"
            facts = summary_facts(process.counters, listeners)
            for line in summary_lines(title, facts, Style.of(sys.stderr)):
                print(line, file=sys.stderr)
    if faults:
        return faults[0].exit_code
    if collection.missing and not stop.requested:
        return ExitCode.UNAVAILABLE
    return ExitCode.OK


def _listener(
    opened: ExitStack, address: ListenAddress, context: ssl.SSLContext | None
) -> UdpListener | StreamListener:
    if address.transport == "udp":
        return opened.enter_context(UdpListener(address))
    return opened.enter_context(StreamListener(address, context if address.transport == "tls" else None))


def _tls_context(args: argparse.Namespace, addresses: list[ListenAddress]) -> ssl.SSLContext | None:
    """For the sockets that want TLS; None if none does. Raises UsageError, CertificateError."""
    if not any(address.transport == "tls" for address in addresses):
        if args.certificate or args.key or args.ca:
            raise UsageError("--certificate, --key, --ca: nothing uses TLS; listen on tls://ADDRESS:PORT")
        return None
    if not (args.certificate and args.key):
        raise UsageError("--listen tls://: no certificate; name it with --certificate and --key")
    return server_context(args.certificate, args.key, args.ca)
