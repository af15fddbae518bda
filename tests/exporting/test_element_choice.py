# SPDX-License-Identifier: Apache-2.0
"""What a user may choose to be sent, and what is said about a choice that cannot be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from exporting.template_records import OURS, VARIABLE, specifiers
from spanflow.exporting.element_choice import ElementChoice
from spanflow.exporting.profiles import DETAILS, GENERIC, GENERIC_APPLICATION, PRODUCTS, RICH, RICH_FIXED
from spanflow.exporting.template_ids import FIRST_HASHED
from spanflow.fields import element_names

ADDRESSES = ("sourceIPv4Address", "destinationIPv4Address", "sourceIPv6Address", "destinationIPv6Address")


@pytest.mark.parametrize(
    ("name", "classified", "strings", "expected"),
    [
        ("generic", False, None, GENERIC.templates()),
        ("generic", True, None, GENERIC_APPLICATION.templates()),
        ("generic", True, "fixed", GENERIC_APPLICATION.templates()),
        ("rich", False, None, RICH.templates()),
        ("rich", True, "variable", RICH.templates()),
        ("rich", True, "fixed", RICH_FIXED.templates()),
    ],
)
def test_profile_as_it_is(name: str, classified: bool, strings: str | None, expected: Any) -> None:
    profile = ElementChoice(profile=name, strings=strings).profile_for(classified=classified)
    assert profile.templates() == expected


def test_elements_in_place_of_those_of_the_profile() -> None:
    wanted = ("octetDeltaCount", *ADDRESSES, "flowStartNanoseconds")
    profile = ElementChoice(profile="nfdump", elements=wanted).profile_for(classified=True)
    assert profile.elements == wanted
    assert profile.options == PRODUCTS["nfdump"].options
    names = [element.name for element in profile.templates()[6, False].elements]
    assert names == [
        "octetDeltaCount",
        "sourceIPv6Address",
        "destinationIPv6Address",
        "flowStartNanoseconds",
    ]


def test_additions_and_removals() -> None:
    choice = ElementChoice(add=("serverName", "flowDurationMilliseconds"), remove=("vlanId", "applicationId"))
    assert choice.problems() == []
    before = {each for each in GENERIC.elements if each != "vlanId"}
    assert set(choice.profile_for(classified=True).elements) == before | {
        "serverName",
        "flowDurationMilliseconds",
    }


@pytest.mark.parametrize("name", element_names())
def test_every_element_may_be_added_or_is_there(name: str) -> None:
    choice = ElementChoice(add=() if name in GENERIC_APPLICATION.elements else (name,))
    assert choice.problems() == []
    assert name in choice.profile_for(classified=True).elements


def test_some_strings_of_variable_length_come_last_in_their_order() -> None:
    choice = ElementChoice(elements=("alpn", *GENERIC.elements, "serverName"), strings="variable")
    template = choice.profile_for(classified=False).templates()[4, False]
    assert [(each.pen, each.number, each.length) for each in specifiers(template.encode())][-2:] == [
        (OURS, 9, VARIABLE),
        (OURS, 13, VARIABLE),
    ]
    assert template.details == ("server_name", "alpn")


def test_strings_are_fixed_where_variable_ones_have_no_place() -> None:
    short = ("octetDeltaCount", "serverName")
    profile = ElementChoice(profile="rich", elements=short).profile_for(classified=False)
    assert not profile.has_variable_strings
    assert ElementChoice(elements=short, strings="variable").problems() == [
        "strings: variable ones need 64 octets of other elements before them, and here are 8; use fixed, or"
        " add elements"
    ]


def test_version_9_has_uniflows_with_strings_of_fixed_length() -> None:
    profile = ElementChoice(profile="ipfixcol2", protocol="netflow9").profile_for(classified=True)
    assert not profile.biflow
    assert not profile.has_variable_strings


PROBLEMS: tuple[tuple[str, dict[str, Any], list[str]], ...] = (
    (
        "unknown, with the nearest",
        {"add": ("octetDeltaCont",)},
        ["add: unknown element 'octetDeltaCont'; did you mean octetDeltaCount?"],
    ),
    (
        "unknown, with none near",
        {"elements": ("xyzzy",)},
        ["elements: unknown element 'xyzzy'; docs/fields.md lists them"],
    ),
    (
        "a terminal is safe",
        {"add": ("\x1b[31m",)},
        ["add: unknown element '\\x1b[31m'; docs/fields.md lists them"],
    ),
    (
        "a reverse element",
        {"add": ("reverseOctetDeltaCount",)},
        ["add: 'reverseOctetDeltaCount' is a reverse element, and biflow=true sends them; leave it out"],
    ),
    (
        "twice",
        {"elements": ("octetDeltaCount", "flowId", "octetDeltaCount")},
        ["elements: octetDeltaCount is there twice; a Data Record has each element once"],
    ),
    ("there already", {"add": ("vlanId",)}, ["add: vlanId is sent in any case; leave it out"]),
    (
        "not there",
        {"remove": ("serverName",)},
        ["remove: serverName would not be sent anyway; leave it out"],
    ),
    (
        "nothing left",
        {"elements": ()},
        [
            f"elements: none of them describes an IPv{version} Flow; add one, such as octetDeltaCount"
            for version in (4, 6)
        ],
    ),
    (
        "a Template with no field is a withdrawal",
        {"elements": ("sourceIPv4Address",)},
        ["elements: none of them describes an IPv6 Flow; add one, such as octetDeltaCount"],
    ),
    (
        "a Biflow without ends",
        {"elements": ("octetDeltaCount",), "biflow": True},
        ["biflow: no element says who is source and who destination; add some, or use uniflows"],
    ),
    (
        "version 9: elements of our own",
        {"protocol": "netflow9", "add": ("riskScore",)},
        ["add: riskScore has an enterprise number, which NetFlow version 9 does not know"],
    ),
    (
        "version 9: flowId",
        {"protocol": "netflow9", "elements": ("flowId", "octetDeltaCount")},
        ["elements: flowId is not sent in NetFlow version 9; leave it out"],
    ),
    (
        "version 9: form",
        {"protocol": "netflow9", "strings": "variable", "biflow": True},
        [
            "strings: NetFlow version 9 has no variable lengths; use fixed",
            "biflow: NetFlow version 9 has no Biflows; leave it out, or use IPFIX",
        ],
    ),
    (
        "version 5",
        {"protocol": "netflow5", "elements": ("flowId",), "biflow": False},
        [
            f"{option}: NetFlow version 5 has one fixed form; leave it out"
            for option in ("elements", "biflow")
        ],
    ),
    (
        "JSON",
        {"protocol": "json", "remove": ("vlanId",)},
        ["remove: lines of JSON have every field; leave it out"],
    ),
    (
        "too long",
        {"profile": "rich", "strings": "fixed", "max_message_octets": 512},
        [
            "elements: a Data Record of 587 octets does not fit into a Message of 512; set mtu to 611, or"
            " leave some out"
        ],
    ),
    (
        "template too long",
        {
            "elements": tuple(element_names()),
            "biflow": True,
            "strings": "variable",
            "max_message_octets": 520,
        },
        [
            "elements: a Template of 524 octets does not fit into a Message of 520; set mtu to 548, or"
            " leave some out"
        ],
    ),
)


@pytest.mark.parametrize(("name", "choice", "problems"), PROBLEMS, ids=[name for name, *_ in PROBLEMS])
def test_problems(name: str, choice: dict[str, Any], problems: list[str]) -> None:
    assert ElementChoice(**choice).problems() == problems
    with pytest.raises(ValueError, match=r".+: .+"):
        ElementChoice(**choice).profile_for(classified=False)


def test_template_ids_of_choices() -> None:
    def ids(**choice: Any) -> list[int]:
        templates = ElementChoice(**choice).profile_for(classified=False).templates()
        return [int(template.template_id) for template in templates.values()]

    # The same after every start.
    assert ids(remove=("vlanId",)) == [27613, 56920, 49035, 1597]
    assert ids(remove=("vlanId",)) == ids(elements=[name for name in GENERIC.elements if name != "vlanId"]), (
        "what is in it decides"
    )
    meanings: dict[int, bytes] = {}
    choices: list[dict[str, Any]] = [{"remove": (name,)} for name in GENERIC.elements]
    for choice in [*choices, {"biflow": True, "remove": ("vlanId",)}]:
        for template in ElementChoice(**choice).profile_for(classified=False).templates().values():
            content = template.encode()
            assert meanings.setdefault(template.template_id, content) == content
            assert FIRST_HASHED <= template.template_id <= 65_535
    assert ids(elements=GENERIC.elements) == ids() == [256, 258, 257, 259], "nothing has changed"


def test_alike_templates_of_one_session_have_different_ids() -> None:
    """Nothing but the counters: the Template Records are alike for all kinds of Flows."""
    templates = ElementChoice(elements=("octetDeltaCount",)).profile_for(classified=False).templates()
    assert len({template.template_id for template in templates.values()}) == 4


def test_settings_load_without_numpy() -> None:
    program = (
        "import sys; from spanflow.exporting.element_choice import ElementChoice;"
        "ElementChoice(add=('serverName',)).problems(); print('numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"


def test_details_are_those_with_variable_lengths() -> None:
    assert {
        element.name for element in RICH.templates()[4, False].elements if element.length == VARIABLE
    } == {*DETAILS}
