# SPDX-License-Identifier: Apache-2.0
"""A reader of IPFIX that shares nothing with the product: struct, the text of RFC 7011, and asserts."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

Element = tuple[int, int]
"""PEN and number."""

NAMES: dict[int, str] = {
    1: "octetDeltaCount",
    2: "packetDeltaCount",
    4: "protocolIdentifier",
    5: "ipClassOfService",
    6: "tcpControlBits",
    7: "sourceTransportPort",
    8: "sourceIPv4Address",
    10: "ingressInterface",
    11: "destinationTransportPort",
    12: "destinationIPv4Address",
    14: "egressInterface",
    27: "sourceIPv6Address",
    28: "destinationIPv6Address",
    32: "icmpTypeCodeIPv4",
    40: "exportedOctetTotalCount",
    41: "exportedMessageTotalCount",
    42: "exportedFlowRecordTotalCount",
    52: "minimumTTL",
    53: "maximumTTL",
    56: "sourceMacAddress",
    58: "vlanId",
    60: "ipVersion",
    61: "flowDirection",
    80: "destinationMacAddress",
    82: "interfaceName",
    83: "interfaceDescription",
    94: "applicationDescription",
    95: "applicationId",
    96: "applicationName",
    136: "flowEndReason",
    139: "icmpTypeCodeIPv6",
    143: "meteringProcessId",
    144: "exportingProcessId",
    145: "templateId",
    148: "flowId",
    149: "observationDomainId",
    152: "flowStartMilliseconds",
    153: "flowEndMilliseconds",
    160: "systemInitTimeMilliseconds",
    164: "ignoredPacketTotalCount",
    165: "ignoredOctetTotalCount",
    166: "notSentFlowTotalCount",
    167: "notSentPacketTotalCount",
    168: "notSentOctetTotalCount",
    173: "flowKeyIndicator",
    239: "biflowDirection",
    302: "selectorId",
    303: "informationElementId",
    304: "selectorAlgorithm",
    305: "samplingPacketInterval",
    306: "samplingPacketSpace",
    318: "selectorIdTotalPktsObserved",
    319: "selectorIdTotalPktsSelected",
    323: "observationTimeMilliseconds",
    339: "informationElementDataType",
    340: "informationElementDescription",
    341: "informationElementName",
    342: "informationElementRangeBegin",
    343: "informationElementRangeEnd",
    344: "informationElementSemantics",
    345: "informationElementUnits",
    346: "privateEnterpriseNumber",
    372: "applicationCategoryName",
    373: "applicationSubCategoryName",
    461: "httpRequestTarget",
    468: "httpUserAgent",
}
OURS: dict[int, str] = {
    1: "masterProtocol",
    2: "applicationCategory",
    3: "applicationConfidence",
    4: "flowRisk",
    5: "riskScore",
    6: "tlsVersion",
    7: "dnsQueryType",
    8: "dnsResponseCode",
    9: "serverName",
    10: "ja3Client",
    11: "ja3Server",
    12: "ja4Client",
    13: "alpn",
    14: "dnsAnswer",
}
STRINGS = {(0, number) for number in (82, 83, 94, 96, 340, 341, 372, 373, 461, 468)}
"""Those of our own are strings from serverName on."""
VARIABLE = 65535
ADDRESSES = (8, 12, 27, 28)
MAC_ADDRESSES = (56, 80)
REVERSE_PEN = 29305
OUR_PEN = 32473


@dataclass
class Reader:
    """Reads Messages in their order; asserts what RFC 7011 says about each, and remembers the Templates."""

    templates: dict[int, list[tuple[Element, int]]] = field(default_factory=dict)
    scopes: dict[int, int] = field(default_factory=dict)
    records: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Template ID and values by element name of every Data Record."""
    sequence_numbers: list[int] = field(default_factory=list)
    export_times: list[int] = field(default_factory=list)
    template_messages: list[int] = field(default_factory=list)
    """Which Messages (counted from 0) had Templates."""

    def read(self, message: bytes) -> int:
        """Read one Message; returns its number of Data Records."""
        version, length, export_time, sequence, _ = struct.unpack_from(">HHIII", message)
        assert version == 10
        assert length == len(message), "RFC 7011 section 3.1: total length of the Message"
        assert length >= 20, "at least one Set"
        number = len(self.sequence_numbers)
        self.sequence_numbers.append(sequence)
        self.export_times.append(export_time)
        offset, before = 16, len(self.records)
        while offset < length:
            set_id, set_length = struct.unpack_from(">HH", message, offset)
            assert 4 < set_length <= length - offset
            body = message[offset + 4 : offset + set_length]
            if set_id in (2, 3):
                self._read_templates(body, options=set_id == 3)
                if number not in self.template_messages:
                    self.template_messages.append(number)
            else:
                assert set_id >= 256
                self._read_data(set_id, body)
            offset += set_length
        return len(self.records) - before

    def read_all(self, messages: Iterable[bytes]) -> Reader:
        """Read Messages and check that their sequence numbers count the Data Records."""
        expected: int | None = None
        for message in messages:
            count = self.read(message)
            assert expected is None or self.sequence_numbers[-1] == expected
            expected = (self.sequence_numbers[-1] + count) % (1 << 32)
        return self

    def flows(self) -> list[dict[str, Any]]:
        """The Data Records that are not options."""
        return [values for template_id, values in self.records if template_id not in self.scopes]

    def options(self) -> list[dict[str, Any]]:
        """The options Data Records."""
        return [values for template_id, values in self.records if template_id in self.scopes]

    def _read_templates(self, body: bytes, *, options: bool) -> None:
        offset = 0
        while offset < len(body):
            template_id, count = struct.unpack_from(">HH", body, offset)
            assert template_id >= 256
            assert count > 0, "RFC 7011 section 8.4: no Template Withdrawals over UDP"
            offset += 4
            if options:
                (self.scopes[template_id],) = struct.unpack_from(">H", body, offset)
                assert 0 < self.scopes[template_id] <= count
                offset += 2
            specifiers = []
            for _ in range(count):
                element, length = struct.unpack_from(">HH", body, offset)
                offset, pen = offset + 4, 0
                if element & 0x8000:
                    (pen,) = struct.unpack_from(">I", body, offset)
                    offset += 4
                specifiers.append(((pen, element & 0x7FFF), length))
            known = self.templates.setdefault(template_id, specifiers)
            assert known == specifiers, "RFC 7011 section 8.1: a Template keeps its meaning"

    def _read_data(self, template_id: int, body: bytes) -> None:
        assert template_id in self.templates, "RFC 7011 section 8: Templates come first"
        specifiers = self.templates[template_id]
        offset = 0
        while offset < len(body):
            values = {}
            for element, length in specifiers:
                if length == VARIABLE:
                    length, offset = body[offset], offset + 1
                    assert length < 255, "RFC 7011 section 7: the short form"
                assert offset + length <= len(body), "whole records, no padding"
                values[_name(element)] = _value(element, body[offset : offset + length])
                offset += length
            self.records.append((template_id, values))


def _name(element: Element) -> str:
    pen, number = element
    if pen == OUR_PEN:
        return OURS[number]
    name = NAMES[number]
    if pen == 0:
        return name
    assert pen == REVERSE_PEN
    return "reverse" + name[0].upper() + name[1:]


def _value(element: Element, octets: bytes) -> Any:
    pen, number = element
    if element in STRINGS or (pen == OUR_PEN and number >= 9):
        text = octets.rstrip(b"\0")
        assert b"\0" not in text
        return text.decode()
    if pen == OUR_PEN:
        return int.from_bytes(octets, "big")
    if number in ADDRESSES:
        return str(ip_address(octets))
    if number in MAC_ADDRESSES:
        return octets.hex(":")
    return int.from_bytes(octets, "big")
