# SPDX-License-Identifier: Apache-2.0
"""Run as a program: an Exporting Process with a spool, which is killed by its parent.

Arguments: the directory, the port of the collector, and from which flowId to offer batches of 100 Flows for
ever; -1: none, what is in the spool is sent, slowly. Prints how many Flows were offered and are in the spool.
"""

from __future__ import annotations

import sys
import threading

from exporting.stream_peers import eventually
from faults.arrivals import flows
from spanflow.config.schema import Collector, Export
from spanflow.exporting.counters import NOTHING
from spanflow.exporting.process import ExportingProcess

BATCH = 100


def main(directory: str, port: int, first: int) -> None:
    """Never returns."""
    collector = Collector(transport="tcp", host="127.0.0.1", port=port, name="noc")
    export = Export(spool_directory=directory, spool_rate=20_000)
    process = ExportingProcess(collector, export, domain=7)
    process.start()
    if first < 0:
        threading.Event().wait()
    while True:
        process.offer(flows(first, BATCH))
        eventually(lambda: process.counters().queued == NOTHING, "in the spool")
        first += BATCH
        print(first, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
