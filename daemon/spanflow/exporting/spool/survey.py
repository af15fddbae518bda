# SPDX-License-Identifier: Apache-2.0
"""A look at a spool from outside, also while a process uses it; and its removal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spanflow.exporting.counters import NOTHING, Tally
from spanflow.exporting.spool import position
from spanflow.exporting.spool.files import SpoolFiles
from spanflow.exporting.spool.frames import Frame, Kind, read_payload
from spanflow.exporting.spool.position import Position
from spanflow.exporting.spool.recovery import Content, read_content, read_position
from spanflow.exporting.spool.segments import MOST_SEGMENT_OCTETS, Segment, reader, segment_named


@dataclass(slots=True)
class Survey:
    """What is in a spool and not delivered yet.

    holder: who uses it; empty: nobody. octets: on disk, with what is damaged. oldest_ns: since the Unix
    epoch, None without a parcel. problems: each with the file that it is in.
    """

    directory: Path
    holder: str = ""
    segments: int = 0
    parcels: int = 0
    tally: Tally = NOTHING
    octets: int = 0
    oldest_ns: int | None = None
    problems: list[str] = field(default_factory=list)


def survey(directory: Path, *, thorough: bool = False) -> Survey:
    """Look through a spool. Raises OSError, one line, if there is none.

    thorough: read all payloads as well, not only what lies around them. Changes nothing.
    """
    files = SpoolFiles(directory, reading=True)
    try:
        found = Survey(directory, holder=files.holder())
        names = sorted(files.names())
        reached = read_position(files)
        if reached is None and position.NAME in names:
            found.problems.append(f"{position.NAME}: damaged; what was delivered may be sent again")
        for name in names:
            named = segment_named(name)
            if named is None:
                if name.removesuffix(".aside") != position.NAME:
                    found.problems.append(f"{name}: not of a spool; remove it")
            elif named[1]:
                found.problems.append(f"{name}: set aside, as nothing in it could be read; remove it")
            elif reached is None or named[0].number >= reached.number:
                _look_at(files, named[0], reached, thorough, found)
        return found
    finally:
        files.close()


def remove_all(directory: Path) -> None:
    """Remove all that a spool consists of. Raises OSError, also if somebody uses it."""
    files = SpoolFiles(directory)
    try:
        for name in sorted(files.names()):
            if segment_named(name) is not None or name.removesuffix(".aside") == position.NAME:
                _remove(files, name)
    finally:
        files.close()


def _remove(files: SpoolFiles, name: str) -> None:
    try:
        files.unlink(name)
    except OSError as error:
        raise OSError(
            error.errno, f"{files.directory}/{name}: {error.strerror}; remove it by hand"
        ) from error


def _look_at(
    files: SpoolFiles, segment: Segment, reached: Position | None, thorough: bool, found: Survey
) -> None:
    try:
        segment.octets = files.size(segment.name)
        file = files.open(segment.name)
    except FileNotFoundError:
        # Delivered in this moment.
        return
    except OSError as error:
        found.problems.append(f"{segment.name}: {error.strerror}; it will be set aside")
        return
    try:
        found.segments += 1
        found.octets += segment.octets
        if segment.octets > MOST_SEGMENT_OCTETS:
            found.problems.append(f"{segment.name}: too large for a segment; it will be set aside")
            return
        content = read_content(files, file, segment)
        is_here = reached is not None and (reached.number, reached.salt) == (segment.number, segment.salt)
        delivered = reached.offset if reached is not None and is_here else 0
        waiting = [
            frame for frame in content.frames if frame.kind is Kind.PARCEL and frame.start >= delivered
        ]
        found.parcels += len(waiting)
        found.tally += sum((frame.tally for frame in waiting), NOTHING)
        if waiting and found.oldest_ns is None:
            found.oldest_ns = waiting[0].wall_ns
        found.problems += _damage(segment, content)
        if thorough:
            found.problems += _unreadable(files, file, segment, content)
    finally:
        os.close(file)


def _damage(segment: Segment, content: Content) -> Iterator[str]:
    if not content.frames and segment.octets and not any(damage.torn for damage in content.damage):
        yield f"{segment.name}: nothing in it can be read; it will be set aside"
        return
    for damage in content.damage:
        # One that is torn is being written, or was when a process was killed.
        if not damage.torn:
            octets = damage.end - damage.start
            yield f"{segment.name}: octet {damage.start}: {octets} octets are damaged; they will be skipped"


def _unreadable(files: SpoolFiles, file: int, segment: Segment, content: Content) -> Iterator[str]:
    read = reader(files, file)
    damaged: list[Frame] = []
    whole_preface = False
    for frame in content.frames:
        if read_payload(frame, read, segment.salt) is None:
            damaged.append(frame)
        elif frame.kind is Kind.PREFACE:
            whole_preface = True
    for frame in damaged:
        what = "a preface" if frame.kind is Kind.PREFACE else f"a parcel of {frame.tally.records} records"
        yield f"{segment.name}: octet {frame.start}: {what} is damaged; it will be skipped"
    if not whole_preface and content.frames:
        yield f"{segment.name}: no preface is left; its parcels cannot be sent"


def spools_in(directory: Path) -> list[Path]:
    """The directories of spools below `export.spool_directory`. Raises OSError, one line."""
    try:
        with os.scandir(directory) as entries:
            return sorted(Path(each.path) for each in entries if each.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OSError(error.errno, f"{directory}: {error.strerror}; name another directory") from error
