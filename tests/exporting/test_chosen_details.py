# SPDX-License-Identifier: Apache-2.0
"""Some strings of variable length without the others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4, NOW, rich_of
from exporting.flow_batches import Flow, batch_of
from exporting.plain_ipfix import Reader
from spanflow.exporting.element_choice import ElementChoice
from spanflow.exporting.profiles import DETAILS, GENERIC
from spanflow.exporting.session import IpfixSession


@settings(deadline=None, max_examples=40)
@given(
    kinds=st.lists(st.sampled_from(DETAILS), min_size=1, unique=True),
    flows=st.lists(st.sampled_from(CLASSIFIED_IPV4), max_size=12),
    biflow=st.booleans(),
)
def test_any_choice_of_strings(kinds: list[str], flows: list[Flow], biflow: bool) -> None:
    check(kinds, flows, biflow=biflow)


@pytest.mark.parametrize("kind", DETAILS)
def test_each_alone(kind: str) -> None:
    check([kind], list(CLASSIFIED_IPV4), biflow=False)


def check(kinds: list[str], flows: list[Flow], *, biflow: bool) -> None:
    choice = ElementChoice(elements=(*kinds, *GENERIC.elements), strings="variable", biflow=biflow)
    session = IpfixSession(
        choice.profile_for(classified=False).templates(),
        observation_domain_id=1,
        max_message_octets=1400,
        applications=APPLICATIONS,
    )
    messages = session.template_messages(NOW)
    for rows in session.rows(batch_of(*flows)):
        for run in session.messages(rows, NOW).runs:
            octets = bytes(run.octets)
            messages += [
                octets[at : at + run.message_octets] for at in range(0, len(octets), run.message_octets)
            ]
    records = Reader().read_all(messages).flows()
    in_order = sorted(flows, key=lambda flow: flow.is_icmp)
    expected = [
        {kind: rich_of(flow)[kind] for kind in kinds}
        for flow in in_order
        for half in ((flow.forward,) if biflow else (flow.forward, flow.reverse))
        if biflow or half.packets
    ]
    assert [{kind: record[kind] for kind in kinds} for record in records] == expected
    assert all("octetDeltaCount" in record for record in records)
