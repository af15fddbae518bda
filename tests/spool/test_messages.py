# SPDX-License-Identifier: Apache-2.0
"""Messages of an earlier Transport Session, renumbered for another one, with the Templates that it needs."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanflow.exporting.spool.messages import renumber, runs
from spanflow.exporting.spool.templates import TemplateLedger
from spool.parcels import message, template

ONE = message((256, b"a" * 16), sequence=9)
TWO = message((256, b"b" * 32), (258, b"c" * 4), sequence=77, domain=8)


def test_sequence_numbers_count_data_records() -> None:
    renumbered = renumber(ONE + TWO + ONE, (2, 5, 1), 100)
    expected = message((256, b"a" * 16), sequence=100)
    expected += message((256, b"b" * 32), (258, b"c" * 4), sequence=102, domain=8)
    expected += message((256, b"a" * 16), sequence=107)
    assert renumbered == expected


def test_sequence_numbers_wrap() -> None:
    renumbered = renumber(ONE * 3, (3, 0, 1), (1 << 32) - 2)
    assert [number for (number,) in struct.iter_unpack(">8x I 24x", renumbered)] == [(1 << 32) - 2, 1, 1]


def test_set_ids_are_translated() -> None:
    renumbered = renumber(TWO, (3,), 77, {258: 65535, 257: 1})
    assert renumbered == message((256, b"b" * 32), (65535, b"c" * 4), sequence=77, domain=8)


@pytest.mark.parametrize(
    ("octets", "counts", "text"),
    [
        (ONE, (), "1 Messages, but counts of 0"),
        (ONE[:10], (1,), "octet 0: a Message header is cut short"),
        (ONE + ONE[:-1], (1, 1), "octet 36: a Message of 36 octets has no room"),
        (bytes(16), (1,), "a Message of 0 octets"),
        (ONE[:18] + b"\0\x03" + ONE[20:], (1,), "octet 16: a Set of 3 octets"),
        (ONE[:18] + b"\0\x15" + ONE[20:], (1,), "octet 16: a Set of 21 octets"),
    ],
)
def test_what_are_no_messages(octets: bytes, counts: tuple[int, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        renumber(octets, counts, 0, {1: 2})


def test_runs_are_of_one_length_but_the_last() -> None:
    long, short = message((256, b"x" * 100)), message((256, b"y" * 50))
    found = [(bytes(run), length) for run, length in runs(long * 3 + short + short + long)]
    assert found == [(long * 3 + short, len(long)), (short, len(short)), (long, len(long))]
    assert list(runs(b"")) == []


@given(st.lists(st.integers(0, 40), max_size=12))
def test_runs_leave_nothing_out(sizes: list[int]) -> None:
    octets = b"".join(message((256, b"x" * size)) for size in sizes)
    found = list(runs(octets))
    assert b"".join(bytes(run) for run, _ in found) == octets
    for run, length in found:
        messages = [struct.unpack_from(">H", run, place + 2)[0] for place in range(0, len(run), length)]
        assert all(each == length for each in messages[:-1])
        assert messages[-1] <= length


# Templates.

FLOWS = template(256, (1, 8), (2, 8))
OTHERS = template(256, (1, 4))
OPTIONS = struct.pack(">HHHHHHH", 300, 2, 1, 149, 4, 305, 4)
OWN = struct.pack(">HHHHI", 257, 1, 0x8000 | 3, 65535, 32473)


def test_a_session_is_told_of_a_template_once() -> None:
    ledger = TemplateLedger()
    templates = message((2, FLOWS + OWN), (3, OPTIONS), sequence=5, export_time=9)
    admission = ledger.admit(templates)
    assert (admission.octets, admission.counts, admission.template_ids) == (templates, (0,), {})
    later = message((2, OWN), (2, FLOWS), sequence=50, export_time=99) + message((3, OPTIONS))
    admission = ledger.admit(later)
    assert (admission.octets, admission.counts, admission.template_ids) == (b"", (), {})


def test_only_what_is_new_is_sent() -> None:
    ledger = TemplateLedger()
    ledger.admit(message((2, FLOWS)))
    admission = ledger.admit(message((2, FLOWS + OWN)) + message((3, OPTIONS), export_time=4))
    assert admission.octets == message((2, OWN)) + message((3, OPTIONS), export_time=4)
    assert (admission.counts, admission.template_ids) == ((0, 0), {})


def test_an_id_that_is_taken_is_not_given_another_meaning() -> None:
    ledger = TemplateLedger()
    ledger.admit(message((2, FLOWS)))
    admission = ledger.admit(message((2, OTHERS)))
    assert admission.octets == message((2, b"\xff\xff" + OTHERS[2:]))
    assert admission.template_ids == {256: 65535}
    again = ledger.admit(message((2, OTHERS)))
    assert (again.octets, again.template_ids) == (b"", {256: 65535})
    third = ledger.admit(
        message(
            (
                2,
                template(256, (2, 8)),
            )
        )
    )
    assert third.template_ids == {256: 65534}


def test_the_same_definition_under_another_id() -> None:
    ledger = TemplateLedger()
    ledger.admit(message((2, FLOWS)))
    admission = ledger.admit(message((2, b"\x01\x09" + FLOWS[2:])))
    assert (admission.octets, admission.template_ids) == (b"", {0x109: 256})


def test_observation_domains_have_ids_of_their_own() -> None:
    ledger = TemplateLedger()
    ledger.admit(message((2, FLOWS), domain=1))
    admission = ledger.admit(message((2, OTHERS), domain=2))
    assert (admission.octets, admission.template_ids) == (message((2, OTHERS), domain=2), {})


def test_padding_of_a_set_is_no_template() -> None:
    assert TemplateLedger().admit(message((2, FLOWS + b"\0\0\0"))).octets == message((2, FLOWS))


@given(st.binary(max_size=60))
def test_whatever_the_octets_are(noise: bytes) -> None:
    """Templates, or a ValueError; nothing comes out that did not come in."""
    for octets in (noise, message((2, noise)), message((3, noise))):
        with suppress(ValueError):
            assert len(TemplateLedger().admit(octets).octets) <= len(octets)
