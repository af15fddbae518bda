# SPDX-License-Identifier: Apache-2.0
"""NFStream as its own examples use it: iterate all flows. Runs in NFStream's virtual environment.

    PYTHON bench/library_nfstream.py [--plugin] FILE

Prints one JSON line: packets in its flows, and how many flows came out.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from nfstream import NFPlugin, NFStreamer


class LargePackets(NFPlugin):  # type: ignore[misc]
    """The counterpart of the plugin in library_programs.py."""

    def on_init(self, packet: Any, flow: Any) -> None:
        flow.udps.large = int(packet.ip_size > 1000)

    def on_update(self, packet: Any, flow: Any) -> None:
        if packet.ip_size > 1000:
            flow.udps.large += 1


def main() -> None:
    streamer = NFStreamer(
        source=sys.argv[-1],
        udps=LargePackets() if "--plugin" in sys.argv else None,
        statistical_analysis=True,
        n_dissections=0,
        idle_timeout=60,
        active_timeout=120,
        n_meters=1,
        accounting_mode=1,  # sizes are those of IP packets
    )
    count = packets = 0
    for flow in streamer:
        count += 1
        packets += flow.bidirectional_packets
    print(json.dumps({"packets": packets, "flows": count}))


if __name__ == "__main__":  # it starts processes
    main()
