# SPDX-License-Identifier: Apache-2.0
"""`spanflow spool`: what is kept on disk for collectors that are away; check it, send it, remove it."""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spanflow.cli.settings_arguments import add_set_argument
from spanflow.errors import ExitCode, SpanflowError, UsageError

if TYPE_CHECKING:
    from spanflow.config.schema import Settings
    from spanflow.exporting.spool.survey import Survey

_HEADER = ("SPOOL", "SEGMENTS", "PARCELS", "RECORDS", "OCTETS", "OLDEST", "IN USE BY")
_NUMBERS = ("SEGMENTS", "PARCELS", "RECORDS", "OCTETS")
_NONE = "-"
_NS = 10**9

_EXIT_CODES = {
    errno.ENOENT: ExitCode.NO_INPUT,
    errno.ENOTDIR: ExitCode.NO_INPUT,
    errno.EACCES: ExitCode.NO_PERMISSION,
    errno.EPERM: ExitCode.NO_PERMISSION,
    errno.EROFS: ExitCode.NO_PERMISSION,
    errno.EBUSY: ExitCode.UNAVAILABLE,
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand, and what it does."""
    parser = subparsers.add_parser(
        "spool",
        help="list, check, send or remove what is kept on disk for collectors",
        description="List, check, send or remove the records that are kept on disk for collectors that are"
        " away. A spool is named by its collector, or by its directory.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = _add_action(actions, "ls", "list spools", "List spools, also while the daemon uses them.")
    listing.add_argument("--json", action="store_true", help="print a JSON array, one object for each")
    _add_action(
        actions,
        "verify",
        "read everything and say what is damaged",
        "Read everything in spools and say what is damaged; exit code 65 if anything is. Changes nothing.",
    )
    sending = _add_action(
        actions,
        "replay",
        "send a spool to its collector, or to another",
        "Send a spool to a collector, oldest first. What the collector has acknowledged leaves the spool. For"
        " what a daemon left that does not run any more: a running one does this by itself.",
    )
    sending.add_argument(
        "--to",
        metavar="URL",
        help="who gets it, as in ipfix+tcp://192.0.2.1:4739; without this, the collector that it was for",
    )
    removing = _add_action(
        actions, "purge", "remove a spool", "Remove all records of a spool, after a question."
    )
    removing.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(run=run)


def _add_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, description: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=description)
    parser.add_argument(
        "spool",
        metavar="NAME",
        nargs="?",
        help="the name of a collector, which is its URL without options if it has no other, or a directory"
        " (with a /); without one, all below export.spool_directory",
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="the daemon's configuration file")
    add_set_argument(parser, example="export.spool_directory=/var/lib/spanflow/spool")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Do one of them. Raises SpanflowError; main shows it."""
    from spanflow.config.load import load

    settings = load(arguments.config, arguments.overrides, environment=os.environ)
    try:
        spools = _chosen(arguments.spool, settings)
        match arguments.action:
            case "ls":
                return _list(spools, as_json=arguments.json)
            case "verify":
                return _verify(spools)
            case "purge":
                return _purge(_the_one(spools), confirmed=arguments.yes)
        return _replay(_the_one(spools), settings, arguments.to)
    except OSError as error:
        # Those of a spool are one line each, and name the file in it.
        if error.filename is not None or error.errno not in _EXIT_CODES:
            raise
        problem = SpanflowError(str(error.strerror))
        problem.exit_code = _EXIT_CODES[error.errno]
        raise problem from error


Spools = Sequence[tuple[str, Path]]
"""What a spool is called, and where it is."""


def _chosen(name: str | None, settings: Settings) -> Spools:
    """The spools that are meant. Raises UsageError if nobody says where they are."""
    from spanflow.exporting.spool.folder import spool_folder
    from spanflow.exporting.spool.survey import spools_in

    # The name of a collector without name= is its URL.
    if name is not None and "/" in name and "://" not in name:
        return [(name, Path(name))]
    if not settings.export.spool_directory:
        raise UsageError(
            "export.spool_directory is not set; name the daemon's file with -c, or the directory of a spool"
        )
    base = Path(settings.export.spool_directory)
    names = {spool_folder(each.name): each.name for each in settings.collectors}
    spools = [(names.get(path.name, path.name), path) for path in spools_in(base)]
    if name is None:
        return spools
    # As `ls` shows it: a collector's name, or, where no collector is known, that of the folder.
    path = base / spool_folder(name)
    chosen = [(name, each) for known, each in spools if each == path or known == name]
    if not chosen:
        problem = SpanflowError(f"{name}: no such spool in {base}; name one of these: {_known(spools)}")
        problem.exit_code = ExitCode.NO_INPUT
        raise problem
    return chosen


def _the_one(spools: Spools) -> tuple[str, Path]:
    if len(spools) != 1:
        raise UsageError(f"which spool is not said; name it (have: {_known(spools)})")
    return spools[0]


def _known(spools: Spools) -> str:
    return ", ".join(name for name, _ in spools) or "none"


# ls


def _list(spools: Spools, *, as_json: bool) -> int:
    from spanflow.exporting.spool.survey import survey

    found = [(name, survey(path)) for name, path in spools]
    if as_json:
        print(json.dumps([_object(name, each) for name, each in found], indent=2))
    else:
        print("\n".join(_table(found)))
    return int(ExitCode.OK)


def _object(name: str, found: Survey) -> dict[str, Any]:
    return {
        "name": name,
        "directory": str(found.directory),
        "segments": found.segments,
        "parcels": found.parcels,
        "records": found.tally.records,
        "packets": found.tally.packets,
        "flow_octets": found.tally.octets,
        "octets": found.octets,
        "oldest_ns": found.oldest_ns,
        "in_use_by": found.holder or None,
        "problems": found.problems,
    }


def _table(found: Sequence[tuple[str, Survey]]) -> Iterator[str]:
    from spanflow.cli.tables import Style, escape

    if not found:
        yield "no spools"
        return
    texts = [_HEADER, *(tuple(map(escape, _row(name, each))) for name, each in found)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [
        "  ".join(
            f"{text:>{width}}" if title in _NUMBERS else f"{text:<{width}}"
            for title, text, width in zip(_HEADER, row, widths, strict=True)
        ).rstrip()
        for row in texts
    ]
    yield Style.of(sys.stdout).bold(lines[0])
    yield from lines[1:]


def _row(name: str, found: Survey) -> tuple[str, ...]:
    from spanflow.collecting.values import calendar_text

    oldest = None if found.oldest_ns is None else calendar_text(found.oldest_ns // _NS)
    counts = (found.segments, found.parcels, found.tally.records, found.octets)
    return (name, *map(str, counts), oldest or _NONE, found.holder or _NONE)


# verify


def _verify(spools: Spools) -> int:
    from spanflow.cli.tables import escape
    from spanflow.exporting.spool.survey import survey

    wrong = 0
    for name, path in spools:
        found = survey(path, thorough=True)
        for problem in found.problems:
            print(escape(f"{path}/{problem}"))
        wrong += len(found.problems)
        state = f"problems: {len(found.problems)}" if found.problems else "ok"
        print(escape(f"{name}: {state}, {found.parcels} parcels, {found.tally.records} records"))
    return int(ExitCode.DATA if wrong else ExitCode.OK)


# purge


def _purge(spool: tuple[str, Path], *, confirmed: bool) -> int:
    from spanflow.cli.tables import escape
    from spanflow.exporting.spool.survey import remove_all, survey

    name, path = spool
    found = survey(path)
    what = escape(f"{found.tally.records} records of {name}")
    if not confirmed:
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to be asked; add --yes")
        print(f"remove {what}? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("nothing is removed")
            return int(ExitCode.OK)
    remove_all(path)
    print(f"removed {what}")
    return int(ExitCode.OK)


# replay


def _replay(spool: tuple[str, Path], settings: Settings, url: str | None) -> int:
    from spanflow.cli.spool_replay import receiver, send
    from spanflow.exporting.spool.survey import survey
    from spanflow.logs import warnings_shown

    name, path = spool
    collector = receiver(name, settings.collectors, url)
    # A spool that is opened is made if it is missing.
    survey(path)
    with warnings_shown(sys.stderr):
        delivered = send(path, collector, settings.export)
    print(f"{collector.url}: {delivered.records} records delivered")
    return int(ExitCode.OK)
