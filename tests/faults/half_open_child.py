# SPDX-License-Identifier: Apache-2.0
"""Run as a program: the link to a collector over TCP goes down and comes back, in a namespace of its own.

Arguments: the directory for the spool; 1 to have something under way when it goes down. Prints JSON.
Exit code 77: namespaces are not permitted here.
"""

from __future__ import annotations

import json
import sys

from exporting.dead_link_child import set_loopback
from exporting.narrow_path_child import IFF_UP, enter_namespace
from exporting.stream_peers import accept, eventually, listener

BATCH = 100


def main(directory: str, busy: bool) -> None:
    """Some batches before, while and after the link is down."""
    enter_namespace()
    set_loopback(IFF_UP)
    from faults.arrivals import MILLISECOND_NS, TIMEOUT_S, Arrivals, Reading, dropped, flows
    from spanflow.config.schema import Collector, Export
    from spanflow.exporting.counters import NOTHING
    from spanflow.exporting.process import ExportingProcess

    with listener() as listening:
        collector = Collector(
            transport="tcp",
            host="127.0.0.1",
            port=listening.getsockname()[1],
            send_timeout=500 * MILLISECOND_NS,
            retry_interval=200 * MILLISECOND_NS,
        )
        process = ExportingProcess(collector, Export(spool_directory=directory), domain=7)
        process.start()
        readings = [Reading(accept(listening))]
        offered = 0

        def offer(batches: int) -> None:
            nonlocal offered
            for _ in range(batches):
                assert process.offer(flows(offered, BATCH))
                offered += BATCH

        offer(3)
        eventually(lambda: process.counters().sent.records == offered, "all acknowledged")
        set_loopback(0)
        if busy:  # else it is keepalive that finds it
            offer(1)
        eventually(lambda: not process.up, "given up")
        offer(5)
        eventually(lambda: process.counters().spooled.records >= 5 * BATCH, "spooled")
        spooled = process.counters().spooled.records
        set_loopback(IFF_UP)
        readings.append(Reading(accept(listening)))
        offer(2)
        eventually(lambda: process.counters().sent.records == offered, "all acknowledged")
        assert process.drain(TIMEOUT_S)
        process.stop()
    arrivals = Arrivals()
    arrivals.take(readings[1].end())
    # Nobody has told the first one of the end.
    arrivals.take(bytes(readings[0].octets))
    counters = process.counters()
    assert counters.spooled == NOTHING
    report = {
        "dropped": dropped(process),
        "missing": offered - len(set(arrivals.flow_ids)),
        "duplicates": arrivals.duplicates,
        "resent": counters.resent,
        "spooled": spooled,
        "connections": counters.connections,
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "1")
