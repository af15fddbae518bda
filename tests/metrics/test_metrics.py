# SPDX-License-Identifier: Apache-2.0
"""The metrics: every row of the table with its value, from 0 on, in both formats, with sound names."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.samples import Sample

from metrics.kernel_counts import KernelCounts
from metrics.probe_statuses import BUSY, BUSY_METERING, DISCARDS, ENDS, IDLE, Probe
from spanflow import metrics
from spanflow.exporting.counters import DropReason, Tally
from spanflow.kernel_losses import CARD_STAGES
from spanflow.metric_samples import FLOW_END_REASONS
from spanflow.metric_table import METRICS, Metric
from spanflow.metrics import Metrics
from spanflow.record import EndDetail
from spanflow.reference.records import END_REASONS
from spanflow.status import ProbeStatus

PROMETHEUS_2_ACCEPTS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

Key = tuple[str, tuple[tuple[str, str], ...]]


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> KernelCounts:
    kernel = KernelCounts.installed(monkeypatch)
    kernel.card("eth0")
    kernel.card("eth1")
    return kernel


def key(name: str, /, **labels: str) -> Key:
    return name, tuple(sorted(labels.items()))


def samples(text: bytes) -> dict[Key, float]:
    found: list[Sample] = [each for family in read_text(text.decode()) for each in family.samples]
    values = {key(each.name, **each.labels): each.value for each in found}
    assert len(values) == len(found), "a sample is there twice"
    return values


def scrape(status: ProbeStatus) -> dict[Key, float]:
    body, _ = Metrics(lambda: status).render()
    return samples(body)


PER_INTERFACE = {
    "capture_packets_total": 1000,
    "capture_bytes_total": 200_000,
    "capture_kernel_packets_total": 1064,
    "capture_ring_freezes_total": 3,
    "capture_merged_frames_total": 5,
    "capture_clock_steps_total": 6,
    "capture_appearances_total": 4,
}
PER_COLLECTOR = {
    "export_records_total": 30,
    "export_record_packets_total": 300,
    "export_record_bytes_total": 60_000,
    "export_data_records_total": 61,
    "export_messages_total": 17,
    "export_bytes_total": 9876,
    "export_queue_records": 5,
    "export_filtered_records_total": 3,
    "export_moved_records_total": 6,
    "export_recovered_records": 8,
    "export_resent_records_total": 14,
    "export_connections_total": 15,
    "spool_records": 4,
    "spool_bytes": 4096,
    "spool_oldest_timestamp_seconds": 1_800_000_001.5,
    "tls_certificate_not_after_timestamp_seconds": 1_800_000_002.5,
    "export_refusals_total": 7,
    "export_resolutions_total": 9,
    "export_template_sends_total": 8,
    "export_last_template_timestamp_seconds": 1_800_000_000.5,
}
PER_PLUGIN = {
    "plugin_batches_total": 81,
    "plugin_records_total": 82,
    "plugin_failures_total": 83,
    "plugin_failed_records_total": 84,
    "plugin_seconds_total": 8.5,
}
OF_THE_PROBE = {
    "capture_softnet_drops_total": 0,
    "decode_fragment_orphans_total": 12,
    "cache_packets_total": 964,
    "cache_bytes_total": 180_000,
    "cache_late_packets_total": 11,
    "cache_flows_opened_total": 81,
    "cache_flows": 21,
    "cache_capacity_flows": 1_000_000,
    "cache_crowded_evictions_total": 13,
    "classify_packets_total": 43,
    "classify_flows_under_detection": 41,
    "classify_capacity_flows": 65_536,
    "classify_memory_bytes": 42_000,
    "classify_capacity_bytes": 268_435_456,
    "classify_dropped_details_total": 49,
    "handover_records_total": 50,
    "handover_dropped_records_total": 10,
    "handover_dropped_packets_total": 100,
    "handover_capacity_bytes": 33_554_432,
    "plugin_queue_bytes": 1968,
    "plugin_queue_records": 6,
    "plugin_dropped_records_total": 3,
    "config_reloads_total": 3,
    "config_reload_failures_total": 1,
    "config_last_reload_successful": 0,
    "ready": 0,
    "stalled_threads": 2,
    "start_timestamp_seconds": 1_799_999_999.25,
}
METERING_LAWS = ("frames", "wire_octets", "packets", "octets")
PLUGIN_LAWS = ("plugin_records", "plugin_packets", "plugin_octets")
OUTCOMES = ("detected", "given_up", "guessed", "refused_flows", "refused_memory")
BUCKETS = {"0.1": 1, "0.25": 3, "0.5": 6, "1.0": 10, "2.0": 15, "5.0": 21, "+Inf": 28}
SPECIAL: dict[Key, float] = {
    key("capture_up", interface="eth0"): 1,
    key("capture_up", interface="eth1"): 0,
    key("capture_bound", interface="eth0"): 1,
    key("capture_bound", interface="eth1"): 0,
    key("capture_info", interface="eth0", index="2", engine="ring"): 1,
    key("capture_info", interface="eth1", index="0", engine="ring"): 1,
    key("export_up", collector="noc"): 1,
    key("export_up", collector="lab"): 0,
    key("flow_expiry_lag_seconds_count"): 28,
    key("flow_expiry_lag_seconds_sum"): 90.5,
    key("classify_info", engine="nDPI", version="4.2.0"): 1,
    key("build_info", version="1.2.3", python="3.11.2", libpcap="1.10.3"): 1,
}


def expected() -> dict[Key, float]:
    """Every sample of the status BUSY."""
    values = {key(name): value for name, value in OF_THE_PROBE.items()} | SPECIAL
    for interface in ("eth0", "eth1"):
        values |= {key(name, interface=interface): value for name, value in PER_INTERFACE.items()}
        for stage in ("kernel_ring", *CARD_STAGES):
            lost = 64 if stage == "kernel_ring" else 0
            values[key("capture_drops_total", interface=interface, stage=stage)] = lost
        for number, reason in enumerate(DISCARDS, 1):
            values[key("decode_discards_total", interface=interface, reason=reason)] = number
    for collector in ("noc", "lab"):
        values |= {key(name, collector=collector): value for name, value in PER_COLLECTOR.items()}
        for number, reason in enumerate(DropReason, 1):
            values[key("export_drops_total", collector=collector, reason=reason)] = number
        for law in ("records", "packets", "octets"):
            values[key("export_imbalance", collector=collector, law=law)] = 0
    for number, detail in enumerate(ENDS, 31):
        values[key("flow_ends_total", detail=detail, reason=REASON_OF[detail])] = number
    for name, value in PER_PLUGIN.items():
        values[key(name, name="labels:label")] = value
        values[key(name, name="/srv/my labels.py:Labels")] = 0
    for law in (*METERING_LAWS, *PLUGIN_LAWS):
        values[key("conservation_imbalance", law=law)] = 0
    for number, outcome in enumerate(OUTCOMES, 44):
        values[key("classify_flows_total", outcome=outcome)] = number
    for number, application in enumerate(("Unknown", "other", "TLS", 'my "own"'), 1):
        for tens, unit in ((50, "flows"), (60, "packets"), (70, "bytes")):
            values[key(f"classified_{unit}_total", application=application)] = tens + number
    for bound, count in BUCKETS.items():
        values[key("flow_expiry_lag_seconds_bucket", le=bound)] = count
    return {(f"spanflow_{name}", labels): value for (name, labels), value in values.items()}


REASON_OF = {
    "idle": "idle_timeout",
    "active": "active_timeout",
    "fin": "end_of_flow_detected",
    "rst": "end_of_flow_detected",
    "fin_timeout": "end_of_flow_detected",
    "flush": "forced_end",
    "evicted": "lack_of_resources",
}


def test_every_metric_has_its_value() -> None:
    found = {key: value for key, value in scrape(BUSY).items() if key[0].startswith("spanflow_")}
    assert found == expected()


def test_every_sample_is_there_from_the_start_with_zero() -> None:
    idle, busy = scrape(IDLE), scrape(BUSY)
    # eth1 has another index, there is an engine, applications have appeared, and there are plugins.
    changed = (
        *("spanflow_capture_info", "spanflow_classify_info", "spanflow_classified_"),
        *(f"spanflow_{name}" for name in PER_PLUGIN),
    )
    assert {name for name, _ in idle} == {name for name, _ in busy} - set(changed[3:])
    assert {key for key in idle if not key[0].startswith(changed)} == {
        key for key in busy if not key[0].startswith(changed)
    }
    assert {labels for name, labels in idle if name.startswith("spanflow_classified_")} == {
        (("application", "Unknown"),),
        (("application", "other"),),
    }
    assert idle[key("spanflow_classify_info", engine="none", version="")] == 1
    not_zero = {name for (name, _), value in idle.items() if value and name.startswith("spanflow_")}
    assert not_zero == {
        "spanflow_build_info",
        "spanflow_cache_capacity_flows",
        "spanflow_capture_appearances_total",
        "spanflow_capture_bound",
        "spanflow_capture_info",
        "spanflow_capture_up",
        "spanflow_classify_info",
        "spanflow_config_last_reload_successful",
        "spanflow_export_up",
        "spanflow_handover_capacity_bytes",
        "spanflow_ready",
        "spanflow_start_timestamp_seconds",
    }


def test_a_probe_without_interfaces_and_collectors_can_be_told() -> None:
    found = scrape(replace(IDLE, interfaces=(), collectors=()))
    assert found[key("spanflow_ready")] == 1


def test_what_cards_and_receive_queues_lose_is_told(kernel: KernelCounts) -> None:
    probe = Probe()
    told = Metrics(probe.snapshot)
    kernel.card("eth1", dropped=1, missed=2, errors=3, no_buffer=4)
    kernel.softnet = 5
    found = samples(told.render()[0])
    assert found[key("spanflow_capture_softnet_drops_total")] == 5
    for number, stage in enumerate(CARD_STAGES, 1):
        assert found[key("spanflow_capture_drops_total", interface="eth1", stage=stage)] == number
        assert found[key("spanflow_capture_drops_total", interface="eth0", stage=stage)] == 0


def test_no_counter_goes_back_over_the_life_of_a_probe(kernel: KernelCounts) -> None:
    """An interface vanishes and comes again with counts of its own, in between the probe works."""
    probe = Probe()
    told = Metrics(probe.snapshot)
    before: dict[Key, float] = {}
    for index, dropped in ((3, 0), (3, 9), (0, None), (4, 2), (4, 1), (4, 3)):
        kernel.cards.pop("eth1", None)
        if dropped is not None:
            kernel.card("eth1", dropped=dropped)
        first, second = probe.status.interfaces
        probe.change(interfaces=(first, replace(second, index=index)))
        now = samples(told.render()[0])
        counters = {key: value for key, value in now.items() if key[0].endswith("_total")}
        assert all(value >= before.get(key, 0) for key, value in counters.items())
        before = counters
    assert before[key("spanflow_capture_drops_total", interface="eth1", stage="card_dropped")] == 9 + 2 + 2


def test_what_is_missing_in_the_books_is_told() -> None:
    first, second = BUSY.collectors
    broken = replace(
        BUSY,
        metering=replace(BUSY_METERING, late=0, accounted=replace(BUSY_METERING.accounted, packets=960)),
        collectors=(first, replace(second, counters=replace(second.counters, sent=Tally(29, 300, 60_001)))),
        plugins=replace(BUSY.plugins, books=replace(BUSY.plugins.books, offered=Tally(49, 492, 93_990))),
    )
    found = scrape(broken)
    missing = {key: value for key, value in found.items() if "imbalance" in key[0] and value}
    assert missing == {
        key("spanflow_conservation_imbalance", law="packets"): -4,
        key("spanflow_conservation_imbalance", law="plugin_packets"): 2,
        key("spanflow_conservation_imbalance", law="plugin_octets"): -10,
        key("spanflow_export_imbalance", collector="lab", law="records"): 1,
        key("spanflow_export_imbalance", collector="lab", law="octets"): -1,
    }


def test_a_scrape_takes_one_snapshot() -> None:
    probe = Probe()
    told = Metrics(probe.snapshot)
    before = probe.looks  # it learns whose cards it counts
    told.render()
    assert probe.looks == before + 1


@pytest.mark.parametrize("name", ['a "b"', "back\\slash", "Zürich", "line\nbreak", "{}"])
def test_names_of_collectors_survive(name: str) -> None:
    status = replace(IDLE, collectors=(replace(IDLE.collectors[0], name=name),))
    assert scrape(status)[key("spanflow_export_up", collector=name)] == 1


# Formats.

ACCEPT = [
    ("", False),
    ("*/*", False),
    (PROMETHEUS_2_ACCEPTS, True),
    ("application/openmetrics-text", True),
    ("Application/OpenMetrics-Text ; version=9;q=0.2", True),
    ("application/openmetrics-text;version=\u00ff;escaping=x", True),
    ("application/openmetrics-text;q=0", False),
    ("application/openmetrics-text;q=x", False),
    ("application/openmetrics-text;q=0.4,text/plain;q=0.5", False),
    ("text/plain;version=0.0.4", False),
    ("text/plain;version=1.0.0;escaping=allow-utf-8", False),
    ("application/openmetrics-textual, ;;,=,", False),
]


@pytest.mark.parametrize(("accept", "openmetrics"), ACCEPT)
def test_the_format_is_the_one_that_the_client_prefers(accept: str, openmetrics: bool) -> None:
    body, content_type = Metrics(lambda: IDLE).render(accept)
    assert content_type == (OPENMETRICS if openmetrics else TEXT)
    assert body.endswith(b"# EOF\n") == openmetrics


def test_both_formats_tell_the_same_and_nothing_of_when_a_counter_was_made() -> None:
    told = Metrics(lambda: BUSY)
    text, openmetrics = (told.render(accept)[0].decode() for accept in ("", PROMETHEUS_2_ACCEPTS))
    assert "_created" not in text + openmetrics
    families = list(read_openmetrics(openmetrics))
    in_openmetrics = {
        key(each.name, **each.labels): each.value for family in families for each in family.samples
    }
    mine = {key: value for key, value in in_openmetrics.items() if key[0].startswith("spanflow_")}
    assert mine == expected()
    assert {name for name, _ in in_openmetrics} == {name for name, _ in samples(text.encode())}


def test_each_family_has_the_kind_and_the_help_of_the_table() -> None:
    families = list(read_openmetrics(Metrics(lambda: BUSY).render(PROMETHEUS_2_ACCEPTS)[0].decode()))
    told = [(each.name, each.type, each.documentation) for each in families if each.name[:8] == "spanflow"]
    assert told == [(re.sub("_(total|info)$", "", row.name), row.kind, row.help) for row in METRICS]


# The process.


def test_the_process_tells_of_itself() -> None:
    found = scrape(IDLE)
    assert found[key("process_resident_memory_bytes")] > 1 << 20
    assert found[key("process_open_fds")] > 2
    assert found[key("process_cpu_seconds_total")] > 0
    assert 0 < time.time() - found[key("process_start_time_seconds")] < 24 * 3600


def test_the_process_tells_of_itself_where_proc_has_only_processes(tmp_path: Path) -> None:
    """As with ProcSubset=pid of systemd: there is no /proc/stat with the time of the boot."""
    (tmp_path / "self").symlink_to("/proc/self")
    registry = CollectorRegistry()
    metrics.OwnProcess(proc=str(tmp_path), registry=registry)
    started = registry.get_sample_value("process_start_time_seconds")
    assert started is not None
    assert 0 < time.time() - started < 24 * 3600


# Names: the rules of Prometheus (naming, instrumentation); promtool adds its own in test_prometheus.py.

NOT_BASE_UNITS = ("milliseconds", "ms", "ns", "octets", "kilobytes", "bits", "percent", "minutes")


@pytest.mark.parametrize("row", METRICS, ids=lambda row: row.name)
def test_names_follow_the_rules(row: Metric) -> None:
    assert re.fullmatch("spanflow(_[a-z]+)+", row.name)
    assert row.name.endswith("_total") == (row.kind == "counter")
    assert row.name.endswith("_info") == (row.kind == "info")
    words = row.name.split("_")
    assert not set(words) & {"counter", "gauge", "histogram", "metric", *NOT_BASE_UNITS}
    assert not set(words) & set(row.labels), "labels do not belong in names"
    assert row.help.endswith(".")
    assert row.help[0].isupper() or row.help[0].isdigit()
    for label in row.labels:
        assert re.fullmatch("[a-z]+", label)
        assert label not in ("type", "job", "instance", "le", "quantile")
    if row.kind == "histogram" or "timestamp" in words:
        assert words[-1] == "seconds"


STAGES = (
    *("capture", "decode", "cache", "classify", "classified", "flow", "handover", "plugin"),
    *("export", "spool", "tls"),
)


def test_names_are_unique_and_ordered_by_stage() -> None:
    names = [row.name for row in METRICS]
    assert len(set(names)) == len(names)
    stages = [name.split("_")[1] for name in names]
    assert stages[: stages.index("conservation")] == sorted(
        stages[: stages.index("conservation")],
        key=STAGES.index,
    )


def test_every_end_of_a_record_has_its_flow_end_reason() -> None:
    """The reference engine has the numbers of the registry, by the same names."""
    assert list(FLOW_END_REASONS) == list(EndDetail)
    numbers = ("idle_timeout", "active_timeout", "end_of_flow_detected", "forced_end", "lack_of_resources")
    told = {detail.name.lower(): numbers.index(reason) + 1 for detail, reason in FLOW_END_REASONS.items()}
    # The reference engine has all the memory that it wants, so it evicts nothing.
    assert told == {name: number for name, (number, _) in END_REASONS.items()} | {"evicted": 5}
