# SPDX-License-Identifier: Apache-2.0
"""What a protocol is to the rest of the Exporting Process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from spanflow.exporting.encode import Rows
from spanflow.exporting.message_runs import Layout
from spanflow.record import Batch


class OptionsMessage(NamedTuple):
    """A Message with options Data Records, and how many."""

    octets: bytes
    data_records: int


class Session(Protocol):
    """The protocol state of one Transport Session: sequence numbers, Export Time, which Messages to send.

    No socket and no clock: Messages come out, times go in (`now_ns`: since the Unix epoch).
    """

    is_binary: bool
    """Whether Messages have headers with sequence numbers: not so lines of JSON."""
    max_message_octets: int
    """The longest Message; a new value holds from the next Message on."""

    @property
    def facts_version(self) -> int:
        """Another number when what the options tell has changed, so that they are to be sent at once."""
        ...

    def exportable(self, batch: Batch) -> bool:
        """Whether the protocol has a form for these records."""
        ...

    def template_messages(self, now_ns: int) -> list[bytes]:
        """The Messages with all Templates and Options Templates. Raises EncodeError if one does not fit."""
        ...

    def options_messages(self, now_ns: int) -> list[OptionsMessage]:
        """The Messages with the options that collectors need first."""
        ...

    def table_messages(self, now_ns: int) -> Iterator[OptionsMessage]:
        """The Messages with all other options, which are many; each must be sent before the next."""
        ...

    def rows(self, batch: Batch) -> Iterator[Rows]:
        """The Data Records of a batch, one template after the other; each must be sent before the next."""
        ...

    def messages(self, rows: Rows, now_ns: int) -> Layout:
        """The Messages with these Data Records, and which do not fit into any."""
        ...


@runtime_checkable
class Renumbers(Protocol):
    """What the session of a protocol that goes over streams and into files has beside."""

    def renumber(
        self, octets: bytes, counts: tuple[int, ...], template_ids: Mapping[int, int] | None = None
    ) -> bytes:
        """Messages that were made before, with the sequence numbers that come next, which are counted on.

        counts: their Data Records. template_ids: what Template IDs have become meanwhile.
        """
        ...
