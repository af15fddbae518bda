# SPDX-License-Identifier: Apache-2.0
"""Flow Records as records of NetFlow version 5: 48 octets, IPv4 only, counters of 32 bits.

A half with more octets or packets than 32 bits hold becomes several records with the same keys and times,
whose counters add up to those of the half.

Not known to a probe that is not in the path, and 0: next hop, output interface, AS numbers, prefix lengths.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spanflow.exporting.encode import Origins, Rows
from spanflow.exporting.template import Template
from spanflow.fields import ICMP_PROTOCOLS
from spanflow.information_elements import InformationElement
from spanflow.record import Array, Batch

RECORD = np.dtype(
    [
        ("source_address", "V4"),
        ("destination_address", "V4"),
        ("next_hop", "V4"),
        ("input", ">u2"),
        ("output", ">u2"),
        ("packets", ">u4"),
        ("octets", ">u4"),
        ("first", ">u4"),
        ("last", ">u4"),
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("padding", "V1"),
        ("tcp_flags", "u1"),
        ("protocol", "u1"),
        ("type_of_service", "u1"),
        ("source_as", ">u2"),
        ("destination_as", ">u2"),
        ("source_mask", "u1"),
        ("destination_mask", "u1"),
        ("more_padding", "V2"),
    ]
)
"""One record. first, last: sysUptime in ms at the first and the last packet, written when it is sent."""

_MOST = (1 << 32) - 1
"""What a counter holds."""

_MOST_INTERFACE = (1 << 16) - 1

TEMPLATE = Template(5, (InformationElement("", 0, 0, "octetArray", RECORD.itemsize),), ())
"""There are no Templates; this one says how long a record is."""

_HALVES = (
    ("forward", "source", "destination"),
    ("reverse", "destination", "source"),
)


def rows_of(batch: Batch) -> Rows | None:
    """The records of a batch of IPv4 Flows, but for the times; None if there are none.

    The halves of a Flow Record are adjacent, and so are the parts of a half.
    """
    count = len(batch)
    present = np.stack([batch.records[half]["packet_delta_count"] != 0 for half, *_ in _HALVES], axis=1)
    selected = np.flatnonzero(present.reshape(-1))
    if not len(selected):
        return None
    whole = np.zeros((count, len(_HALVES)), RECORD)
    counters = np.zeros((count, len(_HALVES), 2), np.uint64)
    for place, names in enumerate(_HALVES):
        _fill(whole[:, place], batch.records, *names)
        counters[:, place, 0] = batch.records[names[0]]["packet_delta_count"]
        counters[:, place, 1] = batch.records[names[0]]["octet_delta_count"]
    counters = counters.reshape(-1, 2)[selected]
    if int(counters.max()) > _MOST:
        parts = (np.maximum(counters.max(axis=1), 1) - 1) // np.uint64(_MOST) + np.uint64(1)
        counters = _split(counters, parts)
        selected = np.repeat(selected, parts.astype(np.int64))
    opaque = np.dtype((np.void, RECORD.itemsize))
    records = whole.reshape(-1).view(opaque).take(selected)
    named = records.view(RECORD)
    named["packets"], named["octets"] = counters[:, 0], counters[:, 1]
    return Rows(TEMPLATE, records, Origins(len(_HALVES), selected))


def _fill(target: Any, records: Array, half: str, source: str, destination: str) -> None:
    direction = records[half]
    target["source_address"] = _last_octets(records[f"{source}_address"])
    target["destination_address"] = _last_octets(records[f"{destination}_address"])
    interface = direction["ingress_interface"]
    target["input"] = np.where(interface <= _MOST_INTERFACE, interface, 0)
    target["source_port"] = records[f"{source}_transport_port"]
    icmp = records["protocol_identifier"] == ICMP_PROTOCOLS[4]
    port = records[f"{destination}_transport_port"]
    target["destination_port"] = np.where(icmp, direction["icmp_type_code"], port) if icmp.any() else port
    target["tcp_flags"] = direction["tcp_control_bits"] & 0xFF
    target["protocol"] = records["protocol_identifier"]
    target["type_of_service"] = direction["ip_class_of_service"]


def _last_octets(addresses: Array) -> Array:
    """The last 4 of the 16 octets, as opaque items."""
    octets: Array = np.ascontiguousarray(addresses[:, 12:]).view("V4").reshape(-1)
    return octets


def _split(counters: Array, parts: Array) -> Array:
    """Each row of counters as so many rows that add up to it, all about equal."""
    index = np.repeat(np.arange(len(parts)), parts.astype(np.int64))
    number = np.arange(len(index), dtype=np.uint64) - np.repeat(
        np.cumsum(parts) - parts, parts.astype(np.int64)
    )
    each, rest = counters // parts[:, None], counters % parts[:, None]
    split: Array = each[index] + (number[:, None] < rest[index])
    return split
