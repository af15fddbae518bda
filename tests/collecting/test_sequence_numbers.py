# SPDX-License-Identifier: Apache-2.0
"""Lost, late and repeated records, from Sequence Numbers alone (RFC 7011 section 3.1)."""

from __future__ import annotations

import pytest

from collecting.messages import ipfix_set, message, template
from spanflow.collecting.counters import SequenceCounters
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.sequence import MAX_GAPS, REORDER_WINDOW, SequenceNumbers
from spanflow.errors import DecodeError

LAST = 2**32 - 1

CASES: list[tuple[str, list[tuple[int, int | None, int]], SequenceCounters]] = [
    # (sequence number, records, export time) of each Message
    ("in order", [(0, 10, 1), (10, 5, 1), (15, 0, 2), (15, 1, 2)], SequenceCounters()),
    ("starts anywhere", [(1000, 10, 1), (1010, 10, 1)], SequenceCounters()),
    ("wraps", [(LAST - 4, 10, 1), (5, 10, 1)], SequenceCounters()),
    ("gap", [(0, 10, 1), (15, 5, 1), (20, 5, 1)], SequenceCounters(gaps=1, missing=5)),
    ("gap across the wrap", [(LAST, 1, 1), (7, 1, 1)], SequenceCounters(gaps=1, missing=7)),
    ("two gaps", [(0, 1, 1), (2, 1, 1), (5, 1, 1)], SequenceCounters(gaps=2, missing=3)),
    ("gap before a template", [(0, 10, 1), (15, 0, 1)], SequenceCounters(gaps=1, missing=5)),
    ("late", [(0, 5, 1), (10, 5, 1), (5, 5, 1), (15, 5, 1)], SequenceCounters(gaps=1, reordered=5)),
    (
        "late, into the middle of a gap",
        [(0, 5, 1), (20, 5, 1), (10, 5, 1), (5, 5, 1)],
        SequenceCounters(gaps=1, missing=5, reordered=10),
    ),
    (
        "late across the wrap",
        [(LAST - 1, 1, 1), (9, 1, 1), (LAST, 10, 1)],
        SequenceCounters(gaps=1, reordered=10),
    ),
    ("late template", [(0, 5, 1), (10, 5, 1), (5, 0, 1)], SequenceCounters(gaps=1, missing=5)),
    (
        "late, before the first that came",
        [(10, 5, 2), (5, 5, 2), (0, 5, 2), (15, 5, 2)],
        SequenceCounters(reordered=10),
    ),
    ("twice", [(0, 5, 1), (5, 5, 1), (0, 5, 1), (10, 5, 1)], SequenceCounters(duplicated=5)),
    (
        "late and twice",
        [(0, 5, 1), (10, 5, 1), (5, 5, 1), (5, 5, 1)],
        SequenceCounters(gaps=1, reordered=5, duplicated=5),
    ),
    (
        "longer than its gap",
        [(0, 5, 1), (10, 5, 1), (8, 4, 1)],
        SequenceCounters(gaps=1, missing=3, reordered=2, duplicated=2),
    ),
    ("restart", [(0, 500, 1), (500, 5, 1), (0, 5, 2), (5, 5, 2)], SequenceCounters(restarts=1)),
    (
        "restart, its first Message lost",
        [(0, 500, 1), (500, 5, 1), (20, 5, 9), (25, 5, 9)],
        SequenceCounters(restarts=1),
    ),
    ("restart with a template", [(0, 500, 1), (0, 0, 2), (0, 5, 2)], SequenceCounters(restarts=1)),
    (
        "restart in the same second, far behind",
        [(2 * REORDER_WINDOW, 5, 1), (0, 5, 1), (5, 5, 1)],
        SequenceCounters(restarts=1),
    ),
    (
        "a restart forgets the gaps",
        [(0, 5, 1), (10, 5, 1), (0, 5, 2), (5, 5, 2)],
        SequenceCounters(gaps=1, missing=5, restarts=1),
    ),
    (
        "an exporter that does not count its options records",
        [(0, 4, 1), (3, 5, 2), (8, 5, 3), (12, 0, 3), (12, 2, 3), (14, 1, 4)],
        SequenceCounters(duplicated=2),
    ),
    (
        "records that could not be counted are no gap",
        [(0, None, 1), (30, None, 1), (60, 10, 1), (70, 10, 1), (90, 1, 1)],
        SequenceCounters(gaps=1, missing=10),
    ),
]


@pytest.mark.parametrize(("messages", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_sequence(messages: list[tuple[int, int | None, int]], expected: SequenceCounters) -> None:
    counters = SequenceCounters()
    numbers = SequenceNumbers(counters)
    for sequence_number, records, export_time in messages:
        numbers.observe(sequence_number, records, export_time)
    assert counters == expected


def test_gaps_are_bounded() -> None:
    """The oldest gap is not filled any more once there are too many."""
    counters = SequenceCounters()
    numbers = SequenceNumbers(counters)
    for number in range(MAX_GAPS + 2):
        numbers.observe(2 * number, 1, 1)
    assert (counters.gaps, counters.missing) == (MAX_GAPS + 1, MAX_GAPS + 1)
    numbers.observe(1, 1, 1)
    assert (counters.missing, counters.reordered, counters.duplicated) == (MAX_GAPS + 1, 0, 1)
    numbers.observe(3, 1, 1)
    assert (counters.missing, counters.reordered) == (MAX_GAPS, 1)


def test_what_a_session_counts() -> None:
    """Data Records of all Sets count, per Observation Domain; those of unreadable Sets are no loss."""
    process = CollectingProcess()
    definition, data = ipfix_set(2, template(256, "vlanId")), ipfix_set(256, b"\0\1\0\2")
    process.receive(message(data, sequence=70), "exporter")
    process.receive(message(definition, data, data, sequence=72), "exporter")
    process.receive(message(definition, data, sequence=0, domain=2), "exporter")
    with pytest.raises(DecodeError):
        process.receive(message(data, b"\0", sequence=76), "exporter")
    process.receive(message(data, sequence=78), "exporter")
    assert process.counters.sequence == SequenceCounters()
    process.receive(message(data, sequence=90), "exporter")
    process.receive(message(data, sequence=3, domain=2), "exporter")
    assert process.counters.sequence == SequenceCounters(gaps=2, missing=11)
