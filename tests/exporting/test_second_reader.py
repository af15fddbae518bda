# SPDX-License-Identifier: Apache-2.0
"""The `ipfix` package, which is not ours, reads what we send, every element of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporting.classified_flows import (
    DOMAIN,
    SAMPLING,
    application_of,
    applications_told,
    records_of,
    rich_of,
    whole_export,
)
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, Flow, Values, batch_of, biflow_of, uniflows_of
from exporting.plain_ipfix import OURS
from spanflow.exporting.profiles import GENERIC, GENERIC_APPLICATION, RICH, RICH_FIXED, Profile
from spanflow.exporting.session import IpfixSession

NOW = 1_800_000_000 * 10**9
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
    session = IpfixSession(GENERIC.templates(biflow=biflow), observation_domain_id=7, max_message_octets=1400)
    octets = b"".join(
        session.template_messages(NOW) + [each.octets for each in session.options_messages(NOW)]
    )
    expected: list[dict[str, Any]] = [SAMPLING]
    for flows in (IPV4_FLOWS, IPV6_FLOWS):
        for rows in session.rows(batch_of(*flows)):
            octets += b"".join(bytes(run.octets) for run in session.messages(rows, NOW).runs)
        for flow in sorted(flows, key=lambda flow: flow.is_icmp):
            expected += [biflow_of(flow)] if biflow else uniflows_of(flow)
    assert read(octets) == expected


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
@pytest.mark.parametrize(
    ("profile", "added", "own"),
    [
        (GENERIC_APPLICATION, application_of, 0),
        (RICH, rich_of, len(OURS)),
        (RICH_FIXED, lambda flow: rich_of(flow, fixed=True), len(OURS)),
    ],
    ids=["generic", "rich variable", "rich fixed"],
)
def test_ipfix_package_reads_applications(
    profile: Profile, added: Callable[[Flow], Values], own: int, biflow: bool
) -> None:
    """It has our elements from the file of specifications that we ship."""
    seen = read(b"".join(whole_export(profile, biflow=biflow)))
    # octetArray: to it applicationId is four octets. It leaves the NULs of a fixed length in place.
    shown = [
        {name: value.rstrip("\0") if isinstance(value, str) else value for name, value in record.items()}
        for record in seen
    ]
    expected = [SAMPLING, *applications_told(DOMAIN)]
    told, elements = shown[: len(expected)], shown[len(expected) : len(expected) + own]
    assert told == [as_octets(values) for values in expected]
    assert [each["informationElementName"] for each in elements] == list(OURS.values())[:own]
    records = records_of(biflow=biflow, added=added)
    assert shown[len(expected) + own :] == [as_octets(values) for values in records]


def as_octets(values: Values) -> Values:
    """As the package shows an applicationId: in hexadecimal."""
    if "applicationId" not in values:
        return values
    return values | {"applicationId": values["applicationId"].to_bytes(4, "big").hex(":")}
