# SPDX-License-Identifier: Apache-2.0
"""Reload: SIGHUP → settings that are read again → what a running probe takes over of them."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

from spanflow.config.schema import Settings
from spanflow.errors import ConfigError
from spanflow.logs import UNLIMITED

log = logging.getLogger(__name__)

Load = Callable[[], Settings]
"""The settings as they stand in file, environment and command line now. Raises ConfigError."""


class Reload:
    """For the main thread; what it has counted, for any.

    apply: takes over what can be; false when a part could not be.
    """

    def __init__(self, load: Load, apply: Callable[[Settings], bool]) -> None:
        self._load = load
        self._apply = apply
        self._wanted = False
        self.reloads = self.failures = 0
        self.last_successful = True

    def listen(self) -> None:
        """From now on SIGHUP asks for it."""
        signal.signal(signal.SIGHUP, self._want)

    def ignore(self) -> None:
        """From now on SIGHUP does nothing; it would end the process otherwise."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def due(self) -> bool:
        """Whether it was asked for since it was last asked."""
        if not self._wanted:
            return False
        self._wanted = False
        return True

    def run(self) -> None:
        """Take over what can be changed while running; a file with an error changes nothing."""
        try:
            settings = self._load()
        except ConfigError as error:
            self.last_successful = False
            log.error("reload refused, nothing was changed", extra={"error": str(error), **UNLIMITED})
        else:
            self.last_successful = self._apply(settings)
            self.reloads += 1
        self.failures += not self.last_successful

    def _want(self, number: int, frame: FrameType | None) -> None:
        self._wanted = True


def reloadable(now: Settings, wanted: Settings) -> Settings:
    """What a running probe takes over: collectors, export, timeouts, logging, the metrics' address."""
    cache = replace(
        now.cache,
        active_timeout=wanted.cache.active_timeout,
        inactive_timeout=wanted.cache.inactive_timeout,
        tcp_linger=wanted.cache.tcp_linger,
        tcp_fin_timeout=wanted.cache.tcp_fin_timeout,
    )
    return replace(
        now,
        cache=cache,
        export=wanted.export,
        collectors=wanted.collectors,
        log=wanted.log,
        metrics=wanted.metrics,
    )


def needing_restart(now: Settings, wanted: Settings) -> list[str]:
    """The sections with a change that `reloadable` leaves out."""
    after = reloadable(now, wanted)
    names = ("interfaces", "capture", "cache", "dpi", "plugins", "process")
    return [name for name in names if getattr(after, name) != getattr(wanted, name)]
