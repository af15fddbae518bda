# SPDX-License-Identifier: Apache-2.0
"""Serves the metrics of a busy probe in a process of its own, until standard input ends; prints the port."""

from __future__ import annotations

import sys

from metrics.probe_statuses import BUSY
from spanflow.health import routes
from spanflow.http import HttpServer
from spanflow.metrics import Metrics


def main() -> None:
    server = HttpServer(("127.0.0.1", 0), routes(lambda: BUSY, Metrics(lambda: BUSY)))
    server.start()
    print(server.address[1], flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
