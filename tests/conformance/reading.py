# SPDX-License-Identifier: Apache-2.0
"""A reader of IPFIX Messages that shares nothing with the product: struct, and the text of RFC 7011."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from exporting.plain_ipfix import NAMES, OUR_PEN, OURS, REVERSE_PEN

MODULUS = 1 << 32
VARIABLE = 65535
WITHDRAWAL = 0
"""The field count of a Template Withdrawal (RFC 7011 section 8.1)."""

ELEMENTS = NAMES | {
    21: "flowEndSysUpTime",
    22: "flowStartSysUpTime",
    34: "samplingInterval",
    35: "samplingAlgorithm",
    40: "exportedOctetTotalCount",
    41: "exportedMessageTotalCount",
    42: "exportedFlowRecordTotalCount",
    48: "samplerId",
    49: "samplerMode",
    50: "samplerRandomInterval",
    57: "postDestinationMacAddress",
    82: "interfaceName",
    83: "interfaceDescription",
    143: "meteringProcessId",
    144: "exportingProcessId",
    145: "templateId",
    154: "flowStartMicroseconds",
    155: "flowEndMicroseconds",
    156: "flowStartNanoseconds",
    157: "flowEndNanoseconds",
    160: "systemInitTimeMilliseconds",
    161: "flowDurationMilliseconds",
    164: "ignoredPacketTotalCount",
    165: "ignoredOctetTotalCount",
    166: "notSentFlowTotalCount",
    167: "notSentPacketTotalCount",
    168: "notSentOctetTotalCount",
    173: "flowKeyIndicator",
    318: "selectorIdTotalPktsObserved",
    319: "selectorIdTotalPktsSelected",
    323: "observationTimeMilliseconds",
}
"""Names by IANA's numbers, as its registry has them."""


@dataclass(frozen=True)
class Specifier:
    """A Field Specifier."""

    pen: int
    number: int
    length: int

    @property
    def name(self) -> str:
        """The element's name; that of a reverse element as RFC 5103 section 6.1 forms it."""
        if self.pen == OUR_PEN:
            return OURS[self.number]
        name = ELEMENTS[self.number]
        if self.pen == REVERSE_PEN:
            return "reverse" + name[0].upper() + name[1:]
        assert self.pen == 0
        return name


@dataclass(frozen=True)
class TemplateRecord:
    """A Template or Options Template. scope: how many of its fields are the scope; 0: no options."""

    template_id: int
    fields: tuple[Specifier, ...]
    scope: int = 0

    @property
    def names(self) -> list[str]:
        """Of its elements, in their order."""
        return [each.name for each in self.fields]

    @property
    def octets(self) -> int:
        """Of one Data Record; of variable lengths, the length octets alone."""
        return sum(1 if each.length == VARIABLE else each.length for each in self.fields)


@dataclass(frozen=True)
class Record:
    """A Data Record: the octets of each element, in order."""

    template: TemplateRecord
    values: tuple[bytes, ...]

    def all(self, name: str) -> list[int]:
        """The values of every instance of an element, as unsigned numbers."""
        pairs = zip(self.template.names, self.values, strict=True)
        return [int.from_bytes(octets, "big") for each, octets in pairs if each == name]

    def __getitem__(self, name: str) -> int:
        (value,) = self.all(name)
        return value

    def octets(self, name: str) -> bytes:
        """The octets of an element that is there once."""
        return self.values[self.template.names.index(name)]

    def text(self, name: str) -> str:
        """A string, without the NULs that fill it up. Raises UnicodeDecodeError."""
        return self.octets(name).rstrip(b"\0").decode()

    def address(self, name: str) -> str:
        """An address, as people write it."""
        return str(ip_address(self.octets(name)))


@dataclass(frozen=True)
class Message:
    """A Message: its header, and its Sets as pairs of Set ID and content."""

    length: int
    export_time: int
    sequence_number: int
    domain: int
    sets: tuple[tuple[int, bytes], ...]

    @property
    def template_sets(self) -> list[tuple[int, bytes]]:
        """The Sets of Templates and Options Templates."""
        return [each for each in self.sets if each[0] < 256]


def message_of(octets: bytes) -> Message:
    """The one Message that these octets are."""
    version, length, export_time, sequence, domain = struct.unpack_from(">HHIII", octets)
    assert version == 10
    assert length == len(octets)
    sets, offset = [], 16
    while offset < length:
        set_id, set_length = struct.unpack_from(">HH", octets, offset)
        assert 4 < set_length <= length - offset
        sets.append((set_id, octets[offset + 4 : offset + set_length]))
        offset += set_length
    assert sets
    return Message(length, export_time, sequence, domain, tuple(sets))


def cut(stream: bytes) -> list[bytes]:
    """The Messages of a stream or a file."""
    found = []
    while stream:
        (length,) = struct.unpack_from(">H", stream, 2)
        assert 16 < length <= len(stream)
        found.append(stream[:length])
        stream = stream[length:]
    return found


def template_records(set_id: int, body: bytes) -> Iterator[TemplateRecord]:
    """The records of a Template Set (2) or an Options Template Set (3)."""
    offset = 0
    while offset < len(body):
        template_id, count = struct.unpack_from(">HH", body, offset)
        offset, scope = offset + 4, 0
        if set_id == 3 and count != WITHDRAWAL:
            (scope,) = struct.unpack_from(">H", body, offset)
            offset += 2
        fields = []
        for _ in range(count):
            number, length = struct.unpack_from(">HH", body, offset)
            offset, pen = offset + 4, 0
            if number & 0x8000:
                (pen,) = struct.unpack_from(">I", body, offset)
                offset += 4
            fields.append(Specifier(pen, number & 0x7FFF, length))
        yield TemplateRecord(template_id, tuple(fields), scope)


@dataclass
class Reader:
    """One Observation Domain of one Transport Session: what it has said so far, in order."""

    templates: dict[int, TemplateRecord] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    """Data Records of each Message."""

    def read(self, messages: Iterable[bytes]) -> Reader:
        """Read Messages. A Data Record without a Template before it is an error."""
        for octets in messages:
            message = message_of(octets)
            before = len(self.records)
            for set_id, body in message.sets:
                if set_id in (2, 3):
                    for template in template_records(set_id, body):
                        self.templates[template.template_id] = template
                else:
                    assert set_id in self.templates, "a Template comes before its data"
                    self.records += data_records(self.templates[set_id], body)
            self.messages.append(message)
            self.counts.append(len(self.records) - before)
        return self

    @property
    def flows(self) -> list[Record]:
        """The Data Records that are no options."""
        return [each for each in self.records if not each.template.scope]

    def options(self, name: str) -> list[Record]:
        """The options Data Records that have this element."""
        return [each for each in self.records if each.template.scope and name in each.template.names]


def data_records(template: TemplateRecord, body: bytes) -> Iterator[Record]:
    """The Data Records of a Set; what is left is padding: zeros, and shorter than any record."""
    offset = 0
    while len(body) - offset >= template.octets:
        values = []
        for each in template.fields:
            length = each.length
            if length == VARIABLE:  # RFC 7011 section 7
                length, offset = body[offset], offset + 1
                if length == 255:
                    (length,) = struct.unpack_from(">H", body, offset)
                    offset += 2
            assert offset + length <= len(body)
            values.append(body[offset : offset + length])
            offset += length
        yield Record(template, tuple(values))
    assert not any(body[offset:])
