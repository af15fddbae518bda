# SPDX-License-Identifier: Apache-2.0
"""nfcapd, nfacctd and Prometheus, all from Debian, with the running daemon."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from exporting.running_collector import TIMEOUT_S, wait_for
from live.harness.daemon import METRICS_PORT, Daemon, http_get, spanflow_run
from live.harness.links import Link, network
from live.harness.namespace import Namespace
from live.harness.sender import Sender
from live.harness.traffic import udp_flows

IPFIX_PORT, PROMETHEUS_PORT = 4739, 9090
URL = f"ipfix+udp://127.0.0.1:{IPFIX_PORT}"
FLOWS, PACKETS = 500, 3

NFACCTD = f"""
daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: {IPFIX_PORT}
plugins: print[all]
aggregate[all]: src_host,src_port,proto
print_output[all]: json
print_output_file[all]: {{output}}
print_output_file_append[all]: true
print_refresh_time[all]: 1
"""
PROMETHEUS = f"""
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: spanflow
    static_configs:
      - targets: ["127.0.0.1:{METRICS_PORT}"]
"""


@contextmanager
def program(namespace: Namespace, log: Path, *command: str | Path, until: str, end: int) -> Iterator[None]:
    """A program inside, from the moment that it says something; ended by a signal."""
    with log.open("w") as output:
        child = namespace.start(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: until in log.read_text() or child.poll() is not None, f"{command[0]} to be ready")
        assert child.poll() is None, log.read_text()
        yield
        child.send_signal(end)
        child.wait(TIMEOUT_S)
    finally:
        child.kill()
        child.wait()


@contextmanager
def metered_flows(link: Link) -> Iterator[Daemon]:
    """A daemon that has exported FLOWS Flows of PACKETS packets, by their idle timeout or at its end."""
    with (
        spanflow_run(
            link.far, "-i", "eth0", "--collector", URL, settings={"cache.inactive_timeout": "200ms"}
        ) as daemon,
        Sender(link.near, "t-eth0") as sender,
    ):
        sender.send(udp_flows(FLOWS, packets=PACKETS))
        daemon.settle(FLOWS * PACKETS)
        yield daemon
        daemon.stop_in_peace()


def test_nfcapd(tmp_path: Path) -> None:
    command = ("nfcapd", "-b", "127.0.0.1", "-p", str(IPFIX_PORT), "-w", tmp_path, "-t", "3600")
    with (
        network("eth0") as (link,),
        program(link.far, tmp_path / "log", *command, until="Startup", end=signal.SIGINT),
    ):
        with metered_flows(link):
            pass
        wait_for(lambda: nothing_waits(link.far), "nfcapd to read")
    (file,) = tmp_path.glob("nfcapd.2*")
    summary = subprocess.run(["nfdump", "-r", file, "-I"], capture_output=True, text=True, check=True).stdout
    counts = dict(line.split(": ") for line in summary.splitlines() if ": " in line)
    assert (int(counts["Flows"]), int(counts["Packets"])) == (FLOWS, FLOWS * PACKETS)
    assert int(counts["Sequence failures"]) == 0


def test_nfacctd(tmp_path: Path) -> None:
    output, configuration = tmp_path / "flows.json", tmp_path / "nfacctd.conf"
    configuration.write_text(NFACCTD.format(output=output))
    command = ("nfacctd", "-f", configuration)
    ready = "setting object handlers"  # what it receives before its plugin is up may never be printed
    with (
        network("eth0") as (link,),
        program(link.far, tmp_path / "log", *command, until=ready, end=signal.SIGINT),
        metered_flows(link),
    ):
        wait_for(lambda: output.exists() and output.read_text().count("\n") >= FLOWS, "nfacctd to print")
    flows = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(flows) == FLOWS
    assert {(flow["packets"], flow["ip_proto"]) for flow in flows} == {(PACKETS, "udp")}


def test_prometheus(tmp_path: Path) -> None:
    """It scrapes a daemon that works, and its numbers are right."""
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(PROMETHEUS)
    command = (
        *("prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path / 'data'}"),
        f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}",
    )
    with network("eth0") as (link,), metered_flows(link):
        ready = "Server is ready to receive web requests"
        with program(link.far, tmp_path / "log", *command, until=ready, end=signal.SIGTERM):
            wait_for(lambda: asked(link.far, "count_over_time(up[1m]) >= 2") != [], "two scrapes")
            assert asked(link.far, "min_over_time(up[1m])") == ["1"]
            assert asked(link.far, "spanflow_capture_packets_total") == [str(FLOWS * PACKETS)]
            assert asked(link.far, "sum(spanflow_conservation_imbalance)") == ["0"]
            assert asked(link.far, "spanflow_capture_up") == ["1"]


def asked(namespace: Namespace, query: str) -> list[str]:
    """The values that Prometheus gives for a query."""
    status, page = http_get(namespace, PROMETHEUS_PORT, f"/api/v1/query?query={quote(query)}")
    assert status == 200, page
    return [each["value"][1] for each in json.loads(page)["data"]["result"]]


def nothing_waits(namespace: Namespace) -> bool:
    """Whether the collector has read all that arrived at its socket."""
    lines = namespace.run("ss", "-Hulnm", f"sport = {IPFIX_PORT}").split()
    return lines[1] == "0"
