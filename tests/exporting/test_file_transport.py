# SPDX-License-Identifier: Apache-2.0
"""A file appears under its name when it is complete, holds whole Messages only, and replaces nothing."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exporting.clocks import FakeClock
from exporting.file_transports import CHILD, DAY, TIME, names, opened, partial, send
from exporting.ipfix_messages import numbered
from spanflow.exporting.transport.interface import Sent


class FullDisk:
    """Takes so many octets, and only some of each call; then there is no space left."""

    def __init__(self, octets: int, error: int = errno.ENOSPC) -> None:
        self.room = octets
        self.error = error

    def __call__(self, descriptor: int, octets: memoryview) -> int:
        if not self.room:
            raise OSError(self.error, os.strerror(self.error))
        taken = os.write(descriptor, octets[: min(self.room, 70)])
        self.room -= taken
        return taken


def test_appears_when_it_is_complete(tmp_path: Path) -> None:
    transport = opened(tmp_path / "flows.ipfix")
    assert names(tmp_path) == []
    assert send(transport, numbered(0), numbered(1)) is Sent.ALL
    assert send(transport, numbered(2, 4000)) is Sent.ALL
    assert names(tmp_path) == [".flows.ipfix.1800000000000000000.partial"]
    assert transport.finish(0.0)
    transport.close()
    assert names(tmp_path) == ["flows.ipfix"]
    path = tmp_path / "flows.ipfix"
    assert path.read_bytes() == numbered(0) + numbered(1) + numbered(2, 4000)
    assert path.stat().st_mode & 0o7137 == 0


def test_is_no_network(tmp_path: Path) -> None:
    transport = opened(tmp_path / "flows.ipfix")
    assert transport.flow is None
    assert (transport.reliable, transport.refusals, transport.path_mtu_changed) == (True, 0, False)
    assert transport.max_message_octets() == 65535
    assert transport.messages_per_call(65535) > 1
    assert transport.messages_per_call(20 << 20) == 1
    assert not transport.rotation_due


def test_nothing_sent_leaves_nothing(tmp_path: Path) -> None:
    transport = opened(tmp_path / "flows.ipfix")
    transport.notice()
    assert transport.finish(0.0)
    transport.close()
    assert names(tmp_path) == []


def complete_one(path: Path, clock: FakeClock | None = None, **options: Any) -> None:
    transport = opened(path, clock, **options)
    assert send(transport, numbered(0)) is Sent.ALL
    assert transport.finish(0.0)
    transport.close()


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        (
            "flows.ipfix",
            {},
            ["flows-20270115-080000-1.ipfix", "flows-20270115-080000.ipfix", "flows.ipfix"],
        ),
        ("%Y%m%d.ipfix", {}, ["20270115-1.ipfix", "20270115-2.ipfix", "20270115.ipfix"]),
        (
            "f.json",
            {"compression": "gzip"},
            ["f-20270115-080000-1.json.gz", "f-20270115-080000.json.gz", "f.json.gz"],
        ),
        ("f.gz", {"compression": "gzip"}, ["f-20270115-080000-1.gz", "f-20270115-080000.gz", "f.gz"]),
        ("flows", {}, ["flows", "flows-20270115-080000", "flows-20270115-080000-1"]),
        ("100%%", {}, ["100%", "100%-20270115-080000", "100%-20270115-080000-1"]),
    ],
)
def test_nothing_is_written_over(
    path: str, options: dict[str, str], expected: list[str], tmp_path: Path
) -> None:
    for _ in range(3):
        complete_one(tmp_path / path, **options)
    assert names(tmp_path) == expected


def test_pattern_is_the_time_of_the_begin(tmp_path: Path) -> None:
    """Also of directories, which are made; it is written above them."""
    clock = FakeClock()
    transport = opened(tmp_path / "%Y" / "%m" / "%d-%H%M%S-%j-%s.ipfix", clock)
    send(transport, numbered(0))
    assert len(names(tmp_path)) == 1
    clock.advance(86_400)
    assert transport.finish(0.0)
    assert names(tmp_path) == ["2027"]
    assert names(tmp_path / "2027" / "01") == ["15-080000-015-1800000000.ipfix"]


def test_file_that_came_meanwhile_stays(tmp_path: Path) -> None:
    transport = opened(tmp_path / "flows.ipfix")
    send(transport, numbered(0))
    (tmp_path / "flows.ipfix").write_text("another")
    (tmp_path / f"flows-{DAY}-{TIME}.ipfix").symlink_to("nowhere")
    assert transport.finish(0.0)
    assert (tmp_path / "flows.ipfix").read_text() == "another"
    assert (tmp_path / f"flows-{DAY}-{TIME}-1.ipfix").read_bytes() == numbered(0)


def test_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    for _ in range(2):
        complete_one(tmp_path / "%Y.ipfix")
    assert names(tmp_path) == ["2027-1.ipfix", "2027.ipfix"]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_rotation_is_due_by_size(compression: str, tmp_path: Path) -> None:
    """By that on the disk."""
    transport = opened(tmp_path / "f", rotate_octets=1000, compression=compression)
    sent = b""
    while not transport.rotation_due:
        message = os.urandom(97)
        assert send(transport, message) is Sent.ALL
        sent += message
        assert len(sent) < 1 << 20
    assert 1000 <= partial(tmp_path).stat().st_size <= len(sent) + 200
    assert compression == "gzip" or len(sent) < 1097


def test_rotation_is_due_by_age(tmp_path: Path) -> None:
    """From the first Message on, and also if nothing more comes."""
    clock = FakeClock()
    transport = opened(tmp_path / "f", clock, rotate_ns=60 * 10**9)
    clock.advance(100)
    assert not transport.rotation_due
    send(transport, numbered(0))
    clock.advance(59)
    assert not transport.rotation_due
    clock.advance(1)
    assert transport.rotation_due
    transport.finish(0.0)
    assert not transport.rotation_due


def test_no_rotation_unless_asked_for(tmp_path: Path) -> None:
    clock = FakeClock()
    transport = opened(tmp_path / "f", clock)
    send(transport, bytes(1 << 20))
    clock.advance(1e6)
    assert not transport.rotation_due


# gzip.


def test_gzip(tmp_path: Path) -> None:
    """What waits is not acknowledged; what is written is a whole file of gzip at every moment."""
    clock = FakeClock()
    transport = opened(tmp_path / "f", clock, compression="gzip")
    send(transport, numbered(0))
    transport.notice()
    assert transport.unacknowledged_octets() == 100
    clock.advance(0.1)
    transport.notice()
    assert transport.unacknowledged_octets() == 0
    assert gzip.decompress(partial(tmp_path).read_bytes()) == numbered(0)
    for number in range(1, 21):
        assert transport.unacknowledged_octets() == 100 * (number - 1)
        send(transport, numbered(number))
        clock.advance(0.05)
        transport.notice()
        if number < 20:
            assert transport.unacknowledged_octets() == 100 * number
    assert transport.unacknowledged_octets() == 0
    send(transport, numbered(21))
    assert transport.finish(0.0)
    assert transport.unacknowledged_octets() == 0
    expected = b"".join(numbered(number) for number in range(22))
    assert gzip.decompress((tmp_path / "f.gz").read_bytes()) == expected
    done = subprocess.run(["gzip", "-dc", tmp_path / "f.gz"], capture_output=True, check=True, timeout=60)
    assert done.stdout == expected


def test_gzip_of_much_does_not_wait(tmp_path: Path) -> None:
    transport = opened(tmp_path / "f", compression="gzip")
    for number in range(20):
        send(transport, numbered(number, 60_000))
        assert transport.unacknowledged_octets() < 1 << 18
    assert transport.finish(0.0)
    expected = b"".join(numbered(number, 60_000) for number in range(20))
    assert gzip.decompress((tmp_path / "f.gz").read_bytes()) == expected


def test_gzip_gives_up_what_is_not_acknowledged(tmp_path: Path) -> None:
    """close() without finish(): the owner will send it again into the next file."""
    clock = FakeClock()
    transport = opened(tmp_path / "f", clock, compression="gzip")
    send(transport, numbered(0))
    clock.advance(1)
    transport.notice()
    send(transport, numbered(1))
    transport.close()
    assert transport.unacknowledged_octets() == 100
    assert gzip.decompress((tmp_path / "f.gz").read_bytes()) == numbered(0)


# Failures.


@pytest.mark.parametrize("room", [*range(200, 300, 9), 299])
def test_full_disk(room: int, tmp_path: Path) -> None:
    """No Message is cut short, and the next file is whole again."""
    disk = FullDisk(room)
    transport = opened(tmp_path / "f.ipfix", write=disk)
    assert send(transport, numbered(0), numbered(1)) is Sent.ALL
    assert send(transport, numbered(2)) is Sent.NONE_FAILED
    assert transport.last_error == f"{tmp_path}/f.ipfix: no space left on device; make room"
    assert transport.ended == transport.last_error
    assert partial(tmp_path).read_bytes() == numbered(0) + numbered(1)
    disk.room = 1000
    assert send(transport, numbered(2)) is Sent.NONE_FAILED
    transport.close()
    assert (tmp_path / "f.ipfix").read_bytes() == numbered(0) + numbered(1)
    complete_one(tmp_path / "f.ipfix", write=disk)
    assert names(tmp_path) == [f"f-{DAY}-{TIME}.ipfix", "f.ipfix"]


@pytest.mark.parametrize("room", [0, 1, 50])
def test_disk_that_is_full_from_the_begin(room: int, tmp_path: Path) -> None:
    transport = opened(tmp_path / "f", write=FullDisk(room))
    assert send(transport, numbered(0)) is Sent.NONE_FAILED
    transport.close()
    assert names(tmp_path) == []


@pytest.mark.parametrize("room", [0, 1, 100])
def test_full_disk_and_gzip(room: int, tmp_path: Path) -> None:
    """It shows late; but what was not written was never acknowledged."""
    clock, disk = FakeClock(), FullDisk(1000)
    transport = opened(tmp_path / "f", clock, compression="gzip", write=disk)
    send(transport, numbered(0))
    clock.advance(1)
    transport.notice()
    disk.room = room
    assert send(transport, os.urandom(500)) is Sent.ALL
    clock.advance(1)
    transport.notice()
    assert "no space left" in transport.ended
    assert transport.unacknowledged_octets() == 500
    disk.room = 1000
    assert send(transport, numbered(2)) is Sent.NONE_FAILED
    assert not transport.finish(0.0)
    assert transport.unacknowledged_octets() == 500
    assert gzip.decompress((tmp_path / "f.gz").read_bytes()) == numbered(0)


def test_full_disk_in_the_call_that_compresses(tmp_path: Path) -> None:
    """The Messages of this call are failed, those of earlier calls are not acknowledged."""
    transport = opened(tmp_path / "f", compression="gzip", write=FullDisk(100))
    assert send(transport, os.urandom(200_000)) is Sent.ALL
    assert send(transport, os.urandom(100_000)) is Sent.NONE_FAILED
    assert transport.unacknowledged_octets() == 200_000
    transport.close()
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errno.EIO, "input/output error; look at the disk"),
        (errno.EDQUOT, "disk quota exceeded; make room, or raise the quota"),
        (errno.EROFS, "read-only file system; name a directory that can be written to"),
    ],
)
def test_what_to_do(error: int, text: str, tmp_path: Path) -> None:
    transport = opened(tmp_path / "f", write=FullDisk(0, error))
    assert send(transport, numbered(0)) is Sent.NONE_FAILED
    assert transport.last_error == f"{tmp_path}/f: {text}"


def test_limit_of_the_system() -> None:
    """RLIMIT_FSIZE, in a process of its own: the system takes a part of a Message, which is cut off again."""
    done = subprocess.run(
        [sys.executable, CHILD, "limited"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=rf"^{tmp_path}/no: no such file or directory; make the directory$"):
        opened(tmp_path / "no" / "f")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"/file: not a directory; name a directory that is one$"):
        opened(tmp_path / "file" / "f")
    with pytest.raises(OSError, match=r"/%Q.ipfix: %Q is no part of a time; use %Y, .* or %% for a percent"):
        opened(tmp_path / "%Q.ipfix")


def test_directory_goes_away(tmp_path: Path) -> None:
    directory = tmp_path / "flows"
    directory.mkdir()
    transport = opened(directory / "f")
    directory.rmdir()
    assert send(transport, numbered(0)) is Sent.NONE_FAILED
    assert "make the directory" in transport.last_error


def test_directory_of_others() -> None:
    """In a process of its own, which is not root."""
    done = subprocess.run(
        [sys.executable, CHILD, "not permitted"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_file_is_removed_while_it_is_written(tmp_path: Path) -> None:
    """Else all that comes would be lost in silence."""
    transport = opened(tmp_path / "f")
    send(transport, numbered(0))
    partial(tmp_path).unlink()
    transport.notice()
    assert transport.ended.endswith(
        "/f: removed while it was written; leave files that end in .partial alone"
    )
    assert send(transport, numbered(1)) is Sent.NONE_FAILED
    transport.close()
    assert names(tmp_path) == []


def test_disk_that_fails_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be completed keeps its temporary name, for the next one to complete."""

    def no_sync(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    transport = opened(tmp_path / "f")
    send(transport, numbered(0))
    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", no_sync)
        assert not transport.finish(0.0)
    assert transport.last_error.endswith("/f: input/output error; look at the disk")
    assert not (tmp_path / "f").exists()
    assert opened(tmp_path / "f").recovery.files == 1
    assert (tmp_path / "f").read_bytes() == numbered(0)
