# SPDX-License-Identifier: Apache-2.0
"""`spanflow protocols`: the applications that the classification engine tells apart."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from spanflow.cli.settings_arguments import add_set_argument
from spanflow.errors import ExitCode, SpanflowError

if TYPE_CHECKING:
    from spanflow.applications import Application, Applications

_HEADER = ("NUMBER", "APPLICATION ID", "NAME", "CATEGORY", "BREED", "")
_NUMBERS = ("NUMBER", "APPLICATION ID")


class NoEngineError(SpanflowError):
    """There is no engine to ask."""

    exit_code = ExitCode.UNAVAILABLE


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "protocols",
        help="list the applications that are told apart",
        description="List the applications that the classification engine tells apart, with those of a"
        " protocols file and of rules: number in this probe, application id as collectors see it (RFC 6759,"
        " engine and selector), name, category, breed, and whether it is one of yours.",
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="a configuration file, for its section dpi")
    parser.add_argument("--engine", metavar="NAME", help="ask this engine, as dpi.engine would name it")
    add_set_argument(parser, example="dpi.protocols_file=/etc/spanflow/protocols.txt")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them. Raises ConfigError, or NoEngineError (exit code 69)."""
    from spanflow.classification import REMEDY, open_classification
    from spanflow.config.load import load

    overrides = list(arguments.overrides)
    if arguments.engine is not None:
        overrides.append(f"dpi.engine={arguments.engine}")
    # Also while it is off: the question is what there would be.
    overrides.append("dpi.enabled=true")
    classification = open_classification(load(arguments.config, overrides, environment=os.environ).dpi)
    if classification.applications is None:
        raise NoEngineError(f"dpi.engine: {classification.missing}; {REMEDY}")
    if arguments.json:
        print(json.dumps(_object(classification.applications), indent=2))
    else:
        print("\n".join(_table(classification.applications)))
    return int(ExitCode.OK)


def _object(applications: Applications) -> dict[str, Any]:
    return {
        "engine": applications.engine,
        "version": applications.version,
        "applications": [
            {
                "number": each.number,
                "application_id": each.application_id,
                "name": each.name,
                "category": each.category,
                "breed": each.breed,
                "user_defined": each.user_defined,
            }
            for each in applications.by_number.values()
        ],
        "categories": [{"number": number, "name": name} for number, name in applications.categories.items()],
        "risks": [{"bit": bit, "name": name} for bit, name in applications.risks.items()],
    }


def _table(applications: Applications) -> Iterator[str]:
    from spanflow.cli.tables import Style, escape

    rows = [_row(each) for each in applications.by_number.values()]
    texts = [_HEADER, *(tuple(map(escape, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [
        "  ".join(
            f"{text:>{width}}" if title in _NUMBERS else f"{text:<{width}}"
            for title, text, width in zip(_HEADER, row, widths, strict=True)
        ).rstrip()
        for row in texts
    ]
    yield escape(f"{applications.engine} {applications.version}, {len(rows)} applications")
    yield Style.of(sys.stdout).bold(lines[0])
    yield from lines[1:]


def _row(application: Application) -> tuple[str, ...]:
    identifier = f"{application.application_id >> 24}:{application.application_id & 0xFFFFFF}"
    own = "yours" if application.user_defined else ""
    return str(application.number), identifier, application.name, application.category, application.breed, own
