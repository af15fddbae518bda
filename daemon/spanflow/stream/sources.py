# SPDX-License-Identifier: Apache-2.0
"""What a stream takes its packets from: capture files, or interfaces."""

from __future__ import annotations

import glob
import io
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from spanflow.config.wording import quoted
from spanflow.errors import CaptureError, ExitCode, UsageError

Source = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""A capture file, a pattern of them (`captures/*.pcap`), `-` for standard input, an interface; or several."""

_PATTERN = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Sources:
    """Files or interfaces, never both: a file's clock is that of its packets."""

    files: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()


def resolve(source: Source | None) -> Sources:
    """What `source` means. What exists as a file is one, also where an interface has the same name.

    Raises CaptureError for what does not exist, UsageError for files beside interfaces, for an interface that
    is there twice, for nothing, and for what is no name.
    """
    names = _names(source)
    files: list[str] = []
    interfaces: list[str] = []
    for name in names:
        found = _files(name)
        if found is None:
            interfaces.append(os.fspath(name))
        else:
            files += found
    if files and interfaces:
        raise UsageError(
            f"source: {interfaces[0]} is an interface and {files[0]} a file; meter them in two streams"
        )
    for name in interfaces:
        if interfaces.count(name) > 1:
            raise UsageError(f"source: {name} is there twice, each packet would count twice; remove one")
    return Sources(tuple(files), tuple(interfaces))


def _names(source: Source | None) -> list[str | os.PathLike[str]]:
    if source is None:
        raise UsageError("source: nothing to meter; name a capture file or an interface")
    if isinstance(source, str | os.PathLike):
        return [source]
    if isinstance(source, bytes | io.IOBase) or not isinstance(source, Iterable):
        raise UsageError(f"source: {quoted(str(source))} is no name; give a str, a path, or a list of them")
    names = list(source)
    if not names:
        raise UsageError("source: an empty list; name a capture file or an interface")
    for name in names:
        if not isinstance(name, str | os.PathLike):
            raise UsageError(f"source: {quoted(str(name))} is no name; give a str or a path")
    return names


def _files(name: str | os.PathLike[str]) -> list[str] | None:
    """The files that `name` stands for; None: it is an interface."""
    text = os.fspath(name)
    if text == "-" or os.path.exists(text):
        return [text]
    if _PATTERN & set(text):
        found = sorted(glob.glob(text, recursive=True))
        if not found:
            raise CaptureError(f"capture {text}: no file matches; check the pattern", ExitCode.NO_INPUT)
        return found
    have = sorted(existing for _, existing in socket.if_nameindex())
    if isinstance(name, str) and "/" not in text and (text in have or text == "any"):
        return None
    missing = "no such file"
    advice = "check the path"
    if isinstance(name, str) and "/" not in text and "." not in text:
        missing, advice = f"no such file, and no such interface (have: {', '.join(have)})", "correct its name"
    raise CaptureError(f"capture {text}: {missing}; {advice}", ExitCode.NO_INPUT)
