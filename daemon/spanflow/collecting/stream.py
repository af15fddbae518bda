# SPDX-License-Identifier: Apache-2.0
"""The octets of one connection or file as Messages (RFC 7011 section 10.4, RFC 5655): no I/O."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from spanflow.collecting.ipfix import LENGTH_OCTETS, message_length
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import Message
from spanflow.collecting.process import CollectingProcess


class MessageStream:
    """Cuts octets into IPFIX Messages, by the length that each has in its header, and decodes them.

    session: the Transport Session of this stream. offset: octets of the Messages taken so far. It keeps one
    unfinished Message at most, thus 65,534 octets. After an error nothing more may be fed.
    """

    def __init__(self, process: CollectingProcess, exporter: Hashable) -> None:
        self.session = process.open_stream(exporter)
        self.offset = 0
        self._process = process
        self._buffer = bytearray()

    @property
    def waiting(self) -> int:
        """Octets of a Message that is not whole yet."""
        return len(self._buffer)

    def feed(self, octets: bytes) -> Iterator[Message]:
        """Take some more octets; gives the Messages that are whole with them.

        Exhaust it before the next call. Raises MalformedMessageError, counted, where the stream can no longer
        be read; its offset is that in the Message that begins at the stream's `offset`.
        """
        self._buffer += octets
        start = 0
        try:
            while len(self._buffer) - start >= LENGTH_OCTETS:
                length = self._length(start)
                if len(self._buffer) - start < length:
                    break
                message = self._process.receive_from_stream(
                    self.session, bytes(self._buffer[start : start + length])
                )
                start += length
                self.offset += length
                yield message
        finally:
            del self._buffer[:start]

    def end(self) -> None:
        """The stream has ended. Raises MalformedMessageError, counted, if that was within a Message."""
        if self._buffer:
            text = f"{len(self._buffer)} octets of a message that is longer"
            raise self._process.discard(MalformedMessageError(0, Reason.UNFINISHED, text))

    def close(self) -> None:
        """Forget the session."""
        self._process.close_stream(self.session)

    def _length(self, start: int) -> int:
        try:
            return message_length(self._buffer, start)
        except MalformedMessageError as error:
            raise self._process.discard(error) from None
