# SPDX-License-Identifier: Apache-2.0
"""`spanflow check`: what is wrong with a configuration, all of it at once."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spanflow.cli.settings_arguments import add_set_argument
from spanflow.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from spanflow.applications import Applications
    from spanflow.classification import Classification
    from spanflow.config.schema import Collector, Dpi, Settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "check",
        help="check a configuration file",
        description="Check a configuration file, and the environment variables that set something: every"
        " error with its place; exit code 78 if any. The classification engine is opened, with its protocols"
        " file. Plugins are loaded, which runs their code: without any privilege, and as process.user if root"
        " checks. Keys, certificates and directories are for the daemon, and not looked at.",
    )
    parser.add_argument("file", metavar="FILE", help="the YAML file")
    add_set_argument(parser, example="cache.active_timeout=120s")
    parser.add_argument("--dump", action="store_true", help="print every setting with its value, as YAML")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load the file, open the engine, load plugins. Raises ConfigError with what is wrong; main shows it."""
    from spanflow.classification import REMEDY, open_classification
    from spanflow.config.load import load
    from spanflow.config.render import to_yaml
    from spanflow.config.wording import shown

    # With the variables: a unit file checks what the daemon is about to read.
    settings = load(arguments.file, arguments.overrides, environment=os.environ)
    interfaces = _count(sum(each.enabled for each in settings.interfaces), "interface")
    collectors = _count(len(settings.collectors), "collector")
    classification = open_classification(settings.dpi)
    _check_filters(settings.collectors, classification.applications)
    if settings.plugins:
        _load_plugins(settings)
    # With --dump the line is a comment, so that the output is a configuration file.
    mark = "# " if arguments.dump else ""
    engine = _engine(settings.dpi, classification)
    facts = [interfaces, collectors, engine]
    if settings.plugins:
        facts.append(_count(len(settings.plugins), "plugin"))
    print(f"{mark}{shown(arguments.file, 300)}: ok, {', '.join(facts)}")
    if classification.missing:
        print(
            f"spanflow: applications will not be named: {classification.missing}; {REMEDY}", file=sys.stderr
        )
    if arguments.dump:
        print(to_yaml(settings), end="")
    return int(ExitCode.OK)


def _check_filters(collectors: Sequence[Collector], applications: Applications | None) -> None:
    """Whether the engine knows the names in them. Raises ConfigError with all that it does not."""
    problems = []
    for collector in collectors:
        if collector.filter is not None:
            # Late: numpy takes longer to load than all the rest.
            from spanflow.exporting.record_filter import filter_of

            try:
                filter_of(collector, applications)
            except ConfigError as error:
                problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))


def _load_plugins(settings: Settings) -> None:
    """As the daemon does: a unit file checks with the capability that the daemon gives up before."""
    from spanflow import privileges

    privileges.drop(settings.process.user if os.geteuid() == 0 else "")

    from spanflow.plugins.configured import open_plugins

    open_plugins(settings.plugins).chain.close()


def _engine(dpi: Dpi, classification: Classification) -> str:
    """Who names the applications."""
    named = classification.applications
    if named is not None:
        rules = f" and {_count(len(dpi.rules), 'rule')}" if dpi.rules else ""
        return f"applications by {named.engine} {named.version}{rules}"
    return "applications without an engine" if dpi.enabled else "applications off"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
