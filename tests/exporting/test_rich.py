# SPDX-License-Identifier: Apache-2.0
"""What classification adds to Data Records: the application, and all the rest in both forms of strings."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporting.classified_flows import (
    APPLICATIONS,
    CLASSIFIED_IPV4,
    CLASSIFIED_IPV6,
    application_of,
    cut,
    rich_of,
)
from exporting.flow_batches import (
    DETAILS,
    IPV4_FLOWS,
    Classified,
    Flow,
    Half,
    Values,
    batch_of,
    biflow_of,
    some_flows,
    uniflows_of,
)
from exporting.plain_ipfix import Reader
from spanflow.exporting.encode import TAIL_WINDOW
from spanflow.exporting.ipfix import HEADERS_OCTETS
from spanflow.exporting.message_runs import FEWEST_BY_LENGTH, Layout, MessageRun
from spanflow.exporting.profiles import GENERIC_APPLICATION, RICH, RICH_FIXED, Profile
from spanflow.exporting.session import IpfixSession
from spanflow.exporting.template import Form, flow_template
from spanflow.fields import fields_of
from spanflow.record import Batch

NOW = 1_800_000_000 * 10**9
FORMS = pytest.mark.parametrize(
    ("profile", "added"),
    [
        (GENERIC_APPLICATION, application_of),
        (RICH, rich_of),
        (RICH_FIXED, lambda flow: rich_of(flow, fixed=True)),
    ],
    ids=["generic", "rich variable", "rich fixed"],
)


def session(profile: Profile, *, biflow: bool = False, max_octets: int = 1400) -> IpfixSession:
    return IpfixSession(
        profile.templates(biflow=biflow),
        observation_domain_id=7,
        max_message_octets=max_octets,
        applications=APPLICATIONS,
    )


def messages(run: MessageRun) -> list[bytes]:
    """The Messages of a run, cut as UDP segmentation offload cuts them."""
    octets = bytes(run.octets)
    return [octets[at : at + run.message_octets] for at in range(0, len(octets), run.message_octets)]


def layouts(sender: IpfixSession, batch: Batch) -> list[Layout]:
    """Of the rows of one batch; each must be used before the next is made."""
    (layout,) = [sender.messages(rows, NOW) for rows in sender.rows(batch)]
    return [layout]


def sent(sender: IpfixSession, *batches: Batch) -> list[bytes]:
    found = sender.template_messages(NOW)
    for batch in batches:
        for rows in sender.rows(batch):
            for run in sender.messages(rows, NOW).runs:
                cut_up = messages(run)
                assert len(cut_up) == run.messages
                found += cut_up
    return found


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
@FORMS
def test_every_element(profile: Profile, added: type[rich_of], biflow: bool) -> None:  # type: ignore[valid-type]
    expected: list[Values] = []
    for flows in (CLASSIFIED_IPV4, CLASSIFIED_IPV6):
        for flow in sorted(flows, key=lambda flow: flow.is_icmp):
            records = [biflow_of(flow)] if biflow else uniflows_of(flow)
            expected += [values | added(flow) for values in records]
    batches = (batch_of(*CLASSIFIED_IPV4), batch_of(*CLASSIFIED_IPV6))
    reader = Reader().read_all(sent(session(profile, biflow=biflow), *batches))
    assert reader.flows() == expected


def flows_with(*found: dict[str, str], both_ways: bool = False) -> list[Flow]:
    return [
        Flow(
            source="192.0.2.1",
            destination="192.0.2.2",
            protocol=17,
            flow_id=number,
            forward=Half(packets=1, octets=60),
            reverse=Half(packets=1 if both_ways else 0),
            classified=Classified(texts=texts),
        )
        for number, texts in enumerate(found)
    ]


TEXTS = st.dictionaries(
    st.sampled_from(DETAILS),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=254).map(
        lambda text: cut(text, 254)
    ),
)


@settings(deadline=None, max_examples=150)
@given(
    found=st.lists(TEXTS, min_size=1, max_size=60),
    both_ways=st.booleans(),
    repeats=st.sampled_from((1, 1, 20)),
    max_octets=st.integers(170, 9000),
    biflow=st.booleans(),
)
def test_any_lengths(
    found: list[dict[str, str]], both_ways: bool, repeats: int, max_octets: int, biflow: bool
) -> None:
    """Every record that fits is there, in order; no Message is too long or has room for the next record.

    The order is that of the Flows; of many records that of their lengths.
    """
    flows = flows_with(*found * repeats, both_ways=both_ways)
    sender = session(RICH, biflow=biflow)
    templates = sender.template_messages(NOW)
    sender.max_message_octets = max_octets
    record_octets = RICH.templates(biflow=biflow)[4, False].record_octets
    sizes = {flow.flow_id: record_octets + len(flow.classified.details() or bytes(8)) for flow in flows}
    fitting = {number for number, size in sizes.items() if HEADERS_OCTETS + size <= max_octets}
    (layout,) = layouts(sender, batch_of(*flows))
    reader = Reader().read_all(templates)
    for run in layout.runs:
        cut_up = messages(run)
        assert len(cut_up) == run.messages
        for number, message in enumerate(cut_up):
            assert len(message) <= max_octets
            before = len(reader.flows())
            assert reader.read(message) == run.data_records(number, number + 1)
            ids = [values["flowId"] for values in reader.flows()[before:]]
            assert run.flow_records(number, number + 1).tolist() == ids
    copies = 2 if both_ways and not biflow else 1
    shown = [values["flowId"] for values in reader.flows()]
    wanted = [flow.flow_id for flow in flows if flow.flow_id in fitting for _ in range(copies)]
    if len(wanted) >= FEWEST_BY_LENGTH:
        wanted.sort(key=lambda number: -sizes[number])
    assert shown == wanted
    assert layout.data_records == len(shown) == sender.sequence_number
    lost = set() if layout.too_large is None else set(layout.too_large.tolist())
    assert lost == set(sizes) - fitting
    named = {flow.flow_id: rich_of(flow) for flow in flows}
    for values in reader.flows():
        assert named[values["flowId"]].items() <= values.items()
    every = [message for run in layout.runs for message in messages(run)]
    heads = (
        [reader.flows()[sum(counts[:n])]["flowId"] for n in range(len(every))]
        if (counts := [run.data_records(n, n + 1) for run in layout.runs for n in range(run.messages)])
        else []
    )
    for message, following in zip(every, heads[1:], strict=False):
        assert len(message) + sizes[following] > max_octets


def test_sequence_numbers_count_across_runs() -> None:
    flows = flows_with(*({"server_name": "x" * (number % 200)} for number in range(500)))
    sender = session(RICH)
    reader = Reader().read_all(sent(sender, batch_of(*flows), batch_of(*flows[:3])))
    assert len(reader.flows()) == sender.sequence_number == 503


def test_records_without_details_make_one_run() -> None:
    (layout,) = layouts(session(RICH), some_flows(1000))
    (run,) = layout.runs
    assert run.messages > 100
    assert {len(message) for message in messages(run)[:-1]} == {run.message_octets}


def test_messages_of_mixed_lengths_make_few_runs() -> None:
    """No more than there are lengths of records."""
    lengths = [(number * 7919) % 40 for number in range(2000)]
    flows = flows_with(*({"server_name": "x" * length} for length in lengths))
    (layout,) = layouts(session(RICH), batch_of(*flows))
    runs = list(layout.runs)
    assert len(runs) <= len(set(lengths))
    assert sum(run.messages for run in runs) > 5 * len(runs)


def test_runs_end_where_messages_get_longer() -> None:
    lengths = (50, 50, 20, 90, 10, 10, 60)
    # One record in each Message.
    max_octets = HEADERS_OCTETS + RICH.templates(biflow=False)[4, False].record_octets + 8 + 90
    flows = flows_with(*({"alpn": "x" * length} for length in lengths))
    (layout,) = layouts(session(RICH, max_octets=max_octets), batch_of(*flows))
    assert [run.messages for run in layout.runs] == [3, 2, 1, 1]
    assert [run.firsts for run in layout.runs] == [[0, 1, 2, 3], [3, 4, 5], [5, 6], [6, 7]]
    octets = [run.message_octets for run in layout.runs]
    assert [larger - smaller for smaller, larger in pairwise(octets)] == [40, -80, 50]


def test_one_record_that_does_not_fit_leaves_the_others() -> None:
    batch = batch_of(*CLASSIFIED_IPV4[3:6] * 2)  # a text of 254 octets, none, three long ones
    sender = session(RICH)
    templates = sender.template_messages(NOW)
    sender.max_message_octets = 500
    (layout,) = layouts(sender, batch)
    assert set(layout.too_large.tolist()) == {2, 5}  # type: ignore[union-attr]
    assert "does not fit into a Message of 500" in layout.error
    reader = Reader().read_all(templates)
    for run in layout.runs:
        for message in messages(run):
            reader.read(message)
    assert [values["flowId"] for values in reader.flows()] == [4, 4, (1 << 64) - 1] * 2


def test_nothing_fits() -> None:
    (layout,) = layouts(session(RICH, max_octets=150), some_flows(5, both_ways=False))
    assert (list(layout.runs), layout.data_records) == ([], 0)
    assert layout.too_large is not None
    assert layout.too_large.tolist() == [0, 1, 2, 3, 4]


def test_texts_of_the_batch_before_leave_no_trace() -> None:
    """Rows are used again; texts are written only where there are some."""
    for profile, fixed in ((RICH, False), (RICH_FIXED, True)):
        sender = session(profile)
        plain = tuple(flow for flow in IPV4_FLOWS if not flow.is_icmp)
        named = tuple(flow for flow in CLASSIFIED_IPV4 if not flow.is_icmp)
        reader = Reader().read_all(sent(sender, batch_of(*named), batch_of(*plain), batch_of(*named[:2])))
        expected = [
            values | rich_of(flow, fixed=fixed)
            for flow in (*named, *plain, *named[:2])
            for values in uniflows_of(flow)
        ]
        assert reader.flows() == expected


def test_application_that_is_not_in_the_table() -> None:
    """A number beyond it, one in a gap, the highest there is: no name, whatever the batch says."""
    flow = IPV4_FLOWS[1]
    for number in (6, 301, 65535):
        batch = batch_of(flow)
        records = batch.records.copy()
        records["application"] = number
        values = Reader().read_all(sent(session(RICH), Batch(records))).flows()
        assert [each["applicationName"] for each in values] == ["", ""]


def test_without_a_table_of_applications() -> None:
    sender = IpfixSession(RICH.templates(biflow=False), observation_domain_id=7, max_message_octets=1400)
    values = Reader().read_all(sent(sender, batch_of(CLASSIFIED_IPV4[0]))).flows()
    assert [(each["applicationId"], each["applicationName"]) for each in values] == [(22 << 24 | 126, "")] * 2


def test_batches_may_be_slices() -> None:
    whole = batch_of(*(flow for flow in CLASSIFIED_IPV4 * 4 if not flow.is_icmp))
    for profile, fixed in ((RICH, False), (RICH_FIXED, True)):
        part = Batch(whole.records[::5], whole.details)
        flows = [flow for flow in CLASSIFIED_IPV4 * 4 if not flow.is_icmp][::5]
        expected = [v | rich_of(flow, fixed=fixed) for flow in flows for v in uniflows_of(flow)]
        assert Reader().read_all(sent(session(profile), part)).flows() == expected


def test_fixed_parts_cover_what_pieces_of_tails_leave_behind() -> None:
    for biflow in (False, True):
        for template in RICH.templates(biflow=biflow).values():
            assert template.has_details
            assert template.record_octets >= TAIL_WINDOW


def test_elements_of_variable_length_must_be_the_last() -> None:
    fields = fields_of(("serverName", "flowId"), 4, False)
    with pytest.raises(ValueError, match="must be the last"):
        flow_template(600, fields, Form())
    assert not flow_template(600, fields, Form(variable_strings=False)).has_details


def test_details_are_sent_in_their_order() -> None:
    for biflow in (False, True):
        for template in RICH.templates(biflow=biflow).values():
            sources = [source.member for source in template.halves[0][-len(DETAILS) :]]
            assert sources == list(DETAILS)


def test_batches_are_not_changed() -> None:
    batch = batch_of(*CLASSIFIED_IPV4)
    before = batch.records.tobytes(), batch.details.tobytes()
    for profile in (RICH, RICH_FIXED):
        for biflow in (False, True):
            sent(session(profile, biflow=biflow), batch)
    assert (batch.records.tobytes(), batch.details.tobytes()) == before
    assert not np.shares_memory(batch.records, batch.details)
