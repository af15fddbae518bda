# SPDX-License-Identifier: Apache-2.0
"""The protocol state of one Transport Session: sequence numbers, Export Time, which Messages to send.

No socket and no clock: Messages come out, times go in (Unix seconds, int).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from spanflow.errors import EncodeError
from spanflow.exporting.encode import BatchEncoder, MessageBuilder, MessageRun, Rows
from spanflow.exporting.ipfix import (
    MESSAGE_HEADER_OCTETS,
    MODULUS,
    OPTIONS_TEMPLATE_SET_ID,
    SET_HEADER_OCTETS,
    TEMPLATE_SET_ID,
    message,
    set_of,
)
from spanflow.exporting.options import EVERY_PACKET, Sampling, sampling_template
from spanflow.exporting.profiles import TemplateKey
from spanflow.exporting.row_plan import Array
from spanflow.exporting.template import Template


class Session:
    """What one collector is sent in one Observation Domain, from the first Template on.

    sequence_number: the number that the next Message carries: Data Records before it, modulo 2^32, those of
    options included, Templates not (RFC 7011 section 3.1). Data Records that were built but could not be sent
    count too, so that the collector sees the gap.
    """

    def __init__(
        self,
        templates: Mapping[TemplateKey, Template],
        *,
        observation_domain_id: int,
        max_message_octets: int,
        sampling: Sampling = EVERY_PACKET,
        sequence_number: int = 0,
    ) -> None:
        self.sequence_number = sequence_number
        self._templates = templates
        self._observation_domain_id = observation_domain_id
        self._max_message_octets = max_message_octets
        self._sampling = sampling
        self._encoder = BatchEncoder(templates)
        self._builders: dict[int, MessageBuilder] = {}
        self._export_time = 0

    @property
    def max_message_octets(self) -> int:
        """The longest Message in octets; a new value holds from the next Message on."""
        return self._max_message_octets

    @max_message_octets.setter
    def max_message_octets(self, octets: int) -> None:
        self._max_message_octets = octets
        self._builders.clear()

    def template_messages(self, now: int) -> list[bytes]:
        """The Messages with all Templates and Options Templates. Raises EncodeError if one does not fit."""
        sets = [
            *self._sets(TEMPLATE_SET_ID, (template.encode() for template in self._templates.values())),
            *self._sets(OPTIONS_TEMPLATE_SET_ID, (sampling_template().encode(),)),
        ]
        return [self._message(body, now) for body in self._bodies(sets)]

    def options_messages(self, now: int) -> list[bytes]:
        """The Messages with all options records. Each call counts their Data Records."""
        messages = [self._message(self._sampling.encode_set(), now)]
        self._count(len(messages))
        return messages

    def rows(self, batch: Array) -> Iterator[Rows]:
        """The Data Records of a batch, one template after the other; each must be sent before the next."""
        return self._encoder.rows(batch)

    def messages(self, rows: Rows, now: int) -> MessageRun:
        """The Messages with these Data Records. Raises EncodeError if not even one fits into a Message."""
        run = self._builder(rows.template).build(
            rows, export_time=self._monotone(now), sequence_number=self.sequence_number
        )
        self._count(run.data_records)
        return run

    def _builder(self, template: Template) -> MessageBuilder:
        builder = self._builders.get(template.template_id)
        if builder is None:
            builder = MessageBuilder(template, self._max_message_octets, self._observation_domain_id)
            self._builders[template.template_id] = builder
        return builder

    def _count(self, data_records: int) -> None:
        self.sequence_number = (self.sequence_number + data_records) % MODULUS

    def _monotone(self, now: int) -> int:
        """Export Time never decreases in a session, whatever the wall clock does."""
        self._export_time = max(self._export_time, now)
        return self._export_time

    def _message(self, body: bytes, now: int) -> bytes:
        return message(
            body,
            export_time=self._monotone(now),
            sequence_number=self.sequence_number,
            observation_domain_id=self._observation_domain_id,
        )

    def _sets(self, set_id: int, records: Iterable[bytes]) -> Iterator[bytes]:
        """The records in as few Sets of this id as fit into Messages of their own."""
        room = self._max_message_octets - MESSAGE_HEADER_OCTETS - SET_HEADER_OCTETS
        together = b""
        for record in records:
            if len(record) > room:
                raise EncodeError(
                    f"a Template of {len(record)} octets does not fit into a Message of"
                    f" {self._max_message_octets}; set max_message_size higher"
                )
            if len(together) + len(record) > room:
                yield set_of(set_id, together)
                together = b""
            together += record
        yield set_of(set_id, together)

    def _bodies(self, sets: Iterable[bytes]) -> Iterator[bytes]:
        """The Sets in as few Messages as hold them."""
        room = self._max_message_octets - MESSAGE_HEADER_OCTETS
        together = b""
        for each in sets:
            if len(together) + len(each) > room:
                yield together
                together = b""
            together += each
        yield together
