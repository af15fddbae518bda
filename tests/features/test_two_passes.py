# SPDX-License-Identifier: Apache-2.0
"""Statistics of every flow of real captures agree with an independent computation in two passes."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from features.two_passes import Key, flows_of
from metering.native import meter
from spanflow.features import FlowBatch

CAPTURES = (
    *("443-git", "WebattackSQLinj", "amqp", "chrome", "dropbox", "iphone", "kerberos-login", "pgm", "pgsql"),
    *("teamspeak3", "telnet", "wa_voice", "youtube_quic", "zeek-greenhouse-app", "zeek-ipv6-retr-samba"),
)
"""Ethernet, no fragments, and no key that is used twice."""

NEVER = 1 << 60
SIDES = ("", "forward_", "reverse_")


def folder() -> Path | None:
    found = os.environ.get("SPANFLOW_CAPTURES")
    return Path(found) if found else None


@pytest.mark.skipif(folder() is None, reason="SPANFLOW_CAPTURES is not set")
@pytest.mark.parametrize("name", CAPTURES)
def test_capture(name: str) -> None:
    """Nothing ends a flow, so there is one record for each key."""
    captures = folder()
    assert captures is not None
    (path,) = captures.rglob(f"{name}.pcap")
    outcome = meter([path], active_timeout=0, inactive_timeout=0, tcp_linger=NEVER, reorder_window=NEVER)
    flows = flows_of(path)
    seen = set()
    for batch in map(FlowBatch, outcome.batches):
        for row in range(len(batch)):
            key, initiator = key_of(batch, row)
            seen.add(key)
            expected_initiator, *series = flows[key]
            assert initiator == expected_initiator
            for prefix, packets in zip(SIDES, series, strict=True):
                for ending, expected in packets.expected().items():
                    check(prefix + ending, batch.values(prefix + ending)[row], expected)
    assert len(outcome.records) == len(seen) == len(flows)


def key_of(flows: FlowBatch, row: int) -> tuple[Key, tuple[bytes, int]]:
    """The key, and the initiator."""
    record = flows.records[row]
    used = slice(12, 16) if record["ip_version"] == 4 else slice(0, 16)
    ends = [
        (record[f"{end}_address"].tobytes()[used], int(record[f"{end}_transport_port"]))
        for end in ("source", "destination")
    ]
    low, high = sorted(ends)
    return (int(record["protocol_identifier"]), low, high), ends[0]


def check(name: str, value: float, expected: float) -> None:
    """Lengths to 1e-9; gaps to 1e-6 or 1 ns; their minimum and maximum are single precision."""
    relative, absolute = (1e-9, 0.0) if "length" in name else (1e-6, 1.0)
    assert math.isclose(value, expected, rel_tol=relative, abs_tol=absolute), (name, value, expected)
    if name.endswith(("length_min", "length_max", "duration_ns")):
        assert value == expected
