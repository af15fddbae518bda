# SPDX-License-Identifier: Apache-2.0
"""Run as a program: a spool on a small file system of its own, in a mount namespace.

Arguments: a directory for it, and what is to happen to it. Exit code 77: namespaces are not permitted here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CLONE_NEWUSER, CLONE_NEWNS = 0x1000_0000, 0x0002_0000
MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 32, 0x4000, 0x4_0000
NOT_PERMITTED = 77

libc = ctypes.CDLL(None, use_errno=True)


def mount(target: Path, flags: int, options: bytes) -> None:
    """Mount a tmpfs, or change it."""
    if libc.mount(b"tmpfs", bytes(target), b"tmpfs", flags, options):
        sys.exit(NOT_PERMITTED)


def enter_namespace(target: Path) -> None:
    """Leave for a mount namespace with 128 KiB there."""
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWNS if user == 0 else CLONE_NEWUSER | CLONE_NEWNS):
        sys.exit(NOT_PERMITTED)
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    if libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        sys.exit(NOT_PERMITTED)
    mount(target, 0, b"size=128k")


def fails(number: int, function: Callable[..., object], *arguments: object) -> str:
    """The text of the OSError that this must raise."""
    with pytest.raises(OSError, match=re.escape(os.strerror(number)) + "|read-only") as caught:
        function(*arguments)
    assert caught.value.errno == number
    return str(caught.value)


def full(target: Path) -> None:
    """More parcels than there is room, while the spool may be larger than the disk."""
    from spanflow.exporting.spool.parcel import Parcel
    from spool.parcels import drain, open_spool, parcel

    spool = open_spool(target / "spool", segment_octets=16_384)
    kept: list[Parcel] = []

    def append() -> None:
        kept.append(parcel(len(kept), messages=40))
        spool.append(kept[-1])

    def append_all() -> None:
        while True:
            append()

    fails(errno.ENOSPC, append_all)
    new = kept.pop()
    assert len(kept) > 50
    for _ in range(3):
        fails(errno.ENOSPC, spool.append, new)
    assert spool.parcels == len(kept)
    spool.close()
    spool = open_spool(target / "spool", segment_octets=16_384)
    assert spool.parcels == len(kept)
    fails(errno.ENOSPC, spool.append, new)
    for number in range(25):
        stored = spool.take()
        assert stored is not None
        assert stored.parcel == kept[number]
        spool.advance(1)
    spool.append(new)
    assert drain(spool) == [*kept[25:], new]
    spool.close()


def read_only(target: Path) -> None:
    """What is open may still be read. What is not is not opened."""
    from spool.parcels import drain, open_spool, parcel

    spool = open_spool(target / "spool")
    for number in range(3):
        spool.append(parcel(number))
    spool.close()
    spool = open_spool(target / "spool")
    mount(target, MS_REMOUNT | MS_RDONLY, b"size=128k")
    for name in ("new", "spool/new"):
        text = fails(errno.EROFS, open_spool, target / name)
        assert text.endswith("the file system is read-only; set export.spool_directory"), text
    fails(errno.EROFS, spool.append, parcel(3))
    assert drain(spool) == [parcel(number) for number in range(3)]
    assert spool.counters.checkpoint_failures
    spool.close()
    fails(errno.EROFS, open_spool, target / "spool")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    enter_namespace(place)
    {"full": full, "read-only": read_only}[sys.argv[2]](place)
    print("ok")
