# SPDX-License-Identifier: Apache-2.0
"""Per-flow plugins one after the other: each sees the columns of those before it.

Plugins are foreign code. Whatever one raises or returns, every record goes on, with all columns: those of a
plugin that has failed on a batch hold null values for it.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spanflow.applications import Applications
from spanflow.errors import PluginError
from spanflow.features.batch import FlowBatch
from spanflow.logs import UNLIMITED
from spanflow.plugins.column_values import ColumnValuesError, declared_values, null_values
from spanflow.plugins.counters import PluginCounters
from spanflow.plugins.declaration import ColumnType, FlowPlugin, columns_of, plugin_name
from spanflow.plugins.foreign import FOREIGN_ERRORS, described
from spanflow.plugins.loading import make
from spanflow.record import Array, Batch

log = logging.getLogger(__name__)

REPORT_EVERY_S = 60.0


@dataclass(slots=True)
class _Link:
    """One plugin. `counters` is replaced as a whole, so that other threads see one moment."""

    plugin: FlowPlugin
    columns: Mapping[str, ColumnType]
    counters: PluginCounters
    report_due_s: float = field(default=float("-inf"))
    reported: int = 0


class PluginChain:
    """Applies plugins to batches. One thread applies and closes; `counters` and `running` are for any.

    plugins: functions with columns, objects, or classes that are made without arguments. names: what each is
    called in errors, logs and metrics; without it, by its function or class. strict: a failure raises.
    Raises PluginError for a plugin that declares nothing, or a column that another one has.
    """

    def __init__(
        self,
        plugins: Sequence[FlowPlugin | type[FlowPlugin]],
        *,
        strict: bool = False,
        names: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._strict = strict
        self._clock = clock
        self._links: list[_Link] = []
        self._owners: dict[str, str] = {}
        self._running: str | None = None
        self._closed = False
        for number, plugin in enumerate(plugins):
            self._add(plugin, names[number] if names else plugin_name(plugin))

    def __len__(self) -> int:
        return len(self._links)

    @property
    def columns(self) -> Mapping[str, str]:
        """The type of every column, by its name, in the order in which they are added."""
        return {column: kind.name for link in self._links for column, kind in link.columns.items()}

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    @property
    def running(self) -> str | None:
        """The plugin that works on a batch now."""
        return self._running

    def apply(self, batch: Batch, applications: Applications) -> Batch:
        """The batch with the columns of every plugin. Raises PluginError if one fails and all is strict.

        applications: what the numbers of applications mean.
        """
        if not self._links:
            return batch
        # Grown below, so that one FlowBatch computes what several plugins ask for once.
        columns: dict[str, Array] = dict(batch.columns)
        batch = replace(batch, columns=columns)
        flows = FlowBatch(batch, applications)
        for link in self._links:
            columns.update(self._run(link, flows))
        return batch

    def counters(self) -> list[PluginCounters]:
        """What each has done so far, in their order."""
        return [link.counters for link in self._links]

    def close(self) -> None:
        """Tell every plugin that no batch comes any more. May be called again."""
        if self._closed:
            return
        self._closed = True
        for link in self._links:
            close = getattr(link.plugin, "close", None)
            if close is not None:
                self._close(link.counters.name, close)

    def _add(self, plugin: FlowPlugin | type[FlowPlugin], name: str) -> None:
        taken = [link.counters.name for link in self._links]
        if name in taken:
            name = next(other for n in range(2, len(taken) + 3) if (other := f"{name} {n}") not in taken)
        made = make(name, plugin, {}) if isinstance(plugin, type) else plugin
        columns = columns_of(name, made)
        for column in columns:
            if column in self._owners:
                raise PluginError(
                    f"plugin {name}: column {column}: plugin {self._owners[column]} has one of this name;"
                    " use another"
                )
            self._owners[column] = name
        self._links.append(_Link(made, columns, PluginCounters(name=name)))

    def _run(self, link: _Link, flows: FlowBatch) -> dict[str, Array]:
        count, before = len(flows), link.counters
        began = time.perf_counter()
        self._running = before.name
        failure: PluginError | None = None
        try:
            values = declared_values(link.plugin(flows), link.columns, count)
        except FOREIGN_ERRORS as error:
            failure = _failure(before.name, error, flows)
            values = null_values(link.columns, count)
        self._running = None
        link.counters = replace(
            before,
            batches=before.batches + 1,
            records=before.records + count,
            failures=before.failures + (failure is not None),
            failed_records=before.failed_records + (count if failure is not None else 0),
            seconds=before.seconds + time.perf_counter() - began,
            last_error=before.last_error if failure is None else str(failure),
        )
        if failure is not None:
            if self._strict:
                raise failure
            self._report(link, failure)
        return values

    def _report(self, link: _Link, failure: PluginError) -> None:
        """Log a failure, unless this plugin had a line less than a minute ago."""
        now_s, counters = self._clock(), link.counters
        if now_s < link.report_due_s:
            return
        log.warning(
            "plugin failed, its columns are empty",
            extra={
                "plugin": counters.name,
                "failures": counters.failures - link.reported,
                "error": str(failure),
                **UNLIMITED,
            },
            exc_info=failure,
        )
        link.report_due_s, link.reported = now_s + REPORT_EVERY_S, counters.failures

    def _close(self, name: str, close: Callable[[], Any]) -> None:
        try:
            close()
        except FOREIGN_ERRORS as error:
            failure = PluginError(f"plugin {name}: close failed: {described(error)}")
            if self._strict:
                raise failure from error
            log.warning(
                "plugin failed as it was closed",
                extra={"plugin": name, "error": str(failure), **UNLIMITED},
                exc_info=error,
            )


def _failure(name: str, error: BaseException, flows: FlowBatch) -> PluginError:
    ours = isinstance(error, ColumnValuesError)  # then the plugin went well, and no traceback leads to it
    failure = PluginError(
        f"plugin {name}: {error if ours else described(error)} (in a batch of {len(flows)} flows, the first"
        f" is {_first(flows.records)}); repair the plugin"
    )
    failure.__cause__ = None if ours else error
    return failure


def _first(records: Array) -> str:
    """The first Flow as a person looks for it."""
    if not len(records):
        return "none"
    record = records[0]
    ends = []
    for end in ("source", "destination"):
        octets = record[f"{end}_address"].tobytes()
        four = record["ip_version"] == 4
        address = ipaddress.IPv4Address(octets[12:]) if four else ipaddress.IPv6Address(octets)
        port = int(record[f"{end}_transport_port"])
        ends.append(f"{address}:{port}" if four else f"[{address}]:{port}")
    return f"{ends[0]} > {ends[1]}, protocol {int(record['protocol_identifier'])}"
