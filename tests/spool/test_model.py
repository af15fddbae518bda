# SPDX-License-Identifier: Apache-2.0
"""A spool beside a list that does the same: whatever is done to it, in whatever order, and to its files."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exporting.clocks import SECOND_NS, FakeClock
from spanflow.exporting.counters import NOTHING, DropReason, Tally
from spanflow.exporting.spool.parcel import Parcel
from spool.parcels import MIB, open_spool, parcel, segments

AGE_S = 100


def total(parcels: list[Parcel]) -> Tally:
    return sum((each.tally for each in parcels), NOTHING)


class SpoolMachine(RuleBasedStateMachine):
    """`inside`: what must be in the spool, with its age; the first `taken` are under way.

    damaged: those that will be found damaged when they are taken, by their records. passed_over: one was,
    behind others that are not delivered: after a restart it would be found again. Where files had to go, the
    spool says how much that was, and the oldest of the list go until it is the same.
    """

    @initialize(max_octets=st.sampled_from([6000, 20_000, MIB]), aged=st.booleans())
    def begin(self, max_octets: int, aged: bool) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="spool-"))
        self.clock = FakeClock()
        self.arguments = {
            "max_octets": max_octets,
            "segment_octets": 700,
            "max_age_ns": AGE_S * SECOND_NS if aged else 0,
        }
        self.aged = aged
        self.inside: list[tuple[Parcel, int]] = []
        self.taken = 0
        self.damaged: set[int] = set()
        self.number = 0
        self.passed_over = False
        self.spool = open_spool(self.directory / "spool", self.clock, **self.arguments)

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
            shutil.rmtree(self.directory)

    @rule(messages=st.integers(1, 12), octets=st.sampled_from([4, 16, 90]), count=st.integers(1, 4))
    def append(self, messages: int, octets: int, count: int) -> None:
        for _ in range(count):
            new = parcel(self.number, messages=messages, octets=octets)
            self.number += 1
            if len(new.octets) <= self.spool.most_parcel_octets:
                self.spool.append(new)
                self.inside.append((new, self.clock.now_ns))
                self._make_room(self.spool.losses())

    @rule(count=st.integers(1, 5))
    def take(self, count: int) -> None:
        for _ in range(count):
            stored = self.spool.take()
            lost = self.spool.losses()
            while self.taken < len(self.inside):
                reason = self._reason_to_pass_over(self.taken)
                if reason is None:
                    break
                passed, _ = self.inside.pop(self.taken)
                lost[reason] -= passed.tally
                self.passed_over = self.passed_over or self.taken > 0
            assert all(tally == NOTHING for tally in lost.values())
            if self.taken == len(self.inside):
                assert stored is None
                return
            assert stored is not None
            assert stored.parcel == self.inside[self.taken][0]
            self.taken += 1

    @rule(share=st.floats(0, 1))
    def advance(self, share: float) -> None:
        count = round(share * self.taken)
        delivered = [each for each, _ in self.inside[:count]]
        assert self.spool.advance(count) == total(delivered)
        del self.inside[:count]
        self.taken -= count
        if count and not self.taken:
            self.passed_over = False

    @rule()
    def give_back(self) -> None:
        again = self.spool.give_back()
        under_way = [each for each, _ in self.inside[: self.taken]]
        lost = self.spool.losses().get(DropReason.SPOOL_SIZE, NOTHING)
        assert again + lost == total(under_way)
        self.taken = 0
        self._make_room({DropReason.SPOOL_SIZE: lost})

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        if self.passed_over:
            self.take(10_000)
            self.advance(1.0)
        self.give_back()
        before = self.spool.tally
        if clean:
            self.spool.sync_if_due()
        self.spool.close()
        self.spool = open_spool(self.directory / "spool", self.clock, **self.arguments)
        assert self.spool.recovered == before
        self._expire()

    @rule(seconds=st.sampled_from([1, 30, 60, 101]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.spool.expire()
        if not self.taken:
            self._expire()

    @rule(step_s=st.sampled_from([-10_000, -3, 3, 10_000]))
    def the_wall_clock_steps(self, step_s: int) -> None:
        """And back again before a restart, after which there is nothing else to tell the age by."""
        self.clock.offset_ns += step_s * SECOND_NS
        self.spool.expire()
        if not self.taken:
            self._expire()
        self.append(1, 16, 1)
        self.clock.offset_ns -= step_s * SECOND_NS
        if self.aged:
            self.give_back()
            self.take(10_000)
            self.advance(1.0)

    @precondition(lambda self: len(self.inside) > self.taken)
    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        """Change one octet of a parcel's payload on the disk."""
        index = data.draw(st.integers(self.taken, len(self.inside) - 1))
        target = self.inside[index][0]
        found = [path for path in segments(self.directory / "spool") if target.octets in path.read_bytes()]
        if found and target.tally.records not in self.damaged:
            content = bytearray(found[0].read_bytes())
            place = content.index(target.octets) + data.draw(st.integers(0, len(target.octets) - 1))
            content[place] ^= data.draw(st.integers(1, 255))
            found[0].write_bytes(content)
            self.damaged.add(target.tally.records)

    @invariant()
    def the_books_balance(self) -> None:
        if not hasattr(self, "spool"):
            return
        assert self.spool.tally == total([each for each, _ in self.inside])
        assert self.spool.parcels == len(self.inside)
        files = sum(path.stat().st_size for path in segments(self.directory / "spool"))
        assert self.spool.octets == files <= self.arguments["max_octets"]
        assert (self.spool.oldest_ns is None) == (not self.inside)

    def _reason_to_pass_over(self, index: int) -> DropReason | None:
        each, stored_ns = self.inside[index]
        if self.aged and self.clock.now_ns - stored_ns > AGE_S * SECOND_NS:
            return DropReason.SPOOL_AGE
        return DropReason.SPOOL_ERROR if each.tally.records in self.damaged else None

    def _expire(self) -> None:
        lost = self.spool.losses().get(DropReason.SPOOL_AGE, NOTHING)
        while self.inside and self._reason_to_pass_over(0) is DropReason.SPOOL_AGE:
            lost -= self.inside.pop(0)[0].tally
        assert lost == NOTHING

    def _make_room(self, losses: dict[DropReason, Tally]) -> None:
        """The oldest that are not under way, unless they were when their file went."""
        assert losses.keys() <= {DropReason.SPOOL_SIZE}
        lost = losses.get(DropReason.SPOOL_SIZE, NOTHING)
        while lost != NOTHING:
            lost -= self.inside.pop(self.taken)[0].tally
            assert lost.records >= 0


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
