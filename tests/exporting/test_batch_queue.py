# SPDX-License-Identifier: Apache-2.0
"""The queue: bounded in octets, in order, and books that balance at every moment."""

from __future__ import annotations

import threading
from math import inf

import pytest

from exporting.flow_batches import IPV4_FLOWS, batch_of, some_flows
from spanflow.exporting.counters import NOTHING, DropReason, Tally, tally_of
from spanflow.exporting.queue import BatchQueue

TIMEOUT_S = 30.0


def balanced(queue: BatchQueue) -> bool:
    return queue.counters().imbalance == NOTHING


def dropped(queue: BatchQueue) -> dict[DropReason, int]:
    """Records dropped, by reason, without the zeros."""
    return {reason: tally.records for reason, tally in queue.counters().dropped.items() if tally.records}


def test_tally_of_a_batch() -> None:
    packets = sum(flow.forward.packets + flow.reverse.packets for flow in IPV4_FLOWS)
    octets = sum(flow.forward.octets + flow.reverse.octets for flow in IPV4_FLOWS)
    batch = batch_of(*IPV4_FLOWS)
    assert tally_of(batch) == Tally(len(IPV4_FLOWS), packets, octets)
    first = IPV4_FLOWS[0]
    expected = Tally(
        1, first.forward.packets + first.reverse.packets, first.forward.octets + first.reverse.octets
    )
    assert tally_of(batch, [0]) == expected  # type: ignore[arg-type]


def test_order_and_books() -> None:
    queue = BatchQueue(1 << 20)
    batches = [some_flows(count) for count in (3, 5, 7)]
    for batch in batches:
        assert queue.offer(batch, wait_s=0)
    for batch in batches:
        assert queue.head(0) is batch
        assert balanced(queue)
        queue.settle({})
        assert balanced(queue)
    assert queue.head(0) is None
    assert queue.counters().sent == tally_of(some_flows(15)) == queue.counters().offered


def test_full_queue_drops_live() -> None:
    batch = some_flows(10)
    queue = BatchQueue(3 * batch.nbytes)
    assert [queue.offer(batch, wait_s=0) for _ in range(5)] == [True, True, True, False, False]
    assert dropped(queue) == {DropReason.QUEUE_FULL: 20}
    assert queue.counters().queued.records == 30
    queue.head(0)
    queue.settle({})
    assert queue.offer(batch, wait_s=0)
    assert balanced(queue)


def test_an_empty_queue_takes_a_batch_of_any_size() -> None:
    queue = BatchQueue(1)
    assert queue.offer(some_flows(10), wait_s=0)
    assert not queue.offer(some_flows(1), wait_s=0)


@pytest.mark.parametrize("end", ["half full", "woken", "closed"])
def test_batches_gather_until_it_is_half_full(end: str) -> None:
    batch = some_flows(10)
    queue = BatchQueue(3 * batch.nbytes)
    queue.offer(batch, wait_s=0)
    gathering = threading.Thread(target=queue.gather, args=(TIMEOUT_S,), daemon=True)
    gathering.start()
    gathering.join(0)
    assert gathering.is_alive()
    if end == "half full":
        queue.offer(batch, wait_s=0)
    elif end == "woken":
        queue.wake()
    else:
        queue.close()
    gathering.join(TIMEOUT_S / 2)
    assert not gathering.is_alive()


def test_parts_of_a_batch_may_be_dropped() -> None:
    queue = BatchQueue(1 << 20)
    queue.offer(some_flows(10), wait_s=0)
    queue.head(0)
    queue.settle(
        {DropReason.TOO_LARGE: tally_of(some_flows(2)), DropReason.SEND_ERROR: tally_of(some_flows(3))}
    )
    assert dropped(queue) == {DropReason.TOO_LARGE: 2, DropReason.SEND_ERROR: 3}
    assert queue.counters().sent == tally_of(some_flows(5))
    assert balanced(queue)


class Offering(threading.Thread):
    """Offers one batch with wait_s=inf, in a thread."""

    def __init__(self, queue: BatchQueue, count: int) -> None:
        super().__init__(daemon=True)
        self.queue, self.count = queue, count
        self.accepted: bool | None = None

    def run(self) -> None:
        self.accepted = self.queue.offer(some_flows(self.count), wait_s=inf)

    def until_it_waits(self) -> None:
        """Return when the offer is in the books (and thus waits for its place)."""
        while self.queue.counters().offered.records < self.count:
            pass


def full_queue() -> BatchQueue:
    queue = BatchQueue(1)
    queue.offer(some_flows(1), wait_s=0)
    return queue


def test_full_queue_waits_offline() -> None:
    queue = full_queue()
    offering = Offering(queue, 10)
    offering.start()
    offering.until_it_waits()
    assert balanced(queue)
    assert queue.counters().queued.records == 11
    queue.head(0)
    queue.settle({})
    offering.join(TIMEOUT_S)
    assert offering.accepted is True
    assert len(queue.head(0)) == 10  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", [DropReason.UNRESOLVED, DropReason.SEND_ERROR])
def test_nobody_waits_for_a_collector_that_is_away(reason: DropReason) -> None:
    queue = full_queue()
    offering = Offering(queue, 10)
    offering.start()
    offering.until_it_waits()
    queue.set_away(reason)
    offering.join(TIMEOUT_S)
    assert offering.accepted is False
    assert not queue.offer(some_flows(5), wait_s=inf)
    assert dropped(queue) == {reason: 15}
    # What is queued stays: the collector may come back.
    assert queue.counters().queued.records == 1
    queue.set_away(None)
    assert not queue.offer(some_flows(1), wait_s=0)
    assert dropped(queue) == {reason: 15, DropReason.QUEUE_FULL: 1}


def test_close_lets_everyone_go() -> None:
    queue = full_queue()
    offering = Offering(queue, 10)
    offering.start()
    offering.until_it_waits()
    queue.close()
    offering.join(TIMEOUT_S)
    assert offering.accepted is False
    assert not queue.offer(some_flows(5), wait_s=inf)
    assert dropped(queue) == {DropReason.SHUTDOWN: 16}
    assert queue.head(TIMEOUT_S) is None
    assert balanced(queue)


def test_close_leaves_the_batch_that_is_being_sent() -> None:
    queue = BatchQueue(1 << 20)
    for count in (1, 2, 4):
        queue.offer(some_flows(count), wait_s=0)
    queue.head(0)
    queue.close()
    assert dropped(queue) == {DropReason.SHUTDOWN: 6}
    assert queue.counters().queued.records == 1
    queue.settle({})
    assert queue.counters().sent.records == 1
    assert balanced(queue)


def test_close_after_the_sender_died() -> None:
    queue = BatchQueue(1 << 20)
    queue.offer(some_flows(3), wait_s=0)
    queue.head(0)
    queue.close(taken_too=True)
    assert dropped(queue) == {DropReason.SHUTDOWN: 3}
    assert balanced(queue)


def test_abandon_says_why() -> None:
    queue = BatchQueue(1 << 20)
    queue.offer(some_flows(3), wait_s=0)
    queue.set_away(DropReason.UNRESOLVED)
    queue.abandon()
    assert dropped(queue) == {DropReason.UNRESOLVED: 3}
    assert queue.offer(some_flows(1), wait_s=0)


def test_wait_empty() -> None:
    queue = BatchQueue(1 << 20)
    assert queue.wait_empty(0)
    queue.offer(some_flows(1), wait_s=0)
    assert not queue.wait_empty(0)
    assert not queue.wait_empty(-1)
    queue.head(0)
    assert not queue.wait_empty(0), "a batch that is being sent has not been sent"
    queue.settle({})
    assert queue.wait_empty(0)


def test_wake_ends_a_wait_once() -> None:
    queue = BatchQueue(1)
    queue.wake()
    assert queue.head(TIMEOUT_S) is None
    queue.wake()
    queue.pause(TIMEOUT_S)
    queue.pause(0)
