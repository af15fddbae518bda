# SPDX-License-Identifier: Apache-2.0
"""The session of NetFlow version 9 (RFC 3954): what one collector is sent. No socket, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from spanflow.applications import Applications
from spanflow.errors import EncodeError
from spanflow.exporting.encode import BatchEncoder, Rows
from spanflow.exporting.facts import NO_FACTS, ProbeFacts
from spanflow.exporting.frame import MODULUS
from spanflow.exporting.interface import OptionsMessage
from spanflow.exporting.message_runs import Layout, MessageBuilder, message_builder
from spanflow.exporting.netflow9_frame import (
    HEADER_OCTETS,
    OPTIONS_TEMPLATE_FLOWSET_ID,
    TEMPLATE_FLOWSET_ID,
    export_packet,
    flowset,
    frame,
    moment_members,
)
from spanflow.exporting.netflow9_options import (
    OptionsTable,
    applications_table,
    interfaces_table,
    sampling_tables,
)
from spanflow.exporting.netflow9_template import LateColumns, netflow9_template
from spanflow.exporting.options import EVERY_PACKET, Sampling
from spanflow.exporting.system_uptime import Moment, SystemUptime, latest_ns
from spanflow.exporting.template import Template
from spanflow.exporting.template_ids import TemplateKey
from spanflow.record import Batch


class Netflow9Session:
    """What one collector is sent as one Observation Domain (Source ID), from the first Template on.

    templates: uniflows of IPFIX; what version 9 cannot carry of them is left out. sequence_number: that of
    the next Export Packet; one that was made but could not be sent counts too, so that the collector sees
    the gap. applications: what the numbers of applications mean; None: Flows are not classified.
    facts: of these version 9 tells the interfaces. offline: records come from a file, see `SystemUptime`.
    Raises ValueError for templates of Biflows.
    """

    is_binary = True

    def __init__(
        self,
        templates: Mapping[TemplateKey, Template],
        *,
        observation_domain_id: int,
        max_message_octets: int,
        sampling: Sampling = EVERY_PACKET,
        applications: Applications | None = None,
        facts: ProbeFacts = NO_FACTS,
        offline: bool = False,
        sequence_number: int = 0,
    ) -> None:
        self.sequence_number = sequence_number
        self._templates = {key: netflow9_template(template) for key, template in templates.items()}
        self._source_id = observation_domain_id
        self._max_message_octets = max_message_octets
        self._sampling = sampling_tables(sampling)
        self._applications = [] if applications is None else [applications_table(applications)]
        self._facts = facts
        self._uptime = SystemUptime(offline=offline, whole_seconds=True)
        self._encoder = BatchEncoder(self._templates, applications)
        self._late = {template.template_id: LateColumns(template) for template in self._templates.values()}
        self._frame = frame(observation_domain_id)
        self._builders: dict[int, MessageBuilder] = {}
        self._batch: Batch | None = None
        self._latest_ns: int | None = None

    @property
    def max_message_octets(self) -> int:
        """The longest Export Packet in octets; a new value holds from the next one on."""
        return self._max_message_octets

    @max_message_octets.setter
    def max_message_octets(self, octets: int) -> None:
        self._max_message_octets = octets
        self._builders.clear()

    @property
    def facts_version(self) -> int:
        """Another number when there are other interfaces."""
        return self._facts.version

    def exportable(self, batch: Batch) -> bool:
        """Both IP versions are."""
        return True

    def template_messages(self, now_ns: int) -> list[bytes]:
        """The Export Packets with all Templates. Raises EncodeError if one does not fit.

        Each is in a FlowSet of its own: nfdump reads only the first Options Template of a FlowSet.
        """
        flowsets = [(flowset(TEMPLATE_FLOWSET_ID, each.encode()), 1) for each in self._templates.values()]
        for table in (*self._sampling, *self._tables()):
            flowsets.append((flowset(OPTIONS_TEMPLATE_FLOWSET_ID, table.template.encode()), 1))
        moment = self._uptime.moment(now_ns)
        return [self._packet(*each, moment) for each in self._together(flowsets)]

    def options_messages(self, now_ns: int) -> list[OptionsMessage]:
        """The Export Packets with the options records that collectors need first."""
        return list(self._options(self._sampling, now_ns))

    def table_messages(self, now_ns: int) -> Iterator[OptionsMessage]:
        """The Export Packets with all other options records; each is made when it is asked for."""
        return self._options(self._tables(), now_ns)

    def rows(self, batch: Batch) -> Iterator[Rows]:
        """The Data Records of a batch, one template after the other; each must be sent before the next."""
        self._batch, self._latest_ns = batch, latest_ns(batch)
        return self._encoder.rows(batch)

    def messages(self, rows: Rows, now_ns: int) -> Layout:
        """The Export Packets with these Data Records, and which do not fit into any."""
        assert self._batch is not None
        moment = self._uptime.moment(now_ns, self._latest_ns)
        self._late[rows.template.template_id].write(rows, self._batch, moment)
        layout = self._builder(rows.template).build(
            rows, sequence_number=self.sequence_number, **moment_members(moment)
        )
        self._count(sum(run.messages for run in layout.runs))
        return layout

    def _tables(self) -> list[OptionsTable]:
        return [interfaces_table(self._facts.interfaces()), *self._applications]

    def _builder(self, template: Template) -> MessageBuilder:
        builder = self._builders.get(template.template_id)
        if builder is None:
            builder = message_builder(template, self._max_message_octets, self._frame)
            self._builders[template.template_id] = builder
        return builder

    def _options(self, tables: Iterable[OptionsTable], now_ns: int) -> Iterator[OptionsMessage]:
        """Raises EncodeError if a record does not fit into a Message."""
        room = self._max_message_octets - HEADER_OCTETS
        flowsets = [each for table in tables for each in table.flowsets(room)]
        for octets, count in self._together(flowsets):
            yield OptionsMessage(self._packet(octets, count, self._uptime.moment(now_ns)), count)

    def _together(self, flowsets: Iterable[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
        """The FlowSets, and their records, in as few Export Packets as hold them. Raises EncodeError."""
        room = self._max_message_octets - HEADER_OCTETS
        together, records = b"", 0
        for octets, count in flowsets:
            if len(octets) > room:
                raise EncodeError(
                    f"a Template of {len(octets)} octets does not fit into a Message of"
                    f" {self._max_message_octets}; set max_message_size higher"
                )
            if len(together) + len(octets) > room:
                yield together, records
                together, records = b"", 0
            together, records = together + octets, records + count
        if records:
            yield together, records

    def _packet(self, flowsets: bytes, count: int, moment: Moment) -> bytes:
        octets = export_packet(
            flowsets,
            count=count,
            moment=moment,
            sequence_number=self.sequence_number,
            source_id=self._source_id,
        )
        self._count(1)
        return octets

    def _count(self, packets: int) -> None:
        self.sequence_number = (self.sequence_number + packets) % MODULUS
