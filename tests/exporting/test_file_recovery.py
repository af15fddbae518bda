# SPDX-License-Identifier: Apache-2.0
"""What a killed process left is completed by the next one, up to the last whole Message, and counted."""

from __future__ import annotations

import fcntl
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporting.clocks import FakeClock
from exporting.file_transports import CHILD, DAY, TIME, names, opened, send
from exporting.ipfix_messages import numbered
from spanflow.exporting.transport.file import FileTransport
from spanflow.exporting.transport.file_framing import Framing
from spanflow.exporting.transport.file_recovery import Recovery

MESSAGES = [numbered(0), numbered(1, 61)]
LINES = [b'{"flow_id":1}\n', b'{"flow_id":2,"server_name":"x"}\n']
MEMBERS = [gzip.compress(each) for each in MESSAGES]


@pytest.mark.parametrize(
    ("ending", "pieces", "framing"),
    [
        ("", MESSAGES, Framing.MESSAGES),
        ("", LINES, Framing.LINES),
        (".gz", MEMBERS, Framing.MESSAGES),
        (".gz", MEMBERS, Framing.LINES),
    ],
    ids=["IPFIX", "JSON", "gzip of IPFIX", "gzip of JSON"],
)
def test_recovery_cuts_at_every_octet(
    ending: str, pieces: list[bytes], framing: Framing, tmp_path: Path
) -> None:
    """Killed anywhere in the last piece: all before it is complete, and nothing else is there."""
    first, last = pieces
    final = tmp_path / f"f{ending}"
    for octets in range(len(last) + 1):
        left = tmp_path / f".f{ending}.1700000000000000000.partial"
        left.write_bytes(first + last[:octets])
        recovery = opened(tmp_path / "f", framing=framing).recovery
        whole = first + last if octets == len(last) else first
        assert (recovery.files, recovery.failed_files) == (1, 0)
        assert recovery.cut_octets == len(first) + octets - len(whole)
        assert names(tmp_path) == [final.name]
        assert final.read_bytes() == whole
        final.unlink()


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("content", [b"", b"\0\x0a\0", bytes(5000), b"\x1f\x8b", b"\0\x0a\0\x0f" + bytes(12)])
def test_nothing_whole_is_removed(content: bytes, framing: Framing, tmp_path: Path) -> None:
    (tmp_path / ".f.1700000000000000000.partial").write_bytes(content.replace(b"\n", b"\x0b"))
    recovery = opened(tmp_path / "f", framing=framing).recovery
    assert (recovery.files, recovery.cut_octets, names(tmp_path)) == (0, len(content), [])


@pytest.mark.parametrize("framing", Framing)
def test_recovery_of_a_long_file(framing: Framing, tmp_path: Path) -> None:
    """Of more than is read at once; then octets as a crash of the machine leaves them."""
    messages = b"".join(numbered(number, 1000 + 7 * number) for number in range(200))
    whole = messages if framing is Framing.MESSAGES else messages.replace(b"\0", b"\n") + b"\n"
    (tmp_path / ".f.1700000000000000000.partial").write_bytes(whole + bytes(150_000))
    assert opened(tmp_path / "f", framing=framing).recovery.cut_octets == 150_000
    assert (tmp_path / "f").read_bytes() == whole


def test_recovery_gives_the_name_of_the_begin(tmp_path: Path) -> None:
    """Whatever compression is set now."""
    for begin, octets in ((1_700_000_000, numbered(0)), (1_700_000_001, gzip.compress(numbered(1)))):
        ending = ".gz" if octets.startswith(b"\x1f") else ""
        (tmp_path / f".2023-{begin}{ending}.{begin}000000000.partial").write_bytes(octets)
    recovery = opened(tmp_path / "%Y-%s").recovery
    assert recovery.files == 2
    assert names(tmp_path) == ["2023-1700000000", "2023-1700000001.gz"]


def test_others_are_left_alone(tmp_path: Path) -> None:
    """Of other collectors, of nobody, and what is being written now."""
    foreign = [
        ".g.1700000000000000000.partial",
        ".f.partial",
        ".f.17x.partial",
        "f.1700000000000000000.partial",
        ".f.1700000000000000000.partial~",
    ]
    for name in foreign:
        (tmp_path / name).write_bytes(numbered(0))
    target = tmp_path / "target"
    target.write_bytes(numbered(0) + b"torn")
    (tmp_path / ".f.1700000000000000001.partial").symlink_to(target)
    (tmp_path / ".f.1700000000000000002.partial").mkdir()
    os.mkfifo(tmp_path / ".f.1700000000000000003.partial")
    first = opened(tmp_path / "f")
    send(first, numbered(0))
    before = names(tmp_path)
    second = opened(tmp_path / "f")
    assert second.recovery == Recovery()
    assert names(tmp_path) == before
    send(second, numbered(1))
    assert first.finish(0.0)
    assert second.finish(0.0)
    assert (tmp_path / "f").read_bytes() == numbered(0)
    assert (tmp_path / f"f-{DAY}-{TIME}").read_bytes() == numbered(1)
    assert target.read_bytes() == numbered(0) + b"torn"


def test_owner_completes_it_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the file and the lock on it."""
    left = tmp_path / ".f.1700000000000000000.partial"
    left.write_bytes(numbered(0) + b"more")
    monkeypatch.setattr(fcntl, "flock", lambda descriptor, operation: left.rename(tmp_path / "f"))
    assert opened(tmp_path / "f").recovery == Recovery()
    assert (tmp_path / "f").read_bytes() == numbered(0) + b"more"


def test_killed_with_both_names(tmp_path: Path) -> None:
    """After the file got its name, before it lost the other: it is one file, once."""
    left = tmp_path / ".f.1700000000000000000.partial"
    left.write_bytes(numbered(0))
    os.link(left, tmp_path / "f")
    opened(tmp_path / "f")
    assert names(tmp_path) == ["f"]


def test_second_name_of_another_file(tmp_path: Path) -> None:
    """Somebody may have linked it there for us to cut."""
    precious = tmp_path / "precious"
    precious.write_bytes(numbered(0) + b"more")
    os.link(precious, tmp_path / ".f.1700000000000000000.partial")
    opened(tmp_path / "f")
    assert precious.read_bytes() == numbered(0) + b"more"


def test_recovery_ends_when_it_is_to_stop(tmp_path: Path) -> None:
    left = tmp_path / ".f.1700000000000000000.partial"
    left.write_bytes(numbered(0) + b"torn")
    FileTransport(str(tmp_path / "f"), lambda seconds: True, clock=FakeClock())
    assert names(tmp_path) == [left.name]
    assert left.read_bytes() == numbered(0) + b"torn"


def test_killed(tmp_path: Path) -> None:
    """SIGKILL in the middle of sending: all that was acknowledged is in the files, once, in order."""
    for compression in ("none", "gzip"):
        directory = tmp_path / compression
        directory.mkdir()
        done = subprocess.run(
            [sys.executable, CHILD, "killed", directory, compression],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (-9, "")
        opened(directory / "%s.ipfix", compression=compression)
        found = b"".join(
            gzip.decompress(path.read_bytes()) if compression == "gzip" else path.read_bytes()
            for path in sorted(directory.glob("[!.]*"))
        )
        acknowledged = int(done.stdout.split()[-1])
        assert acknowledged > 100
        count = len(found) // 100
        assert count >= acknowledged
        assert found == b"".join(map(numbered, range(count)))
