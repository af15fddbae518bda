# SPDX-License-Identifier: Apache-2.0
"""A file that is written under a temporary name, and gets its own when it is complete.

A crash at any point leaves the temporary file, or the complete one, or two names of the complete one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from spanflow.exporting.transport.file_names import FileNames

Write = Callable[[int, memoryview], int]
"""As os.write."""

_MODE = 0o640
_DIRECTORY_MODE = 0o750
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""How a file system says that it has no hard links."""

_ADVICE = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room, or raise the quota",
    errno.EFBIG: "raise the limit of the size of files, or rotate at a smaller rotate_size",
    errno.EACCES: "let this user make and rename files there",
    errno.EPERM: "let this user make and rename files there",
    errno.EROFS: "name a directory that can be written to",
    errno.ENOENT: "make the directory",
    errno.ENOTDIR: "name a directory that is one",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.EEXIST: "move these files away, or have the time in PATH (%Y%m%d-%H%M%S)",
}


def failure(path: str, error: OSError) -> OSError:
    """The error as one line: where, what, what to do."""
    number = error.errno or errno.EIO
    return OSError(f"{path}: {os.strerror(number).lower()}; {_ADVICE.get(number, 'look at the disk')}")


class GrowingFile:
    """One file. Raises OSError as it comes from the system.

    It is locked while it is open, so that nobody takes it for one that a killed process left.
    octets: of what is written and whole.
    """

    def __init__(self, names: FileNames, descriptor: int, begin_ns: int, *, compressed: bool) -> None:
        self.octets = os.fstat(descriptor).st_size
        self._names = names
        self._descriptor = descriptor
        self._begin_ns = begin_ns
        self._compressed = compressed
        self._temporary = os.path.join(names.directory, names.temporary(begin_ns, compressed=compressed))

    @classmethod
    def create(cls, names: FileNames, begin_ns: int, *, compressed: bool) -> GrowingFile:
        """An empty file that begins at this time (ns since the Unix epoch), or as soon after as is free."""
        while True:
            path = os.path.join(names.directory, names.temporary(begin_ns, compressed=compressed))
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
            except FileExistsError:
                begin_ns += 1
                continue
            # Where there are no locks, nobody else takes such a file either.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(names, descriptor, begin_ns, compressed=compressed)

    @classmethod
    def left_over(cls, names: FileNames, temporary: str) -> GrowingFile | None:
        """One that a killed process has left; None if it is somebody else's, or is being written."""
        begin_ns = names.begin_of(temporary)
        if begin_ns is None:
            return None
        path = os.path.join(names.directory, temporary)
        try:
            if not _is_ours(os.lstat(path)):
                return None
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(descriptor)
            # Who had the lock may have completed it meanwhile.
            if _is_ours(found) and os.path.samestat(found, os.lstat(path)):
                compressed = temporary == names.temporary(begin_ns, compressed=True)
                return cls(names, descriptor, begin_ns, compressed=compressed)
        except (BlockingIOError, FileNotFoundError):
            pass
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    @property
    def links(self) -> int:
        """How many names it has: 0 when somebody has removed it, 2 when complete() was killed at its end."""
        return os.fstat(self._descriptor).st_nlink

    def read(self, offset: int, octets: int) -> bytes:
        """So many octets from there; fewer at the end."""
        return os.pread(self._descriptor, octets, offset)

    def append(self, octets: memoryview, write: Write = os.write) -> None:
        """Write all of it, or, with an OSError, nothing."""
        written = 0
        try:
            while written < len(octets):
                taken = write(self._descriptor, octets[written:])
                if not taken:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                written += taken
        except OSError:
            # Otherwise complete() tries again, and whoever recovers the file sees where it is torn.
            with suppress(OSError):
                self.cut(self.octets)
            raise
        self.octets += written

    def cut(self, octets: int) -> None:
        """Leave only so many octets."""
        self.octets = octets
        os.ftruncate(self._descriptor, octets)
        os.lseek(self._descriptor, octets, os.SEEK_SET)

    def abandon(self) -> None:
        """Close it as it is."""
        os.close(self._descriptor)

    def complete(self) -> str | None:
        """Have it on the disk under its own name, which is given back; None: it was empty, and is removed.

        It is closed in any case. After an OSError the temporary file is left, for the next recovery.
        """
        try:
            if not self.octets:
                os.unlink(self._temporary)
                return None
            if os.fstat(self._descriptor).st_size != self.octets:
                self.cut(self.octets)
            os.fsync(self._descriptor)
            return self._take_name()
        finally:
            os.close(self._descriptor)

    def _take_name(self) -> str:
        for path in self._names.finals(self._begin_ns, compressed=self._compressed):
            self._make_directories(os.path.dirname(path))
            if self._rename(path):
                _sync_directory(os.path.dirname(path))
                _sync_directory(self._names.directory)
                return path
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _rename(self, path: str) -> bool:
        """Give it this name, in one step; false if there is such a file already, which stays as it is."""
        # rename() would replace a file that is there.
        try:
            os.link(self._temporary, path, follow_symlinks=False)
        except FileExistsError:
            # The same file: killed after the step above, before the one below.
            if not os.path.samestat(os.lstat(path), os.fstat(self._descriptor)):
                return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(path):
                return False
            os.rename(self._temporary, path)
            return True
        os.unlink(self._temporary)
        return True

    def _make_directories(self, directory: str) -> None:
        """Those that a pattern in PATH names."""
        above = self._names.directory
        for part in os.path.relpath(directory, above).split("/"):
            if part != ".":
                below = os.path.join(above, part)
                with suppress(FileExistsError):
                    os.mkdir(below, _DIRECTORY_MODE)
                    _sync_directory(above)
                above = below


def _is_ours(found: os.stat_result) -> bool:
    """Whether it is a regular file of this user."""
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
