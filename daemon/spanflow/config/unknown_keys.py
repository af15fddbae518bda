# SPDX-License-Identifier: Apache-2.0
"""What to say about a key that does not exist: the one that was probably meant, wherever it belongs."""

from __future__ import annotations

from collections.abc import Sequence

from spanflow.config.schema import list_descriptions, root_keys, sections, setting_keys
from spanflow.config.wording import nearest


def unknown_in_file(name: str, siblings: Sequence[str], *, at_root: bool) -> str:
    """The error for a key of a file: where it belongs, a sibling that looks alike, or all siblings."""
    if name == "<<":
        return "unknown key; merging (<<) is not supported, write the keys out"
    full_keys = setting_keys()
    if name in full_keys and at_root:
        part, _, key = name.partition(".")
        return f"unknown key; write {key} on a line of its own, indented below {part}:"
    homes: dict[str, list[str]] = {}
    for full in full_keys:
        homes.setdefault(full.partition(".")[2], []).append(full)
    near = nearest(name, siblings)
    if name in homes or not near:
        near = " or ".join(homes.get(nearest(name, homes, 0.8) or "", ()))
    return f"unknown key; did you mean {near}?" if near else f"unknown key; known here: {', '.join(siblings)}"


def unknown_full_key(key: str) -> str:
    """The error for a key of the command line: the full key that was probably meant, or what there is."""
    parts = sections()
    part, _, leaf = key.partition(".")
    if part not in parts:
        known = [*setting_keys(), *list_descriptions()]
        near = nearest(key, known)
        return f"unknown key; did you mean {near}?" if near else f"unknown key; known: {', '.join(known)}"
    below = ", ".join(f"{part}.{name}" for name in parts[part].settings)
    if not leaf:
        return f"is a section; set one of its keys: {below}"
    near = nearest(leaf, parts[part].settings)
    return f"unknown key; did you mean {part}.{near}?" if near else f"unknown key; known: {below}"


def unknown_at_root(name: str) -> str:
    """The error for a key at the top of a file."""
    return unknown_in_file(name, root_keys(), at_root=True)
