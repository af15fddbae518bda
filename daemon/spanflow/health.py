# SPDX-License-Identifier: Apache-2.0
"""What a running probe answers over HTTP: /metrics, /healthz (does it work?), /readyz (is it of use?)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from spanflow.http_messages import Request, Response

if TYPE_CHECKING:
    from spanflow.http import Handler
    from spanflow.metrics import Metrics
    from spanflow.plugins.counters import PluginCounters
    from spanflow.status import CollectorStatus, InterfaceStatus, ProbeStatus

METRICS = "/metrics"
HEALTH = "/healthz"
READINESS = "/readyz"


def routes(snapshot: Callable[[], ProbeStatus], metrics: Metrics) -> Mapping[str, Handler]:
    """The handler of each path. snapshot: what the probe is like now."""

    def answer_metrics(request: Request) -> Response:
        body, content_type = metrics.render(request.fields.get("accept", ""))
        return Response(HTTPStatus.OK, body, content_type)

    return {
        METRICS: answer_metrics,
        HEALTH: lambda _: health(snapshot()),
        READINESS: lambda _: readiness(snapshot()),
    }


def health(status: ProbeStatus) -> Response:
    """Whether every thread makes progress; if not, a restart is the remedy."""
    if status.stalled:
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "stalled", "reasons": list(status.stalled)})
    return _json(HTTPStatus.OK, {"status": "ok", "reasons": []})


def readiness(status: ProbeStatus) -> Response:
    """Whether every capture is bound and the collectors are usable; and what each of them is like."""
    ready = not status.unready
    answer = {
        "status": "ready" if ready else "unready",
        "reasons": list(status.unready),
        "lost_packets": status.lost,
        "interfaces": [_interface(each) for each in status.interfaces],
        "collectors": [_collector(each) for each in status.collectors],
        "plugins": [_plugin(each) for each in status.plugins.plugins],
    }
    return _json(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, answer)


def _interface(interface: InterfaceStatus) -> dict[str, Any]:
    return {
        "name": interface.name,
        "index": interface.index,
        "bound": interface.bound,
        "up": interface.up,
        "workers": interface.workers,
        "engine": interface.engine,
        "dropped_packets": interface.kernel_drops,
        "last_error": interface.last_error,
    }


def _collector(collector: CollectorStatus) -> dict[str, Any]:
    counters = collector.counters
    return {
        "name": collector.name,
        "url": collector.url,
        "up": collector.up,
        "queued_records": counters.queued.records,
        "dropped_records": sum(tally.records for tally in counters.dropped.values()),
        "last_error": counters.last_error,
    }


def _plugin(plugin: PluginCounters) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "records": plugin.records,
        "failed_records": plugin.failed_records,
        "last_error": plugin.last_error,
    }


def _json(status: HTTPStatus, answer: Mapping[str, Any]) -> Response:
    return Response(status, json.dumps(answer).encode() + b"\n", "application/json")
