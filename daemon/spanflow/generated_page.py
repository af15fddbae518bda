# SPDX-License-Identifier: Apache-2.0
"""A page of documentation that is computed: its tables; written, or checked for being stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """The lines of a table in Markdown."""
    columns = tuple(head)
    yield _line(columns)
    yield _line("---" for _ in columns)
    yield from map(_line, rows)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


@dataclass(frozen=True, slots=True)
class GeneratedPage:
    """module: what `python -m` makes it with. name: of the file. text: the whole page as it should be."""

    module: str
    name: str
    text: Callable[[], str]

    def is_stale(self, folder: Path) -> bool:
        """Whether the page in `folder` is missing or not what it should be."""
        path = folder / self.name
        return not path.exists() or path.read_text(encoding="utf-8") != self.text()

    def main(self) -> int:
        """Write the page, or say that it is stale (exit code 1)."""
        parser = argparse.ArgumentParser(prog=f"python -m {self.module}")
        action = parser.add_mutually_exclusive_group(required=True)
        action.add_argument("--write", action="store_true", help="write the page")
        action.add_argument("--check", action="store_true", help="only say whether it is stale")
        parser.add_argument("folder", nargs="?", type=Path, default=Path("docs"), help="default: docs")
        arguments = parser.parse_args()
        if not self.is_stale(arguments.folder):
            return 0
        if arguments.write:
            (arguments.folder / self.name).write_text(self.text(), encoding="utf-8")
            return 0
        print(f"{arguments.folder / self.name}: stale; run with --write", file=sys.stderr)
        return 1
