# SPDX-License-Identifier: Apache-2.0
"""IPFIX Files (RFC 5655) that were rotated: each is read by itself, by readers that are ours and not ours."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporting.classified_flows import DOMAIN, SAMPLING
from exporting.clocks import FakeClock
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, Flow, Values, batch_of, uniflows_of
from exporting.test_second_reader import read
from exporting.test_tshark import assert_no_complaint, dissected
from spanflow.collecting.counters import SequenceCounters
from spanflow.collecting.file import read_file
from spanflow.collecting.process import CollectingProcess
from spanflow.exporting.counters import DeliveryCounters
from spanflow.exporting.delivery import Delivery, once
from spanflow.exporting.ipfix import LONGEST_MESSAGE
from spanflow.exporting.pacing import Unpaced
from spanflow.exporting.profiles import GENERIC
from spanflow.exporting.session import IpfixSession
from spanflow.exporting.transport.file import FileTransport

ROTATE_NS = 60 * 10**9
BATCHES = (IPV4_FLOWS, IPV6_FLOWS, IPV4_FLOWS[:3])


def export(directory: Path, *, compression: str) -> list[Path]:
    """Each batch into a file of its own; the files in the order of their begin."""
    clock = FakeClock()
    for flows in BATCHES:
        transport = FileTransport(
            str(directory / "%H%M%S.ipfix"),
            clock.wait,
            clock=clock,
            rotate_ns=ROTATE_NS,
            compression=compression,
        )
        delivery = _delivery(transport, clock)
        delivery.announce()
        assert delivery.deliver(batch_of(*flows)) == {}
        clock.advance(ROTATE_NS / 1e9)
        assert transport.rotation_due
        assert transport.finish(0.0)
        assert delivery.acknowledged_octets == delivery.octets
    return sorted(directory.iterdir())


def _delivery(transport: FileTransport, clock: FakeClock) -> Delivery:
    session = IpfixSession(
        GENERIC.templates(biflow=False),
        observation_domain_id=DOMAIN,
        max_message_octets=LONGEST_MESSAGE,
    )
    return Delivery(transport, session, Unpaced(), once(10**12), clock, lambda: False, DeliveryCounters())


def expected(flows: tuple[Flow, ...]) -> Iterator[Values]:
    yield SAMPLING
    for flow in sorted(flows, key=lambda flow: flow.is_icmp):
        yield from uniflows_of(flow)


def by_tshark(path: Path) -> list[Values]:
    records, text = dissected(path)
    assert_no_complaint(text)
    return records


def by_ipfix_package(path: Path) -> list[Values]:
    octets = path.read_bytes()
    return read(gzip.decompress(octets) if path.suffix == ".gz" else octets)


def by_our_collector(path: Path) -> list[Values]:
    """Nothing is ignored, and no Data Record is missing by sequence number."""
    process = CollectingProcess()
    records: list[Values] = []
    for _, message in read_file(str(path), process):
        assert not message.ignored
        for data_set in message.data_sets:
            records += map(data_set.template.by_name, data_set.records)
    assert process.counters.sequence == SequenceCounters()
    return [
        {
            name: value // 1_000_000 if name.endswith("Milliseconds") else value
            for name, value in record.items()
        }
        for record in records
    ]


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("reader", [by_tshark, by_ipfix_package, by_our_collector])
def test_every_file_is_read_by_itself(
    reader: Callable[[Path], list[Values]], compression: str, tmp_path: Path
) -> None:
    paths = export(tmp_path, compression=compression)
    ending = ".gz" if compression == "gzip" else ""
    assert [path.name for path in paths] == [f"080{minute}00.ipfix{ending}" for minute in range(3)]
    for path, flows in zip(paths, BATCHES, strict=True):
        assert reader(path) == list(expected(flows))
