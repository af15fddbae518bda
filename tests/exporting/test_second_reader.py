# SPDX-License-Identifier: Apache-2.0
"""The `ipfix` package, which is not ours, reads what we send, every element of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, batch_of, biflow_of, uniflows_of
from spanflow.exporting.profiles import GENERIC
from spanflow.exporting.session import Session

NOW = 1_800_000_000
CHILD = Path(__file__).with_name("ipfix_child.py")


def read(octets: bytes) -> list[dict[str, Any]]:
    """Every Data Record as the `ipfix` package sees it."""
    done = subprocess.run(
        [sys.executable, CHILD], input=octets, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
def test_ipfix_package_reads_every_element(biflow: bool) -> None:
    session = Session(GENERIC.templates(biflow=biflow), observation_domain_id=7, max_message_octets=1400)
    octets = b"".join(session.template_messages(NOW) + session.options_messages(NOW))
    expected: list[dict[str, Any]] = [
        {
            "selectorId": 0,
            "selectorAlgorithm": 1,
            "samplingPacketInterval": 1,
            "samplingPacketSpace": 0,
        }
    ]
    for flows in (IPV4_FLOWS, IPV6_FLOWS):
        for rows in session.rows(batch_of(*flows)):
            octets += bytes(session.messages(rows, NOW).octets)
        for flow in sorted(flows, key=lambda flow: flow.is_icmp):
            expected += [biflow_of(flow)] if biflow else uniflows_of(flow)
    assert read(octets) == expected
