# SPDX-License-Identifier: Apache-2.0
"""IPFIX Files (RFC 5655): plain and compressed, whole and damaged."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collecting.messages import ipfix_set, message, template
from spanflow.collecting.file import FileError, read_file
from spanflow.collecting.process import CollectingProcess
from spanflow.errors import ExitCode

VLAN = message(ipfix_set(2, template(256, "vlanId")))
DATA = [message(ipfix_set(256, number.to_bytes(2, "big") * 20), sequence=20 * number) for number in range(40)]
WHOLE = VLAN + b"".join(DATA)


def two_members(octets: bytes) -> bytes:
    return gzip.compress(octets[:100]) + gzip.compress(octets[100:]) + bytes(7)


@pytest.mark.parametrize("write", [bytes, gzip.compress, two_members], ids=["plain", "gzip", "two members"])
def test_a_whole_file(tmp_path: Path, write: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "flows.ipfix"
    path.write_bytes(write(WHOLE))
    process = CollectingProcess()
    sessions, messages = zip(*read_file(str(path), process), strict=True)
    assert {session.exporter for session in sessions} == {str(path)}
    assert len(messages) == 41
    assert (process.counters.records, process.counters.sessions) == (800, 1)
    assert not process.counters.sequence.gaps


def read_until_fault(path: Path) -> tuple[int, FileError]:
    """The Messages that were read, and the fault."""
    messages = read_file(str(path))
    found: list[object] = []
    with pytest.raises(FileError) as caught:
        found.extend(messages)
    assert "\n" not in str(caught.value)
    return len(found), caught.value


@pytest.mark.parametrize("size", [1, 2, 4, 27, 60, len(WHOLE) - 1])
def test_a_truncated_file(tmp_path: Path, size: int) -> None:
    """Says at which octet the unfinished Message begins; what is whole was read."""
    path = tmp_path / "flows.ipfix"
    path.write_bytes(WHOLE[:size])
    found, fault = read_until_fault(path)
    whole = max(0, (size - len(VLAN)) // len(DATA[0]) + 1)
    offset = len(VLAN) + (whole - 1) * len(DATA[0]) if whole else 0
    assert found == whole
    assert str(fault).startswith(f"{path}: offset {offset}: end within a message: {size - offset} octets ")
    assert fault.exit_code == ExitCode.DATA


@pytest.mark.parametrize("cut", [1, 8, 30])
def test_a_truncated_gzip_file(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "flows.ipfix.gz"
    octets = gzip.compress(WHOLE)
    path.write_bytes(octets[:-cut])
    _, fault = read_until_fault(path)
    assert f"{path}: offset {len(octets) - cut} of the compressed file: it ends within" in str(fault)
    assert fault.exit_code == ExitCode.DATA


def test_a_damaged_gzip_file(tmp_path: Path) -> None:
    path = tmp_path / "flows.ipfix.gz"
    octets = bytearray(gzip.compress(WHOLE))
    octets[12] ^= 0xFF
    path.write_bytes(octets)
    _, fault = read_until_fault(path)
    assert str(fault).startswith(f"{path}: near offset 0 of the compressed file: not gzip: ")
    assert fault.exit_code == ExitCode.DATA


def test_a_malformed_message_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "flows.ipfix"
    path.write_bytes(VLAN + DATA[0] + message(b"\1\0\0\0") + DATA[1])
    found, fault = read_until_fault(path)
    assert found == 2
    assert f": offset {len(VLAN) + len(DATA[0]) + 18}: wrong set length: " in str(fault)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd4\xc3\xb2\xa1 a capture", "offset 0: unsupported version: 54467, a stream has only 10"),
        (b"x", "offset 0: end within a message: 1 octets"),
    ],
)
def test_something_else(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    found, fault = read_until_fault(path)
    assert found == 0
    assert words in str(fault)
    assert fault.exit_code == ExitCode.DATA


def test_an_empty_file_has_no_messages(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert list(read_file(str(path))) == []


def test_no_such_file(tmp_path: Path) -> None:
    _, fault = read_until_fault(tmp_path / "none")
    assert fault.exit_code == ExitCode.NO_INPUT
    assert str(fault) == f"{tmp_path}/none: No such file or directory; name an IPFIX file that can be read"


def test_a_folder(tmp_path: Path) -> None:
    assert read_until_fault(tmp_path)[1].exit_code == ExitCode.NO_INPUT


def test_a_small_file_that_expands_is_read_piece_by_piece(tmp_path: Path) -> None:
    """64 MiB of zeros in 64 KiB: no Message begins with 0, and nothing reads on to find that out."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(VLAN + bytes(64 << 20), 9))
    found, fault = read_until_fault(path)
    assert found == 1
    assert f"offset {len(VLAN)}: unsupported version: 0" in str(fault)


def test_reading_ends_when_it_is_not_to_wait(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, WHOLE)
    try:
        waits = iter([True, False])
        assert len(list(read_file(f"/dev/fd/{read}", wait=lambda _: next(waits)))) == 41
    finally:
        os.close(read)
        os.close(write)
