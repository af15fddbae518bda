# SPDX-License-Identifier: Apache-2.0
"""Collectors that are restarted, refuse, cannot be resolved, or do not read: what is lost, and what not."""

from __future__ import annotations

from collections.abc import Sequence

from exporting.running_collector import wait_for
from live.harness.collectors import bound_socket, json_collector, receiver
from live.harness.daemon import Daemon, check_sums, spanflow_run
from live.harness.links import network
from live.harness.messages import Transcript
from live.harness.samples import Samples
from live.harness.sender import Sender
from live.harness.traffic import FIRST_PORT, udp_flows

QUICK = {"cache.inactive_timeout": "100ms"}
FLOWS = 50  # in each round
ROUNDS = 9
AWAY = range(3, 6)
"""The rounds in which the collector is not there."""
IPFIX_PORT = 4739
NOBODY = "ipfix+udp://127.0.0.1:9?name=nobody"
NOWHERE = "ipfix+udp://collector.invalid?name=nowhere"


def metered(daemon: Daemon, flows: int) -> Samples:
    """The metrics as soon as so many records have left the cache, and no queue holds any."""

    def all_gone(samples: Samples) -> bool:
        left = samples.total("spanflow_cache_flows") + samples.total("spanflow_export_queue_records")
        return samples.total("spanflow_handover_records_total") >= flows and left == 0

    wait_for(lambda: all_gone(daemon.metrics()), f"{flows} records to be exported")
    return daemon.metrics()


def one_round(sender: Sender, daemon: Daemon, number: int) -> Samples:
    """Flows that no other round has; when they are exported."""
    sender.send(udp_flows(FLOWS, first=number * FLOWS))
    return metered(daemon, (number + 1) * FLOWS)


def ports_of(rounds: Sequence[int]) -> list[int]:
    return [FIRST_PORT + number * FLOWS + flow for number in rounds for flow in range(FLOWS)]


def test_restarted_collector_misses_what_was_sent_meanwhile() -> None:
    """And nothing else: Templates come before the first records, and the sequence numbers tell the gap."""
    with network("eth0") as (link,), receiver(link.far) as before, Sender(link.near, "t-eth0") as sender:
        with spanflow_run(link.far, "-i", "eth0", "--collector", before.url, settings=QUICK) as daemon:
            for number in range(AWAY.start):
                one_round(sender, daemon, number)
            before.close()
            for number in AWAY:
                one_round(sender, daemon, number)
            assert daemon.metrics().total("spanflow_export_refusals_total") > 0
            with receiver(link.far, port=before.port) as after:
                for number in range(AWAY.stop, ROUNDS):
                    samples = one_round(sender, daemon, number)
                daemon.stop_in_peace()
        sent = samples.total("spanflow_export_data_records_total")
        options_sent = sent - samples.total("spanflow_export_records_total")
    seen = [sorted(flow["sourceTransportPort"] for flow in each.flows()) for each in (before, after)]
    assert seen == [ports_of(range(AWAY.start)), ports_of(range(AWAY.stop, ROUNDS))]
    check_sums(samples)

    first, second = Transcript(before.messages()), Transcript(after.messages())
    assert (first.missing, second.missing) == (0, 0)
    gap = second.first_number - first.next_number
    assert gap == sent - first.data_records - second.data_records
    # In it are the Flows of that time, and options records if it was their time.
    assert gap - len(AWAY) * FLOWS == options_sent - first.option_records - second.option_records


def test_killed_collector_of_our_own() -> None:
    """`spanflow collect` is killed and started again: it understands all that it gets from then on."""
    url = f"ipfix+udp://127.0.0.1:{IPFIX_PORT}"
    with (
        network("eth0") as (link,),
        Sender(link.near, "t-eth0") as sender,
        spanflow_run(link.far, "-i", "eth0", "--collector", url, settings=QUICK) as daemon,
    ):
        with json_collector(link.far, IPFIX_PORT):
            one_round(sender, daemon, 0)
        one_round(sender, daemon, 1)
        with json_collector(link.far, IPFIX_PORT) as collector:
            one_round(sender, daemon, 2)
            daemon.stop_in_peace()
            records = collector.records()
    assert sorted(record["sourceTransportPort"] for record in records) == ports_of([2])


def test_collectors_that_are_away_leave_the_others_alone() -> None:
    """One that refuses, one whose name is unknown, one that never reads; between them one that works."""
    with network("eth0") as (link,), receiver(link.far) as good, bound_socket(link.far) as stuck:
        urls = [NOBODY, good.url, NOWHERE, f"ipfix+udp://127.0.0.1:{stuck.getsockname()[1]}?name=stuck"]
        arguments = [word for url in urls for word in ("--collector", url)]
        settings = {**QUICK, "export.queue_size": "2MiB", "export.drain_timeout": "1s"}
        with (
            spanflow_run(link.far, "-i", "eth0", *arguments, settings=settings) as daemon,
            Sender(link.near, "t-eth0") as sender,
        ):
            flows = 0
            for number in range(10):
                sender.send(udp_flows(3_000, first=number * 3_000))
                flows += 3_000
                wait_for(
                    lambda flows=flows: sent_to(daemon.metrics(), good.url) >= flows,
                    "the collector that works to get all",
                )
            samples = daemon.settle(flows)
            assert samples.total("spanflow_export_up", collector=good.url) == 1
            assert samples.total("spanflow_export_up", collector="nobody") == 0
            assert samples.total("spanflow_export_up", collector="nowhere") == 0
            drops = {
                name: samples.total("spanflow_export_drops_total", collector=name, reason=reason)
                for name, reason in (("nowhere", "unresolved"), ("stuck", "queue_full"))
            }
            assert drops["nowhere"] > 0
            assert drops["stuck"] > 0
            status, page = daemon.get("/readyz")
            assert (status, "nowhere is down" in page, good.url in page) == (503, True, True)
            daemon.stop_in_peace()
        assert len(good.flows()) == flows


def sent_to(samples: Samples, collector: str) -> int:
    return samples.total("spanflow_export_records_total", collector=collector)
