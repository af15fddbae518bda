# SPDX-License-Identifier: Apache-2.0
"""The number of workers changes no verdict, but for what nDPI remembers of hosts: each has its own nDPI."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from classify.classified import Classified, classified, run
from classify.crafted import application_traffic
from craft import payloads
from craft.capture import SECOND, Capture
from craft.connection import Connection
from craft.conversation import EPOCH_NS, Pair
from end_to_end.command import DEMO
from metering.native import Outcome, rows
from spanflow.metering_counters import ClassificationCounters

BY_CACHE = 3
REMEMBERED = {
    # Calls that find their peers by STUN: what one Flow is gives away the others of the same hosts.
    "stun_google_meet.pcapng",
}


def captures() -> list[Path]:
    folder = os.environ.get("SPANFLOW_CAPTURES")
    found = sorted(path for path in Path(folder).rglob("*.*cap*") if path.is_file()) if folder else []
    return [path for path in found if path.name not in REMEMBERED]


def everything(outcome: Outcome) -> tuple[list[bytes], list[Any], ClassificationCounters]:
    """Records with their details, whatever their order; and what it took."""
    flows = sorted((flow.number("flow_id"), flow.packets, flow.verdict) for flow in classified(outcome))
    return rows(outcome.records), flows, outcome.counters.classification


@pytest.mark.parametrize("path", [DEMO, *captures()], ids=lambda path: path.name)
def test_captures(path: Path) -> None:
    assert everything(run(path, workers=4)) == everything(run(path))


@pytest.mark.parametrize("workers", [2, 4])
def test_crafted_traffic(workers: int, tmp_path: Path) -> None:
    capture = application_traffic()
    assert everything(run(capture, tmp_path, workers=workers)) == everything(run(capture, tmp_path))


def test_what_is_remembered_of_hosts_stays_with_the_worker(tmp_path: Path) -> None:
    """The exception, so that it is known: a peer of BitTorrent seen by the same worker, and by none else."""
    peer = Pair("192.0.2.1", "203.0.113.7", 40000, 6881)
    hello = b"\x13BitTorrent protocol" + bytes(8) + payloads.noise(40, "peer")
    found = set()
    for host in range(16):
        capture = Capture()
        Connection(capture, peer, EPOCH_NS).open().send(">", hello).send("<", hello)
        later = Pair(f"192.0.2.{100 + host}", peer.server, 40001, 6881)
        Connection(capture, later, EPOCH_NS + SECOND).open().send(">", payloads.noise(90))
        one, four = (second_flow(run(capture, tmp_path, workers=workers)) for workers in (1, 4))
        assert (one.application, one.number("confidence")) == ("BitTorrent", BY_CACHE)
        found.add((four.application, four.number("confidence")))
    assert found == {("BitTorrent", BY_CACHE), ("Unknown", 0)}


def second_flow(outcome: Outcome) -> Classified:
    return classified(outcome)[1]
