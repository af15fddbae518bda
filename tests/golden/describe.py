# SPDX-License-Identifier: Apache-2.0
"""Metering results as people read them, and back.

Addresses, MAC addresses, TCP flags, ICMP type/code, durations of settings and end reasons are text, times and
gaps integer nanoseconds; members that are zero are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from golden.recipe import DEFAULT_SETTINGS
from reference import Result
from spanflow.record import CONTINUATION, DIRECTION, RECORD
from spanflow.reference.network import IPV4_PREFIX
from spanflow.reference.records import END_REASONS

Record = Mapping[str, Any]

SECOND = 1_000_000_000
DURATIONS = ("active_timeout", "inactive_timeout", "tcp_linger", "tcp_fin_timeout", "reorder_window")
FLAG_NAMES = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE", "0x200", "0x400", "0x800")
DETAILS = {numbers: detail for detail, numbers in END_REASONS.items()}
UNCLASSIFIED = {"dns_response_code": 255}
"""What is not 0 where applications are not looked for: no answer was seen."""
_DESCRIBED_AS_END = ("flow_end_reason", "end_detail", "flags")
FLOW_MEMBERS = (
    "ip_version",
    "source_address",
    "source_transport_port",
    "destination_address",
    "destination_transport_port",
    "protocol_identifier",
    "end",
    "continuation",
    "flow_start_ns",
    "gap_min_ns",
    "gap_max_ns",
    "gap_sum_ns",
    "gap_squared_deviations",
    "forward",
    "reverse",
)
"""The members of a described record, in the order of the page."""


def describe_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are not those of DEFAULT_SETTINGS: durations as text ("1.5s")."""
    described = {}
    for name, value in settings.items():
        described[name] = (
            _duration_text(value) if name in DURATIONS else list(value) if name == "key" else value
        )
    return described


def read_settings(described: Mapping[str, Any]) -> dict[str, Any]:
    """All keyword arguments of reference.meter."""
    return DEFAULT_SETTINGS | {
        name: _duration(value) if name in DURATIONS else tuple(value) if name == "key" else value
        for name, value in described.items()
    }


def describe_record(record: Record) -> dict[str, Any]:
    """A record of the reference engine, or one of dtype RECORD."""
    members: dict[str, Any] = {
        name: _plain(record[name]) for name in RECORD.names or () if name in FLOW_MEMBERS + _DESCRIBED_AS_END
    }
    for end in ("source_address", "destination_address"):
        members[end] = _address_text(bytes(record[end]), int(record["ip_version"]))
    members["end"] = DETAILS[members.pop("flow_end_reason"), members.pop("end_detail")]
    members["continuation"] = bool(members.pop("flags") & CONTINUATION)
    is_icmp = members["protocol_identifier"] in (1, 58)
    for half in ("forward", "reverse"):
        members[half] = _describe_half(record[half], is_icmp)
    return {name: members[name] for name in FLOW_MEMBERS if members[name]}


def read_record(described: Record) -> dict[str, Any]:
    """The record that `describe_record` described, without flowId (it is None) and statistics."""
    flow_end_reason, end_detail = END_REASONS[described["end"]]
    record: dict[str, Any] = dict.fromkeys(RECORD.names or (), 0) | UNCLASSIFIED
    record |= {name: described[name] for name in described.keys() & record.keys()}
    record |= {
        "source_address": _packed(described["source_address"]),
        "destination_address": _packed(described["destination_address"]),
        "flow_end_reason": flow_end_reason,
        "end_detail": end_detail,
        "flags": CONTINUATION if described.get("continuation") else 0,
        "forward": _read_half(described.get("forward", {})),
        "reverse": _read_half(described.get("reverse", {})),
        "flow_id": None,
    }
    return record


def describe_result(result: Result) -> dict[str, Any]:
    """All of a result; records in the order of their Flows' and their own start."""
    described = {item.name: getattr(result, item.name) for item in fields(Result)}
    records = sorted(result.records, key=_start)
    for name in ("received", "accounted"):
        described[name] = _packets_and_octets(described[name])
    described["discards"] = {reason: _packets_and_octets(both) for reason, both in result.discards.items()}
    described["warnings"] = len(result.warnings)
    del described["records"]
    return {name: value for name, value in described.items() if value} | {
        "records": [describe_record(record) for record in records]
    }


def read_result(described: Mapping[str, Any]) -> Result:
    return Result(
        records=[read_record(record) for record in described["records"]],
        discards={reason: _pair(both) for reason, both in described.get("discards", {}).items()},
        received=_pair(described["received"]),
        accounted=_pair(described["accounted"]),
        flow_octets=described.get("flow_octets", 0),
        late=described.get("late", 0),
        fragment_orphan=described.get("fragment_orphan", 0),
        warnings=["the file ended early"] * described.get("warnings", 0),
    )


def _describe_half(half: Record, is_icmp: bool) -> dict[str, Any]:
    members: dict[str, Any] = {name: _plain(half[name]) for name in DIRECTION.names or ()}
    members["tcp_control_bits"] = _flags_text(members["tcp_control_bits"])
    for name in ("source_mac_address", "destination_mac_address"):
        octets = bytes(half[name])
        members[name] = octets.hex(":") if any(octets) else ""
    if is_icmp and members["packet_delta_count"]:
        members["icmp_type_code"] = "{}/{}".format(*divmod(members["icmp_type_code"], 256))
    return {name: value for name, value in members.items() if value}


def _read_half(described: Record) -> dict[str, Any]:
    half: dict[str, Any] = dict.fromkeys(DIRECTION.names or (), 0) | dict(described)
    half["tcp_control_bits"] = sum(
        1 << FLAG_NAMES.index(name) for name in described.get("tcp_control_bits", "").split()
    )
    for name in ("source_mac_address", "destination_mac_address"):
        half[name] = bytes.fromhex(described.get(name, "00:00:00:00:00:00").replace(":", ""))
    kind, code = described.get("icmp_type_code", "0/0").split("/")
    half["icmp_type_code"] = int(kind) * 256 + int(code)
    return half


def _plain(value: Any) -> Any:
    """Numbers as Python has them; floats that are whole as integers while those are exact."""
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    return int(value) if isinstance(value, float) and value.is_integer() and value < 2**53 else value


def _start(record: Record) -> tuple[Any, ...]:
    halves = [record[half] for half in ("forward", "reverse") if record[half]["packet_delta_count"]]
    return (
        record["flow_start_ns"],
        min(half["first_ns"] for half in halves),
        record["source_address"],
        record["destination_address"],
        record["protocol_identifier"],
        record["source_transport_port"],
        record["destination_transport_port"],
        halves[0]["vlan_id"],
        halves[0]["ingress_interface"],
    )


def _packets_and_octets(both: tuple[int, int]) -> dict[str, int]:
    return {"packets": both[0], "octets": both[1]}


def _pair(both: Mapping[str, int]) -> tuple[int, int]:
    return both["packets"], both["octets"]


def _address_text(octets: bytes, ip_version: int) -> str:
    return str(IPv4Address(octets[12:]) if ip_version == 4 else IPv6Address(octets))


def _packed(address: str) -> bytes:
    octets = ip_address(address).packed
    return IPV4_PREFIX + octets if len(octets) == 4 else octets


def _flags_text(bits: int) -> str:
    return " ".join(name for number, name in enumerate(FLAG_NAMES) if bits >> number & 1)


def _duration_text(value: int) -> str:
    whole, rest = divmod(value, SECOND)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".") + "s"


def _duration(text: str) -> int:
    whole, _, rest = text.removesuffix("s").partition(".")
    return int(whole) * SECOND + int(rest.ljust(9, "0"))
