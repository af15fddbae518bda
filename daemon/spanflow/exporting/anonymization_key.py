# SPDX-License-Identifier: Apache-2.0
"""The file with the key of anonymisation: who holds it can turn pseudonyms back into addresses."""

from __future__ import annotations

import os
import secrets
import stat
import string
from collections.abc import Mapping

from spanflow.config.wording import shown
from spanflow.errors import ConfigError

KEY_OCTETS = 32
_DIGITS = 2 * KEY_OCTETS
# The digits, and an end of line or two of any system.
_MOST_OCTETS = _DIGITS + 8
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def new_key() -> str:
    """A new key at random, as hexadecimal digits."""
    return secrets.token_hex(KEY_OCTETS)


def read_key(path: str, environment: Mapping[str, str] = os.environ) -> bytes:
    """The key in a file: KEY_OCTETS octets as they are, or as hexadecimal digits.

    Raises ConfigError if there is none, and if others may read or change it. systemd guards what it puts into
    $CREDENTIALS_DIRECTORY in ways of its own; a file there is not asked who may read it.
    """
    where = f"anonymize_key {shown(path, 300)}"
    try:
        # Not blocking: whoever names a FIFO gets an error, not a daemon that waits.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _require_private(where, path, os.fstat(descriptor), environment)
            content = os.read(descriptor, _MOST_OCTETS + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        advice = "make one with `spanflow keygen FILE`, readable for the user that spanflow runs as"
        raise ConfigError(f"{where}: {error.strerror}; {advice}") from error
    return _key_of(where, content)


def _require_private(where: str, path: str, state: os.stat_result, environment: Mapping[str, str]) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise ConfigError(f"{where}: is no regular file; make one with `spanflow keygen FILE`")
    if _is_credential(path, environment):
        return
    if state.st_uid not in (0, os.geteuid()):
        user = os.geteuid()
        raise ConfigError(
            f"{where}: belongs to user {state.st_uid}, not to {user} or root; chown {user} {shown(path, 300)}"
        )
    if state.st_mode & _FOR_OTHERS:
        mode = stat.S_IMODE(state.st_mode)
        raise ConfigError(f"{where}: is open to others (mode {mode:04o}); chmod 600 {shown(path, 300)}")


def _is_credential(path: str, environment: Mapping[str, str]) -> bool:
    directory = environment.get("CREDENTIALS_DIRECTORY", "")
    if not directory:
        return False
    # Both resolved, so that neither `..` nor a link leads out of it.
    real = os.path.realpath(directory)
    return os.path.commonpath((real, os.path.realpath(path))) == real


def _key_of(where: str, content: bytes) -> bytes:
    text = content.strip()
    digits = all(chr(octet) in string.hexdigits for octet in text)
    if len(text) == _DIGITS and digits:
        return bytes.fromhex(text.decode("ascii"))
    # So many digits are half a key; as octets they would be one that is easy to guess.
    if len(content) == KEY_OCTETS and not digits:
        return content
    size = f"{len(content)} octets" if len(content) <= _MOST_OCTETS else f"more than {_MOST_OCTETS} octets"
    form = f"{KEY_OCTETS} random octets, or {_DIGITS} hexadecimal digits"
    raise ConfigError(f"{where}: has {size}, a key has {form}; make one with `spanflow keygen FILE`")
