# SPDX-License-Identifier: Apache-2.0
"""Parcels for tests, a spool in a directory, and a file layer that fails or dies when a test says so."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from exporting.clocks import FakeClock
from spanflow.exporting.counters import Tally
from spanflow.exporting.spool.files import SpoolFiles
from spanflow.exporting.spool.parcel import Parcel
from spanflow.exporting.spool.store import Spool

MIB = 1 << 20


def message(*sets: tuple[int, bytes], sequence: int = 0, domain: int = 7, export_time: int = 1) -> bytes:
    """A Message of IPFIX with these Sets (Set ID and records)."""
    body = b"".join(struct.pack(">HH", set_id, 4 + len(records)) + records for set_id, records in sets)
    return struct.pack(">HHIII", 10, 16 + len(body), export_time, sequence, domain) + body


def template(template_id: int, *fields: tuple[int, int]) -> bytes:
    """A Template Record of elements of IANA: number and length."""
    return struct.pack(">HH", template_id, len(fields)) + b"".join(
        struct.pack(">HH", *each) for each in fields
    )


PREFACE = message((2, template(256, (1, 8), (2, 8))))


def parcel(number: int, *, messages: int = 2, octets: int = 16) -> Parcel:
    """A parcel that no other number has, with Data Records of 16 octets."""
    text = (b"%08d" % number)[::-1]
    body = (text * (octets // len(text) + 1))[:octets]
    return Parcel(
        b"".join(message((256, body)) for _ in range(messages)),
        (octets // 16,) * messages,
        Tally(number + 1, 10 * number + 3, 1000 * number + 7),
    )


def open_spool(directory: Path, clock: FakeClock | None = None, **arguments: Any) -> Spool:
    """A spool, of 1 MiB if not said otherwise."""
    usual: dict[str, Any] = {"max_octets": MIB, "max_age_ns": 0, "preface": lambda: PREFACE}
    return Spool(directory, clock=clock or FakeClock(), **(usual | arguments))


def drain(spool: Spool) -> list[Parcel]:
    """Take everything, as delivered."""
    parcels = []
    while (stored := spool.take()) is not None:
        assert stored.preface == PREFACE
        parcels.append(stored.parcel)
        spool.advance(1)
    return parcels


def segments(directory: Path) -> list[Path]:
    """The files of segments, oldest first."""
    return sorted(directory.glob("*.spool"))


Fault = Callable[[str], None]
"""Called with the name of a step before it is made; may raise OSError, or end the process."""


_WHOLE_OCTETS = 40
"""No shorter write is ever made in part: the kernel copies it at once."""


class FaultyFiles(SpoolFiles):
    """A file layer whose steps can fail: each that changes something asks `fault` first.

    A long write is made in pieces, so that it can fail, or the process end, in its middle.
    """

    def __init__(self, directory: Path, fault: Fault) -> None:
        super().__init__(directory)
        self._fault = fault

    def create(self, name: str) -> int:
        self._fault("create")
        return super().create(name)

    def write(self, file: int, octets: bytes | memoryview, offset: int) -> int:
        self._fault("write")
        piece = max(_WHOLE_OCTETS, len(octets) // 2)
        return super().write(file, memoryview(octets)[:piece], offset)

    def truncate(self, file: int, octets: int) -> None:
        self._fault("truncate")
        super().truncate(file, octets)

    def sync(self, file: int) -> None:
        self._fault("sync")

    def sync_directory(self) -> None:
        self._fault("sync_directory")

    def unlink(self, name: str) -> None:
        self._fault("unlink")
        super().unlink(name)

    def rename(self, name: str, new_name: str) -> None:
        self._fault("rename")
        super().rename(name, new_name)


def descriptors() -> Iterator[str]:
    """The files that this process has open."""
    for name in os.listdir("/proc/self/fd"):
        try:
            yield os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
