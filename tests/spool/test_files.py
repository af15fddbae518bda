# SPDX-License-Identifier: Apache-2.0
"""Who may use the directory of a spool: its owner, one process at a time, through no symbolic link."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from spanflow.exporting.spool.files import SpoolFiles
from spanflow.exporting.spool.folder import spool_folder
from spool.parcels import open_spool, parcel

SOMEBODY = 54_321

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def refused(directory: Path, number: int) -> str:
    with pytest.raises(OSError, match=str(directory)) as caught:
        open_spool(directory)
    assert caught.value.errno == number
    text = str(caught.value.strerror)
    assert text.startswith(f"{directory}")
    assert "\n" not in text
    return text.removeprefix(str(directory))


def test_a_directory_that_others_may_write(tmp_path: Path) -> None:
    for mode in (0o770, 0o702, 0o1777):
        (tmp_path / "spool").mkdir(exist_ok=True)
        (tmp_path / "spool").chmod(mode)
        text = refused(tmp_path / "spool", errno.EPERM)
        assert text == f": others may write there (mode {mode:04o}); chmod 700 it"


def test_a_directory_that_others_may_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    open_spool(tmp_path / "spool")
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


@ROOT_ONLY
def test_a_directory_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    os.chown(tmp_path / "spool", SOMEBODY, SOMEBODY)
    assert refused(tmp_path / "spool", errno.EPERM) == ": belongs to user 54321, not to 0; run as that user"
    SpoolFiles(tmp_path / "spool", reading=True).close()


def test_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").write_text("")
    for name in ("link", "file"):
        assert "is no directory" in refused(tmp_path / name, errno.ENOTDIR)
    assert list((tmp_path / "real").iterdir()) == []


def test_only_two_levels_are_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such directory; make it"):
        open_spool(tmp_path / "a" / "b" / "c")
    assert list(tmp_path.iterdir()) == []


def test_one_process_at_a_time(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")
    spool.append(parcel(0))
    text = refused(tmp_path / "spool", errno.EBUSY)
    assert text == f": in use by process {os.getpid()}; stop that one first"
    looking = SpoolFiles(tmp_path / "spool", reading=True)
    assert looking.holder() == f"process {os.getpid()}"
    spool.close()
    assert looking.holder() == ""
    looking.close()
    assert open_spool(tmp_path / "spool").parcels == 1


def test_another_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from spool.parcels import open_spool;"
        "spool = open_spool(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "spool"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        assert f"process {other.pid};" in refused(tmp_path / "spool", errno.EBUSY)
        other.kill()
        other.wait(timeout=10)
        open_spool(tmp_path / "spool").close()


def test_files_in_it_that_are_links_are_never_followed(tmp_path: Path) -> None:
    """Whoever could put them there: nothing outside is read, written, cut or removed."""
    target = tmp_path / "target"
    target.write_bytes(b"precious" * 100)
    spool = open_spool(tmp_path / "spool")
    (tmp_path / "spool" / "position").symlink_to(target)
    spool.append(parcel(0))
    (segment,) = (tmp_path / "spool").glob("*.spool")
    spool.take()
    spool.advance(1)
    assert spool.counters.checkpoint_failures == 1
    segment.symlink_to(target)
    spool.close()
    spool = open_spool(tmp_path / "spool")
    assert spool.counters.files_set_aside == 1
    spool.append(parcel(1))
    spool.close()
    assert target.read_bytes() == b"precious" * 100


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("noc", "noc"),
        ("ipfix+tcp://192.0.2.1:4739", "ipfix-tcp-192.0.2.1-4739"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "_"),
        ("   ", "_"),
        ("-rf", "rf"),
        ("x" * 128, "x" * 48),
    ],
)
def test_the_folder_of_a_collector(name: str, slug: str) -> None:
    folder = spool_folder(name)
    assert folder.rpartition("-")[0] == slug
    assert len(folder) == len(slug) + 11


def test_collectors_with_similar_names_have_folders_of_their_own() -> None:
    names = ["noc", "NOC", "n/oc", "n oc", "x" * 127, "x" * 128, "", "."]
    assert len({spool_folder(name) for name in names}) == len(names)
