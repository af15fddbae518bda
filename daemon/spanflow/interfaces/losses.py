# SPDX-License-Identifier: Apache-2.0
"""What was lost before a capture could see it, in the card and in the kernel."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spanflow.interfaces.netlink import IFLA_STATS64, Link, links

# The first 16 members of struct rtnl_link_stats64; later kernels append.
_STATISTICS = struct.Struct("=16Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCounters:
    """Packets that an interface received, and those that it lost before any capture could see them.

    Since the interface exists. rx_missed: the card had no place for them, the host was too slow.
    rx_no_buffer: the host's buffers did not do. rx_errors: bad frames. rx_dropped: discarded by the driver or
    the kernel.
    Drivers differ in what they count where, and may count one packet in two of them.
    Not here is rx_nohandler: packets that a capture sees although the kernel has no use for them.
    """

    rx_packets: int
    rx_dropped: int
    rx_missed: int
    rx_errors: int
    rx_no_buffer: int


def card_counters() -> Mapping[str, CardCounters]:
    """The counters of every interface by its name. Raises OSError where netlink is not allowed."""
    return {link.name: _counters(link) for link in links() if IFLA_STATS64 in link.attributes}


def softnet_drops(path: Path = Path("/proc/self/net/softnet_stat")) -> tuple[int, int]:
    """Packets dropped because a CPU's receive queue was full, and times that a CPU had to leave packets.

    All CPUs together, since the kernel started; (0, 0) where the kernel does not show it.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0, 0
    columns = [line.split() for line in lines]
    return sum(int(column[1], 16) for column in columns), sum(int(column[2], 16) for column in columns)


def _counters(link: Link) -> CardCounters:
    values = _STATISTICS.unpack_from(link.attributes[IFLA_STATS64])
    rx_over_errors, rx_fifo_errors = values[11], values[14]
    return CardCounters(
        rx_packets=values[0],
        rx_dropped=values[6],
        rx_missed=values[15],
        rx_errors=values[4],
        # Two names for one event; a driver fills either, or both with the same number.
        rx_no_buffer=max(rx_over_errors, rx_fifo_errors),
    )
