# SPDX-License-Identifier: Apache-2.0
"""Giving up what only the start needed.

To be called before numpy is imported and before any thread runs: capabilities belong to each thread.
"""

from __future__ import annotations

import os
import pwd

from spanflow import _core
from spanflow.errors import ConfigError, ExitCode, SpanflowError


def drop(user: str) -> None:
    """Become `user` (a name or a number; empty: stay who we are), without any capability, for good.

    Raises ConfigError for an unknown user, SpanflowError (77) when we may not become that one.
    """
    if user:
        _become(user)
    try:
        _core.drop_capabilities()
    except OSError as error:
        raise _not_permitted(f"capabilities cannot be dropped: {error.strerror}") from error


def _become(user: str) -> None:
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        if not user.isdigit():
            raise ConfigError(f"process.user: there is no user {user}; create it or use a number") from None
        uid = gid = int(user)  # containers know users by number alone
    if uid == os.geteuid():
        return
    try:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise _not_permitted(
            f"process.user: cannot become {user}: {error.strerror}; start as root with CAP_SETUID and"
            " CAP_SETGID, or as that user"
        ) from error


def _not_permitted(text: str) -> SpanflowError:
    problem = SpanflowError(text)
    problem.exit_code = ExitCode.NO_PERMISSION
    return problem
