# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: a good file is applied and the cache stays; a broken one changes nothing and the log says why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from exporting.running_collector import wait_for
from live.harness.collectors import Receiver, receiver
from live.harness.daemon import Daemon, check_sums, received, spanflow_run
from live.harness.links import network
from live.harness.sender import Sender
from live.harness.traffic import udp_flows

FLOWS = 1000
IDLE = 1

FILE = """
interfaces: [eth0]
cache:
  inactive_timeout: {inactive}
export:
  drain_timeout: 1s
collectors: [{collectors}]
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that has 1000 Flows in its cache and exports to `first`; `second` is not configured yet."""

    daemon: Daemon
    first: Receiver
    second: Receiver
    sender: Sender

    def write(self, *collectors: Receiver, inactive: str) -> None:
        self.daemon.configuration.write_text(file_for(*collectors, inactive=inactive))


def file_for(*collectors: Receiver, inactive: str) -> str:
    urls = ", ".join(f'"{collector.url}"' for collector in collectors)
    return FILE.format(inactive=inactive, collectors=urls)


@pytest.fixture
def running() -> Iterator[Running]:
    with _running() as made:
        yield made


@contextmanager
def _running() -> Iterator[Running]:
    with (
        network("eth0") as (link,),
        receiver(link.far) as first,
        receiver(link.far) as second,
        Sender(link.near, link.near_name) as sender,
        spanflow_run(link.far, configuration=file_for(first, inactive="1h")) as daemon,
    ):
        sender.send(udp_flows(FLOWS))
        assert daemon.settle(FLOWS).total("spanflow_cache_flows") == FLOWS
        yield Running(daemon, first, second, sender)


def test_timeouts_and_collectors_are_applied_to_the_flows_that_are_there(running: Running) -> None:
    running.write(running.first, running.second, inactive="1s")
    running.daemon.reload()
    for collector in (running.first, running.second):
        wait_for(lambda collector=collector: len(collector.flows()) >= FLOWS, "every Flow at each collector")
        assert len(collector.flows()) == FLOWS
        assert {flow["flowEndReason"] for flow in collector.flows()} == {IDLE}
    samples = running.daemon.metrics()
    assert samples.total("spanflow_cache_flows_opened_total") == FLOWS
    assert samples.total("spanflow_config_reloads_total") == 1
    assert samples.total("spanflow_config_last_reload_successful") == 1
    check_sums(samples)
    running.daemon.stop_in_peace()


def test_words_to_systemd(running: Running) -> None:
    # sd_notify(3): RELOADING=1 goes with the monotonic time of that moment, and READY=1 ends it.
    before_us = time.monotonic_ns() // 1000
    running.write(running.first, inactive="10s")
    running.daemon.reload()
    heard = [notification.values for notification in running.daemon.notifications.heard]
    (reloading,) = (values for values in heard if values.get("RELOADING") == "1")
    assert before_us <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert [values for values in heard if values.keys() & {"READY", "RELOADING"}][-1]["READY"] == "1"
    running.daemon.stop_in_peace()


def test_collector_that_is_removed_gets_no_more(running: Running) -> None:
    """What it was sent before is complete; the other one is left alone."""
    running.write(running.first, running.second, inactive="1s")
    running.daemon.reload()
    wait_for(lambda: len(running.second.flows()) >= FLOWS, "every Flow at the second collector")
    running.write(running.second, inactive="1s")
    running.daemon.reload()
    running.sender.send(udp_flows(FLOWS, first=FLOWS))
    wait_for(lambda: len(running.second.flows()) >= 2 * FLOWS, "the Flows after the reload")
    running.daemon.stop_in_peace()
    assert (len(running.first.flows()), len(running.second.flows())) == (FLOWS, 2 * FLOWS)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("cache:\n  inactive_timeout: 5 parsecs\n", "spanflow.yaml:2:"),
        ("cache:\n  inactiv_timeout: 5s\n", "inactive_timeout"),
        ("cache: [\n", "spanflow.yaml"),
        ("", "interfaces"),
    ],
    ids=["value", "key", "syntax", "empty"],
)
def test_broken_file_changes_nothing(file: str, why: str, running: Running) -> None:
    running.daemon.configuration.write_text(file)
    running.daemon.reload()
    samples = running.daemon.metrics()
    assert samples.total("spanflow_config_reload_failures_total") == 1
    assert samples.total("spanflow_config_last_reload_successful") == 0
    assert why in running.daemon.log
    assert samples.total("spanflow_cache_flows") == FLOWS
    # It goes on as before, and takes a good file afterwards.
    running.sender.send(udp_flows(FLOWS))
    running.daemon.settle(2 * FLOWS)
    running.write(running.first, inactive="1s")
    running.daemon.reload()
    wait_for(lambda: len(running.first.flows()) >= FLOWS, "the Flows")
    assert {flow["packetDeltaCount"] for flow in running.first.flows()} == {2}
    assert running.daemon.metrics().total("spanflow_config_last_reload_successful") == 1
    running.daemon.stop_in_peace()


def test_file_that_vanished(running: Running) -> None:
    running.daemon.configuration.unlink()
    running.daemon.reload()
    assert "spanflow.yaml" in running.daemon.log
    assert running.daemon.metrics().total("spanflow_cache_flows") == FLOWS
    running.daemon.stop_in_peace()


def test_many_reloads_under_load_lose_nothing(running: Running) -> None:
    """Every third file is broken."""
    sent = FLOWS
    for number in range(30):
        if number % 3 == 2:
            running.daemon.configuration.write_text("cache: 1\n")
        else:
            running.write(*(running.first, running.second)[: 1 + number % 3], inactive="1h")
        running.sender.send(udp_flows(500, first=number * 500))
        running.daemon.reload()
        running.sender.send(udp_flows(500, first=number * 500))
        sent += 1000
    wait_for(lambda: received(running.daemon.metrics()) >= sent, "all packets")
    samples = running.daemon.settle(sent)
    assert samples.total("spanflow_config_reload_failures_total") == 10
    assert samples.total("spanflow_cache_flows_opened_total") == 15_000
    running.daemon.stop_in_peace()
    assert sum(flow["packetDeltaCount"] for flow in running.first.flows()) == sent
