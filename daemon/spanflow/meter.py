# SPDX-License-Identifier: Apache-2.0
"""A Metering Process as Python sees it: batches and counters, whatever the packets come from."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from spanflow import _core
from spanflow.config.schema import Cache, Settings
from spanflow.config.wording import shown
from spanflow.errors import ConfigError, SpanflowError
from spanflow.metering_counters import MeteringCounters
from spanflow.record import FIRST_PACKET, RECORD, Batch


class Meter:
    """What FileMeter and LiveMeter have in common. native: the object of the native module."""

    def __init__(self, native: _core.Meter) -> None:
        self._meter = native

    def batches(self, wait_ms: int = 100) -> Iterator[Batch | None]:
        """Each batch as it comes; None after `wait_ms` without one. Ends when all has been handed over."""
        while not self._meter.finished():
            batch = self._meter.pop(wait_ms)
            yield None if batch is None else _batch(batch)

    def set_capacity(self, flows: int) -> None:
        """How many Flows the cache may hold from now on, all workers together.

        At most as many as it was made for. When there are more, those that would expire next leave as new
        ones come (detail `evicted`). Raises ConfigError for a number that cannot be.
        """
        try:
            self._meter.set_capacity(flows)
        except ValueError as error:
            raise ConfigError(f"cache.max_flows: {flows:,} Flows: {error}; set a number between") from None

    def failure(self) -> str:
        """What ended a worker before its time; empty when nothing did."""
        return self._meter.failure()

    def raise_if_failed(self) -> None:
        """Raises SpanflowError if a worker died; after the end ConfigError if the filter did not compile.

        A filter may compile for one link type and not for another that the input has too.
        """
        if failure := self.failure():
            raise SpanflowError(f"metering: {failure}; records are missing, start again with a smaller cache")
        if self._meter.finished() and (error := self._meter.filter_error()):
            raise ConfigError(f"capture.filter: {error}; see pcap-filter(7)")

    def counters(self) -> MeteringCounters:
        """A snapshot; while a worker runs it is up to 2,048 packets or 0.1 s old."""
        return MeteringCounters.of_workers(self._meter.counters())


def _batch(native: _core.Batch) -> Batch:
    records = np.frombuffer(memoryview(native), dtype=RECORD)
    details = np.frombuffer(native.details, dtype=np.uint8)
    packets = native.first_packets
    if packets is None:
        return Batch(records, details)
    first_packets = np.frombuffer(memoryview(packets), dtype=FIRST_PACKET).reshape(len(records), -1)
    return Batch(records, details, first_packets)


def flow_octets(settings: Settings) -> float:
    """What a Flow in the cache takes, in octets; what is found in its payload is apart (dpi.memory)."""
    classification = _core.CLASSIFICATION_OCTETS if settings.dpi.enabled else 0
    return _core.FLOW_OCTETS + classification + _core.FIRST_PACKET_OCTETS * settings.cache.first_packets


def cache_flows(settings: Settings) -> int:
    """How many Flows the cache holds, all workers together."""
    cache = settings.cache
    return cache.max_flows if cache.memory is None else int(cache.memory / flow_octets(settings))


def timeouts(cache: Cache) -> dict[str, int]:
    """The timeouts as the native module takes them, in ns; 0 switches one off."""
    return {
        "active_timeout_ns": cache.active_timeout,
        "inactive_timeout_ns": cache.inactive_timeout,
        "tcp_linger_ns": cache.tcp_linger,
        "tcp_fin_timeout_ns": cache.tcp_fin_timeout,
    }


def metering_options(
    settings: Settings, classification: _core.ClassificationOptions | None
) -> _core.MeteringOptions:
    """What the workers are to do. Raises ConfigError when the cache is larger than the machine.

    Memory is taken as Flows come: a cache that cannot fit would end the process when it fills, not now.
    """
    capture, cache = settings.capture, settings.cache
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if cache_flows(settings) * flow_octets(settings) > physical:
        raise cache_too_large(settings)
    return _core.MeteringOptions(
        **timeouts(cache),
        reorder_window_ns=capture.reorder_window,
        max_flows=cache_flows(settings),
        max_fragments=capture.max_fragments,
        first_packets=cache.first_packets,
        vlan_in_key="vlan" in cache.key,
        interface_in_key="interface" in cache.key,
        preallocate=cache.preallocate,
        filter=capture.filter,
        classification=classification,
    )


def cache_too_large(settings: Settings) -> ConfigError:
    """The error for a cache that does not fit."""
    flows = cache_flows(settings)
    needed = flows * flow_octets(settings) / (1 << 30)
    return ConfigError(
        f"cache.max_flows: {flows:,} Flows take {needed:,.1f} GiB, more than this machine has;"
        " set fewer, or cache.memory"
    )


def engine_refused(error: RuntimeError) -> ConfigError:
    """The error for an engine that a worker cannot open, though it could be opened before."""
    reason = shown(str(error), 300)
    return ConfigError(f"dpi: the classification engine cannot be used: {reason}; set dpi.enabled=false")


def too_few_flows(settings: Settings, error: ValueError) -> ConfigError:
    """The error for a cache that is too small for its workers."""
    return ConfigError(f"cache.max_flows: {cache_flows(settings):,}: {error}; set more")
