# SPDX-License-Identifier: Apache-2.0
"""The protocol state of one Transport Session: sequence numbers, Export Time, which Messages to send.

No socket and no clock: Messages come out, times go in (Unix seconds, int).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from spanflow.applications import Applications
from spanflow.errors import EncodeError
from spanflow.exporting.encode import BatchEncoder, Rows
from spanflow.exporting.ipfix import (
    MESSAGE_HEADER_OCTETS,
    MODULUS,
    OPTIONS_TEMPLATE_SET_ID,
    SET_HEADER_OCTETS,
    TEMPLATE_SET_ID,
    message,
    set_of,
)
from spanflow.exporting.message_runs import Layout, MessageBuilder, message_builder
from spanflow.exporting.options import (
    EVERY_PACKET,
    OptionsTable,
    Sampling,
    applications_tables,
    elements_table,
)
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.exporting.profiles import TemplateKey
from spanflow.exporting.template import Template
from spanflow.fields import FIELDS
from spanflow.information_elements import ENTERPRISE_NUMBER
from spanflow.record import Batch


class OptionsMessage(NamedTuple):
    """A Message with options Data Records, and how many."""

    octets: bytes
    data_records: int


class Session:
    """What one collector is sent in one Observation Domain, from the first Template on.

    sequence_number: the number that the next Message carries: Data Records before it, modulo 2^32, those of
    options included, Templates not (RFC 7011 section 3.1). Data Records that were built but could not be sent
    count too, so that the collector sees the gap.
    applications: what the numbers of applications mean; None: Flows are not classified.
    enterprise_number: the PEN that our own elements have in these templates. columns: of plugins, in them.
    """

    def __init__(
        self,
        templates: Mapping[TemplateKey, Template],
        *,
        observation_domain_id: int,
        max_message_octets: int,
        sampling: Sampling = EVERY_PACKET,
        applications: Applications | None = None,
        enterprise_number: int = ENTERPRISE_NUMBER,
        columns: Sequence[PluginColumn] = (),
        sequence_number: int = 0,
    ) -> None:
        self.sequence_number = sequence_number
        self._templates = templates
        self._observation_domain_id = observation_domain_id
        self._max_message_octets = max_message_octets
        self._sampling = sampling.table()
        self._tables = _tables(templates, applications, enterprise_number, observation_domain_id, columns)
        self._encoder = BatchEncoder(templates, applications)
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
        sets = [*self._sets(TEMPLATE_SET_ID, (template.encode() for template in self._templates.values()))]
        for table in (self._sampling, *self._tables):
            # A Set for each: nfdump reads only the first Options Template of a Set.
            sets += self._sets(OPTIONS_TEMPLATE_SET_ID, [table.template.encode()])
        return [self._message(body, now) for body in self._bodies(sets)]

    def options_messages(self, now: int) -> list[OptionsMessage]:
        """The Message with the options record that collectors need first. Counts its Data Record."""
        return list(self._options_messages(self._sampling, now))

    def table_messages(self, now: int) -> Iterator[OptionsMessage]:
        """The Messages with all other options records, which are many. Counts them, one Message at a time."""
        for table in self._tables:
            yield from self._options_messages(table, now)

    def rows(self, batch: Batch) -> Iterator[Rows]:
        """The Data Records of a batch, one template after the other; each must be sent before the next."""
        return self._encoder.rows(batch)

    def messages(self, rows: Rows, now: int) -> Layout:
        """The Messages with these Data Records, and which do not fit into any."""
        layout = self._builder(rows.template).build(
            rows, export_time=self._monotone(now), sequence_number=self.sequence_number
        )
        self._count(layout.data_records)
        return layout

    def _builder(self, template: Template) -> MessageBuilder:
        builder = self._builders.get(template.template_id)
        if builder is None:
            builder = message_builder(template, self._max_message_octets, self._observation_domain_id)
            self._builders[template.template_id] = builder
        return builder

    def _options_messages(self, table: OptionsTable, now: int) -> Iterator[OptionsMessage]:
        """Raises EncodeError if a record does not fit into a Message."""
        for body, data_records in table.bodies(self._max_message_octets - MESSAGE_HEADER_OCTETS):
            message = OptionsMessage(self._message(body, now), data_records)
            self._count(data_records)
            yield message

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


def _tables(
    templates: Mapping[TemplateKey, Template],
    applications: Applications | None,
    enterprise_number: int,
    observation_domain_id: int,
    columns: Sequence[PluginColumn],
) -> Sequence[OptionsTable]:
    """The options that explain what is in these templates; none that is empty."""
    tables = []
    if applications is not None:
        tables += applications_tables(applications, observation_domain_id)
    sent = {element.name for template in templates.values() for element in template.elements}
    own = [field for field in FIELDS if field.element.pen == ENTERPRISE_NUMBER and field.name in sent]
    tables.append(elements_table([*own, *columns], enterprise_number))
    return [table for table in tables if table.records]
