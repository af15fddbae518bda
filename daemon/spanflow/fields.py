# SPDX-License-Identifier: Apache-2.0
"""THE table of exported fields: which Information Element carries which member of a Flow Record, and how.

Templates, encoders, JSON names and the field reference are computed from this table; none repeats it.

A member is named by its path in `spanflow.record.RECORD` ("forward.octet_delta_count"); an int in its place
is a constant. A row says where the value comes from in each of the two halves of a Flow Record: in the
forward half, sent by the initiator, and in the reverse half, sent by the responder. As two uniflows both
halves are Data Records with the same elements; as a Biflow (RFC 5103) they are one, and the reverse value of
a `directional` row goes into the reverse Information Element.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from spanflow.information_elements import InformationElement, by_name

IP_VERSIONS = (4, 6)

ICMP_PROTOCOLS = {4: 1, 6: 58}
"""The protocol of the Flows that get the ICMP templates, by IP version."""


class Operation(Enum):
    """How a member's value becomes the element's value."""

    COPY = "the same value, in network byte order"
    ADDRESS_TAIL = "the last 4 of the 16 octets of an address"
    MILLISECONDS = "nanoseconds to milliseconds, towards the past; a time before 1970 is 1970"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row. `length` is the encoded length in octets, `unit` is "" where the value has none.

    ip_versions, icmp: the Flows whose records have this row; icmp None means whether ICMP or not.
    """

    name: str
    forward: str | int
    reverse: str | int
    operation: Operation = Operation.COPY
    directional: bool = False
    ip_versions: tuple[int, ...] = IP_VERSIONS
    icmp: bool | None = None
    unit: str = ""
    description: str

    @property
    def element(self) -> InformationElement:
        """The Information Element of this row: number, PEN and type."""
        return by_name(self.name)

    @property
    def length(self) -> int:
        """Octets of the encoded value: the element's own length; reduced-size encoding is not used."""
        return self.element.length

    def describes(self, ip_version: int, icmp: bool) -> bool:
        """Whether records of such Flows have this row."""
        return ip_version in self.ip_versions and self.icmp in (None, icmp)


def _both(name: str, member: str | int, description: str) -> Field:
    """A row with one value for the whole Flow."""
    return Field(name=name, forward=member, reverse=member, description=description)


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


FIELDS = (
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
)


def fields_of(names: Iterable[str], ip_version: int, icmp: bool) -> tuple[Field, ...]:
    """The rows with these names that records of such Flows have, in the order of the names.

    A name that has no row for them is left out. Raises KeyError for a name without any row.
    """
    known = {field.name for field in FIELDS}
    chosen = []
    for name in names:
        if name not in known:
            raise KeyError(name)
        chosen += [field for field in FIELDS if field.name == name and field.describes(ip_version, icmp)]
    return tuple(chosen)
