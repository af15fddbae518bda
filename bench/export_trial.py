# SPDX-License-Identifier: Apache-2.0
"""One trial of export.py, in a process of its own: its Exporting Processes and their batches, on one core.

    python bench/export_trial.py JSON

All batches are queued before the exporting thread starts, so nobody else takes its time. Prints one JSON
line: the costs in seconds, what was sent, and what must have arrived.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from export_flows import applications, batches_of, truth_of
from spanflow.config.collector_url import parse_collector
from spanflow.config.schema import Export
from spanflow.exporting.counters import ExporterCounters
from spanflow.exporting.intake import Intake
from spanflow.exporting.process import ExportingProcess
from spanflow.record import Batch

PATIENCE_S = 120.0
_POLL_S = 0.002
_QUEUE_OCTETS = 1 << 40  # of batches that are queued many times, and are there once


def main() -> int:
    given = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {given["core"]})
    print(json.dumps(run(given)))
    return 0


def run(given: dict[str, Any]) -> dict[str, Any]:
    """given: urls, options, detailed, version, counts, batches, passes, spool (a folder, or None), peer."""
    export = Export(
        queue_size=_QUEUE_OCTETS,
        spool_directory=given["spool"] or "",
        spool_size=1 << 40,
        spool_age=0,
        spool_rate=0,
    )
    options = {name: str(value).lower() for name, value in given["options"].items()}
    batches = batches_of(given["batches"], given["detailed"])
    if given["version"]:
        batches = [each for each in batches if int(each.records["ip_version"][0]) == given["version"]]
    table = applications()
    processes = [
        ExportingProcess(
            parse_collector(url, options | {"name": "bench" if not number else f"bench {number}"}),
            export,
            domain=7,
            applications=table,
        )
        for number, url in enumerate(given["urls"])
    ]
    repeats = 0 if given["spool"] and given["peer"] else given["passes"]  # then the spool is full already
    offering = _offer(processes, batches, repeats)
    begin = time.monotonic()
    for process in processes:
        process.start()
    done = _spooled if given["peer"] is None else _sent
    wanted = len(batches) * given["passes"] * len(batches[0])
    failure = ""
    while not all(done(process.counters(), wanted) for process in processes):
        if time.monotonic() - begin > PATIENCE_S:
            failure = f"not done after {PATIENCE_S:.0f} s"
            break
        time.sleep(_POLL_S)
    wall = time.monotonic() - begin
    exporting = [_ran_s(process) for process in processes]
    books = [process.counters() for process in processes]
    for process in processes:
        process.stop()
    kept = [Intake(processes[0].collector, table).apply(batch)[0] for batch in batches]
    return {
        "wall": wall,
        "exporting": sum(exporting),
        "offering": offering,
        "flow_records": wanted,
        "books": [_brief(each) for each in books],
        "expected": _expected(kept, given["counts"], given["passes"]),
        "error": failure or "; ".join(each.last_error for each in books if each.last_error and given["peer"]),
    }


def _offer(processes: list[ExportingProcess], batches: list[Batch], passes: int) -> float:
    """Queue all; the CPU seconds that it took this thread."""
    begin = time.thread_time()
    for _ in range(passes):
        for batch in batches:
            for process in processes:
                process.offer(batch)
    return time.thread_time() - begin


def _sent(counters: ExporterCounters, wanted: int) -> bool:
    return counters.sent.records + counters.filtered.records >= wanted


def _spooled(counters: ExporterCounters, wanted: int) -> bool:
    return counters.spooled.records >= wanted


def _ran_s(process: ExportingProcess) -> float:
    """Seconds that the exporting thread ran so far, as the scheduler says."""
    name = f"export {process.collector.name}"[:15]
    [thread] = [each for each in threading.enumerate() if each.name == name]
    return int(Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[0]) / 1e9


def _brief(counters: ExporterCounters) -> dict[str, int]:
    return {
        "sent": counters.sent.records,
        "filtered": counters.filtered.records,
        "spooled": counters.spooled.records,
        "dropped": sum(each.records for each in counters.dropped.values()),
        "resent": counters.resent,
        "messages": counters.messages,
        "octets": counters.octets_sent,
    }


def _expected(kept: list[Batch], counts: str, passes: int) -> dict[str, int]:
    truth = truth_of(kept)
    records = truth.uniflows if counts == "uniflow" else truth.flow_records
    return {
        "records": records * passes,
        "packets": truth.packets * passes,
        "octets": truth.octets * passes,
    }


if __name__ == "__main__":
    sys.exit(main())
