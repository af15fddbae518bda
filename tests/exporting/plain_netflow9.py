# SPDX-License-Identifier: Apache-2.0
"""A reader of NetFlow version 9 that shares nothing with the product: struct, RFC 3954, and asserts."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

Record = dict[int, bytes]
"""Values by type of field; the scope of an options record by its negative."""


@dataclass
class Packet:
    """One Export Packet. count: as its header says."""

    count: int
    uptime_ms: int
    unix_seconds: int
    sequence_number: int
    source_id: int
    records: list[tuple[int, Record]] = field(default_factory=list)
    flowset_ids: list[int] = field(default_factory=list)


@dataclass
class Reader:
    """Reads Export Packets in their order, and asserts what RFC 3954 says about each."""

    templates: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    options: set[int] = field(default_factory=set)
    packets: list[Packet] = field(default_factory=list)

    def read_all(self, messages: Iterable[bytes]) -> Reader:
        """Read and check that the sequence numbers count Export Packets."""
        for message in messages:
            packet = self.read(message)
            if len(self.packets) > 1:
                before = self.packets[-2].sequence_number
                assert packet.sequence_number == (before + 1) % (1 << 32)
        return self

    def read(self, message: bytes) -> Packet:
        version, *header = struct.unpack_from(">HHIIII", message)
        assert version == 9
        packet = Packet(*header)
        self.packets.append(packet)
        offset, records = 20, 0
        while offset < len(message):
            flowset_id, length = struct.unpack_from(">HH", message, offset)
            assert length % 4 == 0, "RFC 3954 section 5.3: a border of 4 octets"
            assert 4 < length <= len(message) - offset
            body = message[offset + 4 : offset + length]
            packet.flowset_ids.append(flowset_id)
            if flowset_id in (0, 1):
                records += self._templates(body, options=flowset_id == 1)
            else:
                assert flowset_id >= 256
                records += self._data(flowset_id, body, packet)
            offset += length
        assert packet.count == records, "RFC 3954 section 5.1: Templates and data of all kinds"
        return packet

    def data(self) -> list[Record]:
        """The records that are not options."""
        return [
            record for packet in self.packets for key, record in packet.records if key not in self.options
        ]

    def told(self) -> list[Record]:
        """The options records."""
        return [record for packet in self.packets for key, record in packet.records if key in self.options]

    def _templates(self, body: bytes, *, options: bool) -> int:
        count = 0
        while len(body) >= 4 and any(body):
            template_id, fields = struct.unpack_from(">HH", body)
            scopes, offset = 0, 4
            if options:  # lengths in octets
                scopes, others = fields // 4, struct.unpack_from(">H", body, 4)[0]
                assert fields % 4 == others % 4 == 0
                fields, offset = scopes + others // 4, 6
                self.options.add(template_id)
            specifiers = [struct.unpack_from(">HH", body, offset + 4 * each) for each in range(fields)]
            assert all(number < 0x8000 for number, _ in specifiers), "no enterprise elements"
            assert all(0 < length < 65535 for _, length in specifiers), "no variable lengths"
            kinds = [
                (-number if place < scopes else number, length)
                for place, (number, length) in enumerate(specifiers)
            ]
            assert self.templates.setdefault(template_id, kinds) == kinds
            body = body[offset + 4 * fields :]
            count += 1
        assert len(body) < 4
        return count

    def _data(self, template_id: int, body: bytes, packet: Packet) -> int:
        assert template_id in self.templates, "Templates come first"
        specifiers = self.templates[template_id]
        octets = sum(length for _, length in specifiers)
        count = len(body) // octets
        padding = body[count * octets :]
        assert len(padding) < 4
        assert not any(padding)
        for number in range(count):
            record, offset = {}, number * octets
            for kind, length in specifiers:
                record[kind] = body[offset : offset + length]
                offset += length
            packet.records.append((template_id, record))
        return count
