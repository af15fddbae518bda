# SPDX-License-Identifier: Apache-2.0
"""The directory of a spool, and all that is done to it: one method for each system call that changes it.

Everything is relative to the opened directory and follows no symbolic link in it, so that nobody can have
another file read, written or removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

PASSES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Why a file cannot be opened now, but later. With any other reason it is lost."""

_SAFE = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_READ_ONLY = "the file system is read-only; set export.spool_directory"
_NO_DIRECTORY = "is no directory (a symbolic link to one is none either); remove it, or name another"


class SpoolFiles:
    """The locked directory of one spool. Raises OSError with one line if it cannot be used.

    It is made if it is missing, with the one above it. reading: another user's directory may be looked at by
    root, nothing is made, and nothing is locked.
    """

    def __init__(self, directory: Path, *, reading: bool = False) -> None:
        self.directory = directory
        if not reading:
            _make(directory)
        try:
            self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | _SAFE)
        except OSError as error:
            raise _unusable(directory, error) from error
        try:
            self._check(reading)
            if not reading:
                self._lock()
        except OSError:
            os.close(self._directory)
            raise

    def close(self) -> None:
        """Give the directory back, and with it the lock."""
        os.close(self._directory)

    # Looking.

    def names(self) -> list[str]:
        """What is in the directory."""
        return os.listdir(self._directory)

    def size(self, name: str) -> int:
        """Octets of a regular file. Raises OSError if it is none."""
        found = os.stat(name, dir_fd=self._directory, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        return found.st_size

    def open(self, name: str, *, writing: bool = False) -> int:
        """Open a regular file. Raises OSError, also if it is none."""
        file = os.open(name, (os.O_RDWR if writing else os.O_RDONLY) | _SAFE, dir_fd=self._directory)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise OSError(errno.EINVAL, "no regular file")
        return file

    def read(self, file: int, offset: int, octets: int) -> bytes:
        """So many octets from there; fewer at the end of the file."""
        pieces = []
        while octets and (piece := os.pread(file, octets, offset)):
            pieces.append(piece)
            offset, octets = offset + len(piece), octets - len(piece)
        return b"".join(pieces)

    # Changing.

    def create(self, name: str) -> int:
        """A new file, for reading and writing; fails if there is one of this name."""
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE, 0o600, dir_fd=self._directory)

    def write(self, file: int, octets: bytes | memoryview, offset: int) -> int:
        """One call of the system; returns how many octets it took."""
        return os.pwrite(file, octets, offset)

    def truncate(self, file: int, octets: int) -> None:
        """Cut a file to this length."""
        os.ftruncate(file, octets)

    def sync(self, file: int) -> None:
        """Wait until the content of a file is on the disk."""
        os.fdatasync(file)

    def sync_directory(self) -> None:
        """Wait until the names of files are on the disk."""
        os.fsync(self._directory)

    def unlink(self, name: str) -> None:
        """Remove a file."""
        os.unlink(name, dir_fd=self._directory)

    def rename(self, name: str, new_name: str) -> None:
        """Rename a file; replaces one that has the new name."""
        os.rename(name, new_name, src_dir_fd=self._directory, dst_dir_fd=self._directory)

    # Who may, and who does.

    def _check(self, reading: bool) -> None:
        found, user = os.fstat(self._directory), os.geteuid()
        if found.st_uid != user and not (reading and user == 0):
            raise PermissionError(
                errno.EPERM,
                f"{self.directory}: belongs to user {found.st_uid}, not to {user}; run as that user",
            )
        if found.st_mode & _OTHERS_WRITE:
            mode = stat.S_IMODE(found.st_mode)
            raise PermissionError(
                errno.EPERM, f"{self.directory}: others may write there (mode {mode:04o}); chmod 700 it"
            )
        if reading:
            return
        if os.fstatvfs(self._directory).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, f"{self.directory}: {_READ_ONLY}")
        if stat.S_IMODE(found.st_mode) != 0o700:
            os.fchmod(self._directory, 0o700)

    def _lock(self) -> None:
        # The directory itself: a file for the lock could be removed or exchanged while it is held.
        try:
            fcntl.flock(self._directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(
                errno.EBUSY,
                f"{self.directory}: in use by {self.holder() or 'another process'}; stop that one first",
            ) from error
        except OSError as error:
            raise OSError(error.errno, f"{self.directory}: cannot be locked: {error.strerror}") from error

    def holder(self) -> str:
        """The process that has the lock, in words, as far as the kernel tells; empty if there is none.

        /proc/locks has lines such as `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`.
        """
        inode = str(os.fstat(self._directory).st_ino)
        try:
            locks = Path("/proc/locks").read_text()
        except OSError:
            return "another process"
        for line in map(str.split, locks.splitlines()):
            # A process that waits for the lock has a `->` before the kind.
            if len(line) > 5 and line[1] == "FLOCK" and line[5].rpartition(":")[2] == inode:
                # One of another container has no number here: 0 or -1.
                return f"process {line[4]}" if line[4].isdecimal() and line[4] != "0" else "another process"
        return ""


def _make(directory: Path) -> None:
    for each in (directory.parent, directory):
        try:
            os.mkdir(each, 0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise _unusable(each, error) from error


def _unusable(directory: Path, error: OSError) -> OSError:
    reasons = {
        errno.ELOOP: _NO_DIRECTORY,
        errno.ENOTDIR: _NO_DIRECTORY,
        errno.ENOENT: "there is no such directory; make it, or set export.spool_directory",
        errno.EACCES: "not permitted; let this user make and open it",
        errno.EROFS: _READ_ONLY,
    }
    text = reasons.get(error.errno or 0, f"{error.strerror or error}; set export.spool_directory")
    return OSError(error.errno, f"{directory}: {text}")
