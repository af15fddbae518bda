# SPDX-License-Identifier: Apache-2.0
"""Flows that can be told apart by flowId, and what of them has arrived at collectors of the tests."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from exporting.flow_batches import some_flows
from spanflow.collecting.message import Message
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.stream import MessageStream
from spanflow.exporting.counters import NOTHING, DropReason
from spanflow.exporting.process import ExportingProcess
from spanflow.record import Batch

TIMEOUT_S = 20.0
MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
FIRST_FLOW_NS = 1_700_000_000 * SECOND_NS
FIRST_PORT = 1024


def flows(first: int, count: int, *, both_ways: bool = False) -> Batch:
    """A batch of Flows with these flowIds; Flow n begins n ms after FIRST_FLOW_NS."""
    records = some_flows(count, both_ways=both_ways).records.copy()
    numbers = np.arange(first, first + count)
    records["flow_id"] = numbers
    for half in ("forward", "reverse") if both_ways else ("forward",):
        records[half]["first_ns"] = FIRST_FLOW_NS + numbers * MILLISECOND_NS
        records[half]["last_ns"] = FIRST_FLOW_NS + numbers * MILLISECOND_NS
    records["source_transport_port"] = FIRST_PORT + numbers % 60_000
    records.flags.writeable = False
    return replace(some_flows(0), records=records)


class Arrivals:
    """What has come over all connections of one collector, in order."""

    def __init__(self) -> None:
        self.process = CollectingProcess()
        self.records: list[dict[str, Any]] = []
        self.connections = 0

    @property
    def flow_ids(self) -> list[int]:
        return [record["flowId"] for record in self.records]

    @property
    def duplicates(self) -> int:
        return sum(times - 1 for times in Counter(self.flow_ids).values())

    def take(self, octets: bytes) -> None:
        """All that came over one connection; a Message that was cut off at its end is not counted."""
        self.connections += 1
        stream = MessageStream(self.process, self.connections)
        for message in stream.feed(octets):
            self.take_message(message)
        stream.close()

    def take_datagram(self, octets: bytes, exporter: object = "") -> None:
        self.take_message(self.process.receive(octets, exporter)[1])

    def take_message(self, message: Message) -> None:
        for data_set in message.data_sets:
            if not data_set.template.is_options:
                self.records += [data_set.template.by_name(record) for record in data_set.records]


class Reading:
    """A thread that reads one connection to its end."""

    def __init__(self, connection: socket.socket) -> None:
        self.octets = bytearray()
        self._connection = connection
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with suppress(ConnectionResetError):
            while part := self._connection.recv(1 << 16):
                self.octets += part

    def end(self) -> bytes:
        """Everything, once the other side has ended."""
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive(), "the connection does not end"
        self._connection.close()
        return bytes(self.octets)


def read_to_end(connection: socket.socket) -> bytes:
    """All that this kernel has acknowledged, until the other side ends the connection; then it is closed."""
    parts = []
    with connection, suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def dropped(process: ExportingProcess) -> dict[DropReason, int]:
    """Records dropped, by reason, without the zeros; the books balance."""
    counters = process.counters()
    assert counters.imbalance == NOTHING
    return {reason: tally.records for reason, tally in counters.dropped.items() if tally.records}
