# SPDX-License-Identifier: Apache-2.0
"""ndpiReader's flows beside our records, Flow by Flow.

    cd tests; python -m classify.compare FILE...

prints every difference and the shares, at ndpiReader's budgets and at our defaults (docs/classification.md).
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classify.classified import Classified, classified, run
from classify.ndpi_reader import ReaderFlow, as_it_prints, read_with_ndpi, reader_version
from craft.transport import SCTP
from spanflow.applications import Applications
from spanflow.details import Detail

READER_BUDGETS: Mapping[str, Any] = {
    "tcp_packets": 81,
    "udp_packets": 25,
    "other_packets": 255,
    "empty_packets": True,
}
"""What ndpiReader does by default: it counts every packet, and stops with the first one above 80 and 24."""

OUR_DEFAULTS: Mapping[str, Any] = {}

NOT_SEEN, APPLICATION, CONFIDENCE = "not seen", "application", "confidence"
SERVER_NAME, RISKS = "server name", "risks"

CONFIDENCES = {
    "Unknown": 0,
    "Match by port": 1,
    "Match by IP": 2,
    "DPI (cache)": 3,
    "DPI (partial)": 4,
    "DPI": 5,
}


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One value of one flow. kind: what it is, NOT_SEEN where we have no such Flow."""

    capture: str
    kind: str
    flow: str
    theirs: str = ""
    ours: str = ""


@dataclass(slots=True)
class Comparison:
    """Of several captures. flows: ndpiReader's; matched: those that we have too."""

    flows: int = 0
    matched: int = 0
    only_ours: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def same_application(self) -> int:
        return self.matched - sum(each.kind == APPLICATION for each in self.differences)

    def add(self, other: Comparison) -> None:
        self.flows += other.flows
        self.matched += other.matched
        self.only_ours += other.only_ours
        self.differences += other.differences

    def summary(self) -> str:
        kinds = Counter(each.kind for each in self.differences)
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())) or "none"
        return (
            f"{self.flows} flows of ndpiReader, {self.matched} of them are Flows of ours,"
            f" {self.same_application} with the same application"
            f" ({100 * self.same_application / self.flows:.2f} % of all); {self.only_ours} more of ours."
            f" Differences: {told}"
        )


def compare(captures: Iterable[Path], dpi: Mapping[str, Any]) -> Comparison:
    """dpi: our settings. Timeouts are off; it is the same version of nDPI."""
    found = Comparison()
    engine = f"ndpi-{reader_version()}"
    for capture in captures:
        outcome = run(capture, dpi={"engine": engine, **dpi})
        found.add(_compare(capture.name, read_with_ndpi(capture), classified(outcome), outcome.applications))
    return found


Key = tuple[Any, ...]


def _compare(
    capture: str, theirs: Sequence[ReaderFlow], ours: Sequence[Classified], applications: Applications
) -> Comparison:
    by_key: dict[Key, Classified] = {}
    by_addresses: dict[Key, list[Classified]] = defaultdict(list)
    for record in ours:  # in the order of their start: ndpiReader has one flow where ports are used again
        ends = _as_it_prints(record)
        by_key.setdefault(_key(record.protocol, ends), record)
        by_addresses[_addresses(ends)].append(record)
    found = Comparison(flows=len(theirs), only_ours=len(by_key))
    for flow in theirs:
        between = by_addresses[_addresses(flow.ends)]
        if record := by_key.get(_key(flow.protocol, flow.ends)):
            pass
        elif len(between) == 1:
            # Behind IPv6 extension headers it takes another protocol for the flow's, or none.
            record = between[0]
        else:
            found.differences.append(Difference(capture, NOT_SEEN, _words(flow)))
            continue
        found.matched += 1
        found.only_ours -= 1
        found.differences += _differences(capture, flow, record, applications)
    return found


def _key(protocol: int, ends: Iterable[tuple[str, int]]) -> Key:
    return protocol, *sorted(ends)


def _addresses(ends: Iterable[tuple[str, int]]) -> Key:
    return tuple(sorted(address for address, _ in ends))


def _as_it_prints(record: Classified) -> list[tuple[str, int]]:
    # It knows the ports of TCP and UDP alone.
    has_ports = record.protocol != SCTP
    return [(as_it_prints(address), port if has_ports else 0) for address, port in record.ends]


def _differences(
    capture: str, flow: ReaderFlow, record: Classified, applications: Applications
) -> Iterable[Difference]:
    risk = record.number("flow_risk")
    risks = frozenset(name for bit, name in applications.risks.items() if risk >> bit & 1)
    pairs: tuple[tuple[str, Any, Any], ...] = (
        (
            APPLICATION,
            flow.application,
            (record.number("master_protocol"), record.number("application")),
        ),
        ("category", flow.category, record.number("application_category")),
        (CONFIDENCE, CONFIDENCES[flow.confidence], record.number("confidence")),
        (SERVER_NAME, flow.server_name, record.detail(Detail.SERVER_NAME)),
        ("JA3 of the client", flow.ja3_client, record.detail(Detail.JA3_CLIENT)),
        ("JA3 of the server", flow.ja3_server, record.detail(Detail.JA3_SERVER)),
        (RISKS, (sorted(flow.risks), flow.risk_score), (sorted(risks), record.number("risk_score"))),
    )
    for kind, theirs, ours in pairs:
        if theirs != ours:
            yield Difference(capture, kind, _words(flow), str(theirs), str(ours))


def _words(flow: ReaderFlow) -> str:
    ends = " ".join(f"{address}:{port}" for address, port in flow.ends)
    return f"{flow.title} {flow.protocol} {ends}"


def main(paths: Sequence[str]) -> None:
    for title, dpi in (("at ndpiReader's budgets", READER_BUDGETS), ("at our defaults", OUR_DEFAULTS)):
        found = compare(map(Path, paths), dpi)
        for each in found.differences:
            print(f"{each.capture}: {each.flow}: {each.kind} {each.theirs} | {each.ours}")
        print(f"{title}: {found.summary()}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
