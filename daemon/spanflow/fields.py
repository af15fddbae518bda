# SPDX-License-Identifier: Apache-2.0
"""THE table of exported fields: which Information Element carries which member of a Flow Record, and how.

Templates, encoders, JSON names and the field reference are computed from this table; none repeats it.

A member is named by its path in `spanflow.record.RECORD` ("forward.octet_delta_count"), a text of the
details by its kind ("server_name"); an int in its place is a constant. A row says where the value comes from
in each of the two halves of a Flow Record: in the forward half, sent by the initiator, and in the
reverse half, sent by the responder. As two uniflows both halves are Data Records with the same elements; as
a Biflow (RFC 5103) they are one, and the reverse value of a `directional` row goes into the reverse
Information Element.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from spanflow.information_elements import (
    ENTERPRISE_NUMBER,
    VARIABLE_LENGTH,
    InformationElement,
    Semantics,
    by_name,
)

IP_VERSIONS = (4, 6)

ICMP_PROTOCOLS = {4: 1, 6: 58}
"""The protocol of the Flows that get the ICMP templates, by IP version."""

FLOW_KEYS = frozenset(
    {
        "sourceIPv4Address",
        "destinationIPv4Address",
        "sourceIPv6Address",
        "destinationIPv6Address",
        "sourceTransportPort",
        "destinationTransportPort",
        "protocolIdentifier",
        "ipVersion",
    }
)
"""The elements that tell one Flow from another, whatever the settings are (semantics, section 2)."""


class Operation(Enum):
    """How a member's value becomes the element's value."""

    COPY = "the same value, in network byte order"
    ADDRESS_TAIL = "the last 4 of the 16 octets of an address"
    LOW_OCTETS = "the last octets of the value, in network byte order"
    MILLISECONDS = "nanoseconds to milliseconds, towards the past; a time before 1970 is 1970"
    SECONDS = "nanoseconds to seconds, towards the past, modulo 2^32; a time before 1970 is 1970"
    NTP_MICROSECONDS = "whole microseconds in NTP format (RFC 7011 section 6.1.9); a time before 1970 is 1970"
    NTP_NANOSECONDS = "nanoseconds in NTP format (RFC 7011 section 6.1.10); a time before 1970 is 1970"
    UPTIME_MILLISECONDS = "nanoseconds to milliseconds since the probe was started; a time before that is 0"
    DURATION_MILLISECONDS = "the time of the last packet less that of the first, both in milliseconds"
    APPLICATION_NAME = "the name of the application with this number, cut, filled up with NULs"
    DETAIL = "the text of this kind (spanflow.details): as it is, or cut, filled up with NULs"
    COLUMN = "the value of a plugin's column (spanflow.exporting.plugin_columns)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row. `unit` is "" where the value has none.

    width: octets of the encoded value where the element has a variable length; 0: the element's own length.
    ip_versions, icmp: the Flows whose records have this row; icmp None means whether ICMP or not.
    semantics: what collectors are told of our own elements (RFC 5610).
    """

    name: str
    forward: str | int
    reverse: str | int
    operation: Operation = Operation.COPY
    directional: bool = False
    ip_versions: tuple[int, ...] = IP_VERSIONS
    icmp: bool | None = None
    unit: str = ""
    width: int = 0
    semantics: Semantics = Semantics.DEFAULT
    description: str

    @property
    def element(self) -> InformationElement:
        """The Information Element of this row: number, PEN and type."""
        return by_name(self.name)

    @property
    def length(self) -> int:
        """Octets of the encoded value where it has a fixed length; a profile may reduce it."""
        return self.width or self.element.length

    @property
    def is_detail(self) -> bool:
        """Whether it is one of the texts that stand apart from the record."""
        return self.operation is Operation.DETAIL

    def as_sent(
        self, *, variable_strings: bool, enterprise_number: int, length: int | None = None
    ) -> InformationElement:
        """The element with the length and the PEN that it has in our templates.

        length: of a template that does not have its own one (reduced-size encoding).
        """
        if length is None:
            length = VARIABLE_LENGTH if variable_strings and self.is_detail else self.length
        pen = enterprise_number if self.element.pen == ENTERPRISE_NUMBER else self.element.pen
        return replace(self.element, length=length, pen=pen)

    def describes(self, ip_version: int, icmp: bool) -> bool:
        """Whether records of such Flows have this row."""
        return ip_version in self.ip_versions and self.icmp in (None, icmp)


def _both(
    name: str,
    member: str | int,
    description: str,
    *,
    operation: Operation = Operation.COPY,
    width: int = 0,
    semantics: Semantics = Semantics.DEFAULT,
) -> Field:
    """A row with one value for the whole Flow."""
    return Field(
        name=name,
        forward=member,
        reverse=member,
        operation=operation,
        width=width,
        semantics=semantics,
        description=description,
    )


def _text(name: str, kind: str, width: int, description: str) -> Field:
    """A row for one of the details."""
    return _both(name, kind, description, operation=Operation.DETAIL, width=width)


def _each(
    name: str,
    member: str,
    description: str,
    *,
    unit: str = "",
    operation: Operation = Operation.COPY,
    ip_versions: tuple[int, ...] = IP_VERSIONS,
    icmp: bool | None = None,
) -> Field:
    """A row with a value for each direction, that of the half."""
    return Field(
        name=name,
        forward=f"forward.{member}",
        reverse=f"reverse.{member}",
        operation=operation,
        directional=True,
        ip_versions=ip_versions,
        icmp=icmp,
        unit=unit,
        description=description,
    )


def _constant(name: str, *ip_versions: int) -> Field:
    """A row that only stands for what is not known."""
    return Field(
        name=name,
        forward=0,
        reverse=0,
        ip_versions=ip_versions or IP_VERSIONS,
        description="0: not known to a probe that is not in the path.",
    )


FIELDS: tuple[Field, ...] = (
    Field(
        name="sourceIPv4Address",
        forward="source_address",
        reverse="destination_address",
        operation=Operation.ADDRESS_TAIL,
        ip_versions=(4,),
        description="Address of the sender of this half; in a Biflow, of the initiator.",
    ),
    Field(
        name="destinationIPv4Address",
        forward="destination_address",
        reverse="source_address",
        operation=Operation.ADDRESS_TAIL,
        ip_versions=(4,),
        description="Address of the receiver of this half; in a Biflow, of the responder.",
    ),
    Field(
        name="sourceIPv6Address",
        forward="source_address",
        reverse="destination_address",
        ip_versions=(6,),
        description="Address of the sender of this half; in a Biflow, of the initiator.",
    ),
    Field(
        name="destinationIPv6Address",
        forward="destination_address",
        reverse="source_address",
        ip_versions=(6,),
        description="Address of the receiver of this half; in a Biflow, of the responder.",
    ),
    Field(
        name="sourceTransportPort",
        forward="source_transport_port",
        reverse="destination_transport_port",
        description="Port of the sender of this half (TCP, UDP, UDP-Lite, SCTP, DCCP; else 0).",
    ),
    Field(
        name="destinationTransportPort",
        forward="destination_transport_port",
        reverse="source_transport_port",
        icmp=False,
        description="Port of the receiver of this half (TCP, UDP, UDP-Lite, SCTP, DCCP; else 0).",
    ),
    # Many collectors know the type and code of ICMP only from here, as NetFlow version 5 had them.
    Field(
        name="destinationTransportPort",
        forward="forward.icmp_type_code",
        reverse="reverse.icmp_type_code",
        icmp=True,
        description="ICMP: type x 256 + code of the first packet of this half.",
    ),
    _both(
        "protocolIdentifier",
        "protocol_identifier",
        "The protocol above IP; of IPv6, past the extension headers.",
    ),
    _each("octetDeltaCount", "octet_delta_count", "Octets of IP packets, headers included.", unit="octets"),
    _each("packetDeltaCount", "packet_delta_count", "Packets.", unit="packets"),
    _each(
        "flowStartMilliseconds",
        "first_ns",
        "Time of the first packet of this half.",
        unit="milliseconds",
        operation=Operation.MILLISECONDS,
    ),
    _each(
        "flowEndMilliseconds",
        "last_ns",
        "Time of the last packet of this half.",
        unit="milliseconds",
        operation=Operation.MILLISECONDS,
    ),
    _each(
        "ingressInterface", "ingress_interface", "The capture port: its ifIndex; of a file, its number + 1."
    ),
    _both("egressInterface", 0, "0: not known to a probe that is not in the path."),
    _both("flowDirection", 0, "0: ingress."),
    _each("tcpControlBits", "tcp_control_bits", "All TCP flags seen, the low 12 bits (RFC 9565)."),
    _both(
        "flowEndReason",
        "flow_end_reason",
        "1 idle timeout, 2 active timeout, 3 end of Flow detected, 4 forced end, 5 lack of resources.",
    ),
    _each("ipClassOfService", "ip_class_of_service", "TOS or Traffic Class of the first packet."),
    Field(name="ipVersion", forward=4, reverse=4, ip_versions=(4,), description="4."),
    Field(name="ipVersion", forward=6, reverse=6, ip_versions=(6,), description="6."),
    _each("vlanId", "vlan_id", "The outer VLAN tag of the first packet; 0 without."),
    # In a Biflow source and destination are those of the Flow, as with the addresses: no reverse elements.
    Field(
        name="sourceMacAddress",
        forward="forward.source_mac_address",
        reverse="reverse.source_mac_address",
        description="From the first packet of this half; in a Biflow, of the forward packets.",
    ),
    Field(
        name="destinationMacAddress",
        forward="forward.destination_mac_address",
        reverse="reverse.destination_mac_address",
        description="From the first packet of this half; in a Biflow, of the forward packets.",
    ),
    _each(
        "icmpTypeCodeIPv4",
        "icmp_type_code",
        "ICMP type x 256 + code of the first packet.",
        ip_versions=(4,),
        icmp=True,
    ),
    _each(
        "icmpTypeCodeIPv6",
        "icmp_type_code",
        "ICMPv6 type x 256 + code of the first packet.",
        ip_versions=(6,),
        icmp=True,
    ),
    _each("minimumTTL", "minimum_ttl", "Lowest TTL or Hop Limit.", unit="hops"),
    _each("maximumTTL", "maximum_ttl", "Highest TTL or Hop Limit.", unit="hops"),
    _both(
        "flowId",
        "flow_id",
        "The same in both halves and in every part of a Flow that the active timeout split.",
    ),
    Field(
        name="biflowDirection",
        forward=1,
        reverse=2,
        description="1 initiator: source opened the Flow; 2 reverse initiator: destination did.",
    ),
    # RFC 6759 section 4.1: the engine in the first octet, then the selector.
    _both(
        "applicationId",
        "application_id",
        "Engine 22 (nDPI), then its number, 0 for unknown; without an engine all is 0.",
        width=4,
    ),
    # The details leave as they are; this comes from a table, and has a fixed length for that.
    _both(
        "applicationName",
        "application",
        "The name, as in the options records; empty without one.",
        operation=Operation.APPLICATION_NAME,
        width=24,
    ),
    _both(
        "masterProtocol",
        "master_protocol",
        "Number, as in applicationId, of the protocol that carries the application; 0 none.",
        semantics=Semantics.IDENTIFIER,
    ),
    _both(
        "applicationCategory",
        "application_category",
        "The engine's number of the application's category.",
        semantics=Semantics.IDENTIFIER,
    ),
    _both(
        "applicationConfidence",
        "confidence",
        "How it was found: 0 not, 1 port, 2 address, 3 cache, 4 partial, 5 payload, 6 rule.",
        semantics=Semantics.IDENTIFIER,
    ),
    _both("flowRisk", "flow_risk", "Risks, as the engine numbers its bits.", semantics=Semantics.FLAGS),
    _both("riskScore", "risk_score", "The engine's score of these risks.", semantics=Semantics.QUANTITY),
    _both(
        "tlsVersion",
        "tls_version",
        "As on the wire: 0x0303 TLS 1.2, 0x0304 TLS 1.3; 0 no TLS.",
        semantics=Semantics.IDENTIFIER,
    ),
    _both(
        "dnsQueryType",
        "dns_query_type",
        "Type of the DNS question (1 A, 28 AAAA); 0 no DNS.",
        semantics=Semantics.IDENTIFIER,
    ),
    _both(
        "dnsResponseCode",
        "dns_response_code",
        "RCODE of the DNS answer (0 no error); 255 no answer was seen.",
        semantics=Semantics.IDENTIFIER,
    ),
    # In the order of spanflow.details.Detail: with variable lengths they are copied in one piece.
    _text("serverName", "server_name", 64, "Host that was asked for: TLS or QUIC SNI, HTTP Host, DNS name."),
    _text("ja3Client", "ja3_client", 33, "JA3 fingerprint of the TLS client, hexadecimal."),
    _text("ja3Server", "ja3_server", 33, "JA3 fingerprint of the TLS server, hexadecimal."),
    _text("ja4Client", "ja4_client", 37, "JA4 fingerprint of the TLS client."),
    _text("alpn", "alpn", 24, "Application protocols that the TLS client offers (ALPN)."),
    _text("httpUserAgent", "http_user_agent", 96, "User agent of the first HTTP request."),
    _text(
        "httpRequestTarget",
        "http_url",
        96,
        "Host and path of the first HTTP request, as the engine gives them.",
    ),
    _text("dnsAnswer", "dns_answer", 46, "The first address of the DNS answer, as text."),
)


_EVERY_PACKET = "every packet is metered."

VARIANTS: tuple[Field, ...] = (
    # RFC 5153 section 4.7: systemInitTimeMilliseconds must be told with flow*SysUpTime.
    *(
        _each(
            f"flow{edge}{unit}",
            f"{which}_ns",
            f"Time of the {which} packet of this half{since}.",
            unit="milliseconds" if unit == "SysUpTime" else unit.lower(),
            operation=operation,
        )
        for unit, operation, since in (
            ("SysUpTime", Operation.UPTIME_MILLISECONDS, " since systemInitTimeMilliseconds, modulo 2^32"),
            ("Seconds", Operation.SECONDS, ""),
            ("Microseconds", Operation.NTP_MICROSECONDS, ""),
            ("Nanoseconds", Operation.NTP_NANOSECONDS, ""),
        )
        for edge, which in (("Start", "first"), ("End", "last"))
    ),
    Field(
        name="flowDurationMilliseconds",
        forward="forward",
        reverse="reverse",
        operation=Operation.DURATION_MILLISECONDS,
        directional=True,
        unit="milliseconds",
        description="flowEndMilliseconds - flowStartMilliseconds of this half; 2^32 - 1 if it is longer.",
    ),
    _each("minimumIpTotalLength", "size_min", "Length of the smallest packet.", unit="octets"),
    _each("maximumIpTotalLength", "size_max", "Length of the largest packet.", unit="octets"),
    _each("octetDeltaSumOfSquares", "size_sum_squares", "Sum of the squares of the lengths, modulo 2^64."),
    _each("dot1qVlanId", "vlan_id", "As vlanId."),
    # For collectors that look for the addresses where a router would tell what it has sent.
    Field(
        name="postDestinationMacAddress",
        forward="forward.destination_mac_address",
        reverse="reverse.destination_mac_address",
        description="As destinationMacAddress.",
    ),
    Field(
        name="postSourceMacAddress",
        forward="forward.source_mac_address",
        reverse="reverse.source_mac_address",
        description="As sourceMacAddress.",
    ),
    _both("samplingInterval", 1, f"1: {_EVERY_PACKET}"),
    _both("samplingAlgorithm", 1, "1: every Nth packet, with N = samplingInterval."),
    _both("samplerId", 0, "0: the only one."),
    _both("samplerMode", 1, "1: every Nth packet, with N = samplerRandomInterval."),
    _both("samplerRandomInterval", 1, f"1: {_EVERY_PACKET}"),
    _both("selectorId", 0, "0: the only one."),
    # What version 5 has, for collectors that want to see it.
    _constant("ipNextHopIPv4Address", 4),
    _constant("ipNextHopIPv6Address", 6),
    _constant("bgpSourceAsNumber"),
    _constant("bgpDestinationAsNumber"),
    _constant("sourceIPv4PrefixLength", 4),
    _constant("destinationIPv4PrefixLength", 4),
    _constant("sourceIPv6PrefixLength", 6),
    _constant("destinationIPv6PrefixLength", 6),
)
"""What FIELDS says, in other forms, and what is the same in every record: for collectors that want it so."""


def element_names() -> tuple[str, ...]:
    """The names of all rows, each once."""
    return tuple(dict.fromkeys(field.name for field in FIELDS + VARIANTS))


def fields_of(names: Iterable[str], ip_version: int, icmp: bool) -> tuple[Field, ...]:
    """The rows with these names that records of such Flows have, in the order of the names.

    A name that has no row for them is left out. Raises KeyError for a name without any row.
    """
    rows: dict[str, list[Field]] = {name: [] for name in element_names()}
    for field in FIELDS + VARIANTS:
        if field.describes(ip_version, icmp):
            rows[field.name].append(field)
    return tuple(field for name in names for field in rows[name])
