# SPDX-License-Identifier: Apache-2.0
"""What a collector gets by its settings: here, how fast."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from exporting.clocks import SECOND_NS, FakeClock
from exporting.flow_batches import some_flows
from spanflow.config.schema import Collector, Export
from spanflow.exporting.counters import DeliveryCounters
from spanflow.exporting.facts import NO_FACTS
from spanflow.exporting.opening import Opener
from spanflow.exporting.transport.interface import LocalFlow, Sent


class FarWire:
    """A UDP transport to another machine, which takes everything at once."""

    flow = LocalFlow(ip_address("192.0.2.1"), 40000, ip_address("198.51.100.1"), 4739)
    reliable = path_mtu_changed = rotation_due = False
    refusals = 0
    ended = last_error = ""

    def max_message_octets(self) -> int:
        return 1400

    def messages_per_call(self, message_octets: int) -> int:
        return 64

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        return Sent.ALL

    def notice(self) -> None: ...

    def unacknowledged_octets(self) -> int:
        return 0

    def finish(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None: ...


@pytest.mark.parametrize("offline", [True, False], ids=["of a file", "live"])
@pytest.mark.parametrize(("pace", "seconds"), [(1000, 1.0), (0, 0.0)])
def test_a_burst_leaves_at_the_configured_rate(offline: bool, pace: int, seconds: float) -> None:
    clock = FakeClock()
    collector = Collector(host="198.51.100.1", pace=pace)
    opener = Opener(
        collector=collector,
        settings=collector.effective(Export()),
        domain=7,
        offline=offline,
        applications=None,
        columns=(),
        facts=NO_FACTS,
        clock=clock,
        wait=clock.wait,
        certificates=None,
    )
    counters = DeliveryCounters()
    delivery = opener.delivery(FarWire(), counters, lambda: False)
    begun_ns = clock.now_ns
    while counters.messages < 1000:
        delivery.deliver(some_flows(2000, both_ways=False))
    # The first 10 ms' worth may leave at once, and a batch may go a little over.
    taken_s = (clock.now_ns - begun_ns) / SECOND_NS
    assert taken_s == pytest.approx(counters.messages / 1000 * seconds, abs=0.05)
