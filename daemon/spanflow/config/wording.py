# SPDX-License-Identifier: Apache-2.0
"""How values and names read in an error: always one line, safe on a terminal, with the nearest known name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def shown(text: str, limit: int = 60) -> str:
    """`text` on one line: what does not print is escaped, what is longer than `limit` characters is cut."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    # Not printable are also lone surrogates (an argument that is not UTF-8) and direction marks.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(text: str) -> str:
    """`text` as `shown`, in quotes."""
    return f"'{shown(text)}'"


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that `name` was probably meant to be, or None."""
    by_lower = {word.lower(): word for word in known}
    # difflib is quadratic in the length of its words; no name of ours is near a long one.
    close = difflib.get_close_matches(name[:64].lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[close[0]] if close else None


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The error for a name that is not in a list of names: the nearest one, or all of them."""
    names = list(known)
    near = nearest(name, names)
    advice = f"did you mean {near}?" if near else f"known: {', '.join(names)}"
    return f"unknown {what} {quoted(name)}; {advice}"
