# SPDX-License-Identifier: Apache-2.0
"""Text to standard output, whoever reads it: all of it, or an error that says why not."""

from __future__ import annotations

import os
import stat
from typing import TextIO

from spanflow.errors import ExitCode, SpanflowError


class OutputError(SpanflowError):
    """Standard output cannot be written."""

    exit_code = ExitCode.IO_ERROR


def write_text(output: TextIO, text: str) -> None:
    """Write and flush. Raises BrokenPipeError when nobody reads, OutputError for all else."""
    try:
        write_all(output, text)
    except OSError as error:
        # The interpreter must not try to write the rest once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputError(f"standard output: {error.strerror}; make room or write elsewhere") from None


def write_all(output: TextIO, text: str) -> None:
    """Write and flush, whatever the buffering.

    Unbuffered (PYTHONUNBUFFERED), a write to a full pipe that a signal ends takes only a part, and a text
    stream drops the rest.
    """
    output.flush()
    octets = memoryview(text.encode(output.encoding, output.errors or "strict"))
    while octets:
        octets = octets[output.buffer.write(octets) :]
    output.flush()


def pipe_descriptor(stream: TextIO) -> int | None:
    """The descriptor of a stream whose reader can go away, or None."""
    descriptor = stream.fileno()
    mode = os.fstat(descriptor).st_mode
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
