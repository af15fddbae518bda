# SPDX-License-Identifier: Apache-2.0
"""The table of metrics: name, kind, help, labels, and how the samples are taken.

/metrics and the page `metrics.md` are computed from it (`metrics.py`). Names end in their unit, as Prometheus
has it: octets are `bytes` there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from spanflow.metric_samples import (
    SECOND_NS,
    Samples,
    applications,
    build_info,
    capture_drops,
    classify_outcomes,
    discards,
    engine_info,
    expiry_lag,
    export_drops,
    export_imbalance,
    flow_ends,
    imbalance,
    interface_info,
    of_collectors,
    of_interfaces,
    of_plugins,
    of_probe,
)

Kind: TypeAlias = Literal["counter", "gauge", "histogram", "info"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of the table."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    samples: Samples


INTERFACE, COLLECTOR, APPLICATION = ("interface",), ("collector",), ("application",)
PLUGIN = ("name",)

METRICS = (
    # Capture.
    Metric(
        "spanflow_capture_packets_total",
        "counter",
        "Frames that the metering workers received.",
        INTERFACE,
        of_interfaces(lambda each: each.metering.received.packets),
    ),
    Metric(
        "spanflow_capture_bytes_total",
        "counter",
        "Octets on the wire of the frames that the metering workers received.",
        INTERFACE,
        of_interfaces(lambda each: each.metering.received.octets),
    ),
    Metric(
        "spanflow_capture_kernel_packets_total",
        "counter",
        "Frames that passed the kernel's filter, those that found no room in the ring included.",
        INTERFACE,
        of_interfaces(lambda each: each.kernel_received),
    ),
    Metric(
        "spanflow_capture_drops_total",
        "counter",
        "Frames that were lost before a worker could receive them.",
        (*INTERFACE, "stage"),
        capture_drops,
    ),
    Metric(
        "spanflow_capture_softnet_drops_total",
        "counter",
        "Frames that the kernel lost in its receive queues, on all interfaces of the machine.",
        (),
        lambda scrape: [((), scrape.softnet_drops)],
    ),
    Metric(
        "spanflow_capture_ring_freezes_total",
        "counter",
        "Times that a capture ring was full.",
        INTERFACE,
        of_interfaces(lambda each: each.ring_freezes),
    ),
    Metric(
        "spanflow_capture_merged_frames_total",
        "counter",
        "Frames that were put together out of several packets (GRO, LRO, TSO) before they were captured.",
        INTERFACE,
        of_interfaces(lambda each: each.merged_frames),
    ),
    Metric(
        "spanflow_capture_clock_steps_total",
        "counter",
        "Steps of the wall clock that the workers noticed.",
        INTERFACE,
        of_interfaces(lambda each: each.clock_steps),
    ),
    Metric(
        "spanflow_capture_up",
        "gauge",
        "1 if every worker captures on the interface and the kernel says that it is up.",
        INTERFACE,
        of_interfaces(lambda each: each.up),
    ),
    Metric(
        "spanflow_capture_bound",
        "gauge",
        "1 if every worker captures on the interface.",
        INTERFACE,
        of_interfaces(lambda each: each.bound),
    ),
    Metric(
        "spanflow_capture_appearances_total",
        "counter",
        "Times that the interface came, the first included.",
        INTERFACE,
        of_interfaces(lambda each: each.appearances),
    ),
    Metric(
        "spanflow_capture_info",
        "info",
        "What the interface is, as labels.",
        (*INTERFACE, "index", "engine"),
        interface_info,
    ),
    # Decode.
    Metric(
        "spanflow_decode_discards_total",
        "counter",
        "Frames that were not accounted.",
        (*INTERFACE, "reason"),
        discards,
    ),
    Metric(
        "spanflow_decode_fragment_orphans_total",
        "counter",
        "Fragments whose first fragment was not known; accounted, with ports 0.",
        (),
        of_probe(lambda status: status.metering.fragment_orphans),
    ),
    # Cache.
    Metric(
        "spanflow_cache_packets_total",
        "counter",
        "Packets that were accounted in a Flow.",
        (),
        of_probe(lambda status: status.metering.accounted.packets),
    ),
    Metric(
        "spanflow_cache_bytes_total",
        "counter",
        "Octets of IP that were accounted in a Flow.",
        (),
        of_probe(lambda status: status.metering.accounted.octets),
    ),
    Metric(
        "spanflow_cache_late_packets_total",
        "counter",
        "Packets with a time stamp before the reorder window; accounted all the same.",
        (),
        of_probe(lambda status: status.metering.late),
    ),
    Metric(
        "spanflow_cache_flows_opened_total",
        "counter",
        "Flows that were opened.",
        (),
        of_probe(lambda status: status.metering.flows_opened),
    ),
    Metric(
        "spanflow_cache_flows",
        "gauge",
        "Flows in the cache.",
        (),
        of_probe(lambda status: status.metering.cached_flows),
    ),
    Metric(
        "spanflow_cache_capacity_flows",
        "gauge",
        "Flows that the cache has room for.",
        (),
        of_probe(lambda status: status.cache_capacity_flows),
    ),
    Metric(
        "spanflow_cache_crowded_evictions_total",
        "counter",
        "Flows that were evicted for want of room at their place, in a cache that was not full.",
        (),
        of_probe(lambda status: status.metering.crowded_evictions),
    ),
    # Classify.
    Metric(
        "spanflow_classify_info",
        "info",
        "What names the applications, as labels.",
        ("engine", "version"),
        engine_info,
    ),
    Metric(
        "spanflow_classify_packets_total",
        "counter",
        "Packets that the engine inspected.",
        (),
        of_probe(lambda status: status.metering.classification.inspected_packets),
    ),
    Metric(
        "spanflow_classify_flows_total",
        "counter",
        "Flows whose application is decided, by how that came.",
        ("outcome",),
        classify_outcomes,
    ),
    Metric(
        "spanflow_classify_flows_under_detection",
        "gauge",
        "Flows whose application is being looked for.",
        (),
        of_probe(lambda status: status.metering.classification.under_detection),
    ),
    Metric(
        "spanflow_classify_capacity_flows",
        "gauge",
        "Flows whose application may be looked for at once; 0 without an engine.",
        (),
        of_probe(lambda status: status.classification.capacity_flows),
    ),
    Metric(
        "spanflow_classify_memory_bytes",
        "gauge",
        "Memory that states of Flows under detection and names that were found take.",
        (),
        of_probe(lambda status: status.metering.classification.memory_octets),
    ),
    Metric(
        "spanflow_classify_capacity_bytes",
        "gauge",
        "Memory that they may take; 0 without an engine.",
        (),
        of_probe(lambda status: status.classification.capacity_octets),
    ),
    Metric(
        "spanflow_classify_dropped_details_total",
        "counter",
        "Flows whose names were found but not kept, for want of memory.",
        (),
        of_probe(lambda status: status.metering.classification.dropped_details),
    ),
    Metric(
        "spanflow_classified_flows_total",
        "counter",
        "Flows by application, in the Flow Records that were handed over; one counts with its first record.",
        APPLICATION,
        applications(lambda each: each.flows),
    ),
    Metric(
        "spanflow_classified_packets_total",
        "counter",
        "Packets by application, in the Flow Records that were handed over.",
        APPLICATION,
        applications(lambda each: each.packets),
    ),
    Metric(
        "spanflow_classified_bytes_total",
        "counter",
        "Octets of IP by application, in the Flow Records that were handed over.",
        APPLICATION,
        applications(lambda each: each.octets),
    ),
    # Expire.
    Metric(
        "spanflow_flow_ends_total",
        "counter",
        "Flow Records that left the cache.",
        ("detail", "reason"),
        flow_ends,
    ),
    Metric(
        "spanflow_flow_expiry_lag_seconds",
        "histogram",
        "How long after their deadline Flow Records left that a timer sent.",
        (),
        expiry_lag,
    ),
    # Hand-over.
    Metric(
        "spanflow_handover_records_total",
        "counter",
        "Flow Records that the workers handed over to the Exporting Processes.",
        (),
        of_probe(lambda status: status.metering.handed_over.records),
    ),
    Metric(
        "spanflow_handover_dropped_records_total",
        "counter",
        "Flow Records that were dropped because the queue at the hand-over was full.",
        (),
        of_probe(lambda status: status.metering.dropped_at_handover.records),
    ),
    Metric(
        "spanflow_handover_dropped_packets_total",
        "counter",
        "Packets that the Flow Records dropped at the hand-over account for.",
        (),
        of_probe(lambda status: status.metering.dropped_at_handover.packets),
    ),
    Metric(
        "spanflow_handover_capacity_bytes",
        "gauge",
        "Octets of Flow Records that may wait at the hand-over.",
        (),
        of_probe(lambda status: status.handover_octets),
    ),
    # Plugins.
    Metric(
        "spanflow_plugin_batches_total",
        "counter",
        "Batches of Flow Records that the plugin was given.",
        PLUGIN,
        of_plugins(lambda each: each.batches),
    ),
    Metric(
        "spanflow_plugin_records_total",
        "counter",
        "Flow Records that the plugin was given.",
        PLUGIN,
        of_plugins(lambda each: each.records),
    ),
    Metric(
        "spanflow_plugin_failures_total",
        "counter",
        "Batches that the plugin failed on: it raised an exception, or returned what it has not declared.",
        PLUGIN,
        of_plugins(lambda each: each.failures),
    ),
    Metric(
        "spanflow_plugin_failed_records_total",
        "counter",
        "Flow Records of these batches, which went on with empty columns.",
        PLUGIN,
        of_plugins(lambda each: each.failed_records),
    ),
    Metric(
        "spanflow_plugin_seconds_total",
        "counter",
        "Time that the plugin took, by the clock.",
        PLUGIN,
        of_plugins(lambda each: each.seconds),
    ),
    Metric(
        "spanflow_plugin_queue_bytes",
        "gauge",
        "Octets of the Flow Records that wait for plugins or are worked on.",
        (),
        of_probe(lambda status: status.plugins.queued_octets),
    ),
    Metric(
        "spanflow_plugin_queue_records",
        "gauge",
        "Flow Records that wait for plugins or are worked on.",
        (),
        of_probe(lambda status: status.plugins.books.queued.records),
    ),
    Metric(
        "spanflow_plugin_dropped_records_total",
        "counter",
        "Flow Records that were dropped at the end because the plugins did not get to them in time.",
        (),
        of_probe(lambda status: status.plugins.dropped.records),
    ),
    # Export.
    Metric(
        "spanflow_export_records_total",
        "counter",
        "Flow Records that were sent; one in two halves counts once.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.sent.records),
    ),
    Metric(
        "spanflow_export_record_packets_total",
        "counter",
        "Packets that the Flow Records sent account for.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.sent.packets),
    ),
    Metric(
        "spanflow_export_record_bytes_total",
        "counter",
        "Octets of IP that the Flow Records sent account for.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.sent.octets),
    ),
    Metric(
        "spanflow_export_data_records_total",
        "counter",
        "Data Records that were sent, those of options too.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.data_records),
    ),
    Metric(
        "spanflow_export_messages_total",
        "counter",
        "Messages that were sent.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.messages),
    ),
    Metric(
        "spanflow_export_bytes_total",
        "counter",
        "Octets of the Messages that were sent, without UDP and IP headers.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.octets_sent),
    ),
    Metric(
        "spanflow_export_queue_records",
        "gauge",
        "Flow Records that wait for the collector.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.queued.records),
    ),
    Metric(
        "spanflow_export_drops_total",
        "counter",
        "Flow Records that were not sent.",
        (*COLLECTOR, "reason"),
        export_drops,
    ),
    Metric(
        "spanflow_export_filtered_records_total",
        "counter",
        "Flow Records that the collector's own filter left out.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.filtered.records),
    ),
    Metric(
        "spanflow_export_moved_records_total",
        "counter",
        "Flow Records that went to another collector of the group, which was offered them in turn.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.moved.records),
    ),
    Metric(
        "spanflow_export_recovered_records",
        "gauge",
        "Flow Records that were in the collector's spool at the start, less what was left in it at an end.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.recovered.records),
    ),
    Metric(
        "spanflow_export_resent_records_total",
        "counter",
        "Flow Records that were sent again after a connection ended, as nobody had acknowledged them:"
        " duplicates at the most.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.resent),
    ),
    Metric(
        "spanflow_export_connections_total",
        "counter",
        "Times that a connection was made, or a file begun.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.connections),
    ),
    Metric(
        "spanflow_export_refusals_total",
        "counter",
        "Times that the collector's host said: nobody listens at this port.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.refusals),
    ),
    Metric(
        "spanflow_export_resolutions_total",
        "counter",
        "Times that the collector's name was looked up.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.resolutions),
    ),
    Metric(
        "spanflow_export_template_sends_total",
        "counter",
        "Times that all Templates were sent.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.template_sends),
    ),
    Metric(
        "spanflow_export_last_template_timestamp_seconds",
        "gauge",
        "When Templates were sent last, in UNIX time; 0 for never.",
        COLLECTOR,
        of_collectors(lambda each: each.last_template_ns / SECOND_NS),
    ),
    Metric(
        "spanflow_export_up",
        "gauge",
        "1 if the collector is connected and the last attempt to send went well.",
        COLLECTOR,
        of_collectors(lambda each: each.up),
    ),
    # The whole.
    Metric(
        "spanflow_spool_records",
        "gauge",
        "Flow Records on disk that wait for the collector.",
        COLLECTOR,
        of_collectors(lambda each: each.counters.spooled.records),
    ),
    Metric(
        "spanflow_spool_bytes",
        "gauge",
        "Octets that they take.",
        COLLECTOR,
        of_collectors(lambda each: each.spool_octets),
    ),
    Metric(
        "spanflow_spool_oldest_timestamp_seconds",
        "gauge",
        "When the oldest of them was stored, in UNIX time; 0 for none.",
        COLLECTOR,
        of_collectors(lambda each: each.spool_oldest_ns / SECOND_NS),
    ),
    Metric(
        "spanflow_tls_certificate_not_after_timestamp_seconds",
        "gauge",
        "When our own certificate for the collector expires, in UNIX time; 0 for none.",
        COLLECTOR,
        of_collectors(lambda each: each.certificate_not_after_ns / SECOND_NS),
    ),
    Metric(
        "spanflow_conservation_imbalance",
        "gauge",
        "What is missing in the books of the Metering Process and of the plugins; must be 0.",
        ("law",),
        imbalance,
    ),
    Metric(
        "spanflow_export_imbalance",
        "gauge",
        "What is missing in the books of the collector: offered or recovered, but not sent, queued, spooled,"
        " filtered, moved or dropped; must be 0.",
        (*COLLECTOR, "law"),
        export_imbalance,
    ),
    Metric(
        "spanflow_config_reloads_total",
        "counter",
        "Times that a configuration was taken over while the probe ran.",
        (),
        of_probe(lambda status: status.reloads),
    ),
    Metric(
        "spanflow_config_reload_failures_total",
        "counter",
        "Times that a configuration was refused; the one before stayed.",
        (),
        of_probe(lambda status: status.reload_failures),
    ),
    Metric(
        "spanflow_config_last_reload_successful",
        "gauge",
        "0 if the last attempt to reload the configuration failed.",
        (),
        of_probe(lambda status: status.last_reload_successful),
    ),
    Metric(
        "spanflow_ready",
        "gauge",
        "1 if /readyz says so.",
        (),
        of_probe(lambda status: not status.unready),
    ),
    Metric(
        "spanflow_stalled_threads",
        "gauge",
        "Threads that make no progress.",
        (),
        of_probe(lambda status: len(status.stalled)),
    ),
    Metric(
        "spanflow_start_timestamp_seconds",
        "gauge",
        "When the probe was started, in UNIX time.",
        (),
        of_probe(lambda status: status.started_ns / SECOND_NS),
    ),
    Metric("spanflow_build_info", "info", "What runs, as labels.", ("version",), build_info),
)
