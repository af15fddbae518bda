# SPDX-License-Identifier: Apache-2.0
"""Messages into a file (RFC 5655), or lines: one transport is one file, and so one Transport Session.

A file holds all that is needed to read it: the Templates come first, and sequence numbers begin at 0. It is
written as `.NAME.TIME.partial`, and gets its name when it is complete. When it is full by size or by age
(`rotation_due`), and after every failure, its owner ends it and begins another one.
"""

from __future__ import annotations

import errno
import logging
import os
import zlib

from spanflow.exporting.clock import Clock
from spanflow.exporting.ipfix import LONGEST_MESSAGE
from spanflow.exporting.transport.file_framing import GZIP_BITS, Framing
from spanflow.exporting.transport.file_names import FileNames, problem_of
from spanflow.exporting.transport.file_recovery import recover
from spanflow.exporting.transport.growing_file import GrowingFile, Write, failure
from spanflow.exporting.transport.interface import LocalFlow, Sent, Wait

log = logging.getLogger(__name__)

_MOST_OCTETS_PER_CALL = 1 << 20

_MEMBER_OCTETS = 1 << 18
_MEMBER_NS = 1_000_000_000
_IDLE_NS = 100_000_000
"""Messages wait for so many, so long, or so long for another one, and are compressed together."""
_GZIP_LEVEL = 3
"""Level 6 takes twice as long and saves a tenth: one thread would not follow a busy probe."""


class FileTransport:
    """One file for one session (see `Transport`). Raises OSError, one line, if there can be none at `path`.

    The file is made by the first Message. What killed processes have left of `path` is completed before.
    path: absolute, may be a pattern (see `file_names`); nothing that is there is written over.
    rotate_octets: of the file as it is on the disk; rotate_ns: since its first Message; 0: no bound.
    compression: "none"; "gzip": Messages wait to be compressed together, and are not acknowledged meanwhile.
    write: as os.write. recovery: what was left over.
    """

    flow: LocalFlow | None = None
    reliable = True
    refusals = 0
    path_mtu_changed = False

    def __init__(
        self,
        path: str,
        wait: Wait,
        *,
        clock: Clock,
        framing: Framing = Framing.MESSAGES,
        rotate_octets: int = 0,
        rotate_ns: int = 0,
        compression: str = "none",
        write: Write = os.write,
    ) -> None:
        self.ended = ""
        self.last_error = ""
        self._clock = clock
        self._rotate_octets = rotate_octets
        self._rotate_ns = rotate_ns
        self._compressed = compression == "gzip"
        self._write = write
        self._file: GrowingFile | None = None
        self._begun_ns = self._waiting_ns = self._sent_ns = 0
        self._waiting = bytearray()
        problem = problem_of(path)
        if problem:
            raise OSError(f"{path}: {problem}")
        self._names = FileNames(path)
        try:
            _check_directory(self._names.directory)
            self.recovery = recover(self._names, framing, wait)
        except OSError as error:
            raise failure(self._names.directory, error) from error

    @property
    def rotation_due(self) -> bool:
        """Whether the file is full, and the next Message belongs into another one."""
        if self._file is None:
            return False
        age_ns = self._clock.monotonic_ns() - self._begun_ns
        return bool(
            (self._rotate_octets and self._file.octets >= self._rotate_octets)
            or (self._rotate_ns and age_ns >= self._rotate_ns)
        )

    def max_message_octets(self) -> int:
        """All that IPFIX has."""
        return LONGEST_MESSAGE

    def messages_per_call(self, message_octets: int) -> int:
        """How many Messages of this length `send` takes at once."""
        return max(1, _MOST_OCTETS_PER_CALL // message_octets)

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        """Write whole Messages or lines, one after the other. After a failure nothing more is taken."""
        if self.ended:
            return Sent.NONE_FAILED
        now, waiting = self._clock.monotonic_ns(), len(self._waiting)
        try:
            if self._file is None:
                self._file = GrowingFile.create(
                    self._names, self._clock.wall_ns(), compressed=self._compressed
                )
                self._begun_ns = now
            if not self._compressed:
                self._file.append(octets, self._write)
                return Sent.ALL
            self._sent_ns = now
            if not waiting:
                self._waiting_ns = now
            self._waiting += octets
            if len(self._waiting) >= _MEMBER_OCTETS:
                self._write_member(self._file)
        except OSError as error:
            del self._waiting[waiting:]
            self._fail(error)
            return Sent.NONE_FAILED
        return Sent.ALL

    def notice(self) -> None:
        """Write what has waited long enough; look whether the file is still there."""
        if self._file is None or self.ended:
            return
        now = self._clock.monotonic_ns()
        try:
            if not self._file.links:
                self._lose_file(self._file)
            elif now - self._waiting_ns >= _MEMBER_NS or now - self._sent_ns >= _IDLE_NS:
                self._write_member(self._file)
        except OSError as error:
            self._fail(error)

    def unacknowledged_octets(self) -> int:
        """Octets of Messages that wait to be compressed."""
        return len(self._waiting)

    def finish(self, timeout_s: float) -> bool:
        """Write all and complete the file; false if it could not be done (`last_error`)."""
        try:
            if self._file is not None and not self.ended:
                self._write_member(self._file)
        except OSError as error:
            self._fail(error)
        return self._complete() and not self.ended

    def close(self) -> None:
        """Complete the file, without what is not acknowledged."""
        self._complete()

    def _write_member(self, file: GrowingFile) -> None:
        """Compress what waits, as a member of its own (RFC 1952): so the file is whole after each."""
        if self._waiting:
            member = zlib.compress(self._waiting, _GZIP_LEVEL, GZIP_BITS)
            file.append(memoryview(member), self._write)
            self._waiting.clear()

    def _complete(self) -> bool:
        file, self._file = self._file, None
        if file is None:
            return True
        try:
            file.complete()
        except OSError as error:
            self.last_error = str(failure(self._names.path, error))
            log.warning("file not completed", extra={"error": self.last_error})
            return False
        return True

    def _lose_file(self, file: GrowingFile) -> None:
        """Nobody will ever see what is in it."""
        file.abandon()
        self._file = None
        self.ended = self.last_error = (
            f"{self._names.path}: removed while it was written; leave files that end in .partial alone"
        )

    def _fail(self, error: OSError) -> None:
        self.ended = self.last_error = str(failure(self._names.path, error))


def _check_directory(directory: str) -> None:
    """Raises OSError if no file can be made there."""
    os.close(os.open(directory, os.O_RDONLY | os.O_DIRECTORY))
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
        read_only = os.statvfs(directory).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise OSError(number, os.strerror(number))
