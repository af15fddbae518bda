# SPDX-License-Identifier: Apache-2.0
"""The file with the position of a spool, as it is kept while the spool is used."""

from __future__ import annotations

import errno
import os

from spanflow.exporting.spool import position
from spanflow.exporting.spool.counters import SpoolCounters
from spanflow.exporting.spool.files import SpoolFiles
from spanflow.exporting.spool.position import Position


class Progress:
    """Writes the position. What cannot be written is counted: parcels are then delivered again, not lost."""

    def __init__(self, files: SpoolFiles, counters: SpoolCounters) -> None:
        self._files = files
        self._counters = counters
        self._file: int | None = None
        self._dirty = False

    def write(self, reached: Position) -> None:
        """Everything before this position has left the spool.

        The file is overwritten in its place: that needs no room on a full disk.
        """
        try:
            if self._file is None:
                self._file = self._open()
            if self._files.write(self._file, position.pack(reached), 0) < position.OCTETS:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._dirty = True
        except OSError as error:
            self._counters.checkpoint_failures += 1
            self._counters.last_error = f"{position.NAME}: {error.strerror}"

    def sync(self) -> None:
        """Have it on the disk, if it has changed."""
        if self._file is None or not self._dirty:
            return
        self._dirty = False
        try:
            self._files.sync(self._file)
        except OSError as error:
            self._counters.sync_failures += 1
            self._counters.last_error = f"{position.NAME}: {error.strerror}"

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        try:
            return self._files.open(position.NAME, writing=True)
        except FileNotFoundError:
            return self._files.create(position.NAME)
