# SPDX-License-Identifier: Apache-2.0
"""The feature set `core`: who talked, when, how much, how it ended, and what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter

import numpy as np

from spanflow import _core
from spanflow.details import Detail
from spanflow.features.column import Column, Kind
from spanflow.features.measures import Measures
from spanflow.record import CONTINUATION, RECORD, Array

CONFIDENCES = ("", "port", "address", "cache", "partial", "payload", "rule")
"""How an application was found, by the number in the record (daemon/core/classify/classifier.h)."""

END_DETAILS = tuple(_core.END_DETAILS)

Choice = tuple[Array, list[str]]


def _member(path: str) -> Callable[[Measures], Array]:
    return lambda measures: measures.member(path)


def dtype_of(path: str) -> str:
    """The type of an integer member of RECORD, by its path: `u8`."""
    found = RECORD
    for name in path.split("."):
        found = found[name]
    return found.str.lstrip("<|")


def _integer(name: str, path: str, definition: str, unit: str = "", aliases: tuple[str, ...] = ()) -> Column:
    return Column(
        name=name,
        kind=Kind.INTEGER,
        dtype=dtype_of(path),
        cells=_member(path),
        definition=definition,
        unit=unit,
        aliases=aliases,
    )


def _address(name: str, end: str, alias: str) -> Column:
    return Column(
        name=name,
        kind=Kind.ADDRESS,
        cells=lambda measures: (measures.member(name), measures.member("ip_version")),
        definition=f"IP address of the {end} (semantics 4.1).",
        aliases=(alias,),
    )


def _measured(
    name: str, path: str, dtype: str, definition: str, unit: str, aliases: tuple[str, ...]
) -> Column:
    """An integer by its path in Measures."""
    return Column(
        name=name,
        kind=Kind.INTEGER,
        dtype=dtype,
        cells=attrgetter(path),
        definition=definition,
        unit=unit,
        aliases=aliases,
    )


def _text(name: str, kind: Detail, definition: str) -> Column:
    return Column(
        name=name, kind=Kind.TEXT, cells=lambda measures: measures.text(kind), definition=definition
    )


def _choice(
    name: str, cells: Callable[[Measures], Choice], definition: str, aliases: tuple[str, ...] = ()
) -> Column:
    return Column(name=name, kind=Kind.CHOICE, cells=cells, definition=definition, aliases=aliases)


def _end_detail(measures: Measures) -> Choice:
    return measures.member("end_detail").astype(np.uint16), list(END_DETAILS)


def _confidence(measures: Measures) -> Choice:
    return measures.member("confidence").astype(np.uint16), list(CONFIDENCES)


def _continuation(measures: Measures) -> Array:
    flags = measures.member("flags")
    return np.asarray((flags & np.uint8(CONTINUATION)) != 0).view(np.uint8)


def _application(measures: Measures) -> Choice:
    both = measures.member("master_protocol").astype(np.uint32) << 16 | measures.member("application")
    found, codes = np.unique(both, return_inverse=True)
    title = measures.applications.title
    texts = [title(each >> 16, each & 0xFFFF) for each in found.tolist()]
    return codes.ravel().astype(np.uint32), texts


def _category(measures: Measures) -> Choice:
    names, numbers = measures.applications.categories, measures.member("application_category")
    highest = max(int(numbers.max(initial=0)), max(names, default=0))
    return numbers, [names.get(number, "") for number in range(highest + 1)]


def _ends() -> Iterator[Column]:
    yield _integer("flow_id", "flow_id", "The same in every record of a Flow, in every run (semantics 12.5).")
    yield Column(
        name="continuation",
        kind=Kind.BOOLEAN,
        cells=_continuation,
        definition="A record of this Flow was sent before, by the active timeout.",
    )
    yield _integer("ip_version", "ip_version", "4 or 6.")
    yield _address("source_address", "initiator", "src_ip")
    yield _address("destination_address", "responder", "dst_ip")
    ports = (
        ("source_transport_port", "initiator", "src_port"),
        ("destination_transport_port", "responder", "dst_port"),
    )
    for name, end, alias in ports:
        yield _integer(name, name, f"Port of the {end}; 0 where the protocol has none.", aliases=(alias,))
    yield _integer(
        "protocol_identifier",
        "protocol_identifier",
        "Protocol above IP, as IANA numbers it.",
        aliases=("proto", "protocol", "ip_protocol"),
    )


def _traffic() -> Iterator[Column]:
    """Times and counts of both directions together, then of each."""
    together = "both directions together"
    yield _measured("start_ns", "both.start_ns", "i8", "Lowest time stamp of the record.", "ns", ())
    yield _measured("end_ns", "both.end_ns", "i8", "Highest time stamp of the record.", "ns", ())
    yield _integer("opened_ns", "flow_start_ns", "Time of the packet that opened the Flow.", "ns")
    yield _measured(
        "packet_count", "both.packets", "u8", f"Packets of {together}.", "packets", ("pktTotalCount",)
    )
    yield _measured(
        "octet_count",
        "both.octets",
        "u8",
        f"Octets of IP packets of {together}.",
        "octets",
        ("octetTotalCount",),
    )
    for direction, letter, way in (("forward", "f", "src_to_dst"), ("reverse", "b", "dst_to_src")):
        yield _integer(f"{direction}_start_ns", f"{direction}.first_ns", "Lowest time stamp.", "ns")
        yield _integer(f"{direction}_end_ns", f"{direction}.last_ns", "Highest time stamp.", "ns")
        yield _integer(
            f"{direction}_packet_delta_count",
            f"{direction}.packet_delta_count",
            "Packets.",
            "packets",
            (f"{letter}_pktTotalCount", f"{way}_pkts"),
        )
        yield _integer(
            f"{direction}_octet_delta_count",
            f"{direction}.octet_delta_count",
            "Octets of IP packets, headers included.",
            "octets",
            (f"{letter}_octetTotalCount", f"{way}_bytes"),
        )


def _attributes() -> Iterator[Column]:
    """Of each direction; 0 where it has no packets."""
    for direction in ("forward", "reverse"):
        for member, definition, unit in (
            ("tcp_control_bits", "All TCP flags seen, the low 12 bits.", ""),
            ("minimum_ttl", "Lowest TTL or Hop Limit.", "hops"),
            ("maximum_ttl", "Highest TTL or Hop Limit.", "hops"),
            ("ip_class_of_service", "TOS or Traffic Class of the first packet.", ""),
            ("icmp_type_code", "ICMP type x 256 + code of the first packet.", ""),
            ("vlan_id", "Outer VLAN tag of the first packet; 0 without.", ""),
            ("ingress_interface", "The capture port: its ifIndex; of a file, its number + 1.", ""),
        ):
            yield _integer(f"{direction}_{member}", f"{direction}.{member}", definition, unit)
        for end in ("source", "destination"):
            yield Column(
                name=f"{direction}_{end}_mac_address",
                kind=Kind.MAC,
                cells=_member(f"{direction}.{end}_mac_address"),
                definition=f"{end.capitalize()} MAC address of the first packet.",
            )


def _end() -> Iterator[Column]:
    yield _integer(
        "flow_end_reason",
        "flow_end_reason",
        "1 idle timeout, 2 active timeout, 3 end of Flow detected, 4 forced end, 5 lack of resources (IANA).",
    )
    yield _choice("end_detail", _end_detail, f"Finer: {', '.join(END_DETAILS[1:])} (semantics 8).")


def _classification() -> Iterator[Column]:
    yield _choice(
        "application",
        _application,
        "Carrier and application, `TLS.Google`; empty: not known.",
        aliases=("application_name",),
    )
    yield _choice(
        "category", _category, "The engine's category of the application.", aliases=("category_name",)
    )
    yield _integer(
        "application_id", "application_id", "RFC 6759: engine in the first octet, then the selector."
    )
    yield _choice("confidence", _confidence, f"How it was found: {', '.join(CONFIDENCES[1:])}; empty: not.")
    yield _integer("flow_risk", "flow_risk", "Risks, as the engine numbers its bits.")
    yield _integer("risk_score", "risk_score", "The engine's score of these risks.")
    yield _text("server_name", Detail.SERVER_NAME, "Host that was asked for: SNI, HTTP Host, DNS name.")
    yield _integer("tls_version", "tls_version", "As on the wire: 0x0303 TLS 1.2, 0x0304 TLS 1.3; 0 no TLS.")
    yield _text("ja3_client", Detail.JA3_CLIENT, "JA3 fingerprint of the TLS client.")
    yield _text("ja3_server", Detail.JA3_SERVER, "JA3 fingerprint of the TLS server.")
    yield _text("ja4_client", Detail.JA4_CLIENT, "JA4 fingerprint of the TLS client.")
    yield _text("alpn", Detail.ALPN, "Application protocols that the TLS client offers.")
    yield _text("http_user_agent", Detail.HTTP_USER_AGENT, "User agent of the first HTTP request.")
    yield _text("http_url", Detail.HTTP_URL, "Host and path of the first HTTP request.")
    yield _integer("dns_query_type", "dns_query_type", "Type of the DNS question (1 A, 28 AAAA); 0 no DNS.")
    yield _integer("dns_response_code", "dns_response_code", "RCODE of the DNS answer; 255: none was seen.")
    yield _text("dns_answer", Detail.DNS_ANSWER, "The first address of the DNS answer.")


CORE: tuple[Column, ...] = (*_ends(), *_traffic(), *_attributes(), *_end(), *_classification())
