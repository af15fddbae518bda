# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells systemd: ready, status, reloading, stopping, alive (sd_notify(3)).

Each notification is one datagram. The package systemd-python sends it if it is there, else this module does.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

from spanflow.config.wording import shown

log = logging.getLogger(__name__)

STATUS_CHARACTERS = 1000
"""The longest STATUS. systemd reads 4,096 octets of a datagram; a character takes 4 at most."""

_SEND_TIMEOUT_S = 1.0

Send = Callable[[str], object]
"""Sends one notification; raises OSError when the socket does not take it."""


class Notifier:
    """Notifications to the service manager. Without one, everything here does nothing.

    A notification that cannot be sent is lost, and the daemon goes on; the first failure of a row is logged.
    watchdog_interval_s: how often to call watchdog(), half of what the unit allows; None: not wanted.
    """

    def __init__(
        self,
        send: Send | None = None,
        watchdog_interval_s: float | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.watchdog_interval_s = watchdog_interval_s
        self._send = send
        self._monotonic_ns = monotonic_ns
        self._failing = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """The notifier that NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID ask for."""
        address = environ.get("NOTIFY_SOCKET", "")
        # Other kinds of address (vsock:) are for virtual machines.
        if len(address) < 2 or address[0] not in "/@":
            return cls()
        # The library looks at the environment of the process itself.
        library = _library_send() if address == os.environ.get("NOTIFY_SOCKET") else None
        return cls(library or datagram_send(address), _watchdog_interval_s(environ))

    def ready(self) -> None:
        """The start, or the reload, is complete."""
        self._notify("READY=1")

    def status(self, text: str) -> None:
        """What `systemctl status` shows: one line. Of a text that is too long the middle goes."""
        self._notify(f"STATUS={_one_line(text)}")

    def reloading(self) -> None:
        """A reload begins; ready() must follow, whether it succeeds or not.

        Type=notify-reload knows by the time (CLOCK_MONOTONIC) that this is the reload that it asked for.
        """
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={self._monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._notify("STOPPING=1")

    def watchdog(self) -> None:
        """All is well. Call it only if every thread has made progress."""
        self._notify("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """The start or the stop takes so long again, counted from now, whatever the unit allows."""
        self._notify(f"EXTEND_TIMEOUT_USEC={max(1, round(seconds * 1e6))}")

    def _notify(self, state: str) -> None:
        if self._send is None:
            return
        try:
            self._send(state)
        except OSError as error:
            if not self._failing:
                log.warning("systemd takes no notification", extra={"error": str(error)})
            self._failing = True
        else:
            self._failing = False


def datagram_send(address: str) -> Send:
    """The built-in way. address: a path, or `@` and a name in the abstract namespace.

    The socket is looked up each time: systemd makes a new one when it is executed again.
    """
    target = "\0" + address[1:] if address.startswith("@") else address

    def send(state: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            # A manager that hangs must not hold up the capture for good.
            channel.settimeout(_SEND_TIMEOUT_S)
            channel.sendto(state.encode(), target)

    return send


def _library_send() -> Send | None:
    """systemd-python's way, or None where the package is not installed or does not load."""
    try:
        notify: Send = importlib.import_module("systemd.daemon").notify
    except (ImportError, AttributeError):  # another package may be called systemd
        return None
    return notify


def _watchdog_interval_s(environ: Mapping[str, str]) -> float | None:
    """Half of WATCHDOG_USEC if this process is meant (sd_watchdog_enabled(3)). Nonsense counts as not set."""
    try:
        if int(environ.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return None
        usec = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return usec / 2e6 if usec > 0 else None


def _one_line(text: str) -> str:
    """What does not print is escaped. The middle goes, as the end of a status line says what was lost."""
    line = shown(text, len(text))
    if len(line) <= STATUS_CHARACTERS:
        return line
    half = (STATUS_CHARACTERS - 1) // 2
    return f"{line[:half]}…{line[-half:]}"
