# SPDX-License-Identifier: Apache-2.0
"""The protocol state of one Transport Session: sequence numbers, Export Time, which Messages to send.

No socket and no clock: Messages come out, times go in (ns since the Unix epoch).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from spanflow.applications import Applications
from spanflow.errors import EncodeError
from spanflow.exporting.encode import BatchEncoder, Rows
from spanflow.exporting.facts import NO_FACTS, ProbeFacts
from spanflow.exporting.interface import OptionsMessage
from spanflow.exporting.ipfix import (
    MESSAGE_HEADER_OCTETS,
    MODULUS,
    OPTIONS_TEMPLATE_SET_ID,
    SET_HEADER_OCTETS,
    TEMPLATE_SET_ID,
    frame,
    message,
    set_of,
)
from spanflow.exporting.message_runs import Layout, MessageBuilder, message_builder
from spanflow.exporting.options import EVERY_PACKET, Sampling
from spanflow.exporting.options.kinds import OptionsKinds
from spanflow.exporting.options.table import OptionsKind
from spanflow.exporting.options_choice import OptionsChoice
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.exporting.spool.messages import renumber
from spanflow.exporting.template import Template
from spanflow.exporting.template_ids import TemplateKey
from spanflow.information_elements import ENTERPRISE_NUMBER
from spanflow.record import Batch

NANOSECONDS_PER_SECOND = 1_000_000_000


class IpfixSession:
    """What one collector is sent in one Observation Domain, from the first Template on.

    sequence_number: the number that the next Message carries: Data Records before it, modulo 2^32, those of
    options included, Templates not (RFC 7011 section 3.1). Data Records that were built but could not be sent
    count too, so that the collector sees the gap.
    applications: what the numbers of applications mean; None: Flows are not classified.
    enterprise_number: the PEN that our own elements have in these templates. columns: of plugins, in them.
    options: those that the collector gets. facts: what they tell of the probe, read when they are made.
    """

    is_binary = True

    def __init__(
        self,
        templates: Mapping[TemplateKey, Template],
        *,
        observation_domain_id: int,
        max_message_octets: int,
        options: OptionsChoice = OptionsChoice(),  # noqa: B008 - frozen
        sampling: Sampling = EVERY_PACKET,
        applications: Applications | None = None,
        enterprise_number: int = ENTERPRISE_NUMBER,
        columns: Sequence[PluginColumn] = (),
        facts: ProbeFacts = NO_FACTS,
        sequence_number: int = 0,
    ) -> None:
        self.sequence_number = sequence_number
        self._templates = templates
        self._observation_domain_id = observation_domain_id
        self._max_message_octets = max_message_octets
        kinds = OptionsKinds(
            choice=options,
            sampling=sampling,
            templates=templates.values(),
            applications=applications,
            columns=columns,
            enterprise_number=enterprise_number,
            observation_domain_id=observation_domain_id,
            facts=facts,
        )
        self._first_options, self._tables = kinds.first(), kinds.others()
        self._encoder = BatchEncoder(templates, applications)
        self._builders: dict[int, MessageBuilder] = {}
        self._facts = facts
        self._export_time = 0

    @property
    def max_message_octets(self) -> int:
        """The longest Message in octets; a new value holds from the next Message on."""
        return self._max_message_octets

    @max_message_octets.setter
    def max_message_octets(self, octets: int) -> None:
        self._max_message_octets = octets
        self._builders.clear()

    def template_messages(self, now_ns: int) -> list[bytes]:
        """The Messages with all Templates and Options Templates. Raises EncodeError if one does not fit."""
        sets = [*self._sets(TEMPLATE_SET_ID, (template.encode() for template in self._templates.values()))]
        for kind in (*self._first_options, *self._tables):
            # A Set for each: nfdump reads only the first Options Template of a Set.
            sets += self._sets(OPTIONS_TEMPLATE_SET_ID, [kind.template.encode()])
        return [self._message(body, now_ns) for body in self._bodies(sets)]

    def options_messages(self, now_ns: int) -> list[OptionsMessage]:
        """The Messages with the options records that collectors need first. Counts their Data Records."""
        return [each for kind in self._first_options for each in self._options_messages(kind, now_ns)]

    def table_messages(self, now_ns: int) -> Iterator[OptionsMessage]:
        """The Messages with all other options records, which are many. Counts them, one Message at a time."""
        for kind in self._tables:
            yield from self._options_messages(kind, now_ns)

    def exportable(self, batch: Batch) -> bool:
        """IPFIX has a form for all."""
        return True

    @property
    def facts_version(self) -> int:
        """Another number when the interfaces have changed."""
        return self._facts.version

    def renumber(
        self, octets: bytes, counts: tuple[int, ...], template_ids: Mapping[int, int] | None = None
    ) -> bytes:
        """Messages that were made before, with the sequence numbers that come next (see `Session`)."""
        numbered = renumber(octets, counts, self.sequence_number, template_ids)
        self._count(sum(counts))
        return numbered

    def rows(self, batch: Batch) -> Iterator[Rows]:
        """The Data Records of a batch, one template after the other; each must be sent before the next."""
        return self._encoder.rows(batch, self._facts.started_ns)

    def messages(self, rows: Rows, now_ns: int) -> Layout:
        """The Messages with these Data Records, and which do not fit into any."""
        layout = self._builder(rows.template).build(
            rows, export_time=self._monotone(now_ns), sequence_number=self.sequence_number
        )
        self._count(layout.data_records)
        return layout

    def _builder(self, template: Template) -> MessageBuilder:
        builder = self._builders.get(template.template_id)
        if builder is None:
            builder = message_builder(template, self._max_message_octets, frame(self._observation_domain_id))
            self._builders[template.template_id] = builder
        return builder

    def _options_messages(self, kind: OptionsKind, now_ns: int) -> Iterator[OptionsMessage]:
        """Raises EncodeError if a record does not fit into a Message."""
        for body, data_records in kind.table().bodies(self._max_message_octets - MESSAGE_HEADER_OCTETS):
            message = OptionsMessage(self._message(body, now_ns), data_records)
            self._count(data_records)
            yield message

    def _count(self, data_records: int) -> None:
        self.sequence_number = (self.sequence_number + data_records) % MODULUS

    def _monotone(self, now_ns: int) -> int:
        """Export Time in Unix seconds never decreases in a session, whatever the wall clock does."""
        self._export_time = max(self._export_time, now_ns // NANOSECONDS_PER_SECOND)
        return self._export_time

    def _message(self, body: bytes, now_ns: int) -> bytes:
        return message(
            body,
            export_time=self._monotone(now_ns),
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
