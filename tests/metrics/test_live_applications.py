# SPDX-License-Identifier: Apache-2.0
"""A daemon that names applications: what its metrics and its log say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from craft.link import ethernet
from craft.network import ipv4
from craft.payloads import dns_query, dns_response, ntp
from craft.transport import udp
from exporting.running_collector import wait_for
from live.harness.daemon import Daemon
from live.harness.probe import Probe, probe
from live.harness.samples import Samples

SETTINGS = {
    "cache.inactive_timeout": "200ms",
    "metrics.top_applications": 2,
    "dpi.rules": "[{name: printer, port: 9100}]",
}


def exchange(client_port: int, server_port: int, question: bytes, answer: bytes = b"") -> list[bytes]:
    """One datagram each way; without an answer only one."""
    client, server = "192.0.2.1", "192.0.2.2"
    frames = [ethernet(ipv4(client, server, udp(client_port, server_port, question)))]
    if answer:
        frames.append(ethernet(ipv4(server, client, udp(server_port, client_port, answer))))
    return frames


def lookup(number: int) -> list[bytes]:
    name = "www.example.com"
    return exchange(
        20_000 + number,
        53,
        dns_query(name, identification=number),
        dns_response(name, "192.0.2.80", identification=number),
    )


@pytest.fixture
def running() -> Iterator[Probe]:
    with probe(settings=SETTINGS) as found:
        yield found


def counted(daemon: Daemon, flows: int) -> Samples:
    """The metrics once so many Flows have left."""
    wait_for(
        lambda: daemon.metrics().total("spanflow_classified_flows_total") >= flows,
        f"{flows} flows to be counted",
    )
    return daemon.metrics()


def test_flows_packets_and_octets_by_application(running: Probe) -> None:
    daemon = running.daemon
    assert "applications are named" in daemon.log
    before = daemon.metrics()
    assert before.total("spanflow_classify_info", engine="nDPI") == 1
    assert before.by("application", "spanflow_classified_flows_total") == {}
    assert before.total("spanflow_classify_capacity_flows") == 65_536
    running.sender.send([frame for number in range(5) for frame in lookup(number)])
    found = counted(daemon, 5)
    assert found.by("application", "spanflow_classified_flows_total") == {"DNS": 5}
    assert found.by("application", "spanflow_classified_packets_total") == {"DNS": 10}
    octets = found.by("application", "spanflow_classified_bytes_total")
    assert octets == {"DNS": found.total("spanflow_cache_bytes_total")}
    assert found.total("spanflow_classify_packets_total") >= 5
    assert sum(found.by("outcome", "spanflow_classify_flows_total").values()) == 5
    assert found.total("spanflow_classify_flows_under_detection") == 0
    # A rule, then what finds no place of its own.
    running.sender.send(exchange(30_000, 9100, b"hello"))
    counted(daemon, 6)
    running.sender.send(exchange(123, 123, ntp(3), ntp(4, stratum=2)))
    found = counted(daemon, 7)
    assert found.by("application", "spanflow_classified_flows_total") == {"DNS": 5, "printer": 1, "other": 1}
    daemon.stop_in_peace()


def test_switched_off() -> None:
    with probe(settings={**SETTINGS, "dpi.enabled": "false"}) as running:
        running.sender.send(lookup(1))
        found = running.daemon.settle(2)
        assert found.total("spanflow_classify_info", engine="none", version="") == 1
        assert found.total("spanflow_classify_packets_total") == 0
        assert found.total("spanflow_classify_capacity_bytes") == 0
        assert "applications are" not in running.daemon.log
        running.daemon.stop_in_peace()
