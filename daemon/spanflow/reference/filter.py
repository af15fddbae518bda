# SPDX-License-Identifier: Apache-2.0
"""Which frames are metered: `capture.filter`, by libpcap's own compiler and interpreter (1.1, 11.3)."""

from __future__ import annotations

from typing import Any

import pcapy

from spanflow.reference.frame import Frame

_RAW_ON_DISK, _DLT_RAW = 101, 12
_SNAP_LENGTH = 262_144
_NETMASK_UNKNOWN = 0xFFFFFFFF


class FrameFilter:
    """expression: as tcpdump takes it; empty takes everything. error: what the first compilation said.

    One program for each link type; where there is none for it, nothing matches. The program sees what was
    captured and takes its length for that of the frame: `greater` and `less` of a frame that was cut differ
    from the native engine's.
    """

    def __init__(self, expression: str) -> None:
        self.expression, self.error = expression, ""
        self._programs: dict[int, Any] = {}

    def accepts(self, frame: Frame) -> bool:
        if not self.expression:
            return True
        if frame.link_type not in self._programs:
            self._programs[frame.link_type] = self._compile(frame.link_type)
        program = self._programs[frame.link_type]
        return program is not None and bool(program.filter(frame.octets))

    def problem(self, link_type: int) -> str:
        """What is wrong with it for a link type; empty: nothing."""
        if self.expression:
            self._programs[link_type] = self._compile(link_type)
        return self.error

    def _compile(self, link_type: int) -> Any:
        known_as = _DLT_RAW if link_type == _RAW_ON_DISK else link_type
        try:
            return pcapy.compile(known_as, _SNAP_LENGTH, self.expression, 1, _NETMASK_UNKNOWN)
        except pcapy.PcapError as error:
            self.error = self.error or f"{error} (link type {link_type})"
            return None
