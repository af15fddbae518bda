# SPDX-License-Identifier: Apache-2.0
"""What a line about a flow says, taken from a decoded Data Record or from a batch of the Metering Process."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from spanflow.applications import NO_APPLICATIONS, Applications
from spanflow.collecting.learned import NOTHING, Said
from spanflow.collecting.sampling import sampling_rate

if TYPE_CHECKING:
    from spanflow.record import Array, Batch

ICMP_PROTOCOLS = frozenset({1, 58})
PORT_PROTOCOLS = frozenset({6, 17, 33, 132, 136})
"""TCP, UDP, DCCP, SCTP, UDP-Lite."""


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One flow. start_ns: ns since the Unix epoch. None: not known.

    packets, octets, tcp_control_bits, icmp_type_codes have one value for a uniflow, two (source to
    destination, and back) for a Biflow; the latter two only for directions that had packets.
    """

    start_ns: int | None
    duration_ns: int | None
    protocol: int | None
    source_address: str
    source_port: int | None
    destination_address: str
    destination_port: int | None
    packets: tuple[int, ...]
    octets: tuple[int, ...]
    tcp_control_bits: tuple[int, ...]
    icmp_type_codes: tuple[int, ...]
    flow_end_reason: int | None
    vlan_id: int | None
    application: str = ""
    """As who classified it names it, `TLS.Google`; not made safe to show. Empty: not known."""
    ingress_interface: str = ""
    egress_interface: str = ""
    """As the exporter's options name them; not made safe to show. Empty: not known."""
    sampling: float | None = None
    """One of so many packets was metered."""


# For each fact the elements that can carry it, the first one found counts.
_START = tuple(f"flowStart{unit}" for unit in ("Milliseconds", "Microseconds", "Nanoseconds", "Seconds"))
_END = tuple(f"flowEnd{unit}" for unit in ("Milliseconds", "Microseconds", "Nanoseconds", "Seconds"))
_UPTIME = ("flowStartSysUpTime", "flowEndSysUpTime")
_SOURCE = ("sourceIPv4Address", "sourceIPv6Address")
_DESTINATION = ("destinationIPv4Address", "destinationIPv6Address")
_PACKETS = ("packetDeltaCount", "packetTotalCount", "initiatorPackets")
_OCTETS = ("octetDeltaCount", "octetTotalCount", "initiatorOctets")
_REVERSE_PACKETS = ("reversePacketDeltaCount", "reversePacketTotalCount", "responderPackets")
_REVERSE_OCTETS = ("reverseOctetDeltaCount", "reverseOctetTotalCount", "responderOctets")
_TYPE_CODE = ("icmpTypeCodeIPv4", "icmpTypeCodeIPv6")
_VLAN = ("vlanId", "dot1qVlanId")


def _reverse(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("reverse" + name[0].upper() + name[1:] for name in names)


_REVERSE_START, _REVERSE_END, _REVERSE_TYPE_CODE = _reverse(_START), _reverse(_END), _reverse(_TYPE_CODE)


def row_from_record(values: Mapping[str, Any], said: Said = NOTHING) -> FlowRow | None:
    """The row of a decoded Data Record (element name → value), or None if it has no pair of addresses.

    said: what options of its exporter say of it.
    """
    source, destination = _first(values, _SOURCE), _first(values, _DESTINATION)
    if source is None or destination is None:
        return None
    protocol = _first(values, ("protocolIdentifier",))
    destination_port = _first(values, ("destinationTransportPort",))
    type_code = _first(values, _TYPE_CODE)
    if type_code is None:
        # Many exporters have no element for it and write type and code into the destination port.
        type_code = destination_port
    packets, reverse_packets = _first(values, _PACKETS), _first(values, _REVERSE_PACKETS)
    # Times and flags of a direction without packets are not those of any packet.
    sent, answered = packets != 0, reverse_packets != 0
    start_ns, duration_ns = _times(values, sent, answered)
    flags = _known(
        _first(values, ("tcpControlBits",)) if sent else None,
        _first(values, ("reverseTcpControlBits",)) if answered else None,
    )
    type_codes = _known(type_code if sent else None, _first(values, _REVERSE_TYPE_CODE) if answered else None)
    return FlowRow(
        start_ns=start_ns,
        duration_ns=duration_ns,
        protocol=protocol,
        source_address=source,
        source_port=_port(protocol, _first(values, ("sourceTransportPort",))),
        destination_address=destination,
        destination_port=_port(protocol, destination_port),
        packets=_known(packets, reverse_packets),
        octets=_known(_first(values, _OCTETS), _first(values, _REVERSE_OCTETS)),
        tcp_control_bits=flags if protocol == 6 else (),
        icmp_type_codes=type_codes if protocol in ICMP_PROTOCOLS else (),
        flow_end_reason=_first(values, ("flowEndReason",)),
        vlan_id=_first(values, _VLAN) or None,
        application=said.application,
        ingress_interface=said.ingress_interface,
        egress_interface=said.egress_interface,
        sampling=sampling_rate(values) or said.sampling,
    )


def _times(values: Mapping[str, Any], sent: bool, answered: bool) -> tuple[int | None, int | None]:
    """Start and duration of both directions together, in ns."""
    starts = _known(
        _first(values, _START) if sent else None, _first(values, _REVERSE_START) if answered else None
    )
    ends = _known(_first(values, _END) if sent else None, _first(values, _REVERSE_END) if answered else None)
    if starts and ends:
        return min(starts), max(ends) - min(starts)
    milliseconds = _first(values, ("flowDurationMilliseconds",))
    if milliseconds is None and all(name in values for name in _UPTIME):
        # Milliseconds since the exporter started; when that was, only an options record says.
        milliseconds = _first(values, _UPTIME[1:]) - _first(values, _UPTIME[:1])
    return min(starts, default=None), None if milliseconds is None else milliseconds * 1_000_000


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if name in values:
            value = values[name]
            # An element that occurs several times in a Template: the outermost comes first.
            return value[0] if isinstance(value, list) else value
    return None


def _known(*values: Any) -> tuple[Any, ...]:
    return tuple(value for value in values if value is not None)


def _port(protocol: int | None, port: int | None) -> int | None:
    if protocol in ICMP_PROTOCOLS or (port == 0 and protocol not in PORT_PROTOCOLS):
        return None
    return port


class _Half(NamedTuple):
    """One direction of a record of a batch; names as in spanflow.record.DIRECTION."""

    packet_delta_count: int
    octet_delta_count: int
    first_ns: int
    last_ns: int
    icmp_type_code: int
    tcp_control_bits: int
    vlan_id: int


def rows_from_batch(batch: Batch, applications: Applications = NO_APPLICATIONS) -> Iterator[FlowRow]:
    """The rows of a batch, in its order. applications: who names them."""
    found = batch.records
    sources, destinations = found["source_address"].tobytes(), found["destination_address"].tobytes()
    names = (
        *("ip_version", "protocol_identifier", "source_transport_port", "destination_transport_port"),
        *("flow_end_reason", "master_protocol", "application"),
    )
    records = zip(*(found[name].tolist() for name in names), strict=True)
    halves = zip(_halves(found["forward"]), _halves(found["reverse"]), strict=True)
    for index, (record, (forward, reverse)) in enumerate(zip(records, halves, strict=True)):
        version, protocol, source_port, destination_port, flow_end_reason, master, application = record
        seen = [half for half in (forward, reverse) if half.packet_delta_count]
        start_ns = min((half.first_ns for half in seen), default=0)
        yield FlowRow(
            start_ns=start_ns,
            duration_ns=max((half.last_ns for half in seen), default=0) - start_ns,
            protocol=protocol,
            source_address=_address(version, sources, index),
            source_port=_port(protocol, source_port),
            destination_address=_address(version, destinations, index),
            destination_port=_port(protocol, destination_port),
            packets=(forward.packet_delta_count, reverse.packet_delta_count),
            octets=(forward.octet_delta_count, reverse.octet_delta_count),
            tcp_control_bits=tuple(half.tcp_control_bits for half in seen) if protocol == 6 else (),
            icmp_type_codes=tuple(half.icmp_type_code for half in seen) if protocol in ICMP_PROTOCOLS else (),
            flow_end_reason=flow_end_reason,
            vlan_id=next((half.vlan_id for half in seen if half.vlan_id), None),
            application=applications.title(master, application),
        )


def _halves(half: Array) -> Iterator[_Half]:
    return map(_Half._make, zip(*(half[name].tolist() for name in _Half._fields), strict=True))


def _address(version: int, addresses: bytes, index: int) -> str:
    """The text of the index-th of 16-octet addresses; an IPv4 address is the last 4 octets of its 16."""
    octets = addresses[16 * index : 16 * index + 16]
    if version == 4:
        return socket.inet_ntop(socket.AF_INET, octets[12:])
    return socket.inet_ntop(socket.AF_INET6, octets)
