# SPDX-License-Identifier: Apache-2.0
"""What library.py measures of ours: programs that somebody would write with the library.

    python bench/library_programs.py batches --set active_timeout=120s OUTPUT FILE

OUTPUT: where a table is written to. Prints one JSON line: packets received, and how many flows came out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spanflow import FlowStream

COLUMNS = ("packet_count", "packet_length_mean", "duration_ns")
"""Three that are asked for: one of the record, one float, one computed from two."""


def batches(stream: FlowStream, _output: Path) -> int:
    return sum(len(flows) for flows in stream.batches())


def batches_columns(stream: FlowStream, _output: Path) -> int:
    count = 0
    for flows in stream.batches():
        columns = [flows.column(name) for name in COLUMNS]
        count += len(columns[0])
    return count


def flows(stream: FlowStream, _output: Path) -> int:
    count = 0
    for flow in stream:
        count += flow.packet_count >= 1 and flow.packet_length_mean > 0 and flow.duration_ns >= 0
    return count


def csv_classic(stream: FlowStream, output: Path) -> int:
    return stream.to_csv(output, features="classic")


def parquet_classic(stream: FlowStream, output: Path) -> int:
    return stream.to_parquet(output, features="classic")


def parquet_full(stream: FlowStream, output: Path) -> int:
    return stream.to_parquet(output, features=("core", "statistics"))


def pandas(stream: FlowStream, _output: Path) -> int:
    return len(stream.to_pandas(features=("core", "statistics")))


class LargePackets:
    """A per-packet plugin that does next to nothing: what it costs is that it is there."""

    name = "large_packets"

    def on_flow_init(self, flow: Any) -> None:
        flow.classifiers[self.name]["large"] = 0

    def on_flow_update(self, packet: Any, flow: Any) -> None:
        if packet.size > 1000:
            flow.classifiers[self.name]["large"] += 1

    def on_flow_terminate(self, flow: Any) -> None:
        pass

    def on_exit(self) -> None:
        pass


PROGRAMS: dict[str, tuple[Callable[[FlowStream, Path], int], dict[str, Any]]] = {
    "batches": (batches, {}),
    "batches-columns": (batches_columns, {}),
    "flows": (flows, {}),
    "csv-classic": (csv_classic, {}),
    "parquet-classic": (parquet_classic, {}),
    "parquet-full": (parquet_full, {}),
    "pandas": (pandas, {}),
    "reference": (flows, {"engine": "reference"}),
    "reference-plugin": (flows, {"user_classifiers": LargePackets()}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=PROGRAMS)
    parser.add_argument("--set", action="append", default=[], metavar="ARGUMENT=VALUE", help="of FlowStream")
    parser.add_argument("--split", action="store_true", help="Flows may be cut: do not compare their number")
    parser.add_argument("output", type=Path)
    parser.add_argument("file")
    given = parser.parse_args()
    program, more = PROGRAMS[given.what]
    settings = dict(each.split("=", 1) for each in given.set)
    stream = FlowStream(given.file, enable_ndpi=False, progress=False, **more, **settings)
    count = program(stream, given.output)
    print(json.dumps({"packets": stream.packets, "records" if given.split else "flows": count}))


if __name__ == "__main__":
    main()
