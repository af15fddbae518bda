# SPDX-License-Identifier: Apache-2.0
"""A frame as a capture file holds it, and the one rule by which headers are read from it."""

from __future__ import annotations

from dataclasses import dataclass

MAXIMUM_TIME_NS = 2**62 - 1


class CaptureError(Exception):
    """The file is not a capture."""


class DiscardError(Exception):
    """A frame that is not accounted to a Flow; str() is the reason (semantics §1)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """`octets` are the captured ones, `wire_length` what the frame had: what was captured was on the wire."""

    time_ns: int
    octets: bytes
    original_length: int
    link_type: int
    interface: int

    @property
    def wire_length(self) -> int:
        return max(self.original_length, len(self.octets))

    def need(self, offset: int, count: int, end: int) -> bytes:
        """The octets of a header that we cannot do without.

        end: where the packet ends by its own claim (IP length), or by the wire length for link and IP
        headers.
        Raises DiscardError: malformed if the header goes beyond that claim, else truncated if the capture cut
        it.
        """
        if offset + count > end:
            raise DiscardError("malformed")
        if offset + count > len(self.octets):
            raise DiscardError("truncated")
        return self.octets[offset : offset + count]


def clamp_time(time_ns: int) -> int:
    """Times outside [0, 2^62) nanoseconds become the nearest one inside."""
    return max(0, min(time_ns, MAXIMUM_TIME_NS))
