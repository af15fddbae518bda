# SPDX-License-Identifier: Apache-2.0
"""Options Data Records octet by octet: the table of applications (RFC 6759), our own elements (RFC 5610)."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from exporting.classified_flows import (
    APPLICATIONS,
    DOMAIN,
    ENGINE,
    NOW,
    USER_DEFINED,
    applications_told,
)
from exporting.plain_ipfix import OURS, Reader
from spanflow.applications import Application, Applications
from spanflow.errors import EncodeError
from spanflow.exporting.options.applications import application_attributes_template, applications_template
from spanflow.exporting.options.elements import elements_template
from spanflow.exporting.profiles import GENERIC, GENERIC_APPLICATION, RICH, RICH_FIXED, Profile
from spanflow.exporting.session import IpfixSession
from spanflow.exporting.template import options_template, padded
from spanflow.information_elements import ENTERPRISE_NUMBER


def session(
    profile: Profile = GENERIC_APPLICATION,
    *,
    applications: Applications | None = APPLICATIONS,
    max_octets: int = 1400,
    enterprise_number: int = ENTERPRISE_NUMBER,
) -> IpfixSession:
    return IpfixSession(
        profile.templates(biflow=False, enterprise_number=enterprise_number),
        observation_domain_id=DOMAIN,
        max_message_octets=max_octets,
        applications=applications,
        enterprise_number=enterprise_number,
    )


def tables(sender: IpfixSession) -> Reader:
    """All that the tables say, read after the Templates."""
    reader = Reader().read_all(sender.template_messages(NOW))
    for message in sender.table_messages(NOW):
        assert len(message.octets) <= sender.max_message_octets
        assert reader.read(message.octets) == message.data_records
    return reader


def many_applications(count: int) -> Applications:
    return Applications(
        engine="nDPI",
        version="4.2.0",
        by_number={
            number: Application(number, ENGINE | number, f"Application {number}", "Web", "Safe", False)
            for number in range(count)
        },
    )


def test_templates_of_applications() -> None:
    # RFC 7011 section 3.4.2.2: id, field count, scope count, then the scope first.
    assert applications_template().encode() == struct.pack(
        ">HHH HH HH HH HH", 513, 4, 1, 149, 4, 95, 4, 96, 24, 94, 55
    )
    assert application_attributes_template().encode() == struct.pack(
        ">HHH HH HH HH", 514, 3, 1, 95, 4, 372, 24, 373, 24
    )


def test_records_of_applications() -> None:
    told = tables(session()).options()
    assert told == applications_told(DOMAIN)
    # The engine's version is announced, and a name that is too long ends with a whole character.
    assert told[0]["applicationDescription"] == "DNS, as nDPI 4.2.0 names it"
    last = told[len(APPLICATIONS.by_number) - 1]
    assert last["applicationId"] == ENGINE | USER_DEFINED
    assert last["applicationName"] == "B\u00fcro-Telefonie \u00e4u\u00dfer"


def test_each_name_is_alone_in_its_set() -> None:
    (message, *_) = session().table_messages(NOW)
    sets = []
    offset = 16
    while offset < len(message.octets):
        set_id, length = struct.unpack_from(">HH", message.octets, offset)
        sets.append((set_id, length))
        offset += length
    assert sets == [(513, 4 + 4 + 4 + 24 + 55)] * message.data_records
    assert message.data_records == len(APPLICATIONS.by_number)


@pytest.mark.parametrize("max_octets", [512, 576, 1400, 9000])
@pytest.mark.parametrize("profile", [GENERIC_APPLICATION, RICH], ids=["generic", "rich"])
def test_tables_fill_messages_of_any_size(profile: Profile, max_octets: int) -> None:
    sender = session(profile, applications=many_applications(300), max_octets=max_octets)
    reader = tables(sender)
    own = len(OURS) if profile is RICH else 0
    assert len(reader.options()) == sender.sequence_number == 2 * 300 + own
    least = 300 * 95 // max_octets + 300 * 52 // max_octets
    assert least <= len(reader.sequence_numbers) - 1 <= least + 20 + 300 * 95 // (max_octets - 110)


def test_sequence_numbers_count_every_record() -> None:
    # RFC 7011 section 3.1: Data Records before this Message, those of options included.
    sender = session(RICH, applications=many_applications(50))
    messages = [each.octets for _ in range(2) for each in sender.table_messages(NOW)]
    reader = Reader().read_all([*session(RICH).template_messages(NOW), *messages])
    assert reader.sequence_numbers[1] == 0
    assert sender.sequence_number == 2 * (100 + len(OURS))


@pytest.mark.parametrize(
    ("profile", "applications", "expected"),
    [
        (GENERIC, None, {512}),
        (GENERIC_APPLICATION, APPLICATIONS, {512, 513, 514}),
        (GENERIC_APPLICATION, replace(APPLICATIONS, by_number={}), {512}),
        (RICH, None, {512, 515}),
        (RICH, APPLICATIONS, {512, 513, 514, 515}),
        (RICH_FIXED, APPLICATIONS, {512, 513, 514, 515}),
    ],
)
def test_which_options_there_are(
    profile: Profile, applications: Applications | None, expected: set[int]
) -> None:
    sender = session(profile, applications=applications)
    reader = tables(sender)
    assert set(reader.scopes) == expected
    assert {template_id for template_id, _ in reader.records} == expected - {512}


def test_each_options_template_is_alone_in_its_set() -> None:
    (message, *more) = session(RICH).template_messages(NOW)
    assert more == []
    offset, sets = 16, []
    while offset < len(message):
        set_id, length = struct.unpack_from(">HH", message, offset)
        sets.append((set_id, struct.unpack_from(">H", message, offset + 4)[0]))
        offset += length
    assert sets == [(2, 288), (3, 512), (3, 513), (3, 514), (3, 515)]


def test_template_of_elements() -> None:
    # RFC 5610 section 3.9: privateEnterpriseNumber and informationElementId are the scope.
    assert elements_template().encode() == struct.pack(
        ">HHH HH HH HH HH HH HH HH HH HH",
        *(515, 9, 2),
        *(346, 4, 303, 2),
        *(339, 1, 344, 1, 345, 2, 342, 8, 343, 8, 341, 32, 340, 96),
    )


@pytest.mark.parametrize("enterprise_number", [ENTERPRISE_NUMBER, 64999])
def test_every_element_of_our_own_is_explained(enterprise_number: int) -> None:
    sender = session(RICH, applications=None, enterprise_number=enterprise_number)
    # The reader knows only the number for documentation: the Templates with the other one are left out.
    reader = Reader().read_all(session(RICH, applications=None).template_messages(NOW))
    for message in sender.table_messages(NOW):
        reader.read(message.octets)
    told = reader.options()
    assert [(each["informationElementId"], each["informationElementName"]) for each in told] == list(
        OURS.items()
    )
    assert {each["privateEnterpriseNumber"] for each in told} == {enterprise_number}
    # RFC 5610 section 3.1: unsigned8 is 1, unsigned16 2, unsigned64 4, string 13; section 3.2: flags 5.
    types = {each["informationElementName"]: each["informationElementDataType"] for each in told}
    assert (types["dnsResponseCode"], types["tlsVersion"]) == (1, 2)
    assert (types["flowRisk"], types["serverName"]) == (4, 13)
    semantics = {each["informationElementName"]: each["informationElementSemantics"] for each in told}
    assert (semantics["flowRisk"], semantics["riskScore"], semantics["serverName"]) == (5, 1, 0)
    assert all(each["informationElementDescription"].endswith(".") for each in told), "none is cut"


def test_templates_have_the_enterprise_number_that_is_set() -> None:
    template = RICH.templates(biflow=True, enterprise_number=64999)[4, False]
    assert {element.pen for element in template.elements} == {0, 29305, 64999}
    assert [element.number for element in template.elements if element.pen == 64999] == list(OURS)


def test_record_that_does_not_fit() -> None:
    with pytest.raises(EncodeError, match="options record of 87 octets does not fit"):
        list(session(max_octets=106).table_messages(NOW))
    assert len(list(session(max_octets=107).table_messages(NOW))) == 2 * len(APPLICATIONS.by_number)


def test_strings_of_options_need_a_width() -> None:
    with pytest.raises(ValueError, match="no fixed length"):
        options_template(600, ("applicationId",), ("applicationName",), {"applicationId": 4})


@pytest.mark.parametrize(
    ("text", "octets", "expected"),
    [("abc", 5, b"abc\0\0"), ("abc\u00fc", 5, b"abc\0\0"), ("abcdef", 5, b"abcd\0"), ("", 2, b"\0\0")],
)
def test_padded(text: str, octets: int, expected: bytes) -> None:
    assert padded(text, octets) == expected
