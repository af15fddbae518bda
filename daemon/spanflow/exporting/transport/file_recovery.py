# SPDX-License-Identifier: Apache-2.0
"""What killed processes have left of one PATH: cut after what is whole, and completed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

from spanflow.exporting.transport.file_framing import GZIP_MAGIC, Framing, whole_octets
from spanflow.exporting.transport.file_names import FileNames
from spanflow.exporting.transport.growing_file import GrowingFile, failure
from spanflow.exporting.transport.interface import Wait

log = logging.getLogger(__name__)

_BLOCK_OCTETS = 1 << 16


@dataclass(slots=True)
class Recovery:
    """What was found.

    files: that were completed. failed_files: that could not be, and are left for the next time.
    cut_octets: at the ends of files, and all of those without anything whole, which are removed.
    """

    files: int = 0
    cut_octets: int = 0
    failed_files: int = 0


def recover(names: FileNames, framing: Framing, wait: Wait) -> Recovery:
    """Complete what is left over. Raises OSError if the directory cannot be read.

    Where `wait` says that the export is to stop, the rest is left for the next time.
    """
    recovery = Recovery()
    for name in sorted(name for name in os.listdir(names.directory) if names.begin_of(name) is not None):
        try:
            _recover(names, name, framing, wait, recovery)
        except InterruptedError:
            break
        except OSError as error:
            recovery.failed_files += 1
            path = os.path.join(names.directory, name)
            log.warning("file not recovered", extra={"error": str(failure(path, error))})
    return recovery


def _recover(names: FileNames, name: str, framing: Framing, wait: Wait, recovery: Recovery) -> None:
    file = GrowingFile.left_over(names, name)
    if file is None:
        return
    octets = file.octets
    try:
        if file.links == 1:
            compressed = file.read(0, len(GZIP_MAGIC)) == GZIP_MAGIC
            file.octets = whole_octets(_blocks(file, wait), framing, compressed=compressed)
    except OSError:
        file.abandon()
        raise
    path = file.complete()
    recovery.files += path is not None
    recovery.cut_octets += octets - file.octets
    log.warning(
        "file recovered" if path else "empty file removed",
        extra={"file": path or name, "octets": file.octets, "cut_octets": octets - file.octets},
    )


def _blocks(file: GrowingFile, wait: Wait) -> Iterator[bytes]:
    offset = 0
    while block := file.read(offset, _BLOCK_OCTETS):
        if wait(0.0):
            raise InterruptedError
        yield block
        offset += len(block)
