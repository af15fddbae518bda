# SPDX-License-Identifier: Apache-2.0
"""The protocol state of a session: what is announced, in which sizes, with which numbers and times."""

from __future__ import annotations

import struct

import pytest

from exporting.flow_batches import some_flows
from exporting.plain_ipfix import Reader
from spanflow.errors import EncodeError
from spanflow.exporting.profiles import GENERIC
from spanflow.exporting.session import IpfixSession

SECOND = 10**9
NOW = 1_800_000_000 * SECOND


def session(*, biflow: bool = False, max_octets: int = 1400, sequence_number: int = 0) -> IpfixSession:
    return IpfixSession(
        GENERIC.templates(biflow=biflow),
        observation_domain_id=7,
        max_message_octets=max_octets,
        sequence_number=sequence_number,
    )


@pytest.mark.parametrize("biflow", [False, True])
@pytest.mark.parametrize("max_octets", [250, 300, 512, 576, 1400, 65535])
def test_templates_fit_into_messages_of_any_size(biflow: bool, max_octets: int) -> None:
    reader = Reader()
    for message in session(biflow=biflow, max_octets=max_octets).template_messages(NOW):
        assert len(message) <= max_octets
        assert reader.read(message) == 0
    assert len(reader.templates) == 5
    assert reader.scopes == {512: 1}


def test_all_templates_are_one_message_by_default() -> None:
    for biflow in (False, True):
        (message,) = session(biflow=biflow).template_messages(NOW)
        # RFC 7011 section 3.3.2: Template Set 2, then Options Template Set 3.
        assert struct.unpack_from(">H", message, 16) == (2,)


def test_template_too_long_for_a_message() -> None:
    with pytest.raises(EncodeError, match="set max_message_size higher"):
        session(max_octets=100).template_messages(NOW)


def test_templates_do_not_count_and_options_do() -> None:
    # RFC 7011 section 3.1: the sequence number counts Data Records.
    sender = session(sequence_number=(1 << 32) - 2)
    reader = Reader()
    for _ in range(3):
        reader.read_all(sender.template_messages(NOW))
        reader.read_all(each.octets for each in sender.options_messages(NOW))
    last = (1 << 32) - 1
    assert reader.sequence_numbers == [last - 1, last - 1, last, last, 0, 0]
    assert sender.sequence_number == 1
    assert (
        reader.options()
        == [{"selectorId": 0, "selectorAlgorithm": 1, "samplingPacketInterval": 1, "samplingPacketSpace": 0}]
        * 3
    )


def test_export_time_never_decreases() -> None:
    # RFC 7011 section 3.1: seconds since 1970, modulo 2^32; here across a clock that is set back, and 2106.
    sender, reader = session(), Reader()
    for now in (NOW, NOW - 3600 * SECOND, NOW + SECOND, ((1 << 32) + 5) * SECOND):
        reader.read_all(sender.template_messages(now))
        for rows in sender.rows(some_flows(1)):
            (run,) = sender.messages(rows, now).runs
            reader.read(bytes(run.octets))
    times = [NOW // SECOND, NOW // SECOND, NOW // SECOND + 1, 5]
    assert reader.export_times == [time for time in times for _ in range(2)]


def test_message_size_may_change() -> None:
    sender = session()
    reader = Reader().read_all(sender.template_messages(NOW))
    for max_octets in (1400, 700, 9000):
        sender.max_message_octets = max_octets
        (rows,) = sender.rows(some_flows(200))
        (run,) = sender.messages(rows, NOW).runs
        assert max_octets - 84 < run.message_octets <= max_octets
        octets = bytes(run.octets)
        for start in range(0, len(octets), run.message_octets):
            reader.read(octets[start : start + run.message_octets])
    assert len(reader.flows()) == 3 * 400
    assert reader.sequence_numbers[-1] < sender.sequence_number == 3 * 400
