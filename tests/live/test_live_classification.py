# SPDX-License-Identifier: Apache-2.0
"""Applications are the same, read from a file or captured from the wire."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from classify.classified import UNENDING, classified, run
from classify.crafted import application_traffic
from craft.capture import Capture
from live.harness.probe import probe

LIVE = {
    **{f"cache.{name}": 0 for name in ("active_timeout", "inactive_timeout", "tcp_fin_timeout")},
    "cache.tcp_linger": "1h",
    "capture.ring_size": "4MiB",
}
ICMP = 1

Application = tuple[str, int, str, int, int, int]
"""Source and destination with their ports, protocol, applicationId."""


def live_applications(flows: Iterable[dict[str, Any]]) -> list[Application]:
    found = []
    for flow in flows:
        source, destination = (
            (str(flow[f"{end}IPv{flow['ipVersion']}Address"]), int(flow[f"{end}TransportPort"]))
            for end in ("source", "destination")
        )
        if flow["protocolIdentifier"] == ICMP:
            destination = (destination[0], 0)  # it carries type and code there
        found.append((*source, *destination, flow["protocolIdentifier"], flow["applicationId"]))
    return sorted(found)


def file_applications(capture: Capture, folder: Path) -> list[Application]:
    flows = classified(run(capture, folder, **UNENDING))
    return sorted(
        (*flow.ends[0], *flow.ends[1], flow.protocol, flow.number("application_id")) for flow in flows
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_applications(workers: int, tmp_path: Path) -> None:
    """Thirty-nine Flows of nineteen applications, all Ethernet frames as they are."""
    capture = application_traffic()
    with probe(settings={**LIVE, "capture.workers": workers}, options="?biflow=true") as running:
        running.sender.send([frame.octets for frame in capture.frames])
        running.daemon.settle(len(capture.frames))
        running.daemon.stop_in_peace()
        live = live_applications(running.collector.flows())
    assert live == file_applications(capture, tmp_path)
    assert len({each[-1] for each in live}) > 15
