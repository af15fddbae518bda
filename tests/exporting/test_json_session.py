# SPDX-License-Identifier: Apache-2.0
"""Lines of JSON are those of `spanflow meter --json`, whole, in order, and each counts as its Flow Record."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from exporting.clocks import FakeClock
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, Classified, Flow, batch_of, some_flows
from spanflow.exporting.counters import DeliveryCounters
from spanflow.exporting.delivery import Delivery, once
from spanflow.exporting.json_session import JsonSession
from spanflow.exporting.message_runs import MessageRun
from spanflow.exporting.pacing import Unpaced
from spanflow.exporting.plugin_columns import PluginColumn, as_sent
from spanflow.exporting.transport.file import FileTransport
from spanflow.exporting.transport.file_framing import Framing
from spanflow.features import FlowBatch, select
from spanflow.record import Batch
from spanflow.tables import JsonWriter
from tables.flows import APPLICATIONS, PLUGINS, golden_batches

NOW = 1_800_000_000 * 10**9

COLUMNS = [
    PluginColumn(name, number, kind, width=64 if kind == "string" else 0)
    for number, (name, kind) in enumerate(PLUGINS.items(), start=1000)
]


def metered(flows: FlowBatch, plugins: dict[str, str] | None = None) -> bytes:
    """What `spanflow meter --json` writes."""
    output = io.BytesIO()
    with JsonWriter(output, select("core", plugins)) as table:
        table.write(flows)
    return output.getvalue()


def runs(session: JsonSession, batch: Batch) -> list[MessageRun]:
    found: list[MessageRun] = []
    for rows in session.rows(batch):
        layout = session.messages(rows, NOW)
        assert (layout.data_records, layout.too_large) == (len(batch), None)
        found += layout.runs
    return found


def text(found: Iterable[MessageRun]) -> bytes:
    return b"".join(bytes(run.octets) for run in found)


@pytest.mark.parametrize("flows", golden_batches(), ids=["first half", "second half"])
def test_is_what_meter_writes(flows: FlowBatch) -> None:
    """All goldens, with applications, hard names, and columns of plugins of every kind."""
    session = JsonSession(applications=APPLICATIONS, columns=COLUMNS)
    found = text(runs(session, as_sent(flows.batch, COLUMNS)))
    assert found == metered(flows, PLUGINS)
    assert found.isascii()
    objects = [json.loads(line) for line in found.splitlines()]
    assert [list(each) for each in objects] == [list(select("core", PLUGINS).names)] * len(flows)


@pytest.mark.parametrize("flows", [IPV4_FLOWS, IPV6_FLOWS], ids=["IPv4", "IPv6"])
def test_without_classification_and_plugins(flows: tuple[Flow, ...]) -> None:
    """Neither is anything missing, nor is it there that collectors are not to have."""
    batch = batch_of(*flows)
    found = text(runs(JsonSession(), batch))
    assert found == metered(FlowBatch(batch))
    for line, flow in zip(found.splitlines(), flows, strict=True):
        values = json.loads(line)
        assert values["source_address"] == flow.source
        assert values["reverse_octet_delta_count"] == flow.reverse.octets
        assert values["application"] == ""


def test_hostile_names() -> None:
    """A collector reads lines: nothing of a packet can end one, or be no UTF-8."""
    names = ['"},{"flow_id":1', "\n{}\n", "\u2028\x00\x1b[2J\x7f", "\ud7ff\U0001f600", "\\", "zürich.例"]
    classified = [Classified(texts={"server_name": name}) for name in names]
    flows = [
        Flow(source="192.0.2.1", destination="192.0.2.2", protocol=6, classified=each) for each in classified
    ]
    lines = text(runs(JsonSession(), batch_of(*flows))).decode("ascii").splitlines()
    assert [json.loads(line)["server_name"] for line in lines] == names


def test_messages_are_whole_lines() -> None:
    """As many as fit into a Message; each Data Record is a Flow Record, in order."""
    batch = some_flows(5000)
    at = 0
    for run in runs(JsonSession(), batch):
        octets = bytes(run.octets)
        assert run.messages == 1
        assert run.message_octets == len(octets) <= 65_535
        numbers = [json.loads(line)["flow_id"] for line in octets.splitlines()]
        assert numbers == list(range(at, at + len(numbers)))
        assert run.data_records(0, 1) == len(numbers)
        assert run.flow_records(0, 1).tolist() == numbers
        at += len(numbers)
        longest = max(map(len, octets.splitlines())) + 1
        assert at in (2048, 4096, 5000) or len(octets) > 65_535 - longest
    assert at == 5000


def test_long_line_is_a_message_of_its_own() -> None:
    batch = batch_of(*IPV4_FLOWS)
    session = JsonSession(max_message_octets=10)
    found = runs(session, batch)
    assert [run.data_records(0, 1) for run in found] == [1] * len(batch)
    assert text(found) == metered(FlowBatch(batch))


def test_has_nothing_but_lines() -> None:
    session = JsonSession()
    assert session.template_messages(NOW) == []
    assert session.options_messages(NOW) == []
    assert list(session.table_messages(NOW)) == []
    assert list(session.rows(batch_of())) == []
    assert session.renumber(b"{}\n", ()) == b"{}\n"
    assert session.exportable(batch_of(*IPV6_FLOWS))
    assert not session.is_binary


def test_text_of_a_plugin_is_cut_as_it_is_sent() -> None:
    column = PluginColumn("label", 1000, "string", width=8)
    batch = batch_of(*IPV4_FLOWS[:2])
    labelled = Batch(batch.records, columns={"label": np.array(["example", "zürich zürich"], object)})
    lines = text(runs(JsonSession(columns=[column]), as_sent(labelled, [column]))).splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["example", "zürich"]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_delivered_into_a_file(compression: str, tmp_path: Path) -> None:
    clock, counters = FakeClock(), DeliveryCounters()
    transport = FileTransport(
        str(tmp_path / "flows.json"),
        clock.wait,
        clock=clock,
        framing=Framing.LINES,
        compression=compression,
    )
    delivery = Delivery(transport, JsonSession(), Unpaced(), once(10**12), clock, lambda: False, counters)
    batches = [some_flows(3000), batch_of(*IPV6_FLOWS)]
    delivery.announce()
    for batch in batches:
        assert delivery.deliver(batch) == {}
    assert delivery.octets == counters.octets_sent
    assert transport.finish(0.0)
    assert delivery.acknowledged_octets == delivery.octets
    assert counters.data_records == sum(map(len, batches))
    (path,) = tmp_path.iterdir()
    octets = path.read_bytes()
    found = gzip.decompress(octets) if compression == "gzip" else octets
    assert found == b"".join(metered(FlowBatch(batch)) for batch in batches)
