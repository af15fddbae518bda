# SPDX-License-Identifier: Apache-2.0
"""FlowStream over files: flows, batches, counters, and every way to end it."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import pytest

from craft import link, network, transport
from craft.capture import SECOND, Capture
from craft.conversation import EPOCH_NS
from golden.regenerate import DEMO
from spanflow import (
    CaptureError,
    ConfigError,
    Flow,
    FlowBatch,
    FlowStream,
    PluginError,
    SpanflowError,
    Streamer,
    UsageError,
)
from spanflow.features import select
from spanflow.file_meter import FileMeter
from spanflow.stream.run import CaptureWarning
from spanflow.tables import CsvWriter

ENGINES: tuple[Literal["native", "reference"], ...] = ("native", "reference")


def stream(source: Any = DEMO, **arguments: Any) -> FlowStream:
    return FlowStream(source, **{"enable_ndpi": False, **arguments})


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """3,000 Flows of a packet each, one a second: three batches, most of them before the end."""
    return udp_flows(tmp_path / "many.pcap", range(3000))


def udp_flows(path: Path, numbers: range, *, at_once: bool = False) -> Path:
    capture = Capture()
    for number in numbers:
        packet = network.ipv4("10.0.0.1", "10.0.0.2", transport.udp(1000 + number, 53, b"x" * 10))
        time_ns = EPOCH_NS + (0 if at_once else number * SECOND)
        capture.add(time_ns, link.ethernet(packet))
    path.write_bytes(capture.pcap())
    return path


@pytest.mark.parametrize("engine", ENGINES)
def test_every_packet_is_in_a_flow_or_dropped(engine: Any) -> None:
    with stream(engine=engine) as flows:
        found = list(flows)
        assert flows.engine == engine
        assert flows.current_flows == 0
        assert flows.packets == sum(flow.packet_count for flow in found) + sum(flows.drops.values())
        assert flows.drops["non_ip"] > 0
        assert "kernel" not in flows.drops
        assert flows.flows == len({flow.flow_id for flow in found})


def test_both_engines_give_the_same_flows() -> None:
    native, reference = (
        sorted(json.dumps(flow.to_dict("core"), sort_keys=True) for flow in stream(engine=engine))
        for engine in ENGINES
    )
    assert native == reference


def test_batches_are_the_flows() -> None:
    flows = [flow.source_transport_port for flow in stream()]
    batches = list(stream().batches())
    assert [port for batch in batches for port in batch["source_transport_port"].tolist()] == flows


@pytest.mark.parametrize("engine", ENGINES)
def test_leaving_the_loop_ends_the_run(engine: Any, many: Path) -> None:
    flows = stream(many, engine=engine)
    for _ in flows:
        break
    gc.collect()
    assert flows.current_flows == 0
    counters = flows.counters()
    assert counters.accounted.packets == counters.handed_over.packets, "what was cached is flushed"
    assert flows.packets > 0
    assert sum(flow.packet_count for flow in flows) == 3000, "it can be read again"


@pytest.mark.parametrize("engine", ENGINES)
def test_terminate_hands_over_what_is_cached(engine: Any, tmp_path: Path) -> None:
    """From another thread: the loop goes on until all of that has come."""
    flows = stream(udp_flows(tmp_path / "flows.pcap", range(5000)), engine=engine)
    found = []
    for flow in flows:
        found.append(flow)
        if len(found) == 1:
            thread = threading.Thread(target=flows.terminate)
            thread.start()
            thread.join()
    assert sum(flow.packet_count for flow in found) == flows.packets


def test_close_twice_and_without_a_run() -> None:
    flows = stream()
    flows.close()
    next(iter(flows))
    flows.close()
    flows.close()
    assert flows.current_flows == 0


def test_an_engine_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread can be made, say: the error comes out, and the stream can be read again."""

    def start(self: FileMeter) -> None:
        raise OSError("no more threads")

    flows = stream()
    with monkeypatch.context() as patch:
        patch.setattr(FileMeter, "start", start)
        with pytest.raises(OSError, match="no more threads"):
            list(flows)
    assert list(flows)


def test_an_exception_in_the_loop_ends_the_run() -> None:
    flows = stream()

    def loop() -> None:
        with flows:
            for _ in flows:
                raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        loop()
    assert flows.current_flows == 0


def test_two_readers_at_once_are_refused() -> None:
    flows = stream()
    reading = iter(flows)
    next(reading)
    with pytest.raises(UsageError, match="this stream is being read"):
        next(iter(flows))
    assert list(reading)


def test_a_second_table_leaves_the_file_of_the_first_alone(tmp_path: Path) -> None:
    flows = stream()

    def again() -> Iterator[FlowBatch]:
        for each in flows.batches():
            with pytest.raises(UsageError, match="this stream is being read"):
                flows.to_csv(tmp_path / "flows.csv")
            yield each

    assert CsvWriter(tmp_path / "flows.csv", select("core")).write_all(again()) == flows.flows


def test_a_table_does_not_take_the_place_of_its_source(tmp_path: Path) -> None:
    path = udp_flows(tmp_path / "flows.pcap", range(3))
    partial = udp_flows(tmp_path / "flows.csv.partial", range(3))
    before = path.read_bytes()
    (tmp_path / "link").symlink_to(path)
    for source, target in ((path, path), (tmp_path / "link", path), (partial, tmp_path / "flows.csv")):
        for write in (stream(source).to_csv, stream(source).to_json, stream(source).to_parquet):
            with pytest.raises(UsageError, match="this file is read; name another one"):
                write(target)
    assert path.read_bytes() == partial.read_bytes() == before


def test_a_closed_stream_does_not_call_closed_plugins() -> None:
    calls = []

    class Plugin:
        columns: ClassVar = {"label": "string"}

        def __call__(self, flows: FlowBatch) -> dict[str, Any]:
            calls.append("called")
            return {"label": [""] * len(flows)}

        def close(self) -> None:
            calls.append("closed")

    with stream(plugins=Plugin) as flows:
        list(flows)
    with pytest.raises(UsageError, match="this stream is closed, and so are its plugins"):
        list(flows)
    assert calls[-1] == "closed"


@pytest.mark.parametrize("engine", ENGINES)
def test_capacity_bounds_the_cache(engine: Any, tmp_path: Path) -> None:
    path = udp_flows(tmp_path / "flows.pcap", range(2000), at_once=True)
    flows = stream(path, engine=engine, capacity=100)
    assert flows.capacity == 100
    reasons = [flow.end_detail for flow in flows]
    assert (reasons.count("evicted"), reasons.count("flush")) == (1900, 100)


@pytest.mark.parametrize("engine", ENGINES)
def test_capacity_changes_while_it_runs(engine: Any, many: Path) -> None:
    flows = stream(many, engine=engine, capacity=10, inactive_timeout=3600, active_timeout=0)
    for _ in flows:
        flows.capacity = 50
        break
    assert flows.capacity == 50
    assert [flow.end_detail for flow in flows].count("flush") == 50
    for wrong in (0, 1.5, "many", 1 << 40):
        with pytest.raises(ConfigError, match=f"^capacity={wrong}: .*use 1 to"):
            flows.capacity = wrong  # type: ignore[assignment]
    assert flows.capacity == 50


def test_files_as_one_input(tmp_path: Path) -> None:
    for name, numbers in (("a.pcap", range(5)), ("b.pcap", range(5, 9))):
        udp_flows(tmp_path / name, numbers)
    assert len(list(stream([tmp_path / "a.pcap", tmp_path / "b.pcap"]))) == 9
    assert len(list(stream(f"{tmp_path}/*.pcap"))) == 9
    assert len(list(stream(f"{tmp_path}/*.pcap", bpf_filter="udp port 1001"))) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_no_capture(engine: Any, tmp_path: Path) -> None:
    (tmp_path / "text.pcap").write_text("this is no capture, and never was")
    udp_flows(tmp_path / "good.pcap", range(3))
    both = [tmp_path / "text.pcap", tmp_path / "good.pcap"]
    with pytest.warns(CaptureWarning, match=r"text\.pcap: "):
        assert stream(both, engine=engine).to_csv(tmp_path / "flows.csv") == 3
    assert (tmp_path / "flows.csv").exists(), "one file of many does not cost the table"
    for arguments in ({"source": both, "strict": True}, {"source": tmp_path / "text.pcap"}):
        flows = stream(engine=engine, **arguments)
        with pytest.raises(CaptureError, match=r"text\.pcap: "):
            list(flows)
        assert len(flows.problems) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cut_file_is_read_up_to_there(engine: Any, tmp_path: Path) -> None:
    path = udp_flows(tmp_path / "cut.pcap", range(3))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.warns(CaptureWarning, match=r"cut\.pcap: ") as warned:
        assert len(list(stream(path, engine=engine))) == 2
    assert {Path(each.filename) for each in warned} == {Path(__file__)}


def test_counters_before_the_first_run() -> None:
    flows = stream()
    assert (flows.packets, flows.flows, flows.current_flows, flows.drops, flows.problems) == (0, 0, 0, {}, [])
    with pytest.raises(UsageError, match="nothing was metered yet"):
        flows.counters()


def test_engines_and_what_they_take() -> None:
    with pytest.raises(UsageError, match="engine: 'fast' is none"):
        FlowStream(DEMO, engine="fast")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="native takes no user_metrics"):
        FlowStream(DEMO, engine="native", user_metrics={"m": lambda packet, flow: 1})
    assert FlowStream(DEMO, user_metrics={"m": lambda packet, flow: 1}).engine == "reference"
    assert FlowStream(DEMO).engine == "native"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"user_metrics": [1]},
            UsageError,
            "user_metrics: no dict of names and functions; write {'size': f}",
        ),
        ({"user_metrics": {"m": 5}}, UsageError, "user_metrics: 'm': no name and a function; "),
        ({"user_metrics": {5: max}}, UsageError, "user_metrics: '5': no name and a function; "),
        ({"plugins": 5}, PluginError, "plugin int: does not say which columns it adds; "),
        ({"features": 5}, UsageError, "features: '5' is no name and no list of names; "),
        ({"features": b"core"}, UsageError, "features: 'b'core'' is no name and no list"),
        ({"features": [5]}, SpanflowError, "unknown feature '5'; "),
        ({"features": "packets"}, ConfigError, "features: the first packets are not kept; "),
        ({"config": 5}, UsageError, "config: '5' is no path; "),
    ],
)
def test_arguments_of_the_wrong_type(arguments: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as raised:
        stream(**arguments)
    assert str(raised.value).startswith(text)


def test_features_of_a_generator_serve_twice() -> None:
    flows = stream(features=(name for name in ("src_ip", "dst_ip")))
    assert [flows.to_arrow().column_names for _ in range(2)] == 2 * [["src_ip", "dst_ip"]]


def test_metrics_are_columns() -> None:
    def largest(packet: Any, flow: Any) -> int:
        return max(packet.size, flow.metrics.get("largest") or 0)

    flows = stream(user_metrics={"largest": largest, "proto": lambda packet, flow: packet.ip_protocol})
    frame = flows.to_pandas(["metrics.largest", "packet_length_max", "metrics.proto", "protocol_identifier"])
    assert (frame["metrics.largest"] == frame["packet_length_max"]).all()
    assert frame["metrics.largest"].dtype == "int64"
    assert (frame["metrics.proto"] == frame["protocol_identifier"]).all()
    assert {f"metrics.{name}" for name in ("largest", "proto")} <= set(flows.to_pandas().columns)


@pytest.mark.filterwarnings("ignore::spanflow.stream.run.MetricWarning")
def test_metrics_that_are_no_columns_do_not_stop_the_stream() -> None:
    class Value:
        def __str__(self) -> str:
            raise RuntimeError

    def text(packet: Any, flow: Any) -> str:
        return cast(str, Value())

    def truth(packet: Any, flow: Any) -> bool:
        return cast(bool, np.zeros(2))

    def odd(packet: Any, flow: Any) -> Any:
        return np.bool_(True)

    odd.__annotations__["return"] = "no Python"
    found = stream(user_metrics={"text": text, "truth": truth, "odd": odd}).to_arrow(
        ["metrics.text", "metrics.truth", "metrics.odd"]
    )
    assert {tuple(row.values()) for row in found.to_pylist()} == {("", False, 1.0)}


def test_progress(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanflow.metering_progress._INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr("spanflow.stream.run._PROGRESS_AFTER_S", 0.0)
    list(stream(progress=True))
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert shown.endswith("\r")
    list(stream(progress=False))
    list(stream())
    assert capsys.readouterr().err == "", "nobody watches a pipe"


def test_streamer_has_the_names_of_old() -> None:
    streamer = Streamer(DEMO, 64_000, 90, 30, enable_ndpi=False)
    assert (streamer.capacity, streamer.active_timeout, streamer.inactive_timeout) == (64_000, 90, 30)
    assert Streamer(DEMO).capacity == 128_000
    found: list[Flow] = list(streamer)
    assert streamer.processed_packets == streamer.packets > 0
    assert streamer.flows_number == streamer.flows > 0
    assert streamer.current_flows == 0
    for flow in found:
        assert flow.export_reason in (0, 1, 2, 3, 4, 5)
        assert json.loads(str(flow))["flow_id"] == flow.flow_id
    event = threading.Event()
    event.set()
    streamer.active_watcher(event)
    streamer.inactive_watcher(event)
    streamer.terminate()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_forked_process_leaves_the_stream_alone(engine: Any, many: Path) -> None:
    """In a process of its own, as one with threads is not to be forked by a test."""
    program = """
import os, sys
from spanflow import FlowStream, UsageError

stream = FlowStream(sys.argv[1], engine=sys.argv[2], enable_ndpi=False)
batches = stream.batches()
seen = len(next(batches))
child = os.fork()
if not child:
    try:
        next(batches)
    except UsageError as error:
        print(error, flush=True)
    stream.close()
    del batches, stream
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(seen + sum(map(len, batches)))
"""
    arguments = [sys.executable, "-W", "ignore", "-c", program, str(many), engine]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (
        ["this stream was begun by another process; make one in the process that reads it", "3000"],
        "",
    )
