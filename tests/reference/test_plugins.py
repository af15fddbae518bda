# SPDX-License-Identifier: Apache-2.0
"""Per-packet plugins: the order of calls, what they see, what becomes of their errors."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reference
from craft.capture import Capture
from craft.conversation import Pair, play
from metering.native import settings_of
from spanflow.errors import PluginError, SpanflowError
from spanflow.record import Attachment
from spanflow.reference.flows import Flow
from spanflow.reference.meter import ReferenceMeter
from spanflow.reference.original_names import NAMES
from spanflow.reference.packet import Packet
from spanflow.reference.plugins import Plugins

CONNECTION = ("0 > S", "0.1 < SA", "0.2 > PA 10", "0.5 < A 20", "0.6 > FA", "0.7 < FA", "0.8 > A")


class Recorder:
    """Notes every call. Its dict has what has been seen of each Flow."""

    name = "recorder"

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_flow_init(self, flow: Flow) -> None:
        self.calls.append(("init", flow.pktTotalCount, flow.metrics["size"], flow.export_reason))
        flow.classifiers[self.name]["packets"] = 0

    def on_flow_update(self, packet: Packet, flow: Flow) -> None:
        self.calls.append(("update", packet.direction, flow.pktTotalCount, flow.metrics["size"]))
        flow.classifiers[self.name]["packets"] += 1

    def on_flow_terminate(self, flow: Flow) -> None:
        self.calls.append(("terminate", flow.pktTotalCount, flow.export_reason))

    def on_exit(self) -> None:
        self.calls.append(("exit",))


class OnlyItsName:
    """A classifier need not have every hook."""

    name = "quiet"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, pair: Pair | None = None) -> Path:
        path = tmp_path / "1.pcap"
        path.write_bytes(play(Capture(), *lines, pair=pair or Pair()).pcap())
        return path

    return write


def size(packet: Packet, flow: Flow) -> int:
    return packet.size


def test_calls_come_in_order(write: Callable[..., Path]) -> None:
    """Metrics before on_flow_update; the Flow ends by its FINs, after its linger."""
    recorder = Recorder()
    plugins = {"user_classifiers": [recorder, OnlyItsName()], "user_metrics": {"size": size}}
    outcome = reference.meter_as_users_do([write(*CONNECTION)], plugins=plugins)
    assert recorder.calls == [
        ("init", 0, 0, -1),
        ("update", 0, 1, 40),
        ("update", 1, 2, 40),
        ("update", 0, 3, 50),
        ("update", 1, 4, 60),
        ("update", 0, 5, 40),
        ("update", 1, 6, 40),
        ("update", 0, 7, 40),
        ("terminate", 7, 3),
        ("exit",),
    ]
    (batch,) = outcome.batches
    (attachment,) = batch.attachments
    assert attachment.metrics == {"size": 40}
    assert attachment.classifiers == {"recorder": {"packets": 7}, "quiet": {}}


def test_a_split_leaves_with_the_values_so_far(write: Callable[..., Path]) -> None:
    recorder = Recorder()
    path = write("0 > udp", "0.5 < udp", "1.5 > udp 5")
    plugins = {"user_classifiers": [recorder], "user_metrics": {"size": size}}
    outcome = reference.meter_as_users_do([path], plugins=plugins, active_timeout=1_000_000_000)
    (batch,) = outcome.batches
    assert batch.records["end_detail"].tolist() == [2, 6]
    assert [each.classifiers["recorder"]["packets"] for each in batch.attachments] == [2, 3]
    assert [each.metrics["size"] for each in batch.attachments] == [28, 33]
    assert [call[0] for call in recorder.calls].count("init") == 1
    assert recorder.calls[-2:] == [("terminate", 1, 2), ("exit",)]


def test_a_flow_that_ends_without_a_record_is_terminated(write: Callable[..., Path]) -> None:
    """The split was the last of it."""
    recorder = Recorder()
    capture = play(Capture(), "0 > udp", "0.5 > udp")
    play(capture, "5 > udp", pair=Pair(client="10.0.0.9"))
    path = write()
    path.write_bytes(capture.pcap())
    plugins = {"user_classifiers": [recorder], "user_metrics": {"size": size}}
    options = {"active_timeout": 1_000_000_000, "inactive_timeout": 2_000_000_000, "reorder_window": 0}
    outcome = reference.meter_as_users_do([path], plugins=plugins, **options)
    assert len(outcome.records) == 2
    assert recorder.calls.count(("terminate", 0, 0)) == 1


def test_packets_have_the_original_names(write: Callable[..., Path]) -> None:
    seen: list[tuple[Any, ...]] = []

    def note(packet: Packet, flow: Flow) -> None:
        flags = (packet.FIN_flag, packet.RST_flag, packet.ACK_flag)
        ends = (packet.ip_src, packet.ip_dst_b, packet.src_port, packet.dst_port, packet.ip_protocol)
        times = (packet.ts_float, packet.ts, packet.time_ns)
        seen.append((ends, times, packet.size, packet.direction, flags, packet.payload))

    path = write("0 > S", "0.25 < FA 3")
    reference.meter_as_users_do([path], plugins={"user_metrics": {"note": note}})
    start = 1_700_000_000
    assert seen == [
        (
            (0x0A000001, bytes([10, 0, 0, 2]), 40000, 443, 6),
            (float(start), start * 1000, start * 10**9),
            *(40, 0, (0, 0, 0), b""),
        ),
        (
            (0x0A000002, bytes([10, 0, 0, 1]), 443, 40000, 6),
            (start + 0.25, start * 1000 + 250, start * 10**9 + 250_000_000),
            *(43, 1, (1, 0, 1), bytes(3)),
        ),
    ]


def test_flows_have_the_original_names(write: Callable[..., Path]) -> None:
    shown: list[dict[str, Any]] = []

    class Shows(OnlyItsName):
        def on_flow_terminate(self, flow: Flow) -> None:
            shown.append(json.loads(str(flow)))

    pair = Pair(client="2001:db8::1", server="2001:db8::2")
    path = write(*CONNECTION, pair=pair)
    plugins = {"user_classifiers": [Shows()], "user_metrics": {"size": size}}
    (record,) = reference.meter_as_users_do([path], plugins=plugins).records
    (flow,) = shown
    assert flow.keys() == {*NAMES, "metrics", "classifiers"}
    assert flow["key"] == f"{int(record['flow_id']):016x}"
    assert (flow["ip_src"], flow["dst_port"]) == (0x20010DB8 << 96 | 1, 443)
    assert (flow["pktTotalCount"], flow["octetTotalCount"]) == (7, 7 * 60 + 30)
    assert (flow["src_to_dst_pkts"], flow["dst_to_src_bytes"]) == (4, 200)
    assert (flow["min_pkt_size"], flow["max_pkt_size"], flow["f_max_pkt_size"]) == (60, 80, 70)
    assert flow["std_dev_pkt_size"] == pytest.approx(7.867957925)  # of 60 60 70 80 60 60 60
    assert flow["b_std_dev_pkt_size"] == pytest.approx(11.547005384)  # of 60 80 60
    assert (flow["flowDuration"], flow["f_flowDuration"], flow["b_flowDuration"]) == (0.8, 0.8, 0.6)
    assert (flow["min_piat"], flow["max_piat"], flow["f_max_piat"]) == (0.1, 0.3, 0.4)
    assert flow["avg_piat"] == pytest.approx(0.8 / 6)
    assert flow["b_std_dev_piat"] == pytest.approx(0.141421356)  # of 0.4 and 0.2
    assert (flow["export_reason"], flow["FIN_flag_counter"], flow["ACK_flag_counter"]) == (3, 2, 1)
    assert flow["metrics"] == {"size": 60}


class Fails(OnlyItsName):
    def on_flow_update(self, packet: Packet, flow: Flow) -> None:
        raise ValueError("no such thing")


def divide(packet: Packet, flow: Flow) -> float:
    return 1 / (flow.pktTotalCount - 2)


def test_errors_are_counted_and_logged_once_a_minute(
    write: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    plugins = {"user_classifiers": [Fails()], "user_metrics": {"divide": divide}}
    meter = ReferenceMeter(settings_of(), paths=[str(write(*CONNECTION))], **plugins)
    with caplog.at_level(logging.WARNING):
        meter.start()
        (batch,) = [batch for batch in meter.batches() if batch is not None]
    meter.raise_if_failed()
    counters = {each.name: (each.calls, each.failures, each.last_error) for each in meter.plugin_counters()}
    assert counters == {
        "quiet": (7, 7, "ValueError: no such thing"),
        "divide": (7, 1, "ZeroDivisionError: division by zero"),
    }
    lines = [(record.plugin, record.flow) for record in caplog.records if record.msg == "plugin failed"]
    assert sorted(plugin for plugin, _ in lines) == ["divide", "quiet"]
    assert all("10.0.0.1 port 40000 > 10.0.0.2 port 443 protocol 6" in flow for _, flow in lines)
    assert batch.attachments[0].metrics == {"divide": 1 / 5}
    assert batch.records["forward"]["packet_delta_count"].tolist() == [4]


def test_strict_ends_the_run(write: Callable[..., Path]) -> None:
    meter = ReferenceMeter(
        settings_of(), paths=[str(write(*CONNECTION))], user_classifiers=[Fails()], strict=True
    )
    meter.start()
    assert [batch for batch in meter.batches() if batch is not None] == []
    with pytest.raises(PluginError, match=r"plugin quiet: ValueError: no such thing at 10.0.0.1 port 40000"):
        meter.raise_if_failed()
    assert not any(meter.counters().imbalance().values())
    assert meter.counters().cached.packets == 1


def test_every_classifier_is_told_of_the_end_of_a_strict_run(write: Callable[..., Path]) -> None:
    told: list[str] = []

    class Says:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_exit(self) -> None:
            told.append(self.name)
            raise ValueError(self.name)

    meter = ReferenceMeter(
        settings_of(),
        paths=[str(write(*CONNECTION))],
        user_classifiers=[Says("one"), Says("two")],
        strict=True,
    )
    meter.start()
    assert sum(len(batch) for batch in meter.batches() if batch is not None) == 1
    assert told == ["one", "two"]
    with pytest.raises(PluginError, match="plugin one: ValueError: one at its end"):
        meter.raise_if_failed()


def test_a_plugin_that_wants_to_exit_has_failed(write: Callable[..., Path]) -> None:
    def leave(packet: Packet, flow: Flow) -> None:
        sys.exit("enough")

    def interrupt(packet: Packet, flow: Flow) -> None:
        raise KeyboardInterrupt

    path = write(*CONNECTION)
    outcome = reference.meter_as_users_do([path], plugins={"user_metrics": {"leave": leave}})
    assert outcome.counters.accounted.packets == 7
    meter = ReferenceMeter(settings_of(), paths=[str(path)], user_metrics={"interrupt": interrupt})
    meter.start()
    assert [batch for batch in meter.batches() if batch is not None] == []
    with pytest.raises(SpanflowError, match="metering: KeyboardInterrupt"):
        meter.raise_if_failed()


def test_a_plugin_may_ask_for_counters_and_stop_but_not_wait(write: Callable[..., Path]) -> None:
    received: list[int] = []

    def ask(packet: Packet, flow: Flow) -> None:
        received.append(meter.counters().accounted.packets)
        meter.stop()
        list(meter.batches())

    meter = ReferenceMeter(settings_of(), paths=[str(write(*CONNECTION))], user_metrics={"ask": ask})
    meter.start()
    (batch,) = [batch for batch in meter.batches() if batch is not None]
    assert received == batch.records["forward"]["packet_delta_count"].tolist() == [1]
    (counters,) = meter.plugin_counters()
    assert counters.last_error.startswith("UsageError: stream: a per-packet plugin cannot wait")


@pytest.mark.parametrize(
    ("left", "attachment"),
    [
        ({"quiet": "web"}, Attachment({"size": 40}, {"quiet": "web"})),
        ({}, Attachment({"size": 40}, {})),
        (None, Attachment({"size": 40}, {})),
    ],
)
def test_what_a_plugin_puts_in_the_place_of_dicts_ends_nothing(
    write: Callable[..., Path], left: Any, attachment: Attachment
) -> None:
    class Replaces(OnlyItsName):
        def on_flow_update(self, packet: Packet, flow: Flow) -> None:
            flow.classifiers = left

    plugins = {"user_classifiers": [Replaces()], "user_metrics": {"size": size}}
    for dpi in (None, {}):
        outcome = reference.meter_as_users_do([write(*CONNECTION)], plugins=plugins, dpi=dpi)
        (batch,) = outcome.batches
        assert list(batch.attachments) == [attachment]


def test_metrics_that_are_no_dict_any_more_are_none(write: Callable[..., Path]) -> None:
    class Removes(OnlyItsName):
        def on_flow_update(self, packet: Packet, flow: Flow) -> None:
            flow.metrics = None

    plugins = {"user_classifiers": [Removes()], "user_metrics": {"size": size}}
    outcome = reference.meter_as_users_do([write(*CONNECTION)], plugins=plugins)
    assert outcome.batches[0].attachments[0].metrics == {}


@pytest.mark.parametrize(
    ("classifiers", "metrics", "text"),
    [
        ([object()], {}, "it has no name"),
        ([OnlyItsName(), OnlyItsName()], {}, "two have this name"),
        ([OnlyItsName()], {"quiet": size}, "two have this name"),
    ],
)
def test_plugins_that_cannot_be_told_apart_are_refused(
    classifiers: list[Any], metrics: dict[str, Any], text: str
) -> None:
    with pytest.raises(PluginError, match=text):
        Plugins(classifiers, metrics, strict=False)
