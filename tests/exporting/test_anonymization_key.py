# SPDX-License-Identifier: Apache-2.0
"""The file with the key: its forms, who may own and read it, and what is said of one that is no key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spanflow.errors import ConfigError
from spanflow.exporting.anonymization_key import new_key, read_key

KEY = bytes(range(200, 232))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    path.chmod(0o600)
    return path


FORMS = [
    ("octets", KEY),
    ("digits", KEY.hex().encode()),
    ("digits, end of line", KEY.hex().encode() + b"\n"),
    ("upper case, end of line of Windows", KEY.hex().upper().encode() + b"\r\n"),
]


@pytest.mark.parametrize("content", [form for _, form in FORMS], ids=[name for name, _ in FORMS])
def test_forms(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert read_key(str(file), {}) == KEY


def test_octets_that_look_like_white_space(file: Path) -> None:
    key = b"\n" + KEY[1:-1] + b" "
    file.write_bytes(key)
    assert read_key(str(file), {}) == key


NO_KEYS = [
    ("empty", b"", "has 0 octets"),
    ("an octet too few", KEY[1:], "has 31 octets"),
    ("an octet too many", KEY + b"\n", "has 33 octets"),
    ("half the digits", KEY.hex()[:32].encode(), "has 32 octets"),
    ("a digit too few", KEY.hex()[1:].encode(), "has 63 octets"),
    ("no digits", b"x" * 64, "has 64 octets"),
    ("huge", KEY.hex().encode() * 100, "has more than 72 octets"),
]


@pytest.mark.parametrize(("name", "content", "said"), NO_KEYS, ids=[row[0] for row in NO_KEYS])
def test_no_keys(file: Path, name: str, content: bytes, said: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_key(str(file), {})
    assert str(error.value) == (
        f"anonymize_key {file}: {said}, a key has 32 random octets, or 64 hexadecimal digits;"
        " make one with `spanflow keygen FILE`"
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o660, 0o777])
def test_open_to_others(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(ConfigError) as error:
        read_key(str(file), {})
    where = f"anonymize_key {file}"
    assert str(error.value) == f"{where}: is open to others (mode {mode:04o}); chmod 600 {file}"


def test_of_another_user(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of root is trusted by all, one of another user by none."""
    state = list(os.stat(file))

    def owned_by(user: int) -> None:
        state[4] = user
        monkeypatch.setattr(os, "fstat", lambda descriptor: os.stat_result(state))

    monkeypatch.setattr(os, "geteuid", lambda: 990)
    for user in (0, 990):
        owned_by(user)
        assert read_key(str(file), {}) == KEY
    owned_by(991)
    with pytest.raises(ConfigError) as error:
        read_key(str(file), {})
    told = f"belongs to user 991, not to 990 or root; chown 990 {file}"
    assert str(error.value) == f"anonymize_key {file}: {told}"


def test_credentials_of_systemd(file: Path, tmp_path: Path) -> None:
    """systemd gives them mode 0440 and an ACL; only what really is in its directory is trusted so."""
    file.chmod(0o440)
    inside = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read_key(str(file), inside) == KEY
    other = tmp_path / "credentials"
    other.mkdir()
    (other / "link").symlink_to(file)
    beside = {"CREDENTIALS_DIRECTORY": str(other)}
    for path in (file, other / "link", other / ".." / "key", tmp_path / "key"):
        with pytest.raises(ConfigError, match="is open to others"):
            read_key(str(path), beside)
    with pytest.raises(ConfigError, match="is open to others"):
        read_key(str(file), {"CREDENTIALS_DIRECTORY": ""})


def test_no_regular_files(tmp_path: Path) -> None:
    """Nor does a FIFO that nobody writes to make it wait."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(ConfigError, match=r"is no regular file; make one with `spanflow keygen FILE`$"):
            read_key(str(path), {})


def test_a_name_that_does_not_print(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read_key(f"{tmp_path}/a\x1b[2Jb\nc", {})
    assert str(error.value).isprintable()


def test_new_keys() -> None:
    one, other = new_key(), new_key()
    assert one != other
    assert len(bytes.fromhex(one)) == 32
