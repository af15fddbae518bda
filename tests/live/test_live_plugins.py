# SPDX-License-Identifier: Apache-2.0
"""Plugins in a running daemon: without a capability, their columns at the collector, failures counted."""

from __future__ import annotations

from pathlib import Path

from exporting.running_collector import wait_for
from live.harness.collectors import json_collector
from live.harness.daemon import check_sums, spanflow_run
from live.harness.links import network
from live.harness.sender import Sender
from live.harness.traffic import udp_flows

FLOWS = 100
CODE = """\
import re
from pathlib import Path

from spanflow import flow_plugin


def capabilities():
    return re.search("CapEff:[ \\\\t]*(.*)", Path("/proc/thread-self/status").read_text())[1]


at_import = capabilities()


@flow_plugin(columns={"capabilities": "string"})
def privileges(flows):
    return {"capabilities": [f"{at_import} {capabilities()}"] * len(flows)}


@flow_plugin(columns={"failing": "unsigned8"})
def failing(flows):
    raise RuntimeError("no such label")
"""
FILE = """\
plugins:
  - plugin: {code}:privileges
    columns: [{{column: capabilities, id: 1000}}]
  - plugin: {code}:failing
    columns: [{{column: failing, id: 1001}}]
"""


def test_columns_arrive_and_failures_are_counted(tmp_path: Path) -> None:
    code = tmp_path / "labels.py"
    code.write_text(CODE)
    with (
        network("eth0") as (link,),
        json_collector(link.far) as collector,
        spanflow_run(
            link.far,
            *("-i", "eth0", "--collector", collector.url),
            configuration=FILE.format(code=code),
            settings={"cache.inactive_timeout": "100ms"},
        ) as daemon,
        Sender(link.near, "t-eth0") as sender,
    ):
        sender.send(udp_flows(FLOWS))
        daemon.settle(FLOWS)
        failed = "spanflow_plugin_failed_records_total"
        wait_for(lambda: daemon.metrics().total(failed) == FLOWS, "every record to be worked on")
        assert daemon.metrics().total("spanflow_plugin_records_total") == 2 * FLOWS
        check_sums(daemon.metrics())
        end = daemon.stop()
        assert end.code == 0, end.stderr
        records = collector.records()
    assert len(records) == FLOWS
    assert {record["capabilities"] for record in records} == {f"{0:016x} {0:016x}"}
    assert {record["failing"] for record in records} == {0}
    assert end.stderr.count("plugin failed, its columns are empty") == 1
    assert "RuntimeError: no such label (in a batch of" in end.stderr
    assert "no progress" not in end.stderr
