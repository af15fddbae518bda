# SPDX-License-Identifier: Apache-2.0
"""Streams are cut into Messages by their lengths, and end with the first that is malformed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collecting.messages import ipfix_set, message, template, withdrawal
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import Message
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.session import Limits
from spanflow.collecting.stream import MessageStream

VLAN = ipfix_set(2, template(256, "vlanId"))


def vlans(*numbers: int, sequence: int = 0) -> bytes:
    return message(ipfix_set(256, *(number.to_bytes(2, "big") for number in numbers)), sequence=sequence)


THREE = message(VLAN) + vlans(1, 2) + vlans(3, sequence=2)


def numbers_of(messages: list[Message]) -> list[object]:
    return [record[0] for each in messages for data_set in each.data_sets for record in data_set.records]


@given(st.lists(st.integers(0, len(THREE))))
def test_wherever_it_is_cut(places: list[int]) -> None:
    stream = MessageStream(CollectingProcess(), "peer")
    places = [0, *sorted(places), len(THREE)]
    pieces = [THREE[start:end] for start, end in pairwise(places)]
    messages = [each for piece in pieces for each in stream.feed(piece)]
    assert numbers_of(messages) == [1, 2, 3]
    assert (stream.offset, stream.waiting) == (len(THREE), 0)
    stream.end()


def test_templates_live_as_long_as_the_stream() -> None:
    process = CollectingProcess()
    first, second = MessageStream(process, "peer"), MessageStream(process, "peer")
    list(first.feed(message(VLAN)))
    (decoded,) = second.feed(vlans(1))
    assert decoded.ignored == {Reason.TEMPLATE_MISSING: 1}
    first.close()
    (decoded,) = MessageStream(process, "peer").feed(vlans(1))
    assert decoded.ignored == {Reason.TEMPLATE_MISSING: 1}


def test_withdrawals_count() -> None:
    """RFC 7011 section 8.1, unlike over UDP."""
    stream = MessageStream(CollectingProcess(), "peer")
    list(stream.feed(message(VLAN) + message(ipfix_set(2, withdrawal(256)))))
    (decoded,) = stream.feed(vlans(1))
    assert decoded.ignored == {Reason.TEMPLATE_MISSING: 1}


BROKEN = [
    ("another protocol", b"\0\x09\0\x20" + bytes(20), Reason.VERSION, 0),
    ("seen with its first 4 octets", b"GET ", Reason.VERSION, 0),
    ("a length below the header's", b"\0\x0a\0\x0f", Reason.MESSAGE_LENGTH, 2),
    ("length 0", b"\0\x0a\0\0", Reason.MESSAGE_LENGTH, 2),
    ("a malformed set", message(b"\1\0\0\0"), Reason.SET_LENGTH, 18),
    ("a redefinition", message(ipfix_set(2, template(256, "ipTTL"))), Reason.REDEFINITION, 20),
]


@pytest.mark.parametrize(("octets", "reason", "offset"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_what_ends_it(octets: bytes, reason: Reason, offset: int) -> None:
    process = CollectingProcess()
    stream = MessageStream(process, "peer")
    found: list[Message] = []
    with pytest.raises(MalformedMessageError) as caught:
        found.extend(stream.feed(THREE + octets))
    assert (caught.value.reason, caught.value.offset) == (reason, offset)
    assert process.counters.discarded == {reason: 1}
    assert process.counters.messages == 3
    assert stream.offset == len(THREE)


@pytest.mark.parametrize("size", [1, 3, 4, 15, 19])
def test_an_end_within_a_message(size: int) -> None:
    process = CollectingProcess()
    stream = MessageStream(process, "peer")
    list(stream.feed(THREE + vlans(4)[:size]))
    with pytest.raises(MalformedMessageError, match=f"end within a message: {size} octets"):
        stream.end()
    assert process.counters.discarded == {Reason.UNFINISHED: 1}


def test_what_waits_is_bounded() -> None:
    """The longest Message there can be, but for its last octet."""
    stream = MessageStream(CollectingProcess(), "peer")
    longest = b"\0\x0a\xff\xff" + bytes(65_530)
    assert list(stream.feed(longest)) == []
    assert stream.waiting == 65_534


def test_templates_of_all_streams_are_bounded() -> None:
    """The one that asks for too many is refused: another would never send its own again."""
    process = CollectingProcess(Limits(session_fields=10, total_fields=12))
    first, second = MessageStream(process, "a"), MessageStream(process, "b")
    eight = message(ipfix_set(2, template(300, *[(9, number, 1) for number in range(8)])))
    list(first.feed(eight + message(VLAN)))
    with pytest.raises(MalformedMessageError) as caught:
        list(second.feed(eight))
    assert caught.value.reason == Reason.TEMPLATE_LIMIT
    # Datagrams have room of their own, and streams again when the other has gone.
    process.receive(eight, "udp")
    second.close()
    first.close()
    assert len(list(MessageStream(process, "c").feed(eight))) == 1


@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans())
def test_any_octets(pieces: list[bytes], framed: bool) -> None:
    stream = MessageStream(CollectingProcess(), "peer")
    try:
        for piece in pieces:
            octets = b"\0\x0a" + (len(piece) + 16).to_bytes(2, "big") + bytes(12) + piece if framed else piece
            list(stream.feed(octets))
        stream.end()
    except MalformedMessageError:
        pass
    assert stream.waiting < 65_535
