# SPDX-License-Identifier: Apache-2.0
"""The table of exported fields: every row is an element that exists and a member that fits."""

from __future__ import annotations

import pytest

from spanflow.fields import FIELDS, ICMP_PROTOCOLS, IP_VERSIONS, Field, Operation, fields_of
from spanflow.information_elements import reverse_of
from spanflow.record import RECORD

ROWS = pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.name}-{field.icmp}")


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
        elif field.operation is Operation.ADDRESS_TAIL:
            assert member_octets(member) == 16
        else:
            assert member_octets(member) <= field.length


@ROWS
def test_halves_mirror_each_other(field: Field) -> None:
    if field.directional:
        assert str(field.forward).removeprefix("forward.") == str(field.reverse).removeprefix("reverse.")
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
    assert field.operation is not Operation.MILLISECONDS or field.unit == "milliseconds"
    assert field.element.type.startswith("dateTime") == (field.operation is Operation.MILLISECONDS)


def test_one_row_for_each_name_and_kind_of_flow() -> None:
    for version in IP_VERSIONS:
        for icmp in (False, True):
            names = [field.name for field in FIELDS if field.describes(version, icmp)]
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
