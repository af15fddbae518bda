# SPDX-License-Identifier: Apache-2.0
"""The Collecting Process: Messages of many Exporting Processes in, decoded Messages and counters out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

from spanflow.collecting.counters import CollectorCounters
from spanflow.collecting.learned import Budget
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import Header, Message, Version
from spanflow.collecting.protocols import read_header
from spanflow.collecting.session import Limits, TransportSession

_SessionKey: TypeAlias = tuple[Version, Hashable]


class CollectingProcess:
    """Decodes datagrams, and the Messages of streams. Memory is bounded by `limits`, work by the octets of
    each Message.

    name_of: the text that stands for an exporter, made once per session from the key that receive() gets.
    """

    def __init__(self, limits: Limits | None = None, name_of: Callable[[Any], str] = str) -> None:
        self.counters = CollectorCounters()
        self._limits = limits or Limits()
        self._budget = Budget(self._limits.names)
        self._name_of = name_of
        self._sessions: OrderedDict[_SessionKey, TransportSession] = OrderedDict()
        self._streams: list[TransportSession] = []

    def receive(self, octets: bytes, exporter: Hashable) -> tuple[TransportSession, Message]:
        """Decode one datagram, which is one Message of any protocol.

        exporter: what tells Transport Sessions apart; over UDP the sender's address and port.
        Raises MalformedMessageError after counting it. A sender of which no Message Header was ever right
        gets no session, so that noise cannot push out the others.
        """
        try:
            header = read_header(octets)
            session = self._session(header.version, exporter)
            before = session.fields
            message = session.decode(header, octets)
        except MalformedMessageError as error:
            self.counters.discarded[error.reason] += 1
            raise
        if session.fields > before:
            self._make_room()
        self._count(header, message, len(octets))
        return session, message

    def open_stream(self, exporter: Hashable) -> TransportSession:
        """A session for the Messages of one connection or file; give it back with close_stream()."""
        session = self._new_session(Version.IPFIX, exporter, stream=True)
        self._streams.append(session)
        return session

    def close_stream(self, session: TransportSession) -> None:
        """Forget the session of a connection that has ended."""
        self._streams.remove(session)
        session.forget()

    def receive_from_stream(self, session: TransportSession, octets: bytes) -> Message:
        """Decode one whole Message of a stream.

        Raises MalformedMessageError after counting it: then the connection must be closed (RFC 7011 section
        9.1), since the records that follow can no longer be read without doubt.
        """
        try:
            header = read_header(octets)
            before = session.fields
            message = session.decode(header, octets)
            if session.fields > before:
                self._check_streams()
        except MalformedMessageError as error:
            self.counters.discarded[error.reason] += 1
            raise
        self._count(header, message, len(octets))
        return message

    def discard(self, error: MalformedMessageError) -> MalformedMessageError:
        """Count what was found malformed before it was a Message; returns the error, to be raised."""
        self.counters.discarded[error.reason] += 1
        return error

    def _session(self, version: Version, exporter: Hashable) -> TransportSession:
        key = (version, exporter)
        session = self._sessions.get(key)
        if session is None:
            if len(self._sessions) == self._limits.sessions:
                self._evict()
            session = self._sessions[key] = self._new_session(version, exporter, stream=False)
        self._sessions.move_to_end(key)
        return session

    def _new_session(self, version: Version, exporter: Hashable, *, stream: bool) -> TransportSession:
        self.counters.sessions += 1
        return TransportSession(
            self._name_of(exporter),
            self._limits,
            self.counters,
            version=version,
            stream=stream,
            budget=self._budget,
        )

    def _make_room(self) -> None:
        """Forget the sessions that have been silent for longest until all Templates fit."""
        total = sum(session.fields for session in self._sessions.values())
        while total > self._limits.total_fields and len(self._sessions) > 1:
            total -= self._evict()

    def _check_streams(self) -> None:
        """A stream never repeats its Templates, so none can be forgotten: the one that asks is refused."""
        if sum(session.fields for session in self._streams) > self._limits.total_fields:
            text = f"more than {self._limits.total_fields} fields of all streams"
            raise MalformedMessageError(0, Reason.TEMPLATE_LIMIT, text)

    def _evict(self) -> int:
        """Forget the session that has been silent for longest; returns the fields of its Templates."""
        _, session = self._sessions.popitem(last=False)
        session.forget()
        self.counters.evicted_sessions += 1
        return session.fields

    def _count(self, header: Header, message: Message, octets: int) -> None:
        counters = self.counters
        counters.messages += 1
        counters.messages_of[header.version] += 1
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
