# SPDX-License-Identifier: Apache-2.0
"""The table of exported fields: every row is an element that exists and a member that fits."""

from __future__ import annotations

import pytest

from spanflow.details import Detail
from spanflow.fields import (
    FIELDS,
    FLOW_KEYS,
    ICMP_PROTOCOLS,
    IP_VERSIONS,
    VARIANTS,
    Field,
    Operation,
    element_names,
    fields_of,
)
from spanflow.information_elements import (
    ENTERPRISE_NUMBER,
    VARIABLE_LENGTH,
    InformationElement,
    Semantics,
    reverse_of,
)
from spanflow.record import RECORD

TIMES = (
    Operation.MILLISECONDS,
    Operation.SECONDS,
    Operation.NTP_MICROSECONDS,
    Operation.NTP_NANOSECONDS,
    Operation.UPTIME_MILLISECONDS,
)
ROWS = pytest.mark.parametrize("field", FIELDS + VARIANTS, ids=lambda field: f"{field.name}-{field.icmp}")


def member_octets(path: str) -> int:
    """Octets of a member of RECORD, by its path. Raises KeyError."""
    dtype = RECORD
    for name in path.split("."):
        assert dtype.fields is not None
        dtype = dtype.fields[name][0]
    return dtype.itemsize


@ROWS
def test_members_exist_and_fit(field: Field) -> None:
    for member in (field.forward, field.reverse):
        if isinstance(member, int):
            assert 0 <= member < 1 << (8 * field.length)
        elif field.is_detail:
            assert member.upper() in Detail.__members__
            assert field.length == field.width > 0
        elif field.operation is Operation.APPLICATION_NAME:
            assert (member, member_octets(member)) == ("application", 2)
        elif field.operation is Operation.ADDRESS_TAIL:
            assert member_octets(member) == 16
        elif field.operation is Operation.DURATION_MILLISECONDS:
            assert member_octets(f"{member}.first_ns") == member_octets(f"{member}.last_ns") == 8
        elif field.operation in TIMES:
            assert member_octets(member) == 8
        else:
            assert member_octets(member) <= field.length


@ROWS
def test_halves_mirror_each_other(field: Field) -> None:
    if field.directional:
        assert str(field.forward).removeprefix("forward") == str(field.reverse).removeprefix("reverse")
    for member in (field.forward, field.reverse):
        if isinstance(member, str) and "address" in member and "mac" not in member:
            assert field.forward != field.reverse


@ROWS
def test_directional_rows_have_a_reverse_element(field: Field) -> None:
    if field.directional:
        assert reverse_of(field.element).length == field.length


@ROWS
def test_rows_are_documented(field: Field) -> None:
    assert field.description.endswith(".")
    assert field.element.type.startswith("dateTime") <= (field.operation in TIMES)
    if field.operation in TIMES:
        # What the type counts is the unit.
        unit = field.element.type.removeprefix("dateTime").lower()
        assert field.unit == ("milliseconds" if unit == "unsigned32" else unit)
        assert field.name.startswith(("flowStart", "flowEnd"))


def test_one_row_for_each_name_and_kind_of_flow() -> None:
    for version in IP_VERSIONS:
        for icmp in (False, True):
            names = [field.name for field in FIELDS + VARIANTS if field.describes(version, icmp)]
            assert len(names) == len(set(names))


def test_fields_of_keeps_the_order_of_the_names() -> None:
    names = ("flowId", "icmpTypeCodeIPv6", "destinationTransportPort", "sourceIPv4Address")
    assert [f.name for f in fields_of(names, 4, False)] == [
        "flowId",
        "destinationTransportPort",
        "sourceIPv4Address",
    ]
    icmp = fields_of(names, 6, True)
    assert [f.name for f in icmp] == ["flowId", "icmpTypeCodeIPv6", "destinationTransportPort"]
    assert icmp[-1].forward == "forward.icmp_type_code"


def test_fields_of_unknown_name() -> None:
    with pytest.raises(KeyError, match="flowID"):
        fields_of(("flowID",), 4, False)


def test_icmp_protocols() -> None:
    assert ICMP_PROTOCOLS == {4: 1, 6: 58}


@ROWS
def test_every_row_has_a_fixed_form(field: Field) -> None:
    """Elements of variable length have a width; those with a length of their own have none."""
    assert (field.width > 0) == (field.element.length == VARIABLE_LENGTH)
    fixed = field.as_sent(variable_strings=False, enterprise_number=ENTERPRISE_NUMBER)
    assert 0 < fixed.length == field.length < VARIABLE_LENGTH


def test_details_have_a_row_each_in_their_order() -> None:
    rows = [field for field in FIELDS if field.is_detail]
    assert [str(field.forward).upper() for field in rows] == [kind.name for kind in Detail]
    assert list(FIELDS[-len(rows) :]) == rows


def test_elements_as_sent() -> None:
    by_name = {field.name: field for field in FIELDS}
    sent = by_name["serverName"].as_sent(variable_strings=True, enterprise_number=64999)
    assert sent == InformationElement("serverName", 9, 64999, "string", VARIABLE_LENGTH)
    sent = by_name["serverName"].as_sent(variable_strings=False, enterprise_number=64999)
    assert sent == InformationElement("serverName", 9, 64999, "string", 64)
    for variable in (False, True):
        sent = by_name["applicationName"].as_sent(variable_strings=variable, enterprise_number=64999)
        assert sent == InformationElement("applicationName", 96, 0, "string", 24)
        sent = by_name["applicationId"].as_sent(variable_strings=variable, enterprise_number=64999)
        assert sent == InformationElement("applicationId", 95, 0, "octetArray", 4)


def test_only_our_own_elements_tell_semantics() -> None:
    for field in FIELDS:
        own = field.element.pen == ENTERPRISE_NUMBER
        assert own or field.semantics is Semantics.DEFAULT
        assert not own or (field.semantics is Semantics.DEFAULT) == (field.element.type == "string")


def test_names_of_all_rows() -> None:
    names = element_names()
    assert len(names) == len(set(names))
    assert set(names) == {field.name for field in FIELDS + VARIANTS}
    assert set(names) > FLOW_KEYS


def test_no_variant_is_of_our_own() -> None:
    """Types of our own elements are told by the rows of FIELDS."""
    assert {field.element.pen for field in VARIANTS} == {0}


def test_reduced_length() -> None:
    (flags,) = (field for field in FIELDS if field.name == "tcpControlBits")
    sent = flags.as_sent(variable_strings=True, enterprise_number=64999, length=1)
    assert sent == InformationElement("tcpControlBits", 6, 0, "unsigned16", 1)
