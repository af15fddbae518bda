# SPDX-License-Identifier: Apache-2.0
"""/healthz, /readyz and /metrics: which status, and what they tell."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from metrics.kernel_counts import KernelCounts
from metrics.probe_statuses import BUSY, IDLE, Probe
from spanflow.health import routes
from spanflow.http_messages import Request, Response
from spanflow.metrics import Metrics
from spanflow.status import ProbeStatus


@pytest.fixture(autouse=True)
def _kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    KernelCounts.installed(monkeypatch)


def ask(status: ProbeStatus, path: str, **fields: str) -> Response:
    probe = Probe(status)
    return routes(probe.snapshot, Metrics(probe.snapshot))[path](Request("GET", path, fields))


def told(response: Response) -> Any:
    assert response.content_type == "application/json"
    assert response.body.endswith(b"\n")
    return json.loads(response.body)


def test_there_are_three_paths() -> None:
    assert list(routes(lambda: IDLE, Metrics(lambda: IDLE))) == ["/metrics", "/healthz", "/readyz"]


def test_healthy_while_every_thread_works() -> None:
    response = ask(replace(BUSY, stalled=()), "/healthz")
    assert (response.status, told(response)) == (200, {"status": "ok", "reasons": []})


def test_not_healthy_with_the_threads_that_stand_still() -> None:
    response = ask(BUSY, "/healthz")
    reasons = ["spanflow-w0", "export noc"]
    assert (response.status, told(response)) == (503, {"status": "stalled", "reasons": reasons})


def test_ready_with_the_state_of_each_part() -> None:
    response = ask(replace(BUSY, unready=()), "/readyz")
    assert response.status == 200
    answer = told(response)
    assert (answer["status"], answer["reasons"]) == ("ready", [])
    assert answer["lost_packets"] == BUSY.lost
    assert answer["interfaces"][0] == {
        "name": "eth0",
        "index": 2,
        "bound": True,
        "up": True,
        "workers": 1,
        "engine": "ring",
        "dropped_packets": 64,
        "last_error": "",
    }
    assert answer["collectors"][1] == {
        "name": "lab",
        "url": "ipfix+udp://192.0.2.1:4739",
        "up": False,
        "queued_records": 5,
        "dropped_records": 45,
        "last_error": "connection refused",
    }
    assert answer["plugins"][0] == {
        "name": "labels:label",
        "records": 82,
        "failed_records": 84,
        "last_error": "KeyError",
    }


def test_not_ready_with_the_reasons() -> None:
    response = ask(BUSY, "/readyz")
    assert response.status == 503
    answer = told(response)
    assert (answer["status"], answer["reasons"]) == ("unready", ["capture eth1: no such interface"])
    assert [each["bound"] for each in answer["interfaces"]] == [True, False]


@pytest.mark.parametrize("text", ['"', "\\", "\n\r\t", "\x1b[2J", "é", "\udce9"])
def test_any_text_is_told_safely(text: str) -> None:
    status = replace(IDLE, interfaces=(replace(IDLE.interfaces[0], last_error=text),), unready=(text,))
    answer = told(ask(status, "/readyz"))
    assert (answer["interfaces"][0]["last_error"], answer["reasons"]) == (text, [text])


def test_metrics_come_in_the_format_that_is_asked_for() -> None:
    text = ask(IDLE, "/metrics")
    openmetrics = ask(IDLE, "/metrics", accept="application/openmetrics-text")
    assert (text.status, text.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert openmetrics.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert b"\nspanflow_ready 1.0\n" in text.body
