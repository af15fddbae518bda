# SPDX-License-Identifier: Apache-2.0
"""The arguments that commands with settings have in common: a file, collectors, single settings."""

from __future__ import annotations

import argparse


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--config`, `--collector` and `--set`: `config`, `collectors`, `overrides` of the namespace."""
    parser.add_argument("-c", "--config", metavar="FILE", help="a configuration file")
    parser.add_argument(
        "--collector",
        dest="collectors",
        metavar="URL",
        action="append",
        default=[],
        help="who receives the flows, as in ipfix+udp://192.0.2.1:4739?biflow=true; may be repeated",
    )
    add_set_argument(parser, example="cache.active_timeout=120s")


def add_set_argument(parser: argparse.ArgumentParser, *, example: str) -> None:
    """Declare `--set`: `overrides` of the namespace."""
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help=f"override a setting, as in {example}; may be repeated",
    )
