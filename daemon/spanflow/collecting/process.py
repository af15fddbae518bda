# SPDX-License-Identifier: Apache-2.0
"""The Collecting Process: Messages of many Exporting Processes in, decoded Messages and counters out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from spanflow.collecting.counters import CollectorCounters
from spanflow.collecting.learned import Budget
from spanflow.collecting.malformed import MalformedMessageError
from spanflow.collecting.message import Message, read_header
from spanflow.collecting.session import Limits, TransportSession


class CollectingProcess:
    """Decodes datagrams. Memory is bounded by `limits`, work by the octets of each datagram.

    name_of: the text that stands for an exporter, made once per session from the key that receive() gets.
    """

    def __init__(self, limits: Limits | None = None, name_of: Callable[[Any], str] = str) -> None:
        self.counters = CollectorCounters()
        self._limits = limits or Limits()
        self._budget = Budget(self._limits.names)
        self._name_of = name_of
        self._sessions: OrderedDict[Hashable, TransportSession] = OrderedDict()

    def receive(self, octets: bytes, exporter: Hashable) -> tuple[TransportSession, Message]:
        """Decode one datagram, which is one Message.

        exporter: what tells Transport Sessions apart; over UDP the sender's address and port.
        Raises MalformedMessageError after counting it. A sender of which no Message Header was ever right
        gets no session, so that noise cannot push out the others.
        """
        try:
            header = read_header(octets)
            session = self._session(exporter)
            before = session.fields
            message = session.decode(header, octets)
        except MalformedMessageError as error:
            self.counters.discarded[error.reason] += 1
            raise
        if session.fields > before:
            self._make_room()
        self._count(message, len(octets))
        return session, message

    def _session(self, exporter: Hashable) -> TransportSession:
        session = self._sessions.get(exporter)
        if session is None:
            if len(self._sessions) == self._limits.sessions:
                self._evict()
            session = TransportSession(
                self._name_of(exporter), self._limits, self.counters, budget=self._budget
            )
            self._sessions[exporter] = session
            self.counters.sessions += 1
        self._sessions.move_to_end(exporter)
        return session

    def _make_room(self) -> None:
        """Forget the sessions that have been silent for longest until all Templates fit."""
        total = sum(session.fields for session in self._sessions.values())
        while total > self._limits.total_fields and len(self._sessions) > 1:
            total -= self._evict()

    def _evict(self) -> int:
        """Forget the session that has been silent for longest; returns the fields of its Templates."""
        _, session = self._sessions.popitem(last=False)
        session.forget()
        self.counters.evicted_sessions += 1
        return session.fields

    def _count(self, message: Message, octets: int) -> None:
        counters = self.counters
        counters.messages += 1
        counters.octets += octets
        for data_set in message.data_sets:
            if data_set.template.is_options:
                counters.options_records += len(data_set.records)
            else:
                counters.records += len(data_set.records)
        for template in message.new_templates:
            if template.is_options:
                counters.options_templates += 1
            else:
                counters.templates += 1
        counters.ignored.update(message.ignored)
