# SPDX-License-Identifier: Apache-2.0
"""Disks that are full, fail, or may not be written: what was taken is kept, what was refused is not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from exporting.clocks import FakeClock
from spanflow.exporting.counters import NOTHING
from spanflow.exporting.spool.parcel import Parcel
from spanflow.exporting.spool.store import Spool
from spool.parcels import FaultyFiles, drain, open_spool, parcel, segments

CHILD = Path(__file__).with_name("full_disk_child.py")
NOT_PERMITTED = 77

ERRORS = [errno.ENOSPC, errno.EIO]


class Failing:
    """Fails a disk step by its number, and so many after it."""

    def __init__(self, first: int, count: int, error: int) -> None:
        self.left = first
        self.count = count
        self.error = error
        self.failed: list[str] = []

    def __call__(self, step: str) -> None:
        self.left -= 1
        if self.left < 0 and len(self.failed) < self.count:
            self.failed.append(step)
            raise OSError(self.error, os.strerror(self.error))


def use(directory: Path, failing: Failing) -> tuple[list[Parcel], list[Parcel]]:
    """Append, take and deliver; what must be in the spool at the end, and what may."""

    def opened() -> Spool:
        return open_spool(
            directory,
            FakeClock(),
            segment_octets=400,
            open_files=lambda path: FaultyFiles(path, failing),
        )

    if not failing.left:
        # The position, which is not there, cannot be put aside.
        with pytest.raises(OSError, match=str(directory)):
            opened()
        assert failing.failed == ["rename"]
        failing.count = 0
    spool = opened()
    inside: list[Parcel] = []
    delivered: list[Parcel] = []
    for number in range(20):
        with suppress(OSError):
            spool.append(parcel(number))
            inside.append(parcel(number))
        if number % 4 == 3:
            stored = spool.take()
            assert stored is not None
            assert stored.parcel == inside[0]
            spool.advance(1)
            delivered.append(inside.pop(0))
        spool.sync_if_due()
    assert spool.tally == sum((each.tally for each in inside), NOTHING)
    assert spool.losses() == {}
    assert 20 - len(inside) - len(delivered) <= len(failing.failed), "what failed is all that was refused"
    failures = spool.counters.checkpoint_failures
    spool.close()
    return inside, delivered if failures else []


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("count", [1, 3])
def test_every_step_fails_once(tmp_path: Path, error: int, count: int) -> None:
    number = 0
    while True:
        failing = Failing(number, count, error)
        directory = tmp_path / str(number)
        inside, again = use(directory, failing)
        if not failing.failed:
            break
        spool = open_spool(directory)
        assert spool.counters.corrupt_octets == 0
        found = drain(spool)
        assert found[len(found) - len(inside) :] == inside
        assert all(each in again for each in found[: len(found) - len(inside)])
        spool.close()
        number += 1
    assert number > 50, "steps"


def test_a_failed_append_leaves_nothing(tmp_path: Path) -> None:
    """Also where its torn octets cannot be removed: the segment that they are at the end of is left then."""
    failing = Failing(1000, 0, errno.ENOSPC)
    spool = open_spool(tmp_path / "spool", open_files=lambda path: FaultyFiles(path, failing))
    spool.append(parcel(0))
    size = segments(tmp_path / "spool")[0].stat().st_size
    for first in (0, 1):
        failing.left, failing.count, failing.failed = first, 1, []
        with pytest.raises(OSError, match="No space left"):
            spool.append(parcel(1))
        assert segments(tmp_path / "spool")[0].stat().st_size == size
    failing.left, failing.count, failing.failed = 1, 2, []
    with pytest.raises(OSError, match="No space left"):
        spool.append(parcel(1))
    assert failing.failed == ["write", "truncate"]
    assert segments(tmp_path / "spool")[0].stat().st_size > size
    spool.append(parcel(2))
    assert len(segments(tmp_path / "spool")) == 2
    assert spool.octets == sum(path.stat().st_size for path in segments(tmp_path / "spool"))
    assert drain(spool) == [parcel(0), parcel(2)]


def test_a_sync_that_fails_is_counted(tmp_path: Path) -> None:
    failing = Failing(1000, 0, errno.EIO)
    clock = FakeClock()
    spool = open_spool(tmp_path / "spool", clock, open_files=lambda path: FaultyFiles(path, failing))
    spool.append(parcel(0))
    failing.left, failing.count = 0, 1
    clock.advance(1)
    spool.sync_if_due()
    assert spool.counters.sync_failures == 1
    assert drain(spool) == [parcel(0)]


def run_child(directory: Path, *arguments: str) -> str:
    paths = os.pathsep.join(path for path in sys.path if path)
    command: Sequence[str | Path] = [sys.executable, CHILD, directory, *arguments]
    done = subprocess.run(
        command, capture_output=True, env=os.environ | {"PYTHONPATH": paths}, timeout=60, check=False
    )
    if done.returncode == NOT_PERMITTED:
        pytest.skip("mount namespaces are not permitted here")
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    assert run_child(tmp_path, "full") == "ok\n"


def test_a_disk_that_becomes_read_only(tmp_path: Path) -> None:
    assert run_child(tmp_path, "read-only") == "ok\n"


def test_what_cannot_be_removed_is_kept(tmp_path: Path) -> None:
    """On a file system that has become read-only nothing would be won by dropping it."""
    failing = Failing(1000, 0, errno.EROFS)
    directory = tmp_path / "spool"
    spool = open_spool(directory, max_octets=4000, open_files=lambda path: FaultyFiles(path, failing))
    inside = []
    while not spool.losses():  # until it is full
        inside.append(parcel(len(inside)))
        spool.append(inside[-1])
    inside = inside[-spool.parcels :]
    failing.left, failing.count = 0, 1 << 20
    with suppress(OSError):
        spool.append(parcel(7, octets=480))
    assert "unlink" in failing.failed
    assert spool.losses() == {}
    assert spool.tally == sum((each.tally for each in inside), NOTHING)
    failing.count = 0
    assert drain(spool) == inside


def test_a_segment_whose_close_fails_is_closed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = open_spool(tmp_path / "spool", segment_octets=100)
    spool.append(parcel(0))
    closed: list[int] = []
    close = os.close

    def fail(descriptor: int) -> None:
        close(descriptor)
        closed.append(descriptor)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patching:
        patching.setattr("spanflow.exporting.spool.writing.os.close", fail)
        spool.append(parcel(1))
    assert len(closed) == 1
    spool.sync_if_due()
    spool.append(parcel(2))
    assert drain(spool) == [parcel(0), parcel(1), parcel(2)]
