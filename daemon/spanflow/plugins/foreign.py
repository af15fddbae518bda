# SPDX-License-Identifier: Apache-2.0
"""What foreign code may do to us, and how its errors read."""

from __future__ import annotations

from spanflow.config.wording import shown

FOREIGN_ERRORS = (Exception, SystemExit)
"""What it may raise and we go on; a KeyboardInterrupt is a person's."""


def described(error: BaseException) -> str:
    """An exception of foreign code on one line."""
    text = shown(str(error), 300)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
