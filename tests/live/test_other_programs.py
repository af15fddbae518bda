# SPDX-License-Identifier: Apache-2.0
"""nfcapd, nfacctd and Prometheus, all from Debian, with the running daemon."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from end_to_end.command import DEMO
from exporting.running_collector import wait_for
from live.harness.daemon import METRICS_PORT, http_get, spanflow_run
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
def listening(namespace: Namespace, *command: str | Path, port: int, udp: bool = True) -> Iterator[None]:
    """A program inside, from the moment that it listens; ended by SIGINT, as most of them want it."""
    child = namespace.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    table = "udp" if udp else "tcp"

    def listens() -> bool:
        sockets = Path(f"/proc/{child.pid}/net/{table}").read_text() + Path(f"/proc/{child.pid}/net/{table}6").read_text()
        return f":{port:04X} " in sockets

    try:
        wait_for(lambda: listens() or child.poll() is not None, f"{command[0]} to listen")
        assert child.poll() is None, f"{command[0]} ended"
        yield
        child.send_signal(2)
        child.wait(30)
    finally:
        child.kill()
        child.wait()
