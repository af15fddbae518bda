# SPDX-License-Identifier: Apache-2.0
"""The frame of an IPFIX Message: its header and its Sets (RFC 7011 sections 3.1 and 3.3.2).

    Message Header  | Version 10 | Length | Export Time | Sequence Number | Observation Domain ID |
    Set Header      | Set ID | Length |

Version, Set ID and both Lengths have 2 octets, the others 4. Both Lengths include their header.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.records import DataRecord
from spanflow.collecting.templates import Template

VERSION = 10
_HEADER = struct.Struct("!HHIII")
_SET_HEADER = struct.Struct("!HH")
_OTHER_VERSIONS = {5: "NetFlow v5", 9: "NetFlow v9"}


class Header(NamedTuple):
    """A Message Header that fits its Message. export_time: Unix seconds."""

    export_time: int
    sequence_number: int
    observation_domain_id: int


class SetSpan(NamedTuple):
    """Where the content of a Set lies in its Message; the Set Header lies before `start`."""

    set_id: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DataSet:
    """The Data Records of one Data Set; there is at least one."""

    template: Template
    records: list[DataRecord]


@dataclass(slots=True)
class Message:
    """A decoded Message."""

    header: Header
    data_sets: list[DataSet] = field(default_factory=list)
    new_templates: list[Template] = field(default_factory=list)
    """Templates that were not in force before; refreshes are not among them."""
    ignored: Counter[Reason] = field(default_factory=Counter)
    """What was skipped in it; the rest is valid."""


def read_header(octets: bytes) -> Header:
    """Read the header of the Message that `octets` are, no less and no more.

    Raises MalformedMessageError for another version or length.
    """
    if len(octets) >= 2 and (version := int.from_bytes(octets[:2], "big")) != VERSION:
        name = f" ({_OTHER_VERSIONS[version]})" if version in _OTHER_VERSIONS else ""
        raise MalformedMessageError(0, Reason.VERSION, f"{version}{name}, only {VERSION} (IPFIX) is decoded")
    if len(octets) < _HEADER.size:
        text = f"{len(octets)} octets, a message header has {_HEADER.size}"
        raise MalformedMessageError(0, Reason.MESSAGE_LENGTH, text)
    _, length, export_time, sequence_number, domain = _HEADER.unpack_from(octets)
    if length != len(octets):
        raise MalformedMessageError(
            2, Reason.MESSAGE_LENGTH, f"the header says {length} octets, {len(octets)} were received"
        )
    return Header(export_time, sequence_number, domain)


def read_set_headers(octets: bytes) -> list[SetSpan]:
    """Find the Sets of a Message whose header was read. Raises MalformedMessageError for a wrong length."""
    spans: list[SetSpan] = []
    offset = _HEADER.size
    while offset < len(octets):
        left = len(octets) - offset
        if left < _SET_HEADER.size:
            raise MalformedMessageError(offset, Reason.SET_LENGTH, f"{left} octets left, a set header has 4")
        set_id, length = _SET_HEADER.unpack_from(octets, offset)
        if length < _SET_HEADER.size:
            raise MalformedMessageError(
                offset + 2, Reason.SET_LENGTH, f"{length}, the set header alone has 4"
            )
        if length > left:
            raise MalformedMessageError(
                offset + 2, Reason.SET_LENGTH, f"{length}, the message has {left} more octets"
            )
        spans.append(SetSpan(set_id, offset + _SET_HEADER.size, offset + length))
        offset += length
    return spans
