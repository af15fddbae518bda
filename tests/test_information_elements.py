# SPDX-License-Identifier: Apache-2.0
"""The registry of Information Elements: the `ipfix` package's, newer ones, reverse ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spanflow.information_elements import (
    ABSTRACT_DATA_TYPES,
    ENTERPRISE_NUMBER,
    REVERSE_PEN,
    VARIABLE_LENGTH,
    InformationElement,
    by_name,
    by_number,
    reverse_of,
)


@pytest.mark.parametrize(
    ("name", "pen", "number", "type_", "length"),
    [
        ("octetDeltaCount", 0, 1, "unsigned64", 8),
        ("tcpControlBits", 0, 6, "unsigned16", 2),
        ("sourceIPv6Address", 0, 27, "ipv6Address", 16),
        ("flowStartMilliseconds", 0, 152, "dateTimeMilliseconds", 8),
        ("interfaceName", 0, 82, "string", VARIABLE_LENGTH),
        ("httpRequestHost", 0, 460, "string", VARIABLE_LENGTH),
        ("tcpOptionsFull", 0, 520, "unsigned256", 32),
        ("basicList", 0, 291, "basicList", VARIABLE_LENGTH),
        ("reverseOctetDeltaCount", REVERSE_PEN, 1, "unsigned64", 8),
        ("reverseTransportChecksum", REVERSE_PEN, 503, "unsigned16", 2),
        ("applicationId", 0, 95, "octetArray", VARIABLE_LENGTH),
        ("flowRisk", ENTERPRISE_NUMBER, 4, "unsigned64", 8),
        ("serverName", ENTERPRISE_NUMBER, 9, "string", VARIABLE_LENGTH),
    ],
)
def test_by_name_and_by_number(name: str, pen: int, number: int, type_: str, length: int) -> None:
    element = InformationElement(name, number, pen, type_, length)
    assert by_name(name) == element
    assert by_number(pen, number) == element


def test_unknown_elements() -> None:
    assert by_number(0, 32000) is None
    assert by_number(6871, 1) is None
    with pytest.raises(KeyError):
        by_name("octetDelta")


@pytest.mark.parametrize(
    "name",
    [
        "flowId",
        "templateId",
        "observationDomainId",
        "paddingOctets",
        "biflowDirection",
        "exporterIPv4Address",
        "exportedMessageTotalCount",
    ],
)
def test_elements_without_a_reverse(name: str) -> None:
    element = by_name(name)
    with pytest.raises(ValueError, match=name):
        reverse_of(element)
    assert by_number(REVERSE_PEN, element.number) is None


def test_a_reverse_element_has_no_reverse() -> None:
    with pytest.raises(ValueError, match="reverseOctetDeltaCount"):
        reverse_of(by_name("reverseOctetDeltaCount"))


def test_agrees_with_the_reverse_elements_of_the_ipfix_package() -> None:
    # Its list lacks some elements and has some that the RFC excludes; where both have one they agree.
    program = (
        "import ipfix.ie as ie; ie.use_5103_default();"
        "print(*(f'{e.name}/{e.num}/{e.pen}' for e in ie.dump_infomodel()))"
    )
    known = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    assert len(known) > 300
    for name, number, pen in (entry.split("/") for entry in known):
        element = by_number(int(pen), int(number))
        assert element is None or element.name == name


def own_elements() -> list[InformationElement]:
    """All of our own, by their numbers."""
    found = [by_number(ENTERPRISE_NUMBER, number) for number in range(1 << 15)]
    return [element for element in found if element is not None]


def test_our_own_elements() -> None:
    own = own_elements()
    # RFC 5612: the number for documentation, as long as there is none of our own.
    assert ENTERPRISE_NUMBER == 32473
    assert [element.number for element in own] == list(range(1, len(own) + 1))
    for element in own:
        assert by_name(element.name) == element, "no name is taken twice, nor one of IANA's"
        assert element.number < 0x4000, "bit 0x4000 is for reverse forms"
        with pytest.raises(ValueError, match="has no reverse"):
            reverse_of(element)


def test_types_have_numbers() -> None:
    # RFC 5610 section 3.1, RFC 6313, RFC 9740: octetArray 0, string 13, ipv6Address 19, unsigned256 23.
    assert (ABSTRACT_DATA_TYPES[0], ABSTRACT_DATA_TYPES[13]) == ("octetArray", "string")
    assert (ABSTRACT_DATA_TYPES[19], ABSTRACT_DATA_TYPES[23]) == ("ipv6Address", "unsigned256")
    assert {element.type for element in own_elements()} <= set(ABSTRACT_DATA_TYPES)
