# SPDX-License-Identifier: Apache-2.0
"""A spool: what goes in comes out, in order, across restarts, within its bounds, and is counted."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from exporting.clocks import SECOND_NS, FakeClock
from spanflow.exporting.counters import NOTHING, DropReason, Tally
from spanflow.exporting.spool.frames import HEADER_OCTETS, parcel_frame_octets
from spanflow.exporting.spool.parcel import Parcel
from spanflow.exporting.spool.store import Spool
from spool.parcels import MIB, PREFACE, FaultyFiles, descriptors, drain, open_spool, parcel, segments

PARCELS = [parcel(number) for number in range(5)]


def filled(directory: Path, clock: FakeClock | None = None, *, count: int = 5, **arguments: object) -> Spool:
    spool = open_spool(directory, clock, **arguments)
    for number in range(count):
        spool.append(parcel(number))
    return spool


def total(numbers: range) -> Tally:
    return sum((parcel(number).tally for number in numbers), NOTHING)


def test_what_goes_in_comes_out_in_order(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool")
    assert (spool.tally, spool.parcels, spool.recovered) == (total(range(5)), 5, NOTHING)
    assert drain(spool) == PARCELS
    assert (spool.tally, spool.parcels, spool.octets, spool.oldest_ns) == (NOTHING, 0, 0, None)
    assert segments(tmp_path / "spool") == []


def test_lines_of_json_have_no_counts_and_no_preface(tmp_path: Path) -> None:
    lines = Parcel(b'{"a":1}\n{"a":2}\n', (), Tally(2, 3, 4))
    spool = open_spool(tmp_path / "spool", preface=lambda: b"")
    spool.append(lines)
    stored = spool.take()
    assert stored is not None
    assert (stored.parcel, stored.preface) == (lines, b"")


@pytest.mark.parametrize("again", [True, False])
def test_after_a_restart(tmp_path: Path, again: bool) -> None:
    """What was taken and not delivered comes again; what was delivered does not."""
    spool = filled(tmp_path / "spool")
    for _ in range(4):
        spool.take()
    assert spool.advance(2) == total(range(2))
    if again:
        assert spool.give_back() == total(range(2, 4))
    spool.close()
    spool = open_spool(tmp_path / "spool")
    assert spool.recovered == spool.tally == total(range(2, 5))
    assert spool.counters.perhaps_twice == NOTHING
    spool.append(parcel(5))
    assert drain(spool) == [*PARCELS[2:], parcel(5)]


def test_several_are_under_way(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool")
    first, second = spool.take(), spool.take()
    assert first is not None
    assert second is not None
    assert [first.parcel, second.parcel] == PARCELS[:2]
    assert spool.tally == total(range(5)), "under way is still in the spool"
    assert spool.give_back() == total(range(2))
    assert drain(spool) == PARCELS


def test_a_segment_has_the_templates_of_its_time(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool", count=1)
    spool.close()
    spool = open_spool(tmp_path / "spool", preface=lambda: b"others")
    spool.append(parcel(1))
    found = [stored.preface for stored in iter(spool.take, None) if stored is not None]
    assert found == [PREFACE, b"others"]


def test_segments_are_removed_as_they_are_delivered(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool", count=60, segment_octets=1000)
    files = len(segments(tmp_path / "spool"))
    assert files > 5
    assert spool.octets == sum(path.stat().st_size for path in segments(tmp_path / "spool"))
    for _ in range(30):
        spool.take()
        spool.advance(1)
    assert files // 2 - 1 <= len(segments(tmp_path / "spool")) <= files // 2 + 1
    assert spool.octets == sum(path.stat().st_size for path in segments(tmp_path / "spool"))
    assert drain(spool) == [parcel(number) for number in range(30, 60)]


def test_the_oldest_make_room_and_are_counted(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool", max_octets=20_000)
    kept: list[Parcel] = []
    lost = NOTHING
    for number in range(100):
        spool.append(parcel(number, messages=20))
        kept.append(parcel(number, messages=20))
        for reason, tally in spool.losses().items():
            assert reason is DropReason.SPOOL_SIZE
            lost += tally
            while tally != NOTHING:
                tally -= kept.pop(0).tally
        assert spool.octets <= 20_000
        assert sum(path.stat().st_size for path in segments(tmp_path / "spool")) == spool.octets
    assert lost + spool.tally == sum((parcel(number).tally for number in range(100)), NOTHING)
    assert spool.counters.evicted == lost
    assert 10 < len(kept) < 40
    assert drain(spool) == kept


def test_a_smaller_bound_at_the_start(tmp_path: Path) -> None:
    filled(tmp_path / "spool", count=100, segment_octets=1000).close()
    spool = open_spool(tmp_path / "spool", max_octets=5000)
    assert spool.recovered == total(range(100))
    assert spool.octets <= 5000
    assert spool.losses() == {DropReason.SPOOL_SIZE: spool.recovered - spool.tally}
    left = drain(spool)
    assert left == [parcel(number) for number in range(100 - len(left), 100)]
    assert left


def test_what_is_under_way_may_arrive_though_its_file_had_to_go(tmp_path: Path) -> None:
    for arrives in (True, False):
        spool = open_spool(tmp_path / str(arrives), max_octets=20_000)
        spool.append(parcel(0))
        spool.take()
        number = 0
        while not spool.counters.evicted.records and spool.octets < 19_000:
            number += 1
            spool.append(parcel(number, messages=20))
        spool.append(parcel(number + 1, messages=20))
        evicted = spool.losses().get(DropReason.SPOOL_SIZE, NOTHING)
        if arrives:
            assert spool.advance(1) == parcel(0).tally
            assert spool.losses() == {}
        else:
            assert spool.give_back() == NOTHING
            assert spool.losses() == {DropReason.SPOOL_SIZE: parcel(0).tally}
        assert evicted + parcel(0).tally + spool.tally == total(range(number + 2))


def test_a_parcel_that_is_too_long_is_refused(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool", max_octets=40_000)
    assert spool.most_parcel_octets == 10_000
    with pytest.raises(ValueError, match="of at most 10000"):
        spool.append(Parcel(bytes(10_001), (), NOTHING))
    spool.append(Parcel(bytes(10_000), (), NOTHING))
    with pytest.raises(ValueError, match="out of range"):
        spool.append(Parcel(b"", (), Tally(1 << 64, 0, 0)))


# Age.


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    clock = FakeClock()
    spool = open_spool(tmp_path / "spool", clock, max_age_ns=10 * SECOND_NS)
    for number in range(5):
        spool.append(parcel(number))
        clock.advance(2)
    assert spool.oldest_ns == clock.wall_ns() - 10 * SECOND_NS
    spool.expire()
    assert spool.losses() == {}, "ten seconds are not more than ten"
    clock.advance(3)
    spool.expire()
    assert spool.losses() == {DropReason.SPOOL_AGE: total(range(2))}
    assert spool.counters.expired == total(range(2))
    assert spool.oldest_ns == clock.wall_ns() - 9 * SECOND_NS
    clock.advance(2)
    stored = spool.take()
    assert stored is not None
    assert stored.parcel == parcel(3), "also without `expire`"
    assert spool.losses() == {DropReason.SPOOL_AGE: parcel(2).tally}
    clock.advance(60)
    spool.expire()
    assert spool.losses() == {}, "not while one is under way"
    spool.advance(1)
    spool.expire()
    assert (spool.losses(), segments(tmp_path / "spool")) == ({DropReason.SPOOL_AGE: parcel(4).tally}, [])


@pytest.mark.parametrize("step_s", [-86_400 * 400, -5, 86_400 * 400])
def test_a_step_of_the_wall_clock_changes_no_age(tmp_path: Path, step_s: int) -> None:
    clock = FakeClock()
    spool = filled(tmp_path / "spool", clock, max_age_ns=10 * SECOND_NS)
    clock.offset_ns += step_s * SECOND_NS
    clock.advance(9)
    spool.expire()
    assert spool.parcels == 5
    clock.advance(2)
    spool.expire()
    assert spool.parcels == 0


@pytest.mark.parametrize(
    ("stored_s", "now_s", "left"),
    [
        (1_800_000_000, 1_800_000_005, 5),
        (1_800_000_000, 1_800_000_011, 0),
        # From the future, and from before the clock was set: as if stored now.
        (1_800_000_000, 1_700_000_000, 5),
        (1_000, 1_800_000_000, 5),
    ],
)
def test_age_across_a_restart(tmp_path: Path, stored_s: int, now_s: int, left: int) -> None:
    filled(tmp_path / "spool", FakeClock(stored_s * SECOND_NS)).close()
    clock = FakeClock(now_s * SECOND_NS)
    spool = open_spool(tmp_path / "spool", clock, max_age_ns=10 * SECOND_NS)
    assert spool.recovered == total(range(5))
    assert spool.parcels == left
    clock.advance(11)
    spool.expire()
    assert spool.parcels == 0


# Syncing.


def test_files_are_synced_once_a_second(tmp_path: Path) -> None:
    steps: list[str] = []
    clock = FakeClock()
    spool = open_spool(
        tmp_path / "spool", clock, open_files=lambda directory: FaultyFiles(directory, steps.append)
    )

    def synced() -> list[str]:
        steps.clear()
        spool.sync_if_due()
        return list(steps)

    clock.advance(1)
    assert synced() == [], "nothing to sync"
    spool.append(parcel(0))
    clock.advance(0.9)
    assert synced() == []
    clock.advance(0.1)
    assert synced() == ["sync", "sync_directory"]
    spool.append(parcel(1))
    clock.advance(1)
    assert synced() == ["sync"]
    spool.take()
    spool.advance(1)
    clock.advance(1)
    assert synced() == ["sync"], "the position"
    steps.clear()
    spool.close()
    assert steps == []


def test_a_full_segment_is_synced(tmp_path: Path) -> None:
    steps: list[str] = []
    spool = open_spool(
        tmp_path / "spool",
        open_files=lambda directory: FaultyFiles(directory, steps.append),
        segment_octets=100,
    )
    steps.clear()
    for number in range(4):
        spool.append(parcel(number))
    steps = [step for step in steps if step != "write"]
    assert steps == ["create", "sync", "sync_directory"] * 3 + ["create"]


# The disk's shape.


def test_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    spool = filled(tmp_path / "base" / "spool")
    spool.take()
    spool.advance(1)
    for path in (tmp_path / "base", tmp_path / "base" / "spool"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    files = list((tmp_path / "base" / "spool").iterdir())
    assert len(files) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_segment_is_the_sum_of_its_frames(tmp_path: Path) -> None:
    filled(tmp_path / "spool").close()
    (path,) = segments(tmp_path / "spool")
    content = path.read_bytes()
    prefaces = 2 * (HEADER_OCTETS + len(PREFACE))
    assert len(content) == prefaces + sum(parcel_frame_octets(each) for each in PARCELS)
    assert content.count(PREFACE) == 2
    assert all(content.count(each.octets) == 1 for each in PARCELS)


def test_no_file_stays_open(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool", count=30, segment_octets=500)
    for _ in range(20):
        spool.take()
        spool.advance(1)
    assert sum(str(tmp_path) in name for name in descriptors()) <= 4
    spool.close()
    assert not any(str(tmp_path) in name for name in descriptors())


def test_a_large_parcel(tmp_path: Path) -> None:
    large = Parcel(bytes(16 * MIB), (), Tally(1, 2, 3))
    spool = open_spool(tmp_path / "spool", max_octets=64 * MIB)
    spool.append(large)
    spool.append(parcel(1))
    assert drain(spool) == [large, parcel(1)]
