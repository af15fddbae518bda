# SPDX-License-Identifier: Apache-2.0
"""Metering capture files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from spanflow import _core
from spanflow.config.schema import Settings
from spanflow.errors import CaptureError, ExitCode
from spanflow.meter import Meter, cache_too_large, engine_refused, metering_options, too_few_flows

QUEUE_OCTETS = 8 << 20
"""What may wait between the workers and Python."""

EXIT_CODES = {
    "not_found": ExitCode.NO_INPUT,
    "not_permitted": ExitCode.NO_PERMISSION,
    "unreadable": ExitCode.IO_ERROR,
    "not_a_capture": ExitCode.DATA,
    "damaged": ExitCode.DATA,
    "unsupported": ExitCode.DATA,
}


@dataclass(frozen=True, slots=True)
class InputProblem:
    """A capture file that could not be read, or not to its end. kind: a key of EXIT_CODES."""

    path: str
    kind: str
    text: str

    def error(self) -> CaptureError:
        """The problem as one line, with the exit code that fits it."""
        name = "standard input" if self.path == "-" else self.path
        return CaptureError(f"capture {name}: {self.text}", EXIT_CODES[self.kind])


class FileMeter(Meter):
    """Meters capture files, one after the other, as one input.

    paths: files, `-` for standard input. What is wrong with one of them is in problems() at the end; the
    others are metered all the same. classification: None leaves Flows without an application. Raises
    ConfigError when the cache does not fit in memory.
    """

    def __init__(
        self,
        settings: Settings,
        paths: Sequence[str],
        classification: _core.ClassificationOptions | None = None,
    ) -> None:
        try:
            self._native = _core.FileMeter(
                [os.fsencode(path) for path in paths],
                metering_options(settings, classification),
                workers=settings.capture.workers,
                queue_octets=QUEUE_OCTETS,
            )
        except MemoryError:
            raise cache_too_large(settings) from None
        except ValueError as error:
            raise too_few_flows(settings, error) from None
        except RuntimeError as error:
            raise engine_refused(error) from error
        super().__init__(self._native)

    def start(self) -> None:
        """Begin to read. Once only."""
        self._native.start()

    def stop(self) -> None:
        """Read no further; what is cached leaves, and batches() comes to its end."""
        self._native.stop()

    def problems(self) -> list[InputProblem]:
        """What is wrong with the input so far."""
        return [InputProblem(os.fsdecode(path), kind, text) for path, kind, text in self._native.problems()]

    def octets_read(self) -> int:
        """Octets of all files so far."""
        return self._native.octets_read()
