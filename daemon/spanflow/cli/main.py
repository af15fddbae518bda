# SPDX-License-Identifier: Apache-2.0
"""The command `spanflow`: choose the subcommand, run it, turn its end into an exit code."""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from spanflow.errors import ExitCode, SpanflowError, UsageError

COMMANDS = (
    "run",
    "meter",
    "collect",
    "check",
    "explain",
    "spool",
    "keygen",
    "interfaces",
    "protocols",
    "healthcheck",
)
"""The subcommands: each is the module `spanflow.cli.NAME` with `add_parser` and `run`."""

# What a shell reports for a process that the signal has ended: 128 + SIGINT, 128 + SIGPIPE.
_INTERRUPTED = 130
_BROKEN_PIPE = 141

_OUTPUT_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours: one line, exit code 64."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


class _Version(argparse.Action):
    """Print the version and leave. Late, as importlib.metadata takes longer to load than all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("spanflow")
        except PackageNotFoundError:
            found = "(not installed)"
        print(f"spanflow {found}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments)
        # Here, where an output that fails is still an exception of ours, not of the interpreter's end.
        print(end="", flush=True)
        return code
    except SpanflowError as error:
        text = str(error)
        # Several lines are findings, and each of them begins with the place that it is about.
        print(text if "\n" in text else f"spanflow: {text}", file=sys.stderr)
        return int(error.exit_code)
    except BrokenPipeError:
        _discard_output()
        return _BROKEN_PIPE
    except OSError as error:
        if error.errno not in _OUTPUT_FULL or error.filename is not None:
            return _defect()
        _discard_output()
        print(f"spanflow: standard output: {error.strerror}; make room or write elsewhere", file=sys.stderr)
        return int(ExitCode.IO_ERROR)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception:  # the outermost frame: whatever arrives here is a defect
        return _defect()


def _defect() -> int:
    """Show the exception that is being handled whole."""
    traceback.print_exc()
    return int(ExitCode.SOFTWARE)


def _run(arguments: list[str]) -> int:
    try:
        parsed = _parser(arguments).parse_args(arguments)
    except SystemExit as end:  # argparse leaves this way after --help and --version
        return int(end.code or 0)
    code: int = parsed.run(parsed)
    return code


def _parser(arguments: list[str]) -> Parser:
    """The parser for a command line. Only the module of its subcommand is loaded, for a quick start."""
    parser = Parser(prog="spanflow", description="A flow probe: packets in, IPFIX out, numbers that add up.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    first = arguments[0] if arguments else ""
    if first == "--version":
        return parser
    if first and not first.startswith("-") and first not in COMMANDS:
        near = difflib.get_close_matches(first[:64], COMMANDS, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(COMMANDS)}"
        parser.error(f"unknown command {first!r} ({advice})")
    for name in (first,) if first in COMMANDS else COMMANDS:
        importlib.import_module(f"spanflow.cli.{name}").add_parser(subparsers)
    return parser


def _discard_output() -> None:
    """Let the interpreter's last flush go nowhere instead of failing once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
