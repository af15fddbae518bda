# SPDX-License-Identifier: Apache-2.0
"""What is kept for a collector that is away is what it may have: filtered, and without true addresses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exporting.stream_peers import eventually
from faults.arrivals import SECOND_NS, TIMEOUT_S, flows
from faults.serving import Serving
from spanflow.config.schema import Export, Settings
from spanflow.exporting.anonymization_key import new_key
from spanflow.exporting.counters import NOTHING
from spanflow.exporting.exporters import Exporters
from spanflow.exporting.process import ExportingProcess
from spanflow.exporting.spool.survey import spools_in, survey
from spanflow.record import Batch

COUNT = 300
SECRET = bytes((203, 0, 113))
"""How the source addresses of all Flows begin."""


def secret_flows() -> Batch:
    """The source port tells the Flow; every third one goes to port 53."""
    batch = flows(0, COUNT)
    records = batch.records.copy()
    numbers = np.arange(COUNT)
    records["source_address"][:, 12:15] = list(SECRET)
    records["source_address"][:, 15] = numbers % 251
    records["source_transport_port"] = 2000 + numbers
    records["destination_transport_port"] = np.where(numbers % 3, 443, 53)
    records.flags.writeable = False
    return replace(batch, records=records)


def octets_of(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


@pytest.mark.parametrize("anonymize", ["none", "truncate", "crypto-pan"])
def test_filter_and_anonymisation_come_before_the_spool(anonymize: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    if anonymize == "crypto-pan":
        key.write_text(new_key())
        key.chmod(0o600)
    spool = tmp_path / "spool"
    peer, clear = Serving(up=False), Serving()
    collectors = (
        peer.collector(
            name="noc",
            filter="not port 53",
            anonymize=anonymize,
            anonymize_ipv4=16,
            anonymize_key=str(key) if anonymize == "crypto-pan" else None,
        ),
        clear.collector(name="clear", spool=False),
    )
    exporters = Exporters(Settings(collectors=collectors, export=Export(spool_directory=str(spool))))
    exporters.offer(secret_flows())
    eventually(lambda: exporters.statuses()[0].counters.spooled.records, "spooled")
    counters = exporters.statuses()[0].counters
    assert counters.filtered.records == COUNT // 3
    assert counters.spooled.records == COUNT - COUNT // 3
    assert counters.imbalance == NOTHING
    stored = b"".join(octets_of(spool))
    assert len(stored) > 60 * (COUNT - COUNT // 3)
    assert (SECRET in stored) is (anonymize == "none")
    peer.come()
    eventually(lambda: exporters.statuses()[0].counters.sent.records == COUNT - COUNT // 3, "replayed")
    assert exporters.drain(time.monotonic() + TIMEOUT_S)
    exporters.stop()
    records = peer.arrivals().records
    assert [record["sourceTransportPort"] for record in records] == [
        2000 + number for number in range(COUNT) if number % 3
    ]
    assert all(53 not in (each["sourceTransportPort"], each["destinationTransportPort"]) for each in records)
    addresses = {str(record["sourceIPv4Address"]) for record in records}
    match anonymize:
        case "none":
            assert all(address.startswith("203.0.113.") for address in addresses)
        case "truncate":
            assert addresses == {"203.0.0.0"}
        case "crypto-pan":
            # Of one network before, of one after.
            assert len({address.rpartition(".")[0] for address in addresses}) == 1
            assert not any(address.startswith("203.0.113.") for address in addresses)
            assert len(addresses) == len({number % 251 for number in range(COUNT) if number % 3})
    # The other one gets all as it is.
    assert [str(record["sourceIPv4Address"]) for record in clear.arrivals().records] == [
        f"203.0.113.{number % 251}" for number in range(COUNT)
    ]


@pytest.mark.parametrize(("protocol", "parcels"), [("ipfix", 1), ("json", 10)])
def test_small_batches_are_stored_together(protocol: str, parcels: int, tmp_path: Path) -> None:
    """Those that are too long together, for a spool of this size, are stored one by one."""
    collector = Serving(up=False).collector(protocol=protocol, name="noc", retry_interval=3600 * SECOND_NS)
    export = Export(spool_directory=str(tmp_path / "spool"), spool_size=1 << 20)
    process = ExportingProcess(collector, export, domain=7)
    for number in range(10):
        assert process.offer(flows(60 * number, 60))
    process.turn(0)
    assert process.counters().spooled.records == 600
    assert process.counters().imbalance == NOTHING
    process.stop()
    [spool] = spools_in(tmp_path / "spool")
    found = survey(spool, thorough=True)
    assert (found.parcels, found.tally.records, found.problems) == (parcels, 600, [])
