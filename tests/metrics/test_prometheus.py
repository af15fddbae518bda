# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus reads our metrics, and its checker has nothing to say against them.

Both come with Debian's package: apt-get install --no-install-recommends prometheus
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from metrics.probe_statuses import BUSY, IDLE
from metrics.running_server import RunningServer, running_server
from spanflow.metrics import Metrics
from spanflow.status import ProbeStatus

TIMEOUT_S = 60.0
POLL_S = 0.05

CONFIGURATION = """
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: spanflow
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""


def program(name: str) -> str:
    path = shutil.which(name)
    assert path is not None, f"{name} is missing; apt-get install --no-install-recommends prometheus"
    return path


@pytest.mark.parametrize("status", [IDLE, BUSY], ids=["idle", "busy"])
def test_promtool_has_nothing_to_say(status: ProbeStatus) -> None:
    text, _ = Metrics(lambda: status).render()
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")


@contextmanager
def prometheus(server: RunningServer, folder: Path) -> Iterator[str]:
    """A Prometheus that scrapes the server every second; gives the URL of its API."""
    configuration = folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(port=server.port))
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        port = probing.getsockname()[1]
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for_answer(f"{url}/-/ready", process, log)
        yield url
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()


def wait_for_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(POLL_S)


def ask(url: str, path: str, **parameters: str) -> Any:
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}", timeout=TIMEOUT_S) as response:
        answer = json.load(response)
    assert answer["status"] == "success"
    return answer["data"]


def values(url: str, query: str) -> list[str]:
    return [each["value"][1] for each in ask(url, "query", query=query)["result"]]


def test_a_prometheus_scrapes_what_we_tell(tmp_path: Path) -> None:
    with running_server() as server, prometheus(server, tmp_path) as url:
        deadline = time.monotonic() + TIMEOUT_S
        while values(url, "count_over_time(up[1m]) >= 2") == []:
            assert time.monotonic() < deadline, "two scrapes took too long"
            time.sleep(POLL_S)
        assert values(url, "min_over_time(up[1m])") == ["1"]
        assert values(url, "spanflow_cache_packets_total") == ["964"]
        assert values(url, 'spanflow_capture_packets_total{interface="eth1"}') == ["1000"]
        assert values(url, 'spanflow_export_drops_total{collector="noc",reason="unresolved"}') == ["2"]
        assert values(url, 'spanflow_build_info{version="1.2.3",python="3.11.2"}') == ["1"]
        assert values(url, "sum(spanflow_export_up)") == ["1"]
        assert values(url, 'spanflow_flow_expiry_lag_seconds_bucket{le="0.5"}') == ["6"]
        (bound,) = values(url, "histogram_quantile(0.5, spanflow_flow_expiry_lag_seconds_bucket)")
        assert 1 <= float(bound) <= 2
        assert len(values(url, "spanflow_conservation_imbalance == 0")) == 7
        assert values(url, "count(process_resident_memory_bytes > 1e6)") == ["1"]
        told = ask(url, "targets/metadata", metric="spanflow_cache_flows")
        assert [(each["type"], each["help"]) for each in told] == [("gauge", "Flows in the cache.")]
        (target,) = ask(url, "targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
