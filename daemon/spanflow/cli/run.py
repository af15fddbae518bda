# SPDX-License-Identifier: Apache-2.0
"""`spanflow run`: the daemon."""

from __future__ import annotations

import argparse
import os
import signal
from typing import TYPE_CHECKING

from spanflow.cli.settings_arguments import add_settings_arguments
from spanflow.errors import ExitCode

if TYPE_CHECKING:
    from spanflow.config.schema import Settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "run",
        help="meter interfaces and export the flows, until told to stop",
        description="Meter live interfaces and export the flows. SIGTERM and SIGINT send what is cached and"
        " stop, a second one stops at once; SIGHUP reads the settings again. Variables such as"
        " SPANFLOW_INTERFACE, SPANFLOW_COLLECTOR and SPANFLOW_CACHE_ACTIVE_TIMEOUT come after the file"
        " and before the command line.",
    )
    parser.add_argument(
        "-i",
        "--interface",
        dest="interfaces",
        metavar="NAME",
        action="append",
        default=[],
        help="capture on this interface; may be repeated",
    )
    add_settings_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Open, drop, run. Raises SpanflowError; returns an exit code."""
    # Until the service takes it: by default it would end the start.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    from spanflow import _core, capture_sockets, logs, privileges
    from spanflow.classification import open_classification, without_unavailable
    from spanflow.config.load import load
    from spanflow.systemd import Notifier

    def load_settings() -> Settings:
        settings = load(
            arguments.config, arguments.overrides, arguments.collectors, arguments.interfaces, os.environ
        )
        capture_sockets.enabled_interfaces(settings)
        return settings

    settings = load_settings()
    logs.configure(settings.log.format, settings.log.level)
    interfaces = capture_sockets.open_interfaces(without_unavailable(settings))
    privileges.drop(settings.process.user)
    _core.install_crash_report()
    # Now: an engine is foreign code, which reads a file of the user's.
    classification = open_classification(settings.dpi)

    # Late: it imports numpy, whose threads would keep the capabilities that they started with. Plugins are
    # foreign code as well.
    from spanflow.plugins.configured import open_plugins
    from spanflow.service import Service

    notifier = Notifier.from_environment()
    plugins = open_plugins(settings.plugins)
    Service(settings, interfaces, load_settings, notifier, classification, plugins).run()
    return int(ExitCode.OK)
