# SPDX-License-Identifier: Apache-2.0
"""`spanflow check`: what is wrong with a configuration, all of it at once."""

from __future__ import annotations

import argparse
import os

from spanflow.errors import ExitCode


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "check",
        help="check a configuration file",
        description="Check a configuration file, and the environment variables that set something: every"
        " error with its place; exit code 78 if any.",
    )
    parser.add_argument("file", metavar="FILE", help="the YAML file")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="override a setting, as in cache.active_timeout=120s; may be repeated",
    )
    parser.add_argument("--dump", action="store_true", help="print every setting with its value, as YAML")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load the file. Raises ConfigError with everything that is wrong; main shows it."""
    from spanflow.config.load import load
    from spanflow.config.render import to_yaml
    from spanflow.config.wording import shown

    # With the variables: a unit file checks what the daemon is about to read.
    settings = load(arguments.file, arguments.overrides, environment=os.environ)
    interfaces = _count(sum(each.enabled for each in settings.interfaces), "interface")
    collectors = _count(len(settings.collectors), "collector")
    # With --dump the line is a comment, so that the output is a configuration file.
    mark = "# " if arguments.dump else ""
    print(f"{mark}{shown(arguments.file, 300)}: ok, {interfaces}, {collectors}")
    if arguments.dump:
        print(to_yaml(settings), end="")
    return int(ExitCode.OK)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
