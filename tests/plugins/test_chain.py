# SPDX-License-Identifier: Apache-2.0
"""Plugins one after the other, and everything that they may do wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, batch_of, some_flows
from spanflow.applications import NO_APPLICATIONS
from spanflow.errors import PluginError
from spanflow.features.batch import FlowBatch
from spanflow.plugins.chain import REPORT_EVERY_S, PluginChain
from spanflow.plugins.declaration import flow_plugin
from spanflow.record import Batch

Returned = Mapping[str, Any]


@flow_plugin(columns={"large": "boolean", "size": "unsigned16"})
def sizes(flows: FlowBatch) -> Returned:
    octets = flows.records["forward"]["octet_delta_count"]
    return {"large": octets > 100, "size": octets % 65_536}


@flow_plugin(columns={"label": "string"})
def label(flows: FlowBatch) -> Returned:
    return {"label": ["large" if large else "" for large in flows["large"]]}


class Sequence:
    """Does what it is told for each batch."""

    def __init__(self, *actions: Any) -> None:
        self.columns = {"a": "unsigned8", "b": "string", "c": "float64"}
        self.actions = list(actions)
        self.closed = 0

    def __call__(self, flows: FlowBatch) -> Returned:
        action = self.actions.pop(0)
        if isinstance(action, BaseException):
            raise action
        returned: Returned = action
        return returned

    def close(self) -> None:
        self.closed += 1


GOOD = {"a": [1], "b": ["x"], "c": [0.5]}


def applied(chain: PluginChain, batch: Batch) -> Batch:
    return chain.apply(batch, NO_APPLICATIONS)


def test_each_sees_the_columns_of_those_before() -> None:
    batch = batch_of(*IPV4_FLOWS)
    chain = PluginChain([sizes, label])
    after = applied(chain, batch)
    assert after.columns["label"].tolist() == [
        "large" if flow.forward.octets > 100 else "" for flow in IPV4_FLOWS
    ]
    assert chain.columns == {"large": "boolean", "size": "unsigned16", "label": "string"}
    assert after.records is batch.records
    assert batch.columns == {}
    assert [each.records for each in chain.counters()] == [len(batch)] * 2


def test_without_plugins_the_batch_is_the_same() -> None:
    batch = some_flows(3)
    assert applied(PluginChain([]), batch) is batch


def test_a_class_is_made_and_names_are_told_apart() -> None:
    @flow_plugin(columns={"one": "unsigned8"})
    class One:
        def __call__(self, flows: FlowBatch) -> Returned:
            return {"one": np.ones(len(flows))}

    @flow_plugin(columns={"two": "unsigned8"})
    def two(flows: FlowBatch) -> Returned:
        return {"two": np.full(len(flows), 2)}

    chain = PluginChain([One, two], names=["x:y", "x:y"])
    assert applied(chain, some_flows(2)).columns["one"].tolist() == [1, 1]
    assert [each.name for each in chain.counters()] == ["x:y", "x:y 2"]
    assert [each.name for each in PluginChain([One]).counters()] == ["One"]


def test_no_two_plugins_have_a_column_in_common() -> None:
    with pytest.raises(PluginError, match="plugin label 2: column label: plugin label has one of this name"):
        PluginChain([label, label])


FAILURES: list[tuple[Any, str]] = [
    (RuntimeError("no\nroute"), "RuntimeError: no\\nroute"),
    (KeyError("packet"), "KeyError: 'packet'"),
    (SystemExit(3), "SystemExit: 3"),
    (ZeroDivisionError(), "ZeroDivisionError"),
    (None, "returned a NoneType, no mapping of columns to values"),
    ({"a": [1], "b": ["x"]}, "returned no column c"),
    ({**GOOD, "a": [256]}, "column a: 256 is out of range; it is unsigned8"),
    ({**GOOD, "b": [5]}, "column b: '5' is a int, no text; it is string"),
    ({**GOOD, "b": []}, "column b: has shape (0,), not one value for each of 1 flows"),
]


@pytest.mark.parametrize(("action", "problem"), FAILURES, ids=[row[1][:30] for row in FAILURES])
def test_a_failure_is_counted_and_the_columns_are_null(action: Any, problem: str) -> None:
    plugin = Sequence(GOOD, action, GOOD)
    chain = PluginChain([plugin, sizes])
    batches = [applied(chain, batch_of(IPV4_FLOWS[0])) for _ in range(3)]
    for batch in (batches[0], batches[2]):
        assert {name: batch.columns[name].tolist() for name in "abc"} == GOOD
    null = batches[1].columns
    assert (null["a"].tolist(), null["b"].tolist(), np.isnan(null["c"]).tolist()) == ([0], [""], [True])
    assert null["size"].tolist() == [1500]  # the next one has its turn
    counters = chain.counters()[0]
    assert (counters.batches, counters.records, counters.failures, counters.failed_records) == (3, 3, 1, 1)
    assert counters.seconds > 0
    assert counters.last_error == (
        f"plugin Sequence: {problem} (in a batch of 1 flows, the first is 192.0.2.1:40001 >"
        " 198.51.100.1:443, protocol 6); repair the plugin"
    )
    assert chain.counters()[1].failures == 0


def test_an_ipv6_flow_is_named_too() -> None:
    chain = PluginChain([Sequence(RuntimeError())])
    applied(chain, batch_of(IPV6_FLOWS[0]))
    assert "the first is [2001:db8::1]:50001 > [2001:db8:1::1]:8443, protocol 6" in (
        chain.counters()[0].last_error
    )


def test_strict_raises_the_failure_with_its_cause() -> None:
    cause = RuntimeError("no route")
    chain = PluginChain([Sequence(cause)], strict=True)
    with pytest.raises(PluginError, match="plugin Sequence: RuntimeError: no route") as caught:
        applied(chain, some_flows(1))
    assert caught.value.__cause__ is cause
    assert chain.counters()[0].failures == 1


def test_a_person_may_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        applied(PluginChain([Sequence(KeyboardInterrupt())]), some_flows(1))


def test_failures_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 1000.0
    chain = PluginChain([Sequence(*[RuntimeError("no route")] * 5)], clock=lambda: now_s)
    with caplog.at_level(logging.WARNING, "spanflow"):
        for _ in range(3):
            applied(chain, some_flows(1))
        assert len(caplog.records) == 1
        now_s += REPORT_EVERY_S
        applied(chain, some_flows(1))
    first, second = caplog.records
    assert first.message == second.message == "plugin failed, its columns are empty"
    assert vars(first)["plugin"] == "Sequence"
    assert [vars(each)["failures"] for each in (first, second)] == [1, 3]
    assert "RuntimeError: no route (in a batch of 1 flows" in vars(first)["error"]
    assert "in __call__" in caplog.text  # the traceback leads into the plugin


def test_close_reaches_every_plugin_once(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Sequence):
        def close(self) -> None:
            raise RuntimeError("gone")

    first, last = Failing(), Sequence()
    last.columns = {"z": "string"}
    chain = PluginChain([first, sizes, last])
    chain.close()
    chain.close()
    assert last.closed == 1
    assert vars(caplog.records[0])["error"] == "plugin Failing: close failed: RuntimeError: gone"
    with pytest.raises(PluginError, match="plugin Failing: close failed: RuntimeError: gone"):
        PluginChain([Failing()], strict=True).close()
