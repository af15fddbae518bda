# SPDX-License-Identifier: Apache-2.0
"""Network namespaces that live as long as a test, and work that is done inside them.

A namespace has no name: this process holds it by a descriptor, so it goes with the process, however that
ends, and its interfaces go with it. Children end with the test process too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

CLONE_NEWNET = 0x4000_0000
COMMAND_TIMEOUT_S = 30.0

Value = TypeVar("Value")
_libc = ctypes.CDLL(None, use_errno=True)


class NotPermittedError(Exception):
    """This process may not make network namespaces."""


class Namespace:
    """A network namespace with nothing but `lo`, which is up. IPv6 is off, unless asked for.

    With IPv6 on, interfaces send router solicitations and neighbour discovery by themselves, which would
    spoil exact counts.
    """

    def __init__(self, *, ipv6: bool = False) -> None:
        self._descriptor = _new_namespace()
        self.path = f"/proc/{os.getpid()}/fd/{self._descriptor}"
        """Names the namespace to other processes while this one lives."""
        if not ipv6:
            self.inside(_switch_ipv6_off)
        self.run("ip", "link", "set", "lo", "up")

    def close(self) -> None:
        """Let go of it; the kernel removes it and its interfaces when the last process has left."""
        os.close(self._descriptor)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is inside for as long as the block runs, and with it what it starts there."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _enter(self._descriptor)
        try:
            yield
        finally:
            _enter(before)
            os.close(before)

    def inside(self, function: Callable[[], Value]) -> Value:
        """The result of a function that runs inside. Sockets that it opens stay there."""
        return _in_a_thread(lambda: _enter(self._descriptor), function)

    def command(self, *arguments: str | Path) -> list[str]:
        """A command line that runs inside, and ends with the process that starts it."""
        return [
            *("nsenter", f"--net={self.path}"),
            *("setpriv", "--pdeathsig", "KILL", "--"),
            *map(str, arguments),
        ]

    def run(self, *arguments: str | Path, standard_input: str = "") -> str:
        """What a command says that must succeed."""
        done = subprocess.run(
            self.command(*arguments),
            input=standard_input,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def start(self, arguments: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
        """A child inside. Only for the main thread: a child ends with the thread that started it."""
        return subprocess.Popen(self.command(*arguments), text=True, **options)


@contextmanager
def namespaces(count: int, *, ipv6: bool = False) -> Iterator[list[Namespace]]:
    """So many namespaces for as long as a test runs. Raises NotPermittedError."""
    made: list[Namespace] = []
    try:
        for _ in range(count):
            made.append(Namespace(ipv6=ipv6))
        yield made
    finally:
        for namespace in made:
            namespace.close()


def _new_namespace() -> int:
    def leave() -> None:
        if _libc.unshare(CLONE_NEWNET):
            error = ctypes.get_errno()
            raise NotPermittedError if error == errno.EPERM else OSError(error, os.strerror(error))

    return _in_a_thread(leave, lambda: os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _in_a_thread(enter: Callable[[], None], function: Callable[[], Value]) -> Value:
    """A thread may change its namespace without a change for the others, and ends with it."""
    values: list[Value] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            enter()
            values.append(function())
        except BaseException as error:  # handed over to the thread that waits
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return values[0]


def _switch_ipv6_off() -> None:
    for scope in ("all", "default"):
        switch = Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6")
        if switch.exists():
            switch.write_text("1")
