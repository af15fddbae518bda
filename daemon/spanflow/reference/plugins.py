# SPDX-License-Identifier: Apache-2.0
"""Per-packet plugins: functions that make metrics, objects that classify.

In this order: on_flow_init of each classifier before the first packet is accounted; then, for each packet
that was accounted, every metric and on_flow_update of each classifier; on_flow_terminate before the last
record of the Flow leaves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spanflow.errors import PluginError
from spanflow.logs import INTERVAL_S
from spanflow.plugins.foreign import FOREIGN_ERRORS, described
from spanflow.reference.flows import Flow
from spanflow.reference.packet import Packet

_log = logging.getLogger(__name__)

Metric = Callable[[Packet, Flow], Any]


@dataclass(slots=True)
class PacketPluginCounters:
    """calls: of all of its functions; failures: those that raised. last_error: of the latest, as text."""

    name: str
    calls: int = 0
    failures: int = 0
    last_error: str = ""


class Plugins:
    """Runs them. An exception is logged and counted, and costs the plugin this call alone.

    classifiers: objects with `name` and, as far as they have them, on_flow_init(flow), on_flow_update(packet,
    flow), on_flow_terminate(flow), on_exit(). metrics: by name, f(packet, flow) → value. strict: raise
    PluginError instead.
    """

    def __init__(self, classifiers: Iterable[Any], metrics: Mapping[str, Metric], *, strict: bool) -> None:
        self._classifiers = [(_name(each), each) for each in classifiers]
        self._metrics = dict(metrics)
        self._strict = strict
        self._next_line: dict[str, float] = {}  # by plugin, when it may be logged again
        names = [*(name for name, _ in self._classifiers), *self._metrics]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PluginError(f"plugin {twice[0]}: two have this name; give each its own")
        self.counters = {name: PacketPluginCounters(name) for name in names}

    def __bool__(self) -> bool:
        return bool(self.counters)

    def on_open(self, flow: Flow) -> None:
        flow.metrics = dict.fromkeys(self._metrics, 0)
        flow.classifiers |= {name: {} for name, _ in self._classifiers}
        for name, classifier in self._classifiers:
            self._call(name, classifier, "on_flow_init", flow)

    def on_packet(self, packet: Packet, flow: Flow) -> None:
        for name, metric in self._metrics.items():
            counters = self.counters[name]
            counters.calls += 1
            try:
                flow.metrics[name] = metric(packet, flow)
            except FOREIGN_ERRORS as error:
                self._failed(counters, error, flow)
        for name, classifier in self._classifiers:
            self._call(name, classifier, "on_flow_update", packet, flow)

    def on_record(self, flow: Flow) -> None:
        if flow.detail:
            for name, classifier in self._classifiers:
                self._call(name, classifier, "on_flow_terminate", flow)

    def on_close(self, flow: Flow) -> None:
        pass

    def on_exit(self) -> None:
        """Once, after the last Flow; for each of them, whatever the others do."""
        failure: PluginError | None = None
        for name, classifier in self._classifiers:
            try:
                self._call(name, classifier, "on_exit")
            except PluginError as error:
                failure = failure or error
        if failure:
            raise failure

    def _call(self, name: str, classifier: Any, hook: str, *arguments: Any) -> None:
        function = getattr(classifier, hook, None)
        if function is None:
            return
        counters = self.counters[name]
        counters.calls += 1
        try:
            function(*arguments)
        except FOREIGN_ERRORS as error:
            self._failed(counters, error, arguments[-1] if arguments else None)

    def _failed(self, counters: PacketPluginCounters, error: BaseException, flow: Flow | None) -> None:
        """Logged, counted, and raised where that is wanted."""
        text = described(error)
        counters.failures += 1
        counters.last_error = text
        where = _text(flow) if flow else "its end"
        if self._strict:
            raise PluginError(f"plugin {counters.name}: {text} at {where}; correct it") from error
        if time.monotonic() >= self._next_line.get(counters.name, 0.0):
            self._next_line[counters.name] = time.monotonic() + INTERVAL_S
            fields = {"plugin": counters.name, "flow": where, "error": text, "failures": counters.failures}
            _log.warning("plugin failed", extra=fields)


def _name(classifier: Any) -> str:
    name = getattr(classifier, "name", None)
    if not isinstance(name, str) or not name:
        raise PluginError(
            f"classifier {type(classifier).__name__}: it has no name; give it an attribute `name`"
        )
    return name


def _text(flow: Flow) -> str:
    """One line about a Flow: its ends and its key."""
    ends = (f"{end.ip} port {end.port}" for end in (flow.source, flow.destination))
    return f"{' > '.join(ends)} protocol {flow.ip_protocol} ({flow.key})"
