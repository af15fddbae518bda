# SPDX-License-Identifier: Apache-2.0
"""While clients of the worst kind press a server, it stays small and others get their metrics as ever."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator

import pytest

from metrics.http_clients import GET
from metrics.running_server import RunningServer, running_server, slow_clients
from spanflow.http import HEAD_TIMEOUT_S

TIMEOUT_S = 30.0
CLIENTS = 1000
SCRAPES = 100


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        for _ in range(SCRAPES):
            scrape(running)
        yield running


def scrape(server: RunningServer) -> float:
    """Ask for the metrics; how long that took, in seconds."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == 200
    assert b"\nspanflow_cache_packets_total 964.0\n" in body
    return time.perf_counter() - started


def percentile_99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100 - 1]


@pytest.mark.parametrize("pause_s", [0.1, 0.0], ids=["slow", "at once again"])
def test_a_thousand_slow_clients_do_not_keep_a_scraper_out(server: RunningServer, pause_s: float) -> None:
    """Each sends an octet now and then, never a whole request, and comes again when it was cut off."""
    memory, threads = server.memory_octets(), server.threads()
    took: list[float] = []
    with slow_clients(server, CLIENTS, pause_s):
        # For longer than a head may take, so that every way to be cut off occurs.
        end = time.monotonic() + HEAD_TIMEOUT_S + 1
        while len(took) < SCRAPES or time.monotonic() < end:
            took.append(scrape(server))
        assert percentile_99(took) < 0.1
        assert server.threads() == threads
        assert server.memory_octets() - memory < 8 << 20


def test_clients_of_every_bad_kind_at_once(server: RunningServer) -> None:
    """Those that never read, never stop sending, talk TLS or leave at once; a scraper in between."""
    memory, threads = server.memory_octets(), server.threads()
    starts = (GET[:-2], GET * 50, b"\x16\x03\x01" + bytes(500), b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, b"")
    sockets = []
    for number in range(500):
        client = socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S)
        client.setblocking(False)
        sockets.append(client)
        try:
            client.send(starts[number % len(starts)])
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            continue
        if number % 50 == 0:
            assert scrape(server) < 1.0
        if number % 7 == 0:
            client.close()
    assert percentile_99([scrape(server) for _ in range(SCRAPES)]) < 0.1
    assert server.threads() == threads
    assert server.memory_octets() - memory < 8 << 20
    for client in sockets:
        client.close()
