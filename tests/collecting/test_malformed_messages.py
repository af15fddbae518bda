# SPDX-License-Identifier: Apache-2.0
"""Messages that must be discarded, after the topics of RFC 5471 section 3.6: each with reason and offset."""

from __future__ import annotations

import struct

import pytest

from collecting.messages import ipfix_set, message, options_template, short, template, withdrawal
from spanflow.collecting.counters import CollectorCounters
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.protocols import read_header
from spanflow.collecting.session import Limits, TransportSession
from spanflow.errors import DecodeError

KNOWN = message(
    ipfix_set(2, template(256, "octetDeltaCount", "protocolIdentifier")),
    ipfix_set(2, template(257, ("interfaceName", 65535), "protocolIdentifier")),
    ipfix_set(2, template(258, "vlanId", "dataRecordsReliability")),
)
VALID = message(ipfix_set(256, bytes(9)))


def with_length(octets: bytes, offset: int, length: int) -> bytes:
    """The Message with the 2 octets at `offset` changed."""
    return octets[:offset] + struct.pack("!H", length) + octets[offset + 2 :]


MALFORMED: list[tuple[str, bytes, Reason, int]] = [
    # Message Header
    ("nothing", b"", Reason.MESSAGE_LENGTH, 0),
    ("one octet", b"\0", Reason.MESSAGE_LENGTH, 0),
    ("half a header", VALID[:8], Reason.MESSAGE_LENGTH, 0),
    ("version 0", message(version=0), Reason.VERSION, 0),
    ("NetFlow v8", message(version=8), Reason.VERSION, 0),
    ("NetFlow v9, shorter than its header", message(version=9), Reason.MESSAGE_LENGTH, 0),
    ("NetFlow v5, shorter than its header", b"\0\5\0\0", Reason.MESSAGE_LENGTH, 0),
    ("version 11", message(version=11), Reason.VERSION, 0),
    ("length 0", with_length(VALID, 2, 0), Reason.MESSAGE_LENGTH, 2),
    ("length shorter than the header", with_length(VALID, 2, 15), Reason.MESSAGE_LENGTH, 2),
    ("length shorter than the message", with_length(VALID, 2, len(VALID) - 1), Reason.MESSAGE_LENGTH, 2),
    ("length longer than the message", with_length(VALID, 2, len(VALID) + 1), Reason.MESSAGE_LENGTH, 2),
    ("cut by one octet", VALID[:-1], Reason.MESSAGE_LENGTH, 2),
    # Set Header
    ("half a set header", message(b"\1\0\0"), Reason.SET_LENGTH, 16),
    ("set length 0", with_length(VALID, 18, 0), Reason.SET_LENGTH, 18),
    ("set length 3", with_length(VALID, 18, 3), Reason.SET_LENGTH, 18),
    ("set longer than the message", with_length(VALID, 18, 14), Reason.SET_LENGTH, 18),
    ("set of 65535", with_length(VALID, 18, 65535), Reason.SET_LENGTH, 18),
    ("set length 0 behind a good set", message(VALID[16:], b"\1\0\0\0"), Reason.SET_LENGTH, 31),
    ("template set without a record", message(ipfix_set(2)), Reason.EMPTY_SET, 20),
    ("options template set without a record", message(ipfix_set(3, bytes(4))), Reason.EMPTY_SET, 20),
    ("data set without a record", message(ipfix_set(256)), Reason.EMPTY_SET, 20),
    ("data set with padding alone", message(ipfix_set(256, bytes(8))), Reason.EMPTY_SET, 20),
    ("data set, variable, without a record", message(ipfix_set(257, b"\0")), Reason.EMPTY_SET, 20),
    # Templates
    ("template id 0", message(ipfix_set(2, template(0, "vlanId"))), Reason.TEMPLATE_ID, 20),
    ("template id 255", message(ipfix_set(2, template(255, "vlanId"))), Reason.TEMPLATE_ID, 20),
    ("withdrawal of id 3 as a template", message(ipfix_set(2, withdrawal(3))), Reason.TEMPLATE_ID, 20),
    ("withdrawal of id 2 as options", message(ipfix_set(3, withdrawal(2))), Reason.TEMPLATE_ID, 20),
    ("padding as long as a template record", message(ipfix_set(2, bytes(8))), Reason.TEMPLATE_ID, 20),
    ("half a template header", message(ipfix_set(2, b"\1\0\0")), Reason.TRUNCATED, 22),
    ("more fields than there are", message(ipfix_set(2, b"\1\0\0\2\0\1\0\4")), Reason.TRUNCATED, 28),
    ("more fields than are read", message(ipfix_set(2, b"\1\0\xff\xff")), Reason.FIELD_COUNT, 20),
    (
        "enterprise number cut",
        message(ipfix_set(2, template(256, (9, 1, 1))[:-1])),
        Reason.TRUNCATED,
        28,
    ),
    (
        "template padding is not zero",
        message(ipfix_set(2, template(256, "vlanId"), b"\0\0\1")),
        Reason.TRUNCATED,
        30,
    ),
    ("field length 0", message(ipfix_set(2, template(256, (0, 96, 0)))), Reason.FIELD_LENGTH, 24),
    ("unknown field length 0", message(ipfix_set(2, template(256, (9, 9, 0)))), Reason.FIELD_LENGTH, 24),
    (
        "integer too long",
        message(ipfix_set(2, template(256, "vlanId", ("octetDeltaCount", 9)))),
        Reason.FIELD_LENGTH,
        28,
    ),
    ("integer of length 0", message(ipfix_set(2, template(256, ("vlanId", 0)))), Reason.FIELD_LENGTH, 24),
    (
        "integer of variable length",
        message(ipfix_set(2, template(256, ("vlanId", 65535)))),
        Reason.FIELD_LENGTH,
        24,
    ),
    (
        "reduced size for an address",
        message(ipfix_set(2, template(256, ("sourceIPv6Address", 8)))),
        Reason.FIELD_LENGTH,
        24,
    ),
    (
        "reduced size for a time",
        message(ipfix_set(2, template(256, ("flowStartMilliseconds", 4)))),
        Reason.FIELD_LENGTH,
        24,
    ),
    (
        "a float of 2 octets",
        message(ipfix_set(2, template(256, ("samplingProbability", 2)))),
        Reason.FIELD_LENGTH,
        24,
    ),
    (
        "a boolean of 4 octets",
        message(ipfix_set(2, template(256, ("dataRecordsReliability", 4)))),
        Reason.FIELD_LENGTH,
        24,
    ),
    # Options Templates
    ("no scope", message(ipfix_set(3, options_template(256, 0, "selectorId"))), Reason.SCOPE_COUNT, 20),
    (
        "more scope than fields",
        message(ipfix_set(3, options_template(256, 2, "selectorId"))),
        Reason.SCOPE_COUNT,
        20,
    ),
    ("options template cut", message(ipfix_set(3, b"\1\0\0\1\0")), Reason.TRUNCATED, 24),
    # Data Records
    ("data padding is not zero", message(ipfix_set(256, bytes(9), b"\0\1")), Reason.PADDING, 29),
    (
        "a record cut short",
        message(ipfix_set(256, bytes(8) + b"\6", bytes(7) + b"\1")),
        Reason.PADDING,
        29,
    ),
    ("value longer than its set", message(ipfix_set(257, b"\5abcd")), Reason.TRUNCATED, 21),
    ("value of 65535", message(ipfix_set(257, b"\xff\xff\xffabcd")), Reason.TRUNCATED, 23),
    ("long length cut", message(ipfix_set(257, b"\xff\0")), Reason.TRUNCATED, 21),
    ("nothing behind the value", message(ipfix_set(257, short(b"abc"))), Reason.TRUNCATED, 24),
    ("boolean 0", message(ipfix_set(258, b"\0\1\0")), Reason.VALUE, 20),
    ("boolean 3 in the second record", message(ipfix_set(258, b"\0\1\1\0\1\3")), Reason.VALUE, 23),
]


@pytest.mark.parametrize(
    ("octets", "reason", "offset"), [m[1:] for m in MALFORMED], ids=[m[0] for m in MALFORMED]
)
def test_malformed(octets: bytes, reason: Reason, offset: int) -> None:
    process = CollectingProcess()
    process.receive(KNOWN, "exporter")
    with pytest.raises(DecodeError) as caught:
        process.receive(octets, "exporter")
    assert isinstance(caught.value, MalformedMessageError)
    assert (caught.value.reason, caught.value.offset) == (reason, offset)
    assert str(caught.value).startswith(f"offset {offset}: {reason}: ")
    assert "\n" not in str(caught.value)
    assert process.counters.discarded == {reason: 1}
    # Its neighbours do not suffer.
    process.receive(VALID, "exporter")
    assert (process.counters.messages, process.counters.records) == (2, 1)


def test_nothing_of_a_malformed_message_counts() -> None:
    """RFC 7011 section 9.1: the Message is discarded, its good Sets with it."""
    process = CollectingProcess()
    process.receive(KNOWN, "exporter")
    with pytest.raises(DecodeError):
        process.receive(
            message(
                ipfix_set(2, template(256, "vlanId"), template(400, "vlanId")),
                ipfix_set(400, b"\0\1"),
                ipfix_set(258, b"\0\1\7"),
            ),
            "exporter",
        )
    _, decoded = process.receive(message(ipfix_set(256, bytes(9)), ipfix_set(400, b"\0\1")), "exporter")
    assert [data_set.template.template_id for data_set in decoded.data_sets] == [256]
    assert process.counters.templates == 3
    assert process.counters.records == 1


def test_noise_gets_no_session() -> None:
    process = CollectingProcess()
    for number in range(5):
        with pytest.raises(DecodeError):
            process.receive(b"noise", number)
    assert process.counters.sessions == 0


def test_stream_redefinition_without_withdrawal() -> None:
    """RFC 7011 section 8.1: records of that id can no longer be read without doubt; an equal one is fine."""
    session = TransportSession("file", Limits(), CollectorCounters(), stream=True)
    first, second = (message(ipfix_set(2, template(256, name))) for name in ("vlanId", "ipTTL"))
    session.decode(read_header(first), first)
    session.decode(read_header(first), first)
    with pytest.raises(MalformedMessageError) as caught:
        session.decode(read_header(second), second)
    assert caught.value.reason == Reason.REDEFINITION
