# SPDX-License-Identifier: Apache-2.0
"""FlowStream: packets of files or interfaces as flows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from spanflow.config.wording import quoted
from spanflow.errors import ConfigError, UsageError
from spanflow.features.batch import FlowBatch
from spanflow.features.selection import DEFAULT_FEATURES, Features, Selection, asked_for, select
from spanflow.file_meter import InputProblem
from spanflow.meter import cache_flows
from spanflow.metering_counters import MeteringCounters
from spanflow.plugins.chain import PluginChain
from spanflow.plugins.counters import PluginCounters
from spanflow.plugins.declaration import FlowPlugin
from spanflow.stream.flow import Flow
from spanflow.stream.metric_columns import metric_columns
from spanflow.stream.run import Plan, Run
from spanflow.stream.sources import Source, resolve
from spanflow.stream.stream_settings import stream_settings
from spanflow.tables.arrow import arrow_table, to_pandas
from spanflow.tables.output import Target, writes_over
from spanflow.tables.parquet import ParquetWriter
from spanflow.tables.rows import CsvWriter, JsonWriter
from spanflow.tables.writer import TableWriter

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from spanflow.reference.plugins import PacketPluginCounters

Metric = Callable[[Any, Any], Any]
"""A user metric: `(packet, flow) → value`, called on every packet."""

Seconds = float | str
"""A number of seconds, or a text with a unit: `60`, `0.5`, `"2m"`. 0 is off."""


class FlowStream:
    """The flows of capture files or interfaces, as they expire.

    source: a capture file, a pattern of files, `-` (standard input), an interface, or several of them; files
    are metered one after the other, as one input. The rest has the names, ranges and defaults of the daemon's
    settings (config/reference.md); whatever else is there in `capture`, `cache` and `dpi` is given as
    SECTION_KEY, `cache_tcp_linger="5s"`.

    capacity: Flows in the cache (cache.max_flows). active_timeout, inactive_timeout: seconds, or a text with
    a unit. user_metrics, user_classifiers: per-packet plugins (docs/library.md); they need the reference
    engine, which `engine="auto"` then takes. enable_ndpi: name the application of each flow. bpf_filter: as
    tcpdump takes it. snaplen, promiscuous: of interfaces. workers: native threads. plugins: per-flow plugins
    (docs/plugins.md). strict: an exception in a plugin ends the stream, and one file of several that cannot
    be read is an error. features: the columns of `to_csv` and its like when they are not told
    (docs/features.md). progress: show how far files have come; None: where somebody watches, after a second.
    config: a configuration file of the daemon, of which `capture`, `cache` and `dpi` count.

    Iterating meters the source. Over files it can be done again once it has ended, and then does it again.

    >>> from spanflow import FlowStream
    >>> with FlowStream("config/demo.pcap", enable_ndpi=False) as stream:
    ...     longest = max(stream, key=lambda flow: flow.packet_count)
    >>> stream.packets == stream.counters().accounted.packets + sum(stream.drops.values())
    True

    Raises, with the text that the command line prints: CaptureError, ConfigError, UsageError.
    """

    def __init__(
        self,
        source: Source | None = None,
        *,
        capacity: int | None = None,
        active_timeout: Seconds | None = None,
        inactive_timeout: Seconds | None = None,
        user_metrics: Mapping[str, Metric] | None = None,
        user_classifiers: Any = None,
        enable_ndpi: bool | None = None,
        bpf_filter: str | None = None,
        snaplen: int | None = None,
        promiscuous: bool | None = None,
        workers: int | None = None,
        engine: Literal["auto", "native", "reference"] = "auto",
        plugins: FlowPlugin | type[FlowPlugin] | Iterable[FlowPlugin | type[FlowPlugin]] | None = (),
        strict: bool = False,
        features: Features = DEFAULT_FEATURES,
        progress: bool | None = None,
        config: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> None:
        sources = resolve(source)
        named = {
            "capacity": capacity,
            "active_timeout": active_timeout,
            "inactive_timeout": inactive_timeout,
            "enable_ndpi": enable_ndpi,
            "bpf_filter": bpf_filter,
            "snaplen": snaplen,
            "promiscuous": promiscuous,
            "workers": workers,
        }
        classifiers = _several(user_classifiers)
        self._features = asked_for(features)
        self._chain = PluginChain(_several(plugins), strict=strict)
        self._plan = Plan(
            sources=sources,
            settings=stream_settings(config, sources.interfaces, named, settings),
            reference=_takes_reference(engine, per_packet=bool(classifiers or user_metrics)),
            user_classifiers=classifiers,
            user_metrics=_functions(user_metrics),
            strict=strict,
            progress=progress,
        )
        self._run: Run | None = None
        self._selection(None)

    # Flows.

    def __iter__(self) -> Iterator[Flow]:
        """Meter the source; each Flow as its record leaves."""
        for flows in self.batches():
            for row in range(len(flows)):
                yield Flow(flows, row)

    def batches(self) -> Iterator[FlowBatch]:
        """Meter the source; some thousand Flows at a time, as numpy arrays of n values.

        The fastest way to all flows: nothing is copied, and a column is computed when it is asked for.
        """
        self._must_be_free()
        self._run = Run(self._plan, self._chain)
        yield from self._run.batches()

    def to_csv(self, path: Target, features: Features | None = None) -> int:
        """Meter the source into a CSV file (RFC 4180, with a header); returns the number of flows.

        path: a file, which is there when it is whole; `-` is standard output. features: `classic` gives the
        48 columns of old. Raises OutputError for a file that cannot be written, UsageError for one that is
        read, or for no file at all.
        """
        return self._write(CsvWriter, path, features)

    def to_json(self, path: Target, features: Features | None = None) -> int:
        """Meter the source into JSON lines, one object a flow; returns the number of flows."""
        return self._write(JsonWriter, path, features)

    def to_parquet(self, path: Target, features: Features | None = None) -> int:
        """Meter the source into a Parquet file; returns the number of flows. Needs pyarrow."""
        return self._write(ParquetWriter, path, features)

    def to_arrow(self, features: Features | None = None) -> pyarrow.Table:
        """Meter the source into a pyarrow.Table, which holds all flows in memory. Needs pyarrow."""
        return arrow_table(self.batches(), self._selection(features))

    def to_pandas(self, features: Features | None = None) -> pandas.DataFrame:
        """Meter the source into a pandas.DataFrame, which holds all flows in memory. Needs pandas."""
        return to_pandas(self.batches(), self._selection(features))

    def _write(self, writer: type[TableWriter], path: Target, features: Features | None) -> int:
        self._must_be_free()  # before there is a file
        if writes_over(path, self._plan.sources.files):
            raise UsageError(f"output {os.fsdecode(cast(str, path))}: this file is read; name another one")
        return writer(path, self._selection(features)).write_all(self.batches())

    def _must_be_free(self) -> None:
        """Raises UsageError while somebody reads, and when plugins were told that no batch comes any more."""
        if self._run is not None and not self._run.ended:
            raise UsageError("this stream is being read; end that first, or make another FlowStream")
        if self._chain.closed and len(self._chain):
            raise UsageError("this stream is closed, and so are its plugins; make another FlowStream")

    def _selection(self, features: Features | None) -> Selection:
        """Raises UnknownColumnError, and ConfigError for columns that this stream does not keep."""
        metrics = metric_columns(self._plan.user_metrics)
        chosen = select(self._features if features is None else features, {**metrics, **self._chain.columns})
        if chosen.needs_first_packets() and not self._plan.settings.cache.first_packets:
            raise ConfigError(
                "features: the first packets are not kept; say how many: cache_first_packets=20"
            )
        return chosen

    # Control.

    def terminate(self) -> None:
        """Take no more packets: what is cached leaves, and whoever iterates gets it. For any thread."""
        if self._run is not None:
            self._run.stop()

    def close(self) -> None:
        """End the stream and its threads; flows that nobody has read are gone. It may be called twice.

        Its plugins are closed as well: with per-flow plugins it cannot be read again.
        """
        if self._run is not None and not self._run.ended:
            self._run.end()
        self._chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Numbers.

    @property
    def capacity(self) -> int:
        """Flows in the cache at the most. A change counts at once, also while the stream runs.

        Raises ConfigError for one that there is no room for: a native cache grows up to 1,000,000 flows, or
        to what it had at the start if that was more.
        """
        return cache_flows(self._plan.settings)

    @capacity.setter
    def capacity(self, flows: int) -> None:
        flows = stream_settings(None, (), {"capacity": flows}, {}).cache.max_flows
        if flows < self._plan.settings.capture.workers:
            raise ConfigError(f"capacity: {flows} flows do not do for the workers; set more")
        if self._run is not None and not self._run.ended:
            self._run.engine.set_capacity(flows)
        cache = replace(self._plan.settings.cache, max_flows=flows, memory=None)
        self._plan = replace(self._plan, settings=replace(self._plan.settings, cache=cache))

    @property
    def active_timeout(self) -> float:
        """Seconds."""
        return self._plan.settings.cache.active_timeout / 1e9

    @property
    def inactive_timeout(self) -> float:
        """Seconds."""
        return self._plan.settings.cache.inactive_timeout / 1e9

    @property
    def engine(self) -> Literal["native", "reference"]:
        """Which engine meters."""
        return "reference" if self._plan.reference else "native"

    @property
    def packets(self) -> int:
        """Packets received in this run, those that were discarded included."""
        return 0 if self._run is None else self.counters().received.packets

    @property
    def flows(self) -> int:
        """Flows opened in this run."""
        return 0 if self._run is None else self.counters().flows_opened

    @property
    def current_flows(self) -> int:
        """Flows in the cache now."""
        return 0 if self._run is None else self.counters().cached_flows

    @property
    def drops(self) -> dict[str, int]:
        """Packets that are in no flow, by reason: those of docs/semantics.md 1.1, and two that are live.

        `handover`: received, but the reader was too slow and the queue full. `kernel`: never received.
        """
        if self._run is None:
            return {}
        counters = self.counters()
        drops = {reason: count.packets for reason, count in counters.discarded.items()}
        if self._plan.sources.interfaces:
            drops |= {
                "handover": counters.dropped_at_handover.packets,
                "kernel": self._run.kernel_drops(),
            }
        return drops

    def counters(self) -> MeteringCounters:
        """Everything that the last run has counted. Raises UsageError before the first."""
        if self._run is None:
            raise UsageError("nothing was metered yet; iterate the stream first")
        return self._run.counters()

    @property
    def problems(self) -> list[InputProblem]:
        """What was wrong with the files of the last run."""
        return [] if self._run is None else self._run.problems()

    def plugin_counters(self) -> list[PluginCounters]:
        """What each per-flow plugin took, and how often it failed, since the stream was made."""
        return self._chain.counters()

    def packet_plugin_counters(self) -> list[PacketPluginCounters]:
        """How often each classifier and each metric was called in the last run, and failed."""
        return [] if self._run is None else self._run.packet_plugin_counters()


def _several(plugins: Any) -> tuple[Any, ...]:
    """One plugin, several, or None."""
    if plugins is None:
        return ()
    return tuple(plugins) if isinstance(plugins, Iterable) else (plugins,)


def _functions(metrics: Mapping[str, Metric] | None) -> dict[str, Metric]:
    """Raises UsageError for what cannot be called on packets."""
    if not isinstance(metrics, Mapping | None):
        raise UsageError("user_metrics: no dict of names and functions; write {'size': f}")
    found = dict(metrics or {})
    for name, function in found.items():
        if not isinstance(name, str) or not callable(function):
            raise UsageError(
                f"user_metrics: {quoted(str(name))}: no name and a function; write {{'size': f}}"
            )
    return found


def _takes_reference(engine: str, *, per_packet: bool) -> bool:
    """Which engine; the native one has no Python in the packet path."""
    if engine not in ("auto", "native", "reference"):
        raise UsageError(f"engine: {engine!r} is none; use auto, native or reference")
    if engine == "native" and per_packet:
        raise UsageError(
            "engine: native takes no user_metrics and no user_classifiers; use auto, or per-flow plugins"
        )
    return per_packet or engine == "reference"
