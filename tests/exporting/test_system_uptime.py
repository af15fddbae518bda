# SPDX-License-Identifier: Apache-2.0
"""Times of NetFlow: what a collector computes from header and stamps is the time of the Flow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporting.clocks import SECOND_NS
from exporting.flow_batches import IPV4_FLOWS, batch_of
from spanflow.exporting.encode import Origins, Rows
from spanflow.exporting.netflow5_records import TEMPLATE
from spanflow.exporting.system_uptime import Moment, SystemUptime, latest_ns, times_of

MS = 1_000_000
DAY_NS = 86_400 * SECOND_NS
NOW = 1_800_000_000 * SECOND_NS + 123_456_789
WRAP = 1 << 32
HISTORY_DAYS = 24

ANY_TIME = st.integers(-(1 << 63), (1 << 63) - 1)
CLOCK = st.integers(0, 4_000_000_000 * SECOND_NS)


def decoded_ms(moment: Moment, stamp: int) -> int:
    """What a collector computes (RFC 3954 sections 5.1 and 8)."""
    return moment.time_ms - moment.uptime_ms + stamp


@given(st.lists(CLOCK, min_size=1, max_size=4), st.lists(ANY_TIME, max_size=5), st.booleans(), st.booleans())
@example([NOW], [0, NOW, NOW + 1, -1], True, False)
@example([NOW], [0, NOW, NOW + 1, -1], False, True)
def test_every_time_is_right_or_the_nearest(
    clock: list[int], times: list[int], whole_seconds: bool, offline: bool
) -> None:
    """Whatever the clock did before; and nothing is later than the Message that tells it."""
    uptime = SystemUptime(offline=offline, whole_seconds=whole_seconds)
    for now_ns in clock:
        moment = uptime.moment(now_ns, max(times, default=None))
    step_ns = SECOND_NS if whole_seconds else MS
    told_ns = moment.time_ms * MS
    assert told_ns % step_ns == 0
    assert told_ns < now_ns + step_ns
    assert offline or told_ns >= now_ns
    assert 0 <= moment.uptime_ms < WRAP
    stamps = moment.stamps(np.array(times, np.int64)).tolist()
    for time_ns, stamp in zip(times, stamps, strict=True):
        assert 0 <= stamp <= moment.uptime_ms
        nearest_ns = min(max(time_ns, moment.start_ms * MS), told_ns)
        assert decoded_ms(moment, stamp) == nearest_ns // MS


@given(CLOCK, st.integers(0, HISTORY_DAYS * DAY_NS))
def test_what_was_within_24_days_is_told_to_the_millisecond(now_ns: int, ago_ns: int) -> None:
    time_ns = max(0, now_ns - ago_ns)
    moment = SystemUptime(offline=False, whole_seconds=True).moment(now_ns)
    (stamp,) = moment.stamps(np.array([time_ns])).tolist()
    assert decoded_ms(moment, stamp) == time_ns // MS


@pytest.mark.parametrize("whole_seconds", [False, True], ids=["version 5", "version 9"])
def test_uptime_never_wraps(whole_seconds: bool) -> None:
    """Half a year by the hour: the start moves on in time, and no Flow of the last days is told wrongly."""
    uptime = SystemUptime(offline=False, whole_seconds=whole_seconds)
    starts = []
    for hour in range(180 * 24):
        moment = uptime.moment(NOW + hour * 3600 * SECOND_NS)
        starts.append(moment.start_ms)
        assert moment.uptime_ms < WRAP
        times = NOW + hour * 3600 * SECOND_NS - np.array([0, 3600 * SECOND_NS, 20 * DAY_NS])
        stamps = moment.stamps(times)
        assert [decoded_ms(moment, stamp) for stamp in stamps.tolist()] == (times // MS).tolist()
    changes = [hour for hour in range(1, len(starts)) if starts[hour] != starts[hour - 1]]
    assert starts == sorted(starts)
    assert [hour // 24 for hour in changes] == [24, 49, 74, 99, 124, 149, 174]


def test_a_flow_from_before_the_start_has_stamp_0() -> None:
    """nfdump takes the absolute times then."""
    moment = SystemUptime(offline=False, whole_seconds=True).moment(NOW)
    in_2011 = 1_300_000_000 * SECOND_NS
    assert moment.stamps(np.array([in_2011, -5, NOW - 26 * DAY_NS])).tolist() == [0, 0, 0]


def test_a_clock_that_is_set_back_takes_the_start_along() -> None:
    uptime = SystemUptime(offline=False, whole_seconds=False)
    uptime.moment(NOW)
    moment = uptime.moment(NOW - 3000 * DAY_NS)
    assert moment.time_ms == -(-(NOW - 3000 * DAY_NS) // MS)
    (stamp,) = moment.stamps(np.array([NOW - 3001 * DAY_NS])).tolist()
    assert decoded_ms(moment, stamp) == (NOW - 3001 * DAY_NS) // MS


def test_offline_the_time_is_that_of_the_packets() -> None:
    uptime = SystemUptime(offline=True, whole_seconds=True)
    in_2011 = 1_300_000_000 * SECOND_NS
    assert uptime.moment(NOW).time_ms == 1_800_000_001_000  # no packet yet
    assert uptime.moment(NOW, in_2011).time_ms == 1_300_000_000_000
    assert uptime.moment(NOW, in_2011 - 60 * SECOND_NS).time_ms == 1_300_000_000_000
    assert uptime.moment(NOW, in_2011 + 1).time_ms == 1_300_000_001_000
    assert uptime.moment(NOW).time_ms == 1_300_000_001_000
    # Another capture, from years before.
    assert uptime.moment(NOW, in_2011 - 900 * DAY_NS).time_ms == 1_300_000_000_000 - 900 * 86_400_000
    # And one with a wrong clock: nothing is told from the future.
    assert uptime.moment(NOW, NOW + DAY_NS).time_ms == 1_800_000_001_000


def test_times_of_rows() -> None:
    """Those of the half that each row is about, also where rows were selected, repeated or come from some."""
    batch = batch_of(*IPV4_FLOWS[:4])
    forward = batch.records["forward"]["first_ns"].tolist()
    reverse = batch.records["reverse"]["first_ns"].tolist()
    nothing = np.empty(0)

    def first_ns(selected: list[int] | None, halves: int, origin: list[int] | None) -> list[int]:
        chosen = None if selected is None else np.array(selected)
        numbers = None if origin is None else np.array(origin)
        rows = Rows(TEMPLATE, nothing, Origins(halves, chosen, numbers))
        times: list[int] = times_of(rows, batch, "first_ns").tolist()
        return times

    assert first_ns(None, 1, None) == forward
    assert first_ns(None, 2, None) == [time for pair in zip(forward, reverse, strict=True) for time in pair]
    assert first_ns([1, 1, 6], 2, None) == [reverse[0], reverse[0], forward[3]]
    assert first_ns([1, 2], 2, [3, 0]) == [reverse[3], forward[0]]
    assert latest_ns(batch) == max(batch.records["forward"]["last_ns"].tolist())
