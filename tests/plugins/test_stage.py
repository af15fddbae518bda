# SPDX-License-Identifier: Apache-2.0
"""The stage of the daemon: bounded, in order, nothing lost uncounted, whatever a plugin does."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from exporting.flow_batches import some_flows
from spanflow.errors import SpanflowError
from spanflow.exporting.counters import NOTHING, DropReason, tally_of
from spanflow.features.batch import FlowBatch
from spanflow.plugins.chain import PluginChain
from spanflow.plugins.stage import STALLED_AFTER_S, PluginStage
from spanflow.record import Batch

TIMEOUT_S = 30.0


class Gate:
    """A plugin that does not come back before it is let go; `entered` says that it is at work."""

    def __init__(self) -> None:
        self.columns = {"number": "unsigned32"}
        self.entered = threading.Event()
        self.open = threading.Event()
        self.closed = False

    def __call__(self, flows: FlowBatch) -> Mapping[str, Any]:
        self.entered.set()
        assert self.open.wait(TIMEOUT_S)
        return {"number": np.full(len(flows), len(flows))}

    def close(self) -> None:
        self.closed = True


class Exported(list[Batch]):
    """What has gone on; `enough` is set when there are so many."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.enough = count, threading.Event()

    def __call__(self, batch: Batch) -> None:
        self.append(batch)
        if len(self) == self.count:
            self.enough.set()


def records(stage: PluginStage) -> tuple[int, int, int, int]:
    """Taken, gone on, under way, dropped."""
    books = stage.counters()
    assert books.imbalance == NOTHING
    dropped = sum(tally.records for tally in books.dropped.values())
    return books.offered.records, books.sent.records, books.queued.records, dropped


def test_batches_go_on_in_order_with_their_columns() -> None:
    gate, exported = Gate(), Exported(3)
    gate.open.set()
    stage = PluginStage(PluginChain([gate]), exported)
    stage.start()
    for count in (1, 2, 3):
        stage.offer(some_flows(count))
    assert stage.wait_empty(TIMEOUT_S)
    stage.stop()
    assert [batch.columns["number"].tolist() for batch in exported] == [[1], [2, 2], [3, 3, 3]]
    assert records(stage) == (6, 6, 0, 0)
    assert gate.closed
    assert stage.failure() == ""


def test_a_slow_plugin_fills_the_stage_and_then_nothing_more_is_taken() -> None:
    gate, exported, batch = Gate(), Exported(3), some_flows(10)
    stage = PluginStage(PluginChain([gate]), exported, bound_octets=2 * batch.nbytes)
    stage.start()
    for _ in range(2):
        assert stage.wait_for_room(batch, 0)
        stage.offer(batch)
    assert gate.entered.wait(TIMEOUT_S)
    assert not stage.wait_for_room(batch, 0)
    assert records(stage) == (20, 0, 20, 0)
    assert stage.queued_octets == 2 * batch.nbytes
    gate.open.set()
    assert stage.wait_for_room(batch, TIMEOUT_S)
    stage.offer(batch)
    assert stage.wait_empty(TIMEOUT_S)
    assert records(stage) == (30, 30, 0, 0)
    stage.stop()


def test_a_plugin_that_hangs_is_noticed_and_left_behind() -> None:
    now_s = 1000.0
    gate, exported, batch = Gate(), Exported(1), some_flows(10)
    stage = PluginStage(PluginChain([gate], names=["x:y"]), exported, clock=lambda: now_s)
    stage.start()
    stage.offer(batch)
    stage.offer(batch)
    assert gate.entered.wait(TIMEOUT_S)
    now_s += STALLED_AFTER_S
    assert stage.stalled() == []
    now_s += 1
    assert stage.stalled() == ["plugin x:y"]
    assert not stage.wait_empty(0)
    stage.stop(timeout_s=0)
    assert records(stage) == (20, 0, 0, 20)
    assert stage.counters().dropped[DropReason.SHUTDOWN] == tally_of(some_flows(20))
    # It comes back, late: its batch is not handed on a second time, and it is not closed while it works.
    assert not gate.closed
    gate.open.set()
    stage.join(TIMEOUT_S)
    assert records(stage) == (20, 0, 0, 20)
    assert exported == []


def test_what_comes_after_the_end_is_dropped_and_counted() -> None:
    stage = PluginStage(PluginChain([Gate()]), Exported(1), bound_octets=1)
    stage.start()
    stage.close()
    assert stage.wait_for_room(some_flows(10), 0)
    stage.offer(some_flows(10))
    assert records(stage) == (10, 0, 0, 10)
    stage.stop()


def test_a_defect_of_ours_is_told() -> None:
    def hand_on(batch: Batch) -> None:
        raise RuntimeError("defect")

    gate = Gate()
    gate.open.set()
    stage = PluginStage(PluginChain([gate]), hand_on)
    stage.offer(some_flows(1))
    with pytest.raises(RuntimeError, match="defect"):
        stage.run()
    assert stage.failure() == "plugins: RuntimeError: defect"
    assert records(stage) == (1, 0, 0, 1)
    with pytest.raises(SpanflowError, match="plugins: RuntimeError: defect; records are missing"):
        stage.raise_if_failed()
