# SPDX-License-Identifier: Apache-2.0
"""The plugins of the daemon: a thread of their own between the meter and the exporters.

A slow plugin stops neither capture nor the main loop: when as much waits as may, nothing more is taken from
the meter, whose queue then fills, drops and counts as it does for any other reason.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from spanflow.applications import NO_APPLICATIONS, Applications
from spanflow.errors import SpanflowError
from spanflow.exporting.counters import QueueCounters
from spanflow.exporting.queue import BatchQueue
from spanflow.plugins.chain import PluginChain
from spanflow.record import Batch

log = logging.getLogger(__name__)

STALLED_AFTER_S = 120.0
"""So long may plugins take for one batch until the daemon counts as stuck."""

BOUND_OCTETS = 8 << 20
"""Of the batches that wait. Who needs more has capture.queue_size: what cannot be taken stays there."""

_LONGEST_TURN_S = 1.0
_STOP_TIMEOUT_S = 2.0


class PluginStage:
    """Batches wait, get the columns of the plugins, and go on. The books are those of a collector's queue:
    what was taken = what went on + what waits or is worked on + what was dropped at the end.

    One thread offers and stops; `counters`, `queued_octets`, `stalled` and `failure` are for any. hand_on:
    called in the stage's thread with each batch, which has its columns.
    """

    def __init__(
        self,
        chain: PluginChain,
        hand_on: Callable[[Batch], None],
        *,
        bound_octets: int = BOUND_OCTETS,
        applications: Applications | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chain = chain
        self._hand_on = hand_on
        self._applications = applications or NO_APPLICATIONS
        self._clock = clock
        self._queue = BatchQueue(bound_octets)
        self._stopping = threading.Event()
        self._began_s: float | None = None
        self._failure = ""
        self._thread = threading.Thread(target=self.run, name="plugins", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def wait_for_room(self, batch: Batch, timeout_s: float) -> bool:
        """Whether the batch can be taken now, or within this time; true once all is dropped anyway."""
        return self._queue.wait_for_room(batch, timeout_s)

    def offer(self, batch: Batch) -> None:
        """Take a batch, which is not changed any more; without room for it, it is dropped and counted."""
        self._queue.offer(batch, wait_s=0.0)

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until all that was offered has gone on; false if the time was too short."""
        return self._queue.wait_empty(timeout_s)

    def close(self) -> None:
        """Drop what waits, and every batch that is offered from now on, and count it."""
        self._stopping.set()
        self._queue.close()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread, which `close` ends."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def stop(self, timeout_s: float = _STOP_TIMEOUT_S) -> None:
        """End the thread, then close the plugins. One that does not come back in time is left behind."""
        self.close()
        self.join(timeout_s)
        running = self._chain.running
        if not self._thread.is_alive():
            self._chain.close()
        elif running is not None:
            # When it does come back it finds that we have stopped, and does not hand on what it had.
            self._queue.close(taken_too=True)
            log.error("plugin does not end, it is left behind", extra={"plugin": running})

    def counters(self) -> QueueCounters:
        """The books of this moment."""
        return self._queue.counters()

    @property
    def queued_octets(self) -> int:
        """Octets of the batches that wait or are worked on."""
        return self._queue.octets

    def stalled(self) -> list[str]:
        """The plugin that has been at work on one batch for too long."""
        began_s, name = self._began_s, self._chain.running
        if began_s is None or name is None or self._clock() - began_s <= STALLED_AFTER_S:
            return []
        return [f"plugin {name}"]

    def failure(self) -> str:
        """What ended the thread before its time; empty when nothing did."""
        return self._failure

    def raise_if_failed(self) -> None:
        """Raises SpanflowError if the thread died."""
        if self._failure:
            raise SpanflowError(f"{self._failure}; records are missing, please report this")

    def run(self) -> None:
        """What the thread does."""
        try:
            while not self._stopping.is_set():
                self._turn(_LONGEST_TURN_S)
        except BaseException as error:
            # Plugins do not get here; this is a defect of ours.
            self._failure = f"plugins: {type(error).__name__}: {error}"
            raise
        finally:
            self._queue.close(taken_too=True)

    def _turn(self, longest_wait_s: float) -> None:
        """One batch, if one comes in this time."""
        batch = self._queue.head(longest_wait_s)
        if batch is None:
            return
        self._began_s = self._clock()
        batch = self._chain.apply(batch, self._applications)
        self._began_s = None
        if not self._stopping.is_set():
            self._hand_on(batch)
            self._queue.settle({})
