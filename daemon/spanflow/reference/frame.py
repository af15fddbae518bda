# SPDX-License-Identifier: Apache-2.0
"""A frame as it was captured, and the one rule by which headers are read from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dpkt

MAXIMUM_TIME_NS = 2**62 - 1


class DiscardError(Exception):
    """A frame that is not accounted to a Flow; str() is the reason (1.1)."""


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
        """1.9: never less than what was captured."""
        return max(self.original_length, len(self.octets))

    def need(self, offset: int, count: int, end: int) -> bytes:
        """The octets of a header that we cannot do without (1.2).

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

    def header(self, kind: Any, offset: int, end: int) -> Any:
        """The fixed part of a header by its class of dpkt; all of it is needed."""
        return fields(kind, self.need(offset, kind.__hdr_len__, end))


def fields(kind: Any, octets: bytes) -> Any:
    """The fields of one header; what `octets` do not reach is 0.

    By the base class alone: the unpack of most classes of dpkt goes on to what follows, guesses what that is,
    and takes a broken one for payload, where 1.1 wants a reason.
    """
    header = kind.__new__(kind)
    dpkt.dpkt.Packet.unpack(header, octets.ljust(kind.__hdr_len__, b"\0"))
    return header


def clamp_time(time_ns: int) -> int:
    """11.1: times outside [0, 2^62) nanoseconds become the nearest one inside."""
    return max(0, min(time_ns, MAXIMUM_TIME_NS))
