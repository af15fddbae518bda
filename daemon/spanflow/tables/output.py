# SPDX-License-Identifier: Apache-2.0
"""Where a table goes."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from spanflow.config.wording import quoted, shown
from spanflow.errors import ExitCode, SpanflowError, UsageError

Target = str | os.PathLike[str] | BinaryIO
"""A path; `-`, standard output; or a file that is open for octets, and stays open."""

STANDARD_OUTPUT = "-"

_PARTIAL = ".partial"


class OutputError(SpanflowError):
    """A file cannot be written; exit_code says if it could not be made (73) or filled (74)."""

    def __init__(self, text: str, exit_code: ExitCode) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Output:
    """A file that appears whole or not at all.

    Until finish() it is beside its place, as PATH.partial; discard() removes it, and what was at PATH before
    is still there. What is no regular file (a pipe, /dev/null), standard output and files of the caller get
    octets at once. Raises OutputError, UsageError for what is no target; what happens to standard output and
    files of the caller, as it is.
    """

    def __init__(self, target: Target) -> None:
        self._partial: str | None = None
        self._path: str | None = None
        self._closes = False
        if not isinstance(target, str | os.PathLike):
            self.file = _checked(target)
        elif os.fspath(target) == STANDARD_OUTPUT:
            self.file = _standard_output()
        else:
            self._open(os.path.realpath(target))

    def _open(self, path: str) -> None:
        self._path = path
        self._closes = True
        with self.told(ExitCode.CANNOT_CREATE):
            if _is_regular(path):
                self._partial = path + _PARTIAL
            self.file = open(self._partial or path, "wb")  # noqa: SIM115 finish() or discard() closes it

    @contextmanager
    def told(self, exit_code: ExitCode = ExitCode.IO_ERROR) -> Iterator[None]:
        """What the system refuses inside becomes an OutputError, if there is a path to name."""
        try:
            yield
        except OSError as error:
            if self._path is None:
                raise
            reason = error.strerror or str(error)
            raise OutputError(
                f"{shown(self._path, 200)}: {reason}; {_advice(exit_code)}", exit_code
            ) from error

    def write(self, octets: bytes) -> None:
        with self.told():
            self.file.write(octets)

    def finish(self) -> None:
        """All is written: it takes its place."""
        with self.told():
            if not self._closes:
                self.file.flush()
                return
            self.file.close()
            if self._partial is not None and self._path is not None:
                os.replace(self._partial, self._path)

    def discard(self) -> None:
        """It will not be whole."""
        if not self._closes:
            return
        with suppress(OSError):
            self.file.close()
        if self._partial is not None:
            with suppress(OSError):
                os.unlink(self._partial)


def writes_over(target: Target, files: Iterable[str]) -> bool:
    """Whether this would destroy one of these files, which are still to be read; `-` is standard input."""
    if not isinstance(target, str | os.PathLike) or os.fspath(target) == STANDARD_OUTPUT:
        return False
    path = os.path.realpath(target)
    read = {os.path.realpath("/dev/stdin" if each == "-" else each) for each in files}
    return path in read or path + _PARTIAL in read


def _checked(target: Any) -> BinaryIO:
    if isinstance(target, io.TextIOBase):
        raise UsageError("output: this file is open for text; open it for octets, 'wb'")
    if not hasattr(target, "write"):
        raise UsageError(f"output: {quoted(str(target))} is no path (str) and no open file; name a file")
    return cast(BinaryIO, target)


def _standard_output() -> BinaryIO:
    """Raises UsageError where it is a notebook's, say."""
    octets = getattr(sys.stdout, "buffer", None)
    if octets is None:
        raise UsageError("output: this standard output takes text only; name a file")
    sys.stdout.flush()
    return cast(BinaryIO, octets)


def _is_regular(path: str) -> bool:
    """Whether there is a regular file, or nothing yet."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True


def _advice(exit_code: ExitCode) -> str:
    if exit_code is ExitCode.CANNOT_CREATE:
        return "name a file in a folder that you may write to"
    return "make room or write elsewhere"
