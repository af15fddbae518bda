# SPDX-License-Identifier: Apache-2.0
"""`spanflow keygen`: a key that can be read back, for its owner alone, and nothing overwritten."""

from __future__ import annotations

import argparse
import os
import stat
from pathlib import Path

import pytest

from spanflow.cli import keygen
from spanflow.errors import ExitCode
from spanflow.exporting.anonymization_key import read_key


def run(file: Path) -> int:
    parser = argparse.ArgumentParser()
    keygen.add_parser(parser.add_subparsers())
    return keygen.run(parser.parse_args(["keygen", str(file)]))


def test_a_new_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert run(tmp_path / "key") == ExitCode.OK
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    run(tmp_path / "other")
    keys = {read_key(str(tmp_path / name), {}) for name in ("key", "other")}
    assert len(keys) == 2


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "away")
    for name in ("key", "link"):
        with pytest.raises(keygen.KeyFileError) as error:
            run(tmp_path / name)
        assert str(error.value) == (
            f"keygen {tmp_path / name}: exists already; use another name, a key is never overwritten"
        )
        assert error.value.exit_code == ExitCode.CANNOT_CREATE
    assert (tmp_path / "key").read_text() == "precious"
    assert not (tmp_path / "away").exists()


def test_no_such_directory(tmp_path: Path) -> None:
    with pytest.raises(keygen.KeyFileError) as error:
        run(tmp_path / "none" / "key")
    assert str(error.value).endswith(f": {os.strerror(2)}; use a place that can be written to")


def test_a_full_disk_leaves_no_half_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(keygen.KeyFileError, match="make room, or use another place"):
        run(tmp_path / "key")
    assert not (tmp_path / "key").exists()
