# SPDX-License-Identifier: Apache-2.0
"""The reference engine's own promises: it loses no packet, timers do not matter, no octets can upset it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import reference
from craft.capture import SECOND, Capture
from craft.conversation import Pair, play
from craft.strategies import Crafted, captures, frames
from golden.recipe import DEFAULT_SETTINGS
from metering import native
from reference import read_capture
from reference.two_pass import TwoPassSeries
from spanflow.record import DIRECTION, RECORD
from spanflow.reference.frame import DiscardError, Frame
from spanflow.reference.network import decode
from spanflow.reference.records import Series, Sums

REASONS = {"non_ip", "truncated", "malformed", "unsupported_link"}
relaxed = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=150
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures")


def _meter(folder: Path, crafted: Crafted, **more: Any) -> reference.Result:
    return reference.meter([crafted.write(folder)], **crafted.settings | more)


def _fate(frame: Frame) -> str:
    try:
        decode(frame)
    except DiscardError as reason:
        return str(reason)
    return "accounted"


def _texts(result: reference.Result) -> list[str]:
    return sorted(str({**record, "statistics": None}) for record in result.records)


@relaxed
@given(crafted=captures(late=True))
def test_sums_over_records_are_sums_over_packets(folder: Path, crafted: Crafted) -> None:
    result = _meter(folder, crafted)
    read = list(read_capture(crafted.write(folder), []))
    assert result.received == (len(read), sum(frame.wire_length for frame in read))
    assert set(result.discards) <= REASONS
    for index in (0, 1):
        discarded = sum(both[index] for both in result.discards.values())
        assert result.received[index] == result.accounted[index] + discarded
    halves = [record[half] for record in result.records for half in ("forward", "reverse")]
    assert sum(half["packet_delta_count"] for half in halves) == result.accounted[0]
    assert sum(half["octet_delta_count"] for half in halves) == result.flow_octets


@relaxed
@given(crafted=captures())
def test_timers_do_not_matter_within_the_window(folder: Path, crafted: Crafted) -> None:
    never = _meter(folder, crafted, timers=False)
    assume(never.late == 0)
    assert _texts(_meter(folder, crafted)) == _texts(never)


@relaxed
@given(crafted=captures(damage=False))
def test_disorder_of_strategies_stays_within_the_window(folder: Path, crafted: Crafted) -> None:
    """Else the test above would say little. Resolutions coarser than a nanosecond round the window's edge."""
    window = crafted.settings["reorder_window"] + 1000
    assert _meter(folder, crafted, reorder_window=window).late == 0


@relaxed
@given(crafted=captures())
def test_records_have_the_members_of_the_native_ones(folder: Path, crafted: Crafted) -> None:
    for record in _meter(folder, crafted).records:
        assert record.keys() - {"statistics"} == set(RECORD.names or ())
        assert record["forward"]["packet_delta_count"] + record["reverse"]["packet_delta_count"] > 0
        for half in ("forward", "reverse"):
            assert record[half].keys() == set(DIRECTION.names or ())


@relaxed
@given(frame=frames(), data=st.data())
def test_any_prefix_of_a_frame_is_a_packet_or_one_reason(
    frame: tuple[int, bytes], data: st.DataObject
) -> None:
    link_type, octets = frame
    size = data.draw(st.integers(0, len(octets)))
    wire_length = data.draw(st.sampled_from((size, len(octets), len(octets) + 1000)))
    read = Frame(0, octets[:size], wire_length, link_type, 0)
    assert _fate(read) in REASONS | {"accounted"}


@relaxed
@given(crafted=captures(conversations=2), data=st.data())
def test_no_octets_upset_the_readers(folder: Path, crafted: Crafted, data: st.DataObject) -> None:
    """A changed or cut file is metered as far as it goes, or is no capture."""
    octets = bytearray(crafted.octets[: data.draw(st.integers(0, len(crafted.octets)))])
    for at in data.draw(st.lists(st.integers(0, max(0, len(octets) - 1)), max_size=4)):
        if octets:
            octets[at] = data.draw(st.integers(0, 255))
    path = folder / "changed"
    path.write_bytes(octets)
    result = reference.meter([path], **crafted.settings)
    discarded = sum(packets for packets, _ in result.discards.values())
    assert result.received[0] == result.accounted[0] + discarded


@pytest.mark.parametrize(
    "octets",
    [
        *(b"", b"P", b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"BZh9", b"\xd4\xc3\xb2\xa1", bytes(100)),
        *(b"\x0a\x0d\x0d\x0a" + bytes(24), b"\x0a\x0d\x0d\x0a", b"\xa1\xb2\xc3\xd4" + b"\xff" * 40),
        b"\xd4\xc3\xb2\xa1" + bytes(25),
    ],
)
def test_problems_are_told_as_the_native_engine_tells_them(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(octets)
    paths = [path, tmp_path, tmp_path / "missing"]
    assert [problem.path for problem in native.meter(paths).problems] == [str(each) for each in paths]
    assert reference.meter_as_users_do(paths).problems == native.meter(paths).problems


def test_several_files_are_one_input(tmp_path: Path) -> None:
    """A Flow goes on in the next file, and the clock does too: the second file's first packet is late."""
    first = play(Capture(), "0 > S", "14 > A", pair=Pair())
    second = play(Capture(), "1 < SA", "20 > FA", pair=Pair())
    paths = [tmp_path / "1.pcap", tmp_path / "2.pcapng"]
    paths[0].write_bytes(first.pcap())
    paths[1].write_bytes(second.pcapng())
    result = reference.meter(paths, **DEFAULT_SETTINGS)
    (record,) = result.records
    assert (record["forward"]["packet_delta_count"], record["reverse"]["packet_delta_count"]) == (3, 1)
    assert result.late == 1


def test_the_clock_is_that_of_discarded_frames_too(tmp_path: Path) -> None:
    capture = Capture()
    capture.add(100 * SECOND, bytes(14))
    play(capture, "0 > udp", start_ns=89 * SECOND)
    path = tmp_path / "1.pcap"
    path.write_bytes(capture.pcap())
    assert reference.meter([path], **DEFAULT_SETTINGS).late == 1


def test_timers_may_matter_to_late_packets(tmp_path: Path) -> None:
    """The only exception that semantics §6 grants: the timer has taken the Flow before its packet comes."""
    capture = play(Capture(), "0 > udp")
    play(capture, "100 > udp", pair=Pair(client="10.0.0.9"))
    play(capture, "1 > udp")
    path = tmp_path / "1.pcap"
    path.write_bytes(capture.pcap())
    counts = {
        timers: len(reference.meter([path], **DEFAULT_SETTINGS, timers=timers).records)
        for timers in (False, True)
    }
    assert counts == {False: 2, True: 3}


def test_statistics_are_those_of_two_passes() -> None:
    series, sizes, gaps = TwoPassSeries(), Sums(), Series()
    for time_ns, size in ((100, 40), (90, 1500), (400, 40), (400, 60)):
        series.add(time_ns, size)
        sizes.add(size)
        gaps.add(time_ns)
    assert series.gaps == [0, 300, 0]
    assert (series.size_mean, series.gap_mean) == (410.0, 100.0)
    assert math.isclose(series.size_stddev, math.sqrt(sum((x - 410) ** 2 for x in series.sizes) / 3))
    assert math.isclose(series.gap_stddev, math.sqrt((100**2 + 200**2 + 100**2) / 2))
    assert (TwoPassSeries().size_mean, TwoPassSeries().gap_stddev) == (0.0, 0.0)
    assert (sizes.mean, sizes.stddev) == (series.size_mean, series.size_stddev)
    assert (gaps.gaps.mean, gaps.gaps.stddev) == (series.gap_mean, series.gap_stddev)
    assert gaps.gap_members()["gap_squared_deviations"] == series.gap_squared_deviations
    assert (Sums().mean, Sums().stddev, Sums().squared_deviations) == (0.0, 0.0, 0.0)
