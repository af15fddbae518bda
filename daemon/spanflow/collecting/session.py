# SPDX-License-Identifier: Apache-2.0
"""One Transport Session: its Observation Domains with their Templates, and the decoding of its Messages."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from spanflow.collecting.counters import CollectorCounters, SequenceCounters
from spanflow.collecting.cursor import Cursor
from spanflow.collecting.framing import Framing, SetSpan, read_set_headers
from spanflow.collecting.learned import NOTHING, Budget, Learned, Said, Values
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import DataSet, Header, Message, Version
from spanflow.collecting.netflow5 import read_records
from spanflow.collecting.protocols import FRAMINGS
from spanflow.collecting.sequence import SequenceNumbers
from spanflow.collecting.template_table import TemplateTable
from spanflow.collecting.templates import FIRST_TEMPLATE_ID, Template, with_elements


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a Collecting Process keeps at most, whatever is sent to it.

    A Template beyond the limits of its session is refused (Reason.TEMPLATE_LIMIT); a new session or
    domain takes the place of the one that has been silent for longest.
    """

    sessions: int = 1024
    domains: int = 32
    """Observation Domains of one session."""
    templates: int = 1024
    """Templates of one Observation Domain."""
    fields: int = 1024
    """Fields of one Template."""
    session_fields: int = 16_384
    """Fields of all Templates of one session."""
    total_fields: int = 131_072
    """Fields of all Templates of all sessions of datagrams, and as many of all streams together, so that
    neither takes room from the other; must not be below session_fields."""
    names: int = 65_536
    """Names of applications, interfaces and elements, and sampling rates, that all sessions together may
    announce; the rest is ignored."""


class ObservationDomain:
    __slots__ = ("learned", "sequence", "templates")

    def __init__(self, counters: SequenceCounters, budget: Budget) -> None:
        self.templates = TemplateTable()
        self.sequence = SequenceNumbers(counters)
        self.learned = Learned(budget)


class TransportSession:
    """Decodes the Messages of one Exporting Process, which all have one `version`.

    stream: the transport is reliable (TCP, SCTP, a file): Template Withdrawals count, and a Template ID is
    not defined anew without one. Over UDP a withdrawal is ignored and a new definition replaces the old
    (RFC 7011 sections 8.1 and 8.4).
    budget: of names, shared by all sessions; one of its own if there is none.
    """

    __slots__ = (
        "_budget",
        "_counters",
        "_domains",
        "_limits",
        "_sequence_counters",
        "_stream",
        "exporter",
        "fields",
        "version",
    )

    def __init__(
        self,
        exporter: str,
        limits: Limits,
        counters: CollectorCounters,
        *,
        version: Version = Version.IPFIX,
        stream: bool = False,
        budget: Budget | None = None,
    ) -> None:
        self.exporter = exporter
        self.version = version
        self.fields = 0
        """Fields of all Templates in force."""
        self._limits = limits
        self._counters = counters
        self._sequence_counters = (
            counters.packet_sequence if version is Version.NETFLOW9 else counters.sequence
        )
        self._stream = stream
        self._budget = budget or Budget(limits.names)
        self._domains: OrderedDict[int, ObservationDomain] = OrderedDict()

    def decode(self, header: Header, octets: bytes) -> Message:
        """Decode the Message whose header was read from `octets`.

        Raises MalformedMessageError; then nothing in the Message counts, its Templates neither
        (RFC 7011 section 9.1: it must be discarded).
        """
        domain = self._domain(header.observation_domain_id)
        message = Message(header)
        try:
            if self.version is Version.NETFLOW5:
                message.data_sets.append(read_records(header, octets))
            else:
                self._read_sets(message, octets, FRAMINGS[self.version], domain)
        except MalformedMessageError:
            domain.sequence.observe(header.sequence_number, self._step(None), header.export_time)
            raise
        records = None if message.ignored[Reason.TEMPLATE_MISSING] else message.records
        domain.sequence.observe(header.sequence_number, self._step(records), header.export_time)
        self._learn(domain, message)
        return message

    def said(self, domain_id: int, values: Values) -> Said:
        """What the exporter's options say of a Data Record (element name → value)."""
        domain = self._domains.get(domain_id)
        return NOTHING if domain is None else domain.learned.said(values)

    def _step(self, records: int | None) -> int | None:
        """How far the Sequence Number goes with a Message of so many records (None: not known)."""
        # RFC 3954 section 5.1: that of NetFlow v9 counts packets, whatever is in them.
        return 1 if self.version is Version.NETFLOW9 else records

    def forget(self) -> None:
        """Give back what is shared with other sessions; this one is of no more use."""
        for domain in self._domains.values():
            domain.learned.forget()

    def _learn(self, domain: ObservationDomain, message: Message) -> None:
        learned = domain.learned
        for data_set in message.data_sets:
            if not data_set.template.is_options or not learned.learn(data_set.template, data_set.records):
                continue
            # A refresh of a Template gives the object that is in force: it gets the names now.
            by_id = domain.templates.by_id
            by_id.update({id_: with_elements(each, learned.elements) for id_, each in by_id.items()})

    def _domain(self, domain_id: int) -> ObservationDomain:
        domain = self._domains.get(domain_id)
        if domain is None:
            if len(self._domains) == self._limits.domains:
                _, evicted = self._domains.popitem(last=False)
                self.fields -= evicted.templates.fields
                evicted.learned.forget()
                self._counters.evicted_domains += 1
            domain = self._domains[domain_id] = ObservationDomain(self._sequence_counters, self._budget)
        self._domains.move_to_end(domain_id)
        return domain

    def _read_sets(
        self, message: Message, octets: bytes, framing: Framing, domain: ObservationDomain
    ) -> None:
        """Read all Sets into `message`; its Templates come into force when all are valid."""
        templates = before = domain.templates
        definitions = 0
        for span in read_set_headers(octets, framing.header_octets):
            if span.set_id >= FIRST_TEMPLATE_ID:
                _read_data_set(message, octets, span, framing, templates)
            elif span.set_id in (framing.template_set_id, framing.options_template_set_id):
                if templates is before:
                    templates = before.copy()
                definitions += self._read_templates(message, octets, span, framing, templates, domain.learned)
                self._check_limits(span.start, templates, self.fields - before.fields + templates.fields)
            else:
                # RFC 7011 section 3.3.2, RFC 3954 section 5.2: all other ids below 256 are reserved.
                message.ignored[Reason.RESERVED_SET] += 1
        if self.version is Version.NETFLOW9 and not message.ignored:
            _check_record_count(message, definitions + message.records)
        self.fields += templates.fields - before.fields
        domain.templates = templates

    def _read_templates(
        self,
        message: Message,
        octets: bytes,
        span: SetSpan,
        framing: Framing,
        templates: TemplateTable,
        learned: Learned,
    ) -> int:
        """Read a Set of Templates into `templates`; returns how many records it has."""
        cursor = Cursor(octets, span.start, span.end, Reason.TRUNCATED)
        options = span.set_id == framing.options_template_set_id
        count = 0
        for record in framing.read_templates(cursor, options, templates.by_id, self._limits.fields):
            count += 1
            if isinstance(record, int):
                self._withdraw(message, record, span.set_id, options, templates)
                continue
            before = templates.by_id.get(record.template_id)
            if before is record:
                continue
            if self._stream and before is not None:
                raise MalformedMessageError(span.start, Reason.REDEFINITION, f"template {record.template_id}")
            named = with_elements(record, learned.elements) if learned.elements else record
            templates.define(named)
            message.new_templates.append(named)
        return count

    def _withdraw(
        self, message: Message, template_id: int, set_id: int, options: bool, templates: TemplateTable
    ) -> None:
        if not self._stream:
            message.ignored[Reason.UDP_WITHDRAWAL] += 1
        elif template_id == set_id:
            templates.withdraw_all(options)
        elif template_id in templates.by_id and templates.by_id[template_id].is_options == options:
            templates.withdraw(template_id)
        else:
            message.ignored[Reason.UNKNOWN_WITHDRAWAL] += 1

    def _check_limits(self, offset: int, templates: TemplateTable, fields: int) -> None:
        """fields: those of all Templates of the session, as they would be after this Set."""
        if len(templates.by_id) > self._limits.templates:
            text = f"more than {self._limits.templates} in one observation domain"
            raise MalformedMessageError(offset, Reason.TEMPLATE_LIMIT, text)
        if fields > self._limits.session_fields:
            text = f"more than {self._limits.session_fields} fields in one session"
            raise MalformedMessageError(offset, Reason.TEMPLATE_LIMIT, text)


def _read_data_set(
    message: Message, octets: bytes, span: SetSpan, framing: Framing, templates: TemplateTable
) -> None:
    template: Template | None = templates.by_id.get(span.set_id)
    if template is None:
        message.ignored[Reason.TEMPLATE_MISSING] += 1
        return
    records = template.reader.read(octets, span.start, span.end, aligned=framing.aligned)
    if template.dating is None:
        message.data_sets.append(DataSet(template, records))
    else:
        dating = template.dating
        message.data_sets.append(DataSet(dating.template, dating.dated(records, message.header)))


def _check_record_count(message: Message, found: int) -> None:
    """All records were read: the header should say so. Exporters that count FlowSets there do no harm."""
    if found != message.header.record_count:
        message.ignored[Reason.RECORD_COUNT] += 1
