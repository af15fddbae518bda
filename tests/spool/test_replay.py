# SPDX-License-Identifier: Apache-2.0
"""A spool is sent: in order, renumbered, with its Templates; what is acknowledged leaves it, no more."""

from __future__ import annotations

from pathlib import Path

from exporting.clocks import FakeClock
from spanflow.exporting.counters import NOTHING, Tally
from spanflow.exporting.spool.parcel import Parcel
from spanflow.exporting.spool.replay import Replayed, replay
from spanflow.exporting.spool.store import Spool
from spanflow.exporting.transport.interface import LocalFlow, Sent
from spool.parcels import PREFACE, message, open_spool, parcel, template


class Wire:
    """A stream to a collector that is `behind` with so many octets; it ends after `breaks_at` calls."""

    flow: LocalFlow | None = None
    reliable = True
    refusals = 0
    path_mtu_changed = False

    def __init__(self, *, behind: int = 0, breaks_at: int = 10_000, finishes: bool = True) -> None:
        self.octets = b""
        self.calls: list[int] = []
        self.ended = ""
        self.last_error = ""
        self._behind = behind
        self._breaks_at = breaks_at
        self._finishes = finishes

    def max_message_octets(self) -> int:
        return 65_535

    def messages_per_call(self, message_octets: int) -> int:
        return max(1, 100 // message_octets)

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        if len(self.calls) == self._breaks_at:
            self.last_error = self.ended = "reset by the collector"
            return Sent.NONE_FAILED
        self.calls.append(len(octets))
        self.octets += bytes(octets)
        return Sent.ALL

    def notice(self) -> None:
        pass

    def unacknowledged_octets(self) -> int:
        return min(self._behind, len(self.octets))

    def finish(self, timeout_s: float) -> bool:
        if self._finishes:
            self._behind = 0
        return self._finishes

    def close(self) -> None:
        pass


def spool_of(directory: Path, count: int) -> Spool:
    spool = open_spool(directory)
    for number in range(count):
        spool.append(parcel(number))
    return spool


def sent(wire: Wire, spool: Spool, *, rate: int = 0, clock: FakeClock | None = None) -> Replayed:
    clock = clock or FakeClock()
    return replay(spool, wire, clock, clock.wait, rate=rate, patience_s=1)


def total(count: int) -> Tally:
    return sum((parcel(number).tally for number in range(count)), NOTHING)


def test_all_of_it(tmp_path: Path) -> None:
    spool, wire = spool_of(tmp_path / "spool", 3), Wire(behind=50)
    assert sent(wire, spool) == Replayed(total(3))
    bodies = [(b"%08d" % number)[::-1] * 2 for number in (0, 0, 1, 1, 2, 2)]
    expected = PREFACE + b"".join(message((256, body), sequence=number) for number, body in enumerate(bodies))
    assert wire.octets == expected
    assert max(wire.calls) <= 100
    assert spool.parcels == 0


def test_templates_that_change_under_way(tmp_path: Path) -> None:
    """Of the second segment: the ID is taken, so it becomes another one, and its Data Sets too."""
    spool_of(tmp_path / "spool", 1).close()
    other = template(256, (4, 16))
    spool = open_spool(tmp_path / "spool", preface=lambda: message((2, other)))
    spool.append(Parcel(message((256, b"z" * 16)), (1,), Tally(1, 1, 1)))
    wire = Wire()
    assert sent(wire, spool).error == ""
    assert wire.octets.endswith(
        message((2, b"\xff\xff" + other[2:]), sequence=2) + message((65535, b"z" * 16), sequence=2)
    )


def test_lines_of_json(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool", preface=lambda: b"")
    spool.append(Parcel(b'{"a":1}\n', (), Tally(1, 2, 3)))
    wire = Wire()
    assert sent(wire, spool) == Replayed(Tally(1, 2, 3))
    assert wire.octets == b'{"a":1}\n'


def test_a_connection_that_ends(tmp_path: Path) -> None:
    """What was acknowledged has left; the rest, the parcel that was sent in part too, is sent next time."""
    for breaks_at in range(9):
        spool = spool_of(tmp_path / str(breaks_at), 3)
        result = sent(Wire(breaks_at=breaks_at), spool)
        # The preface, then one call for each parcel.
        delivered = max(0, breaks_at - 1)
        if breaks_at < 4:
            assert result == Replayed(total(delivered), "reset by the collector")
        else:
            assert result == Replayed(total(3))
        wire = Wire()
        assert sent(wire, spool).delivered + result.delivered == total(3)
        assert spool.tally == NOTHING


def test_what_is_not_acknowledged_stays(tmp_path: Path) -> None:
    spool = spool_of(tmp_path / "spool", 3)
    result = sent(Wire(behind=80, finishes=False), spool)
    assert result == Replayed(total(1), "the collector has not acknowledged all")
    assert spool.tally == total(3) - total(1)
    assert spool.take() is not None


def test_the_rate(tmp_path: Path) -> None:
    clock = FakeClock()
    spool = spool_of(tmp_path / "spool", 4)
    sent(Wire(), spool, rate=2, clock=clock)
    assert sum(clock.waits) == (1 + 2 + 3 + 4) / 2
