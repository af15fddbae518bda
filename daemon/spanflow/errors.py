# SPDX-License-Identifier: Apache-2.0
"""The errors that a person sees, and the exit codes (sysexits.h) that a shell sees.

The text of each error is one line of three parts: where, what is wrong, what to do.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command, by sysexits.h."""

    OK = 0
    USAGE = 64
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    OS_ERROR = 71
    CANNOT_CREATE = 73
    IO_ERROR = 74
    NO_PERMISSION = 77
    CONFIG = 78


class SpanflowError(Exception):
    """An error to show as one line, with the exit code that fits it."""

    exit_code: ExitCode = ExitCode.SOFTWARE


class UsageError(SpanflowError):
    """The command line is wrong."""

    exit_code = ExitCode.USAGE


class ConfigError(SpanflowError):
    """One or more settings are wrong; str() has every finding, one block each."""

    exit_code = ExitCode.CONFIG


class CaptureError(SpanflowError):
    """A capture file or device cannot be read; exit_code says why (65, 66, 74, 77)."""

    def __init__(self, text: str, exit_code: ExitCode = ExitCode.DATA) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class EncodeError(SpanflowError):
    """A Flow Record cannot be put into a Message."""


class DecodeError(SpanflowError):
    """Octets that were received are not what their format says; str() gives offset and reason."""

    exit_code = ExitCode.DATA


class PluginError(SpanflowError):
    """A plugin cannot be used; or, in a strict run, it has failed on a Flow."""
