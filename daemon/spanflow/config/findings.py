# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a configuration, gathered so that all of it is reported at once, each where it stands."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from spanflow.config.wording import shown
from spanflow.errors import ConfigError

_MOST = 200
_EXCERPT_BEFORE = 70
_EXCERPT_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written: in a file, in the environment, or on the command line.

    label: `probe.yaml:3:5`, `--set cache.key=vlan` or the name of a variable. excerpt: the source line and
    the caret line, if any. key: the full key that the label names already. rank: sorts places as a person
    reads them.
    """

    label: str
    excerpt: str = ""
    key: str = ""
    rank: tuple[int, ...] = ()


@dataclass(slots=True)
class Findings:
    """All problems found so far. Owner: one call of `load`."""

    _found: list[tuple[Place, str, str]] = field(default_factory=list)

    def add(self, place: Place, key: str, problem: str) -> None:
        """Note a problem. key: the full key, empty for the whole file. problem: what is wrong, what to do.

        Raises ConfigError when there are so many that nobody would read on.
        """
        self._found.append((place, key, problem))
        if len(self._found) >= _MOST:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise ConfigError with one block for each problem, in the order of their places."""
        if not self._found:
            return
        ordered = sorted(self._found, key=lambda found: found[0].rank)
        blocks = [_block(place, key, problem) for place, key, problem in ordered]
        if len(ordered) >= _MOST:
            blocks.append(f"{_MOST} errors are enough; repair these first")
        raise ConfigError("\n".join(blocks))


def _block(place: Place, key: str, problem: str) -> str:
    named = f"{key}: " if key and key != place.key else ""
    line = f"{place.label}: {named}{problem}"
    return f"{line}\n{place.excerpt}" if place.excerpt else line


def excerpt(line: str, column: int) -> str:
    """A source line and a caret under `column` (from 0). Of a long line only the surroundings are shown."""
    start = max(0, column - _EXCERPT_BEFORE) if len(line) > _EXCERPT_WIDTH else 0
    # A tab takes one column here, so that the caret meets its character.
    visible = "".join(c if c.isprintable() else " " for c in line[start : start + _EXCERPT_WIDTH])
    mark = "…" if start else ""
    before = mark + visible[: column - start]
    return f"    {mark}{visible.rstrip()}\n    {' ' * sum(map(_width, before))}^"


def _width(character: str) -> int:
    """The columns that a terminal gives to a character."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def variable(name: str, position: int, word: str = "") -> Place:
    """The place of an environment variable, or of one word in it; variables come after the file."""
    return Place(f"{name} {shown(word, 80)}" if word else shown(name, 80), rank=(1, position))


def argument(option: str, value: str, position: int, key: str = "") -> Place:
    """The place of an argument such as `--set cache.key=vlan`; arguments come last."""
    return Place(f"{option} {shown(value, 80)}", key=key, rank=(2, position))
