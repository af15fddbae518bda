# SPDX-License-Identifier: Apache-2.0
"""The loop of one run of `spanflow collect`: Messages in, text out."""

from __future__ import annotations

import math
import select
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from spanflow.cli.record_writers import RecordWriter
from spanflow.cli.text_output import pipe_descriptor, write_text
from spanflow.collecting.file import FileError, read_file
from spanflow.collecting.malformed import Reason
from spanflow.collecting.message import DataSet, Message
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.receiver import Receiver, Trouble
from spanflow.collecting.session import TransportSession
from spanflow.stop_signals import StopSignals

FLUSH_INTERVAL_SECONDS = 0.2
"""Output waits no longer; rows that arrive together are aligned together."""

_LONGEST_WAIT_SECONDS = 3600
_MOST_PENDING = 1000


class Collection:
    """Collects until it is enough: a signal, the deadline, or `count` Data Records.

    deadline: time.monotonic(). missing: records that `count` still waits for. Its methods raise
    BrokenPipeError when nobody reads the output any more, OutputError if it cannot be written.
    """

    def __init__(
        self,
        process: CollectingProcess,
        writer: RecordWriter,
        output: TextIO,
        stop: StopSignals,
        *,
        count: int | None,
        deadline: float,
    ) -> None:
        self.missing = count
        self._process = process
        self._writer = writer
        self._output = output
        self._stop = stop
        self._deadline = deadline
        self._next_flush = math.inf
        self._told: set[str] = set()
        self._watched_output = pipe_descriptor(output)

    def receive(self, receiver: Receiver) -> None:
        """Collect what sockets get."""
        while self._wait(receiver.fileno(), receiver.next_deadline()):
            for arrival in receiver.arrivals():
                if isinstance(arrival, Trouble):
                    self._tell_trouble(arrival)
                    continue
                self._take(*arrival)
                if self.missing == 0:
                    break
            self._flush_when_due()

    def read(self, paths: Sequence[str]) -> list[FileError]:
        """Collect what files have, one after the other; the faults that ended some of them too soon."""
        faults: list[FileError] = []
        for path in paths:
            try:
                for session, message in read_file(path, self._process, wait=self._wait):
                    self._take(session, message)
                    self._flush_when_due()
                    if self._is_enough():
                        return faults
            except FileError as error:
                faults.append(error)
                _tell(f"spanflow: {error}")
        return faults

    def flush(self) -> None:
        """Write what waits."""
        self._next_flush = math.inf
        write_text(self._output, self._writer.take())

    def _is_enough(self) -> bool:
        return self._stop.requested or self.missing == 0 or time.monotonic() >= self._deadline

    def _wait(self, descriptor: int, until: float = math.inf) -> bool:
        """Wait until the descriptor can be read, or until that time; False when it is enough."""
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.register(self._stop, select.POLLIN)
        if self._watched_output is not None:
            # No events asked for: only the closing of the other end is reported.
            poller.register(self._watched_output, 0)
        while not self._is_enough():
            now = time.monotonic()
            wait = min(min(self._deadline, self._next_flush, until) - now, _LONGEST_WAIT_SECONDS)
            ready = dict(poller.poll(max(0, math.ceil(wait * 1000))))
            if self._watched_output in ready:
                raise BrokenPipeError
            self._flush_when_due()
            if descriptor in ready or time.monotonic() >= until:
                return not self._stop.requested
        return False

    def _flush_when_due(self) -> None:
        now = time.monotonic()
        if self._writer.pending and self._next_flush == math.inf:
            self._next_flush = now + FLUSH_INTERVAL_SECONDS
        if now >= self._next_flush or self._writer.pending >= _MOST_PENDING:
            self.flush()

    def _take(self, session: TransportSession, message: Message) -> None:
        skipped = message.ignored[Reason.TEMPLATE_MISSING]
        if skipped and self._process.counters.ignored[Reason.TEMPLATE_MISSING] == skipped:
            _tell(f"{session.exporter}: data before its template; waiting for the exporter to send it again")
        for data_set in message.data_sets:
            if self.missing is not None and not data_set.template.is_options:
                data_set = DataSet(data_set.template, data_set.records[: self.missing])
                self.missing -= len(data_set.records)
            self._writer.add(session, message.header.observation_domain_id, data_set)

    def _tell_trouble(self, trouble: Trouble) -> None:
        if trouble.kind not in self._told:
            self._told.add(trouble.kind)
            _tell(f"{trouble.exporter}: {trouble.text}; further ones are counted")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
