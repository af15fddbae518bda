# SPDX-License-Identifier: Apache-2.0
"""Templates octet by octet, against the figures of RFC 7011 sections 3.2-3.4 and RFC 5103 section 6."""

from __future__ import annotations

import struct

import pytest

from spanflow.exporting.options import Sampling
from spanflow.exporting.options.sampling import sampling_template
from spanflow.exporting.profiles import GENERIC, GENERIC_APPLICATION, RICH, RICH_FIXED
from spanflow.exporting.template import field_specifier, options_template
from spanflow.exporting.template_ids import FIRST_HASHED, TemplateId
from spanflow.information_elements import by_name

IPV4 = [(8, 4), (12, 4)]
IPV6 = [(27, 16), (28, 16)]
PORTS_TO_VLAN = [
    (7, 2),  # sourceTransportPort
    (11, 2),  # destinationTransportPort
    (4, 1),  # protocolIdentifier
    (1, 8),  # octetDeltaCount
    (2, 8),  # packetDeltaCount
    (152, 8),  # flowStartMilliseconds
    (153, 8),  # flowEndMilliseconds
    (10, 4),  # ingressInterface
    (14, 4),  # egressInterface
    (61, 1),  # flowDirection
    (6, 2),  # tcpControlBits
    (136, 1),  # flowEndReason
    (5, 1),  # ipClassOfService
    (60, 1),  # ipVersion
    (58, 2),  # vlanId
    (56, 6),  # sourceMacAddress
    (80, 6),  # destinationMacAddress
]
ICMP = {4: [(32, 2)], 6: [(139, 2)]}
TTL_TO_END = [(52, 1), (53, 1), (148, 8), (239, 1)]  # minimumTTL, maximumTTL, flowId, biflowDirection
REVERSE_COUNTERS_TO_VLAN = [(1, 8), (2, 8), (152, 8), (153, 8), (10, 4), (6, 2), (5, 1), (58, 2)]
REVERSE_TTL = [(52, 1), (53, 1)]


def generic(version: int, icmp: bool) -> list[tuple[int, int]]:
    """Number and length of each element of the generic template, in the order of semantics.md section 9."""
    addresses = IPV4 if version == 4 else IPV6
    return addresses + PORTS_TO_VLAN + (ICMP[version] if icmp else []) + TTL_TO_END


def octets_of(template_id: int, elements: list[tuple[int, int]], reverse: list[tuple[int, int]]) -> bytes:
    """A Template Record as RFC 7011 section 3.4.1 draws it; a reverse element has the bit and PEN 29305."""
    octets = struct.pack(">HH", template_id, len(elements) + len(reverse))
    for number, length in reverse:
        octets += struct.pack(">HHI", 0x8000 | number, length, 29305)
    for number, length in elements:
        octets += struct.pack(">HH", number, length)
    return octets


@pytest.mark.parametrize(
    ("version", "icmp", "template_id", "record_octets"),
    [(4, False, 256, 84), (6, False, 257, 108), (4, True, 258, 86), (6, True, 259, 110)],
)
def test_uniflow_template(version: int, icmp: bool, template_id: int, record_octets: int) -> None:
    template = GENERIC.templates(biflow=False)[version, icmp]
    assert template.encode() == octets_of(template_id, generic(version, icmp), reverse=[])
    assert template.record_octets == record_octets
    assert len(template.halves) == 2


@pytest.mark.parametrize(
    ("version", "icmp", "template_id"),
    [(4, False, 264), (6, False, 265), (4, True, 266), (6, True, 267)],
)
def test_biflow_template(version: int, icmp: bool, template_id: int) -> None:
    template = GENERIC.templates(biflow=True)[version, icmp]
    reverse = REVERSE_COUNTERS_TO_VLAN + (ICMP[version] if icmp else []) + REVERSE_TTL
    assert template.encode() == octets_of(template_id, generic(version, icmp), reverse)
    assert len(template.halves) == 1


OWN = 32473
RICH_FIXED_LENGTHS = [
    *((0, 95, 4), (0, 96, 24)),
    *((OWN, 1, 2), (OWN, 2, 2), (OWN, 3, 1), (OWN, 4, 8), (OWN, 5, 2), (OWN, 6, 2), (OWN, 7, 2), (OWN, 8, 1)),
    *((OWN, 9, 64), (OWN, 10, 33), (OWN, 11, 33), (OWN, 12, 37), (OWN, 13, 24)),  # serverName to alpn
    *((0, 468, 96), (0, 461, 96), (OWN, 14, 46)),  # httpUserAgent, httpRequestTarget, dnsAnswer
]
"""PEN, number and length of what classification adds, in its order."""

IDS = {
    "application": (GENERIC_APPLICATION, 272),
    "rich": (RICH, 288),
    "rich fixed": (RICH_FIXED, 304),
}
"""The id of each first template: IPv4, not ICMP, uniflow."""


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(("version", "icmp"), [(4, False), (6, False), (4, True), (6, True)])
def test_templates_with_classification(name: str, version: int, icmp: bool, biflow: bool) -> None:
    """They continue the generic one: a collector that reads it by its start reads them too."""
    profile, first = IDS[name]
    number = 0 if name == "application" else None
    added = RICH_FIXED_LENGTHS[:1] if number == 0 else RICH_FIXED_LENGTHS
    if name == "rich":
        added = added[:10] + [(pen, element, 65535) for pen, element, _ in added[10:]]
    template = profile.templates(biflow=biflow)[version, icmp]
    before = GENERIC.templates(biflow=biflow)[version, icmp]
    assert template.template_id == first + 8 * biflow + 2 * icmp + (version == 6)
    specifiers = b"".join(
        struct.pack(">HHI", 0x8000 | element, length, pen) if pen else struct.pack(">HH", element, length)
        for pen, element, length in added
    )
    count = len(before.elements) + len(added)
    expected = struct.pack(">HH", template.template_id, count) + before.encode()[4:] + specifiers
    assert template.encode() == expected
    fixed = sum(length for _, _, length in added if length != 65535)
    assert template.record_octets == before.record_octets + fixed


def test_sampling_template_and_record() -> None:
    # RFC 7011 section 3.4.2.2: id, field count 4, scope count 1; selectorId is the scope.
    assert sampling_template().encode() == struct.pack(
        ">HHH HH HH HH HH", 512, 4, 1, 302, 8, 304, 2, 305, 4, 306, 4
    )
    # 1:1 is one packet selected, none skipped (RFC 5477); then (305 + 306) / 305 = 1, and 305 alone is 1 too.
    assert Sampling().table().records == [struct.pack(">QHII", 0, 1, 1, 0)]
    assert Sampling(1, 9).table().records == [struct.pack(">QHII", 0, 1, 1, 9)]


def test_template_ids_are_unique_and_legal() -> None:
    written = (GENERIC, GENERIC_APPLICATION, RICH, RICH_FIXED)
    used = [
        template.template_id
        for profile in written
        for biflow in (False, True)
        for template in profile.templates(biflow=biflow).values()
    ]
    used += [each for each in TemplateId if each >= TemplateId.SAMPLING]
    assert len(used) == len(set(used))
    assert all(256 <= template_id < FIRST_HASHED for template_id in used)


def test_field_specifier_of_an_enterprise_element() -> None:
    # RFC 5103 section 6.1: the number of the forward element, enterprise bit, PEN 29305.
    assert field_specifier(by_name("reverseOctetDeltaCount")) == bytes.fromhex("8001 0008 00007279")
    assert field_specifier(by_name("octetDeltaCount")) == bytes.fromhex("0001 0008")


def test_options_record_wants_a_value_for_each_element() -> None:
    template = options_template(600, ("selectorId",), ("samplingPacketInterval",))
    assert template.encode_record(1, 2) == struct.pack(">QI", 1, 2)
    with pytest.raises(ValueError, match="argument"):
        template.encode_record(1)
