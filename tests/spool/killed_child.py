# SPDX-License-Identifier: Apache-2.0
"""Run as a program: a process that uses a spool is killed (SIGKILL) before each of its steps on the disk.

Argument: a directory to work in. Prints how many steps there were. Fails if a spool cannot be opened after a
kill, or if something that was acknowledged is not in it, or something else is.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from exporting.clocks import FakeClock
from spanflow.exporting.spool.files import SpoolFiles
from spanflow.exporting.spool.parcel import Parcel
from spanflow.exporting.spool.store import Spool
from spool.parcels import FaultyFiles, drain, open_spool, parcel

Step = tuple[str, int]

STEPS: list[Step] = [
    *(("append", number) for number in range(6)),
    ("take", 3),
    ("advance", 2),
    ("restart", 0),
    ("append", 6),
    ("advance", 1),
    ("sync", 0),
    ("append", 7),
    ("take", 3),
    ("advance", 3),
    ("give_back", 0),
    ("restart", 0),
    ("take", 1),
    ("restart", 0),
    ("append", 8),
    ("take", 9),
    ("advance", 9),
    ("append", 9),
    ("restart", 0),
]
"""All of it with segments of about three parcels."""

EVICTING: list[Step] = [*(("append", number) for number in range(12)), ("restart", 0), ("append", 12)]
"""In a spool that has room for some eight."""

PROGRAMS: list[tuple[list[Step], dict[str, Any], bool]] = [
    (STEPS, {"segment_octets": 400}, False),
    (EVICTING, {"segment_octets": 400, "max_octets": 3200}, True),
]


def play(
    directory: Path, steps: list[Step], arguments: dict[str, Any], files: Callable[[Path], SpoolFiles]
) -> Iterator[list[Parcel]]:
    """Do the steps; yields what must be in the spool before each, and at the end."""
    spool = open_spool(directory, FakeClock(), open_files=files, **arguments)
    inside: list[Parcel] = []
    taken = 0
    for name, number in steps:
        yield inside
        match name:
            case "append":
                spool.append(parcel(number))
                inside = [*inside, parcel(number)]
            case "take":
                taken += sum(spool.take() is not None for _ in range(number))
            case "advance":
                number = min(number, taken)
                spool.advance(number)
                inside, taken = inside[number:], taken - number
            case "give_back":
                spool.give_back()
                taken = 0
            case "sync":
                spool.sync_if_due()
            case "restart":
                spool.close()
                spool, taken = open_spool(directory, FakeClock(), open_files=files, **arguments), 0
        # What made room is gone.
        inside = inside[len(inside) - spool.parcels :]
    yield inside


def killed_at(directory: Path, number: int, steps: list[Step], arguments: dict[str, Any]) -> tuple[bool, int]:
    """Whether a child was killed before its disk step of this number; how many steps it had begun."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        left = number

        def fault(step: str) -> None:
            nonlocal left
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

        for _ in play(directory, steps, arguments, lambda path: FaultyFiles(path, fault)):
            os.write(writing, b".")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        begun = len(answers.read())
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"step {number}: the child failed"
    return os.WIFSIGNALED(status), begun


def check(spool: Spool, states: list[list[Parcel]], evicting: bool) -> None:
    """The spool has what it had before the step or after it, and works."""
    assert (spool.counters.corrupt_octets, spool.counters.files_set_aside) == (0, 0)
    recovered = spool.recovered
    found = drain(spool)
    spool.append(parcel(99))
    assert drain(spool) == [parcel(99)]
    if evicting:
        # Killed between making room and using it: the one for which it was made is not there.
        before, after = states[0], states[-1]
        assert found in ([], before, after, after[:-1])
        assert len(found) >= len(after) - 1
    else:
        assert found in states
        assert recovered.records == sum(each.tally.records for each in found)
    assert spool.parcels == 0
    spool.close()


def main(work: Path) -> None:
    kills = 0
    for steps, arguments, evicting in PROGRAMS:
        # Without a kill: what there is before each step, and at the end.
        states = list(play(work / f"{evicting}-model", steps, arguments, SpoolFiles))
        number, killed = 0, True
        while killed:
            directory = work / f"{evicting}-{number}"
            killed, begun = killed_at(directory, number, steps, arguments)
            spool = open_spool(directory, FakeClock(), **arguments)
            check(spool, states[max(0, begun - 1) : begun + 1], evicting)
            number += 1
        kills += number - 1
    print(kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
