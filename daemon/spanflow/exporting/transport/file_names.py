# SPDX-License-Identifier: Apache-2.0
"""What files are called: while they are written, and when they are complete.

PATH may be a pattern with the time, in UTC, at which a file begins: `/var/spool/flows/%Y%m%d-%H%M%S.ipfix`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

DIRECTIVES = "YmdHMSjs"
"""Those of strftime that a pattern may have; `%%` is a percent sign."""

COMPRESSED = ".gz"

_DIRECTIVE = re.compile("%(.?)", re.DOTALL)
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<begin_ns>[0-9]{1,19})\.partial", re.DOTALL)
_MOST_NUMBERS = 10_000
_SECOND_NS = 1_000_000_000


def problem_of(path: str) -> str:
    """What is wrong with the pattern in PATH, and what to do; empty if nothing is."""
    for match in _DIRECTIVE.finditer(path):
        if match[1] not in (*DIRECTIVES, "%"):
            known = ", ".join(f"%{each}" for each in DIRECTIVES)
            return f"%{match[1]} is no part of a time; use {known}, or %% for a percent sign"
    return ""


class FileNames:
    """The names for one PATH. What is written is in `directory`, the last one in PATH without a pattern."""

    def __init__(self, path: str) -> None:
        self.path = path
        # What is left of a doubled percent sign is none of a pattern.
        self._has_pattern = "%" in path.replace("%%", "")
        fixed = re.split("%[^%]", path.replace("%%", "\0"), maxsplit=1)[0].replace("\0", "%")
        self.directory = fixed.rpartition("/")[0] or "/"

    def temporary(self, begin_ns: int, *, compressed: bool) -> str:
        """The name in `directory` of a file that begins then, while it is written."""
        name = os.path.basename(self._expanded(begin_ns, compressed=compressed))
        return f".{name}.{begin_ns}.partial"

    def begin_of(self, temporary: str) -> int | None:
        """When a file of this temporary name has begun; None if it is not one of ours."""
        match = _TEMPORARY.fullmatch(temporary)
        if match is None:
            return None
        begin_ns = int(match["begin_ns"])
        ours = (self.temporary(begin_ns, compressed=compressed) for compressed in (False, True))
        return begin_ns if temporary in ours else None

    def finals(self, begin_ns: int, *, compressed: bool) -> Iterator[str]:
        """The paths that a complete file may get, the best first: it takes the first that is free.

        PATH itself; without a pattern then PATH with the time when the file began; then with a number.
        """
        name = self._expanded(begin_ns, compressed=compressed)
        yield name
        stem, ending = _split(name)
        if not self._has_pattern:
            stem += time.strftime("-%Y%m%d-%H%M%S", _moment(begin_ns))
            yield stem + ending
        for number in range(1, _MOST_NUMBERS):
            yield f"{stem}-{number}{ending}"

    def _expanded(self, begin_ns: int, *, compressed: bool) -> str:
        moment = _moment(begin_ns)
        # The whole path at once would be at the mercy of the locale's encoding.
        name = _DIRECTIVE.sub(
            lambda match: "%" if match[1] == "%" else _written(match[1], begin_ns, moment), self.path
        )
        return name + COMPRESSED if compressed and not name.endswith(COMPRESSED) else name


def _written(directive: str, begin_ns: int, moment: time.struct_time) -> str:
    # strftime takes the moment for local time there.
    return str(begin_ns // _SECOND_NS) if directive == "s" else time.strftime(f"%{directive}", moment)


def _moment(begin_ns: int) -> time.struct_time:
    return time.gmtime(begin_ns // _SECOND_NS)


def _split(path: str) -> tuple[str, str]:
    """The path before its endings, and the endings: `.ipfix`, `.json.gz`."""
    stem, ending = os.path.splitext(path)
    if ending == COMPRESSED:
        stem, before = os.path.splitext(stem)
        ending = before + ending
    return stem, ending
