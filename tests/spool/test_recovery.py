# SPDX-License-Identifier: Apache-2.0
"""What may be in the directory of a spool when it is opened: none of it stops the start."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spanflow.exporting.counters import NOTHING, DropReason, Tally
from spanflow.exporting.spool.files import SpoolFiles
from spanflow.exporting.spool.frames import HEADER_OCTETS, parcel_frame_octets
from spanflow.exporting.spool.recovery import MOST_SET_ASIDE
from spanflow.exporting.spool.segments import MOST_SEGMENT_OCTETS
from spool.parcels import PREFACE, FaultyFiles, drain, open_spool, parcel, segments

FRAME_OCTETS = parcel_frame_octets(parcel(0))
PREFACE_OCTETS = HEADER_OCTETS + len(PREFACE)
FIRST, SECOND = PREFACE_OCTETS, 2 * PREFACE_OCTETS + FRAME_OCTETS
"""Where the first two parcels of a segment begin; between them is the preface again."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A spool with two segments of three parcels each: 0 to 5."""
    path = tmp_path / "spool"
    for first in (0, 3):
        spool = open_spool(path)
        for number in range(first, first + 3):
            spool.append(parcel(number))
        spool.close()
    assert len(segments(path)) == 2
    return path


def numbers(parcels: list[object]) -> list[int]:
    return [each.tally.records - 1 for each in parcels]  # type: ignore[attr-defined]


def change(path: Path, place: int, octets: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + len(octets)] = octets
    path.write_bytes(content)


def test_a_damaged_parcel_is_counted_with_its_records(directory: Path) -> None:
    change(segments(directory)[0], SECOND + HEADER_OCTETS + 9, b"?")
    spool = open_spool(directory)
    assert spool.recovered == sum((parcel(number).tally for number in range(6)), NOTHING)
    assert numbers(drain(spool)) == [0, 2, 3, 4, 5]
    assert spool.losses() == {DropReason.SPOOL_ERROR: parcel(1).tally}
    counters = spool.counters
    assert (counters.corrupt, counters.corrupt_parcels) == (parcel(1).tally, 1)
    assert counters.corrupt_octets == FRAME_OCTETS


def test_a_damaged_header_is_counted_in_octets(directory: Path) -> None:
    change(segments(directory)[0], SECOND + 30, b"?")
    spool = open_spool(directory)
    assert numbers(drain(spool)) == [0, 2, 3, 4, 5]
    assert (spool.losses(), spool.recovered.records) == ({}, 1 + 3 + 4 + 5 + 6)
    assert (spool.counters.corrupt_parcels, spool.counters.corrupt_octets) == (1, FRAME_OCTETS)


@pytest.mark.parametrize("place", [0, FIRST + FRAME_OCTETS])
def test_one_preface_may_be_damaged(directory: Path, place: int) -> None:
    change(segments(directory)[0], place + HEADER_OCTETS + 5, b"?")
    assert numbers(drain(open_spool(directory))) == [0, 1, 2, 3, 4, 5]


def test_without_any_preface_parcels_cannot_be_read(directory: Path) -> None:
    for place in (0, FIRST + FRAME_OCTETS):
        change(segments(directory)[0], place + HEADER_OCTETS + 5, b"?")
    spool = open_spool(directory)
    assert numbers(drain(spool)) == [3, 4, 5]
    assert spool.losses() == {DropReason.SPOOL_ERROR: Tally(6, 39, 3021)}


def test_a_torn_frame_is_cut_off_and_no_loss(directory: Path) -> None:
    path = segments(directory)[1]
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    spool = open_spool(directory)
    assert spool.counters.torn_octets == FRAME_OCTETS - 10
    assert (spool.counters.corrupt_octets, spool.losses()) == (0, {})
    assert path.stat().st_size == len(content) - FRAME_OCTETS
    assert numbers(drain(spool)) == [0, 1, 2, 3, 4]


Change = Callable[[Path], object]


def replaced_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def replaced_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replaced_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


UNREADABLE: list[tuple[str, Change]] = [
    ("noise", lambda path: path.write_bytes(os.urandom(500))),
    ("zeros", lambda path: path.write_bytes(bytes(5000))),
    ("text", lambda path: path.write_text("hello\n")),
    ("another version", lambda path: path.write_bytes(b"\xf5SPL\x02" + bytes(200))),
    ("too large", lambda path: os.truncate(path, MOST_SEGMENT_OCTETS + 1)),
    ("a symbolic link", replaced_by_link),
    ("a directory", replaced_by_directory),
    ("a FIFO", replaced_by_fifo),
]


@pytest.mark.parametrize(("name", "change_file"), UNREADABLE, ids=[name for name, _ in UNREADABLE])
def test_a_segment_with_nothing_to_read_is_set_aside(
    directory: Path, name: str, change_file: Change, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = Path("/etc/passwd").read_bytes()
    path = segments(directory)[0]
    change_file(path)
    spool = open_spool(directory)
    assert spool.counters.files_set_aside == 1
    assert [record.message for record in caplog.records] == ["spool is damaged"]
    assert numbers(drain(spool)) == [3, 4, 5]
    aside = path.with_suffix(".aside")
    # What is longer than a quarter of the spool may be is not kept.
    assert os.path.lexists(aside) == (name != "too large")
    assert spool.octets == (aside.stat(follow_symlinks=False).st_size if aside.is_file() else 0) or name == (
        "a symbolic link"
    )
    spool.close()
    assert Path("/etc/passwd").read_bytes() == passwords
    assert open_spool(directory).counters.files_set_aside == 0


def test_an_empty_segment_is_removed(directory: Path) -> None:
    os.truncate(segments(directory)[0], 0)
    spool = open_spool(directory)
    assert len(segments(directory)) == 1
    assert spool.counters.files_set_aside == 0


def test_few_files_are_kept_aside(directory: Path) -> None:
    for number in range(100, 120):
        (directory / f"{number:010d}-{bytes(8).hex()}.spool").write_text("noise")
    spool = open_spool(directory)
    assert spool.counters.files_set_aside == 20
    assert len(list(directory.glob("*.aside"))) == MOST_SET_ASIDE


def test_other_files_are_left_alone(directory: Path) -> None:
    others = ["README", "1-2.spool", "0000000001-xx.spool", ".hidden"]
    for name in others:
        (directory / name).write_text("mine")
    spool = open_spool(directory)
    assert spool.counters.foreign_files == len(others)
    assert numbers(drain(spool)) == [0, 1, 2, 3, 4, 5]
    assert all((directory / name).read_text() == "mine" for name in others)


def test_a_renamed_segment_is_not_read(directory: Path) -> None:
    """Its salt is in its name: so it cannot be exchanged for another either."""
    path = segments(directory)[0]
    path.rename(directory / f"{1:010d}-{bytes(8).hex()}.spool")
    spool = open_spool(directory)
    assert numbers(drain(spool)) == [3, 4, 5]
    assert spool.counters.files_set_aside == 1


# The position.


def delivered(directory: Path, count: int) -> None:
    spool = open_spool(directory)
    for _ in range(count):
        spool.take()
    spool.advance(count)
    spool.close()


def test_the_position_holds_across_starts(directory: Path) -> None:
    for left in (5, 4, 3, 2, 1, 0):
        delivered(directory, 1)
        spool = open_spool(directory)
        assert spool.parcels == left
        spool.close()
    assert segments(directory) == []


@pytest.mark.parametrize("content", [b"", b"noise", bytes(36), None])
def test_a_damaged_position(directory: Path, content: bytes | None) -> None:
    """What was delivered of one segment is delivered again, and said."""
    delivered(directory, 2)
    position = directory / "position"
    if content is None:
        position.unlink()
        position.symlink_to("/etc/passwd")
    else:
        position.write_bytes(content)
    spool = open_spool(directory)
    assert spool.counters.perhaps_twice == parcel(0).tally + parcel(1).tally + parcel(2).tally
    assert numbers(drain(spool)) == [0, 1, 2, 3, 4, 5]
    spool.close()
    assert open_spool(directory).counters.perhaps_twice == NOTHING


def test_a_segment_below_the_position_is_delivered(directory: Path) -> None:
    """As after a kill between the position and the removal."""
    path = segments(directory)[0]
    content = path.read_bytes()
    delivered(directory, 4)
    path.write_bytes(content)
    spool = open_spool(directory)
    assert numbers(drain(spool)) == [4, 5]


def test_numbers_are_not_used_again(directory: Path) -> None:
    """A position far ahead, with all segments gone, does not hide those that come."""
    delivered(directory, 6)
    spool = open_spool(directory)
    spool.append(parcel(7))
    spool.close()
    assert int(segments(directory)[0].name[:10]) == 3
    assert numbers(drain(open_spool(directory))) == [7]


def test_another_segment_with_the_number_of_the_position_is_not_delivered(directory: Path) -> None:
    delivered(directory, 1)
    path = segments(directory)[0]
    path.unlink()
    other = open_spool(directory.with_name("other"))
    other.append(parcel(8))
    other.close()
    (copied,) = segments(directory.with_name("other"))
    copied.rename(directory / copied.name)
    assert numbers(drain(open_spool(directory))) == [8, 3, 4, 5]


def test_a_file_that_disappears(directory: Path) -> None:
    spool = open_spool(directory)
    segments(directory)[0].unlink()
    assert numbers(drain(spool)) == [3, 4, 5]
    assert spool.losses() == {DropReason.SPOOL_ERROR: Tally(6, 39, 3021)}
    assert (spool.octets, spool.tally) == (0, NOTHING)


def test_a_file_that_cannot_be_opened_now_is_not_lost(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool(directory)
    opened = FaultyFiles.open

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("spanflow.exporting.spool.files.SpoolFiles.open", refuse)
    assert spool.take() is None
    assert (spool.parcels, spool.losses()) == (6, {})
    assert spool.counters.last_error.endswith(": Too many open files")
    monkeypatch.setattr("spanflow.exporting.spool.files.SpoolFiles.open", opened)
    assert numbers(drain(spool)) == [0, 1, 2, 3, 4, 5]


def test_a_file_that_cannot_be_opened_at_the_start_is_not_set_aside(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = FaultyFiles.open

    def refuse(files: SpoolFiles, name: str, *, writing: bool = False) -> int:
        if name.endswith(".spool"):
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(files, name, writing=writing)

    with monkeypatch.context() as patching:
        patching.setattr("spanflow.exporting.spool.files.SpoolFiles.open", refuse)
        with pytest.raises(OSError, match="Too many open files"):
            open_spool(directory)
    assert numbers(drain(open_spool(directory))) == [0, 1, 2, 3, 4, 5]
