# SPDX-License-Identifier: Apache-2.0
"""NetFlow v5: a header and up to 30 records of one fixed form, which no RFC describes.

    Header (24 octets)  | Version 5 | Count | sysUptime | unix_secs | unix_nsecs | flow_sequence |
                        | engine_type | engine_id | sampling |
    Record (48 octets)  the fields of _FIELDS, in their order

Engine type and id have 1 octet, version, count and sampling 2, all else 4. flow_sequence counts Flows.
sampling: 2 bits of mode, 14 bits of interval. The record reads as one of NetFlow v9 does, by a Template that
never travels.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import DataSet, Header, Version
from spanflow.collecting.records import Field
from spanflow.collecting.templates import Template, field_of
from spanflow.collecting.uptime import Dating, dating_of
from spanflow.information_elements import by_name

TEMPLATE_ID = 0
"""No Template ID: real ones start at 256."""

MOST_RECORDS = 30

_HEADER = struct.Struct("!HHIIIIBBH")
_INTERVAL_BITS = 14
_FIELDS = (
    ("sourceIPv4Address", 4),
    ("destinationIPv4Address", 4),
    ("ipNextHopIPv4Address", 4),
    ("ingressInterface", 2),
    ("egressInterface", 2),
    ("packetDeltaCount", 4),
    ("octetDeltaCount", 4),
    ("flowStartSysUpTime", 4),
    ("flowEndSysUpTime", 4),
    ("sourceTransportPort", 2),
    ("destinationTransportPort", 2),
    ("paddingOctets", 1),
    ("tcpControlBits", 1),
    ("protocolIdentifier", 1),
    ("ipClassOfService", 1),
    ("bgpSourceAsNumber", 2),
    ("bgpDestinationAsNumber", 2),
    ("sourceIPv4PrefixLength", 1),
    ("destinationIPv4PrefixLength", 1),
    ("paddingOctets", 2),
)
_ENGINE = (("engineType", 1), ("engineId", 1))
_SAMPLING = (("samplingAlgorithm", 1), ("samplingInterval", 2))
"""Of the whole Message, thus of each record: their values come from the header."""


class _Templates(NamedTuple):
    sent: Template
    dating: Dating
    unsampled: Template
    """Of what is shown: with absolute times and the engine."""
    sampled: Template
    """With the sampling too."""


def read_header(octets: bytes) -> Header:
    """Read the header of the datagram that `octets` are.

    Raises MalformedMessageError for another length or count; the version was looked at.
    """
    if len(octets) < _HEADER.size:
        text = f"{len(octets)} octets, a {Version.NETFLOW5.title} header has {_HEADER.size}"
        raise MalformedMessageError(0, Reason.MESSAGE_LENGTH, text)
    version, count, uptime_ms, seconds, nanoseconds, sequence, engine_type, engine_id, _ = (
        _HEADER.unpack_from(octets)
    )
    if not 1 <= count <= MOST_RECORDS:
        raise MalformedMessageError(2, Reason.RECORD_COUNT, f"{count}, 1 to {MOST_RECORDS} are possible")
    size = _HEADER.size + count * _templates().sent.reader.minimum_length
    if len(octets) != size:
        text = f"{count} records and the header have {size} octets, {len(octets)} were received"
        raise MalformedMessageError(2, Reason.MESSAGE_LENGTH, text)
    time_ns = seconds * 1_000_000_000 + nanoseconds
    domain = engine_type << 8 | engine_id
    return Header(seconds, sequence, domain, Version(version), time_ns, uptime_ms, count)


def read_records(header: Header, octets: bytes) -> DataSet:
    """The records of the datagram whose header was read."""
    engine_type, engine_id, sampling = _HEADER.unpack_from(octets)[-3:]
    templates = _templates()
    records = templates.sent.reader.read(octets, _HEADER.size, len(octets), aligned=False)
    records = templates.dating.dated(records, header)
    added: tuple[int, ...] = (engine_type, engine_id)
    if sampling:
        added += sampling >> _INTERVAL_BITS, sampling & ((1 << _INTERVAL_BITS) - 1)
    template = templates.sampled if sampling else templates.unsampled
    return DataSet(template, [record + added for record in records])


@cache
def _templates() -> _Templates:
    """Made when first needed: the names are read from files."""
    sent = _template((), _FIELDS)
    dating = dating_of(sent)
    assert dating is not None
    unsampled = _template(dating.template.fields, _ENGINE)
    return _Templates(sent, dating, unsampled, _template(unsampled.fields, _SAMPLING))


def _template(before: Sequence[Field], added: Sequence[tuple[str, int]]) -> Template:
    fields = (field_of(0, by_name(name).number, length) for name, length in added)
    return Template(TEMPLATE_ID, (*before, *fields))
