# SPDX-License-Identifier: Apache-2.0
"""How fast Messages leave: a file yields records far faster than collectors take them, and UDP does not wait.

A collector on this machine is watched by its receive queue; others get a bounded rate, or none for live
traffic, which comes in its own time. Clock and waiting are passed in; `wait(seconds)` returns true when the
export is to stop.
"""

from __future__ import annotations

from typing import Protocol

from spanflow.exporting.clock import Clock
from spanflow.exporting.receiver_queue import Look
from spanflow.exporting.transport.interface import Wait

SECOND_NS = 1_000_000_000

# What a waiting datagram costs in the receiver's buffer beside its octets: headers and the kernel's two
# structures, rounded up to a power of two, and the packet descriptor.
_HEADERS_OCTETS = 28
_SHARED_INFO_OCTETS = 384
_DESCRIPTOR_OCTETS = 256

# Beyond this share of the buffer we wait; the rest is for datagrams under way, and for other senders.
_SHARE_PERCENT = 60
_FEW_MESSAGES = 8
_LOOK_INTERVAL_S = 0.0002
_PATIENCE_NS = 5 * SECOND_NS
_LONGEST_CREDIT_OCTETS = 1 << 24

# A rate's credit of this long may be used at once.
_BURST_NS = SECOND_NS // 100


class Pacer(Protocol):
    """Says how many Messages may leave now."""

    def grant(self, messages: int, message_octets: int) -> int:
        """Wait until at least one of these Messages may leave; how many may. 0: the export is to stop."""
        ...


class Unpaced:
    """All Messages, at once."""

    def grant(self, messages: int, message_octets: int) -> int:
        """All of them."""
        return messages


class RatePacer:
    """At most `rate` Messages per second, evenly: a token bucket of 10 ms."""

    def __init__(self, rate: int, clock: Clock, wait: Wait) -> None:
        self._rate = rate
        self._clock = clock
        self._wait = wait
        # The credit is kept in Messages x ns, so that no fraction is lost.
        self._burst = max(SECOND_NS, rate * _BURST_NS)
        self._credit = self._burst
        self._counted_ns = clock.monotonic_ns()

    def grant(self, messages: int, message_octets: int) -> int:
        """As many as the credit has, at least one; waits for up to 10 ms' worth."""
        wanted = min(messages, self._burst // SECOND_NS) * SECOND_NS
        self._earn()
        while self._credit < wanted:
            missing_ns = -((self._credit - wanted) // self._rate)
            if self._wait(missing_ns / SECOND_NS):
                return 0
            self._earn()
        granted = min(messages, self._credit // SECOND_NS)
        self._credit -= granted * SECOND_NS
        return granted

    def _earn(self) -> None:
        now = self._clock.monotonic_ns()
        self._credit = min(self._burst, self._credit + (now - self._counted_ns) * self._rate)
        self._counted_ns = now


class ReceiverPacer:
    """As much as the receiver's buffer has room for.

    Does not wait for one who does not listen, nor for one whose queue has not shrunk for five seconds: such a
    collector loses Messages, as it would behind a network, and the probe goes on.
    """

    def __init__(self, look: Look, clock: Clock, wait: Wait) -> None:
        self._look = look
        self._clock = clock
        self._wait = wait
        self._room_octets = 0
        self._stalled = False

    def grant(self, messages: int, message_octets: int) -> int:
        """As many as there is room for; looks again when the room that the last look found is used up."""
        cost = buffer_octets(message_octets)
        few = min(messages, _FEW_MESSAGES) * cost
        if self._room_octets < few:
            room_octets = self._find_room(few, messages * cost)
            if room_octets is None:
                return 0
            self._room_octets = room_octets
        granted = min(messages, max(1, self._room_octets // cost))
        self._room_octets -= granted * cost
        return granted

    def _find_room(self, few: int, whole: int) -> int | None:
        """Wait for room for a few Messages; for all if waiting is of no use. None: the export is to stop."""
        least, since_ns = None, self._clock.monotonic_ns()
        while True:
            queue = self._look()
            if queue is None:
                return whole
            bound = queue.capacity * _SHARE_PERCENT // 100
            # One who took everything has all the room there is, even if that is less than a few Messages.
            if queue.backlog + few <= bound or queue.backlog == 0:
                self._stalled = False
                return min(bound - queue.backlog, _LONGEST_CREDIT_OCTETS)
            now = self._clock.monotonic_ns()
            if least is None or queue.backlog < least:
                least, since_ns = queue.backlog, now
            self._stalled = self._stalled or now - since_ns >= _PATIENCE_NS
            if self._stalled:
                return whole
            if self._wait(_LOOK_INTERVAL_S):
                return None


def buffer_octets(message_octets: int) -> int:
    """What one datagram of this size takes in a receive buffer, at most."""
    allocated = message_octets + _HEADERS_OCTETS + _SHARED_INFO_OCTETS
    return (1 << (allocated - 1).bit_length()) + _DESCRIPTOR_OCTETS
