# SPDX-License-Identifier: Apache-2.0
"""The files that `spanflow meter` writes flows to: CSV, JSON, Parquet."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from spanflow.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from spanflow.config.schema import Settings
    from spanflow.features.batch import FlowBatch
    from spanflow.features.selection import Selection
    from spanflow.tables.writer import TableWriter

_STANDARD_OUTPUT = "-"
_FORMATS = {
    "csv": "CSV with a line of names",
    "json": "JSON, one object a line",
    "parquet": "Parquet (needs pyarrow)",
}


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--csv`, `--json`, `--parquet` and `--features`."""
    for name, text in _FORMATS.items():
        parser.add_argument(
            f"--{name}", metavar="PATH", help=f"write the flows as {text}; - is standard output"
        )
    parser.add_argument(
        "--features",
        metavar="NAME,…",
        help="what these files have: sets (core, statistics, packets, classic) and columns of"
        " docs/features.md; default: core,statistics",
    )


class Outputs:
    """The files that the command line names; as a context manager it ends them, or gives them up.

    plugins: the type of each column that plugins add, by its name. Raises UsageError, ConfigError,
    UnknownColumnError, and when it is entered what the writers raise.
    """

    def __init__(self, arguments: argparse.Namespace, settings: Settings, plugins: Mapping[str, str]) -> None:
        found = {name: getattr(arguments, name) for name in _FORMATS}
        self._paths: dict[str, str] = {name: path for name, path in found.items() if path is not None}
        self._writers: list[TableWriter] = []
        self._open = ExitStack()
        _check_paths(self._paths, arguments.files)
        if not self._paths:
            if arguments.features is not None:
                raise UsageError(
                    "--features: nothing is written; name a file with --csv, --json or --parquet"
                )
            return
        self._selection = _selection(arguments.features, settings, plugins)

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def to_standard_output(self) -> bool:
        """Whether one of them takes standard output, which then has nothing else."""
        return _STANDARD_OUTPUT in self._paths.values()

    def __enter__(self) -> Self:
        if not self._paths:
            return self
        from spanflow.tables import CsvWriter, JsonWriter, ParquetWriter

        classes = {"csv": CsvWriter, "json": JsonWriter, "parquet": ParquetWriter}
        with ExitStack() as opening:
            for name, path in self._paths.items():
                self._writers.append(opening.enter_context(classes[name](path, self._selection)))
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def write(self, flows: FlowBatch) -> None:
        """Append a batch to all of them."""
        for writer in self._writers:
            writer.write(flows)


def _check_paths(paths: Mapping[str, str], inputs: Sequence[str]) -> None:
    """Raises UsageError where two would write to one place, or over a capture that is read."""
    from spanflow.tables.output import writes_over

    seen: dict[str, str] = {}
    for name, path in paths.items():
        place = path if path == _STANDARD_OUTPUT else os.path.realpath(path)
        if place in seen:
            raise UsageError(f"--{name} {path}: --{seen[place]} writes there too; name another file")
        seen[place] = name
        if writes_over(path, inputs):
            raise UsageError(f"--{name} {path}: this file is read; name another one")


def _selection(features: str | None, settings: Settings, plugins: Mapping[str, str]) -> Selection:
    from spanflow.features.selection import DEFAULT_FEATURES, select

    names = DEFAULT_FEATURES if features is None else tuple(filter(None, features.split(",")))
    selection = select(names, plugins)
    if selection.needs_first_packets() and not settings.cache.first_packets:
        raise ConfigError(
            "cache.first_packets: 0 keeps none, and --features asks for first packets;"
            " add --set cache.first_packets=20"
        )
    return selection
