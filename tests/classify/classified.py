# SPDX-License-Identifier: Apache-2.0
"""Flow Records with what the numbers of their classification mean."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from craft.capture import Capture
from metering.native import Outcome, meter
from spanflow.applications import Applications
from spanflow.details import Detail, texts
from spanflow.record import Array

HOUR = 3600 * 1_000_000_000
UNENDING: Mapping[str, Any] = {
    "active_timeout": 0,
    "inactive_timeout": 0,
    "tcp_linger": 24 * 366 * HOUR,
    "tcp_fin_timeout": 0,
    "reorder_window": 1 << 60,
}
"""No Flow leaves before the end of the file, unless a new connection follows on the same ports."""

EVERYTHING: Mapping[str, Any] = {"tcp_packets": 255, "udp_packets": 255, "other_packets": 255}
"""Budgets that no crafted capture exhausts."""

MEMBERS = (
    *("application_id", "application", "master_protocol", "application_category", "confidence"),
    *("risk_score", "flow_risk", "tls_version", "dns_query_type", "dns_response_code"),
)
"""What a record says of its application, details apart."""


@dataclass(frozen=True, slots=True)
class Classified:
    """One record. ends: (address, port) of initiator and responder. details: those that it has."""

    record: np.void
    ends: tuple[tuple[str, int], tuple[str, int]]
    application: str
    details: dict[Detail, str]

    @property
    def protocol(self) -> int:
        return int(self.record["protocol_identifier"])

    @property
    def verdict(self) -> tuple[Any, ...]:
        """All that classification says of it, comparable."""
        return (*(int(self.record[name]) for name in MEMBERS), tuple(self.details.items()))

    @property
    def packets(self) -> tuple[int, int]:
        return tuple(int(self.record[half]["packet_delta_count"]) for half in ("forward", "reverse"))

    def number(self, member: str) -> int:
        return int(self.record[member])

    def detail(self, kind: Detail) -> str:
        return self.details.get(kind, "")


def classified(outcome: Outcome) -> list[Classified]:
    """The records of a run in the order of their start."""
    found = []
    for batch in outcome.batches:
        columns = {kind: texts(batch, kind) for kind in Detail}
        for number, record in enumerate(batch.records):
            details = {kind: column[number] for kind, column in columns.items() if column[number]}
            title = title_of(outcome.applications, record)
            found.append(Classified(record, ends_of(record), title, details))
    return sorted(found, key=lambda each: (int(each.record["flow_start_ns"]), _first_ns(each.record)))


def classify(
    source: Capture | Path | Sequence[Path], folder: Path | None = None, **options: Any
) -> list[Classified]:
    """Meter with classification. A crafted capture needs a folder. options: those of metering.native."""
    return classified(run(source, folder, **options))


def run(source: Capture | Path | Sequence[Path], folder: Path | None = None, **options: Any) -> Outcome:
    if isinstance(source, Capture):
        assert folder is not None
        path = folder / "crafted.pcap"
        path.write_bytes(source.pcap())
        source = path
    paths = [source] if isinstance(source, Path) else source
    return meter(paths, **{**UNENDING, "dpi": {}, **options})


def title_of(applications: Applications, record: np.void) -> str:
    """`TLS.Google`, `DNS`, `Unknown`."""
    return applications.title(int(record["master_protocol"]), int(record["application"])) or "Unknown"


def ends_of(record: np.void) -> tuple[tuple[str, int], tuple[str, int]]:
    version = int(record["ip_version"])
    source, destination = (
        (address_text(record[f"{end}_address"], version), int(record[f"{end}_transport_port"]))
        for end in ("source", "destination")
    )
    return source, destination


def address_text(octets: Array, version: int) -> str:
    if version == 4:
        return socket.inet_ntop(socket.AF_INET, octets[12:].tobytes())
    return socket.inet_ntop(socket.AF_INET6, octets.tobytes())


def _first_ns(record: np.void) -> int:
    """When the record begins."""
    halves = [record[half] for half in ("forward", "reverse")]
    return min(int(half["first_ns"]) for half in halves if half["packet_delta_count"])
