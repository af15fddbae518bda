# SPDX-License-Identifier: Apache-2.0
"""A run belongs to the process that began it: a fork takes none of its threads along."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any, Protocol

from spanflow.errors import UsageError


class HasEngine(Protocol):
    """A run. ended: there is nothing more to wait for."""

    engine: Any
    ended: bool


_begun_here: weakref.WeakSet[Any] = weakref.WeakSet()


def of_this_process(run: HasEngine) -> None:
    """To be told of every run."""
    _begun_here.add(run)


def begun_elsewhere() -> UsageError:
    """The error for one who reads on in the child."""
    return UsageError("this stream was begun by another process; make one in the process that reads it")


def _leave_to_the_parent() -> None:
    for run in list(_begun_here):
        if not run.ended:
            run.ended = True
            # Never destroyed here: that would wait for threads which this process does not have.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(run.engine))


os.register_at_fork(after_in_child=_leave_to_the_parent)
