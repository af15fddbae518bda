# SPDX-License-Identifier: Apache-2.0
"""What one collector needs, by its settings: a transport, a session of its protocol, a pace, a refresh."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spanflow.applications import Applications
from spanflow.config.collector_settings import STREAMS
from spanflow.config.exporting_settings import DEFAULT_MESSAGE_OCTETS
from spanflow.config.schema import Collector, Export
from spanflow.exporting.clock import Clock
from spanflow.exporting.counters import DeliveryCounters
from spanflow.exporting.delivery import Delivery, Refresh, once
from spanflow.exporting.element_choice import choice_of
from spanflow.exporting.facts import ProbeFacts
from spanflow.exporting.interface import Session
from spanflow.exporting.ipfix import LONGEST_MESSAGE
from spanflow.exporting.json_session import JsonSession
from spanflow.exporting.netflow5 import Netflow5Session
from spanflow.exporting.netflow9 import Netflow9Session
from spanflow.exporting.netflow9_template import netflow9_template
from spanflow.exporting.pacing import SECOND_NS, Pacer, RatePacer, ReceiverPacer, Unpaced
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.exporting.profiles import Profile, TemplateKey
from spanflow.exporting.queue import BatchQueue
from spanflow.exporting.receiver_queue import receiver_look
from spanflow.exporting.session import IpfixSession
from spanflow.exporting.spool.folder import spool_folder
from spanflow.exporting.spool.store import Spool
from spanflow.exporting.spooling import Spooler
from spanflow.exporting.template import Template
from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.certificates import Certificates
from spanflow.exporting.transport.file import FileTransport
from spanflow.exporting.transport.file_framing import Framing
from spanflow.exporting.transport.interface import UDP, Transport, Wait
from spanflow.exporting.transport.marking import Marking
from spanflow.exporting.transport.sctp import SctpTransport
from spanflow.exporting.transport.tcp import TcpTransport
from spanflow.exporting.transport.tls import TlsTransport
from spanflow.exporting.transport.udp import UdpTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """Makes the parts of one collector's Exporting Process.

    offline: records come from a file, as fast as they are taken. facts: what options
    tell. certificates: for TLS and DTLS; None for others.
    """

    collector: Collector
    settings: Export
    domain: int
    offline: bool
    applications: Applications | None
    columns: Sequence[PluginColumn]
    facts: ProbeFacts
    clock: Clock
    wait: Wait
    certificates: Certificates | None

    def transport(self, address: Address | None) -> Transport:
        """A connection to this address; None: a file. Raises OSError."""
        if address is None:
            return FileTransport(
                self.collector.path,
                self.wait,
                clock=self.clock,
                framing=Framing.LINES if self.collector.protocol == "json" else Framing.MESSAGES,
                rotate_octets=self.collector.rotate_size,
                rotate_ns=self.collector.rotate_time,
                compression=self.collector.compression,
            )
        timeout_s = self.settings.send_timeout / SECOND_NS
        marking = Marking(self.collector.source, self.collector.dscp, self.collector.ttl)
        discover = self.settings.max_message_size == 0
        name = self.collector.server_name or self.collector.host
        match self.collector.transport:
            case "tcp":
                return TcpTransport(
                    address, self.wait, marking=marking, connect_timeout_s=timeout_s, patience_s=timeout_s
                )
            case "sctp":
                return SctpTransport(
                    address, self.wait, marking=marking, connect_timeout_s=timeout_s, patience_s=timeout_s
                )
            case "tls":
                assert self.certificates is not None
                return TlsTransport(
                    address,
                    self.wait,
                    certificates=self.certificates,
                    server_name=name,
                    marking=marking,
                    connect_timeout_s=timeout_s,
                    patience_s=timeout_s,
                )
            case "dtls":
                from spanflow.exporting.transport.dtls import DtlsTransport

                assert self.certificates is not None
                return DtlsTransport(
                    address,
                    self.wait,
                    certificates=self.certificates,
                    server_name=name,
                    discover_path_mtu=discover,
                    marking=marking,
                    handshake_timeout_s=timeout_s,
                )
        return UdpTransport(address, self.wait, discover_path_mtu=discover, marking=marking)

    def profile(self) -> Profile:
        """What the collector gets of IPFIX, or of NetFlow version 9."""
        return choice_of(self.collector).profile_for(classified=self.applications is not None)

    def templates(self) -> Mapping[TemplateKey, Template]:
        """The templates of the profile, by the Flows that they are for."""
        if self.collector.protocol == "netflow9":
            return {key: netflow9_template(each) for key, each in self.profile().templates().items()}
        return self.profile().templates(
            enterprise_number=self.settings.enterprise_number, columns=self.columns
        )

    def session(self, max_message_octets: int) -> Session:
        """A new session, which begins at sequence number 0."""
        match self.collector.protocol:
            case "json":
                return JsonSession(applications=self.applications, columns=self.columns)
            case "netflow5":
                return Netflow5Session(
                    observation_domain_id=self.domain,
                    max_message_octets=max_message_octets,
                    offline=self.offline,
                )
            case "netflow9":
                return Netflow9Session(
                    self.profile().templates(),
                    observation_domain_id=self.domain,
                    max_message_octets=max_message_octets,
                    applications=self.applications,
                    facts=self.facts,
                    offline=self.offline,
                )
        return IpfixSession(
            self.templates(),
            options=self.profile().options,
            observation_domain_id=self.domain,
            max_message_octets=max_message_octets,
            applications=self.applications,
            enterprise_number=self.settings.enterprise_number,
            columns=self.columns,
            facts=self.facts,
        )

    def delivery(
        self, transport: Transport, counters: DeliveryCounters, stopping: Callable[[], bool]
    ) -> Delivery:
        """A new session over a new connection."""
        if transport.reliable:  # no packet of its own for each Message, so only what was asked for this one
            octets = self.collector.max_message_size or transport.max_message_octets()
        else:
            octets = self.settings.max_message_size
            if octets in (0, DEFAULT_MESSAGE_OCTETS):  # what somebody has chosen is what they get
                octets = min(octets or LONGEST_MESSAGE, transport.max_message_octets())
        return Delivery(
            transport,
            self.session(octets),
            self._pacer(transport),
            self._refresh(transport),
            self.clock,
            stopping,
            counters,
        )

    def spooler(self, queue: BatchQueue) -> Spooler | None:
        """The spool of the collector; None if it has none."""
        if not self.settings.spool_directory or not self.collector.spool or not self._may_spool:
            return None
        directory = Path(self.settings.spool_directory) / spool_folder(self.collector.name)

        def opened(preface: Callable[[], bytes]) -> Spool:
            return Spool(
                directory,
                max_octets=self.settings.spool_size,
                max_age_ns=self.settings.spool_age,
                clock=self.clock,
                preface=preface,
            )

        return Spooler(
            opened,
            lambda: self.session(LONGEST_MESSAGE),
            queue,
            self.settings.spool_rate,
            self.clock,
        )

    @property
    def _may_spool(self) -> bool:
        return self.collector.transport in (*STREAMS, "file")

    def _refresh(self, transport: Transport) -> Refresh:
        if transport.reliable:
            return once(self.settings.options_refresh)
        return Refresh(
            template_ns=self.settings.template_refresh,
            template_messages=self.settings.template_refresh_packets,
            options_ns=self.settings.options_refresh,
            copies=self.settings.template_copies,
        )

    def _pacer(self, transport: Transport) -> Pacer:
        flow = transport.flow
        if transport.reliable or flow is None or flow.protocol != UDP:
            return Unpaced()
        if flow.stays_on_machine:
            return ReceiverPacer(receiver_look(flow), self.clock, self.wait)
        if self.settings.pace:
            return RatePacer(self.settings.pace, self.clock, self.wait)
        return Unpaced()
