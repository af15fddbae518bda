# SPDX-License-Identifier: Apache-2.0
"""The one bounds-checked reader of received octets."""

from __future__ import annotations

import struct

from spanflow.collecting.malformed import MalformedMessageError, Reason

_UNSIGNED16 = struct.Struct("!H")
_UNSIGNED32 = struct.Struct("!I")


class Cursor:
    """Reads octets[offset:end] forward; offsets stay those of the whole Message.

    A read past `end` raises MalformedMessageError with `reason`, before anything is read.
    """

    __slots__ = ("end", "octets", "offset", "reason")

    def __init__(self, octets: bytes, offset: int, end: int, reason: Reason) -> None:
        self.octets = octets
        self.offset = offset
        self.end = end
        self.reason = reason

    @property
    def remaining(self) -> int:
        return self.end - self.offset

    def need(self, size: int, what: str) -> None:
        """Raise unless `size` more octets are there; `what` names them in the error."""
        if size > self.end - self.offset:
            raise MalformedMessageError(
                self.offset, self.reason, f"{what} needs {size} octets, {self.end - self.offset} are left"
            )

    def unsigned16(self, what: str) -> int:
        self.need(2, what)
        (value,) = _UNSIGNED16.unpack_from(self.octets, self.offset)
        self.offset += 2
        return int(value)

    def unsigned32(self, what: str) -> int:
        self.need(4, what)
        (value,) = _UNSIGNED32.unpack_from(self.octets, self.offset)
        self.offset += 4
        return int(value)

    def only_zeros_left(self) -> bool:
        return not any(self.octets[self.offset : self.end])
