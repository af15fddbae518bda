# SPDX-License-Identifier: Apache-2.0
"""Times in all forms, against values made by hand from the RFCs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanflow.exporting.row_times import COMPUTED, uptime_milliseconds
from spanflow.fields import Operation
from spanflow.record import DIRECTION

SECOND = 10**9
LAST = (1 << 63) - 1

# 1 January 1970 is 2,208,988,800 = 0x83AA7E80 seconds after 1 January 1900 (RFC 5905, figure 4).
NANOSECONDS = (
    ("1970", 0, 0x83AA7E80_00000000),
    ("before 1970", -1, 0x83AA7E80_00000000),
    ("half a second", SECOND // 2, 0x83AA7E80_80000000),
    # 2^32 / 10^9 = 4.29: the first value not before it, which a reader that cuts takes for 1 ns again.
    ("1 ns", 1, 0x83AA7E80_00000005),
    ("2 ns", 2, 0x83AA7E80_00000009),
    ("the last ns of a second", SECOND - 1, 0x83AA7E80_FFFFFFFC),
    # 2023-11-14T22:13:20Z; .123456789 * 2^32 = 530242871.2.
    ("today", 1_700_000_000 * SECOND + 123_456_789, 0xE8FE6F80_1F9ADD38),
    # RFC 4330 section 3: the era ends on 7 February 2036, 06:28:16 UTC.
    ("the last second of the era", 2_085_978_495 * SECOND, 0xFFFFFFFF_00000000),
    ("the first second of the next one", 2_085_978_496 * SECOND, 0x00000000_00000000),
)


@pytest.mark.parametrize(("name", "time_ns", "expected"), NANOSECONDS, ids=[name for name, *_ in NANOSECONDS])
def test_ntp_nanoseconds(name: str, time_ns: int, expected: int) -> None:
    # RFC 7011 section 6.1.10.
    assert computed(Operation.NTP_NANOSECONDS, time_ns) == expected


MICROSECONDS = (
    ("1970", 0, 0x83AA7E80_00000000),
    ("half a second", SECOND // 2, 0x83AA7E80_80000000),
    # RFC 7011 section 6.1.9: the last 11 bits are 0. 2^21 / 10^6 = 2.097: 3 units of 2^-21 s.
    ("1 us", 1_000, 0x83AA7E80_00001800),
    ("what is less than 1 us is cut", 1_999, 0x83AA7E80_00001800),
    ("less than 1 us", 999, 0x83AA7E80_00000000),
    ("the last us of a second", SECOND - 1, 0x83AA7E80_FFFFF000),
)


@pytest.mark.parametrize(
    ("name", "time_ns", "expected"), MICROSECONDS, ids=[name for name, *_ in MICROSECONDS]
)
def test_ntp_microseconds(name: str, time_ns: int, expected: int) -> None:
    assert computed(Operation.NTP_MICROSECONDS, time_ns) == expected


@given(st.integers(0, LAST))
def test_readers_get_the_same_time(time_ns: int) -> None:
    """Those that cut the fraction, and those that round it."""
    seconds, rest = divmod(time_ns, SECOND)
    for operation, digits in ((Operation.NTP_NANOSECONDS, SECOND), (Operation.NTP_MICROSECONDS, 10**6)):
        stamp = computed(operation, time_ns)
        assert stamp >> 32 == (seconds + 0x83AA7E80) % (1 << 32)
        fraction = (stamp & 0xFFFF_FFFF) * digits
        expected = rest * digits // SECOND
        assert fraction >> 32 == (fraction + (1 << 31)) >> 32 == expected
        assert operation is not Operation.NTP_MICROSECONDS or stamp & 0x7FF == 0


@pytest.mark.parametrize(
    ("time_ns", "expected"),
    [
        (-1, 0),
        (SECOND - 1, 0),
        (SECOND, 1),
        (((1 << 32) - 1) * SECOND, 0xFFFF_FFFF),
        ((1 << 32) * SECOND, 0),  # RFC 7011 section 6.1.7: modulo 2^32, in 2106
    ],
)
def test_seconds(time_ns: int, expected: int) -> None:
    assert computed(Operation.SECONDS, time_ns) == expected


@pytest.mark.parametrize(
    ("time_ns", "boot_ns", "expected"),
    [
        (5 * SECOND, 5 * SECOND, 0),
        (5 * SECOND - 1, 5 * SECOND, 0),
        (-1, 0, 0),
        (5 * SECOND + 1_999_999, 5 * SECOND, 1),
        # systemInitTimeMilliseconds is told as 5,000: 5,001 - 5,000.
        (5 * SECOND + 1_100_000, 5 * SECOND + 900_000, 1),
        ((1 << 32) * 1_000_000 + 7_000_000, 0, 7),
        (LAST, -(1 << 63), LAST // 1_000_000 % (1 << 32)),
    ],
)
def test_uptime(time_ns: int, boot_ns: int, expected: int) -> None:
    assert uptime_milliseconds(np.array([time_ns]), boot_ns).tolist() == [expected]


@pytest.mark.parametrize(
    ("first_ns", "last_ns", "expected"),
    [
        (0, 0, 0),
        (999_999, 1_000_000, 1),  # flowEndMilliseconds 1, flowStartMilliseconds 0
        (1_000_000, 1_999_999, 0),
        (5, 3, 0),
        (-(1 << 63), LAST, 0xFFFF_FFFF),
        (0, ((1 << 32) - 1) * 1_000_000, 0xFFFF_FFFF),
        (0, (1 << 32) * 1_000_000, 0xFFFF_FFFF),
    ],
)
def test_duration(first_ns: int, last_ns: int, expected: int) -> None:
    directions = np.zeros(1, DIRECTION)
    directions["first_ns"], directions["last_ns"] = first_ns, last_ns
    assert COMPUTED[Operation.DURATION_MILLISECONDS](directions).tolist() == [expected]


def computed(operation: Operation, time_ns: int) -> int:
    (value,) = COMPUTED[operation](np.array([time_ns], np.int64)).tolist()
    assert isinstance(value, int)
    return value
