#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Label the flows of captures by who takes part in them, for machine learning.

    python label_traffic.py labels.csv flows.parquet capture.pcap...

labels.csv: lines of an address or a network and its label, `192.0.2.0/24,office`. Of the lines that hold
either end of a flow, the first one decides; flows of nobody are `unlabelled`. The table, CSV if its name ends
in .csv, else Parquet, has the label, the statistics of each flow, protocol and application. It has no
addresses: they tell the label, and a model would learn them by heart.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from ipaddress import ip_address, ip_network

import numpy as np

from spanflow import FlowBatch, FlowStream, SpanflowError

FEATURES = ("protocol_identifier", "application", "packet_count", "octet_count", "statistics", "label")


class Labeller:
    """A per-flow plugin: the column `label`, by a table of networks."""

    columns = {"label": "string"}  # noqa: RUF012

    def __init__(self, path: str) -> None:
        with open(path, newline="") as file:
            rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
        self.table = [(ip_network(network.strip()), label.strip()) for network, label in rows]
        self.known: dict[str, int] = {}
        self.flows: Counter[str] = Counter()

    def __call__(self, flows: FlowBatch) -> dict[str, list[str]]:
        """Of both ends, the line that comes first."""
        lines = np.minimum(self.lines(flows["src_ip"]), self.lines(flows["dst_ip"]))
        names = [*(label for _, label in self.table), "unlabelled"]
        labels = [names[line] for line in lines.tolist()]
        self.flows.update(labels)
        return {"label": labels}

    def lines(self, addresses: np.ndarray) -> np.ndarray:
        """The number of the first line that holds each address; without one, the number of lines."""
        return np.array([self.line(address) for address in addresses.tolist()])

    def line(self, address: str) -> int:
        """Looked up once: there are fewer addresses than flows."""
        if address not in self.known:
            parsed = ip_address(address)
            holding = (number for number, (network, _) in enumerate(self.table) if parsed in network)
            self.known[address] = next(holding, len(self.table))
        return self.known[address]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", help="a CSV file of network,label")
    parser.add_argument("output", help="the table: NAME.csv or NAME.parquet")
    parser.add_argument("captures", nargs="+", help="capture files")
    given = parser.parse_args()
    try:
        labeller = Labeller(given.labels)
        with FlowStream(given.captures, plugins=[labeller], strict=True) as stream:
            write = stream.to_csv if given.output.endswith(".csv") else stream.to_parquet
            count = write(given.output, features=FEATURES)
    except (OSError, ValueError) as error:
        print(f"{given.labels}: {error}", file=sys.stderr)
        return 65
    except SpanflowError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    print(f"{count} flows in {given.output}")
    for label, flows in labeller.flows.most_common():
        print(f"{flows:8} {label}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
