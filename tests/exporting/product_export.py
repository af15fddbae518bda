# SPDX-License-Identifier: Apache-2.0
"""What an ExportingProcess sends to the collector of a URL: classified Flows, and facts of a probe."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf

import pytest

from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4, CLASSIFIED_IPV6
from exporting.flow_batches import Flow, Values, batch_of, biflow_of, uniflows_of
from exporting.netflow_export import Interfaces, has_read
from exporting.running_collector import TIMEOUT_S, wait_for
from spanflow.config.collector_url import parse_collector
from spanflow.config.schema import Export
from spanflow.exporting import opening
from spanflow.exporting.counters import ExporterCounters
from spanflow.exporting.domain import observation_domain_id
from spanflow.exporting.options import EVERY_PACKET, Sampling
from spanflow.exporting.process import ExportingProcess
from spanflow.exporting.transport.interface import UDP

BATCHES: tuple[Sequence[Flow], ...] = (CLASSIFIED_IPV4, CLASSIFIED_IPV6)
ONE_OF_100 = Sampling(1, 99)

INTERFACES = {3: ("eth3", "uplink"), 4: ("eth4", "eth4")}
"""Names and descriptions that the probe tells. Without a description the name stands for it."""

CHOSEN = (
    "packetDeltaCount,octetDeltaCount,sourceIPv4Address,destinationIPv4Address,sourceIPv6Address,"
    "destinationIPv6Address,sourceTransportPort,destinationTransportPort,protocolIdentifier,"
    "flowStartMilliseconds,flowEndMilliseconds,ingressInterface,applicationId"
)
"""Elements of a user's own choice, in an order of their own."""


def export(url: str, *, sampling: Sampling = EVERY_PACKET, until_read: bool = True) -> ExporterCounters:
    """Export all BATCHES to a collector as a user names it; what was counted.

    sampling: as the sessions announce it. until_read: return when a collector has read its datagrams.
    """
    collector = parse_collector(url)
    with pytest.MonkeyPatch.context() as patched:
        for name in ("IpfixSession", "Netflow9Session", "Netflow5Session"):
            patched.setattr(opening, name, partial(getattr(opening, name), sampling=sampling))
        process = ExportingProcess(
            collector,
            Export(),
            domain=observation_domain_id(Export(), collector),
            offline=True,
            applications=APPLICATIONS,
            facts=Interfaces(),
        )
        process.start()
        for flows in BATCHES:
            process.offer(batch_of(*flows), wait_s=inf)
        process.drain(TIMEOUT_S)
        flow = process.local_flow()
        if until_read and flow is not None and flow.protocol == UDP:
            wait_for(lambda: has_read(flow), "the collector to read")
        process.stop()
    counters = process.counters()
    assert counters.refusals == 0
    assert counters.queued.records == 0
    return counters


def sent(*, biflow: bool = False, versions: Sequence[int] = (4, 6)) -> list[Values]:
    """The Data Records, in the elements of `generic`, with the application."""
    return [
        values | {"applicationId": flow.classified.application_id}
        for flows in BATCHES
        for flow in flows
        if flow.version in versions
        for values in ([biflow_of(flow)] if biflow else uniflows_of(flow))
    ]
