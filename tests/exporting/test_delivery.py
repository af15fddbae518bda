# SPDX-License-Identifier: Apache-2.0
"""One connection at work, with a transport and a clock of the test's own."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

import numpy as np
import pytest

from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4
from exporting.clocks import SECOND_NS, FakeClock
from exporting.flow_batches import IPV4_FLOWS, batch_of, some_flows
from exporting.plain_ipfix import Reader
from spanflow.applications import Applications
from spanflow.errors import EncodeError
from spanflow.exporting.counters import DeliveryCounters, DropReason, Tally, tally_of
from spanflow.exporting.delivery import Delivery, Refresh
from spanflow.exporting.interface import OptionsMessage
from spanflow.exporting.pacing import Pacer, Unpaced
from spanflow.exporting.profiles import GENERIC, RICH, Profile
from spanflow.exporting.session import IpfixSession
from spanflow.exporting.transport.interface import LocalFlow, Sent
from spanflow.record import Array, Batch

REFRESH = Refresh(template_ns=30 * SECOND_NS, template_messages=4096, options_ns=30 * SECOND_NS, copies=3)


class Wire:
    """A transport that keeps what it is given, or fails as `outcomes` say, one for each call."""

    def __init__(self, *outcomes: Sent) -> None:
        self.reliable = False
        self.rotation_due = False
        self.ended = ""
        self.unacknowledged = 0
        local = ip_address("192.0.2.1")
        self.flow = LocalFlow(local, 1, local, 2)
        self.refusals = 0
        self.last_error = "EPERM"
        self.path_mtu_changed = False
        self.path_octets = 1400
        self.most = 64
        self.outcomes = list(outcomes)
        self.messages: list[bytes] = []
        self.calls: list[int] = []

    def max_message_octets(self) -> int:
        self.path_mtu_changed = False
        return self.path_octets

    def messages_per_call(self, message_octets: int) -> int:
        return self.most

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        sent = self.outcomes.pop(0) if self.outcomes else Sent.ALL
        if sent is Sent.ALL:
            cut = range(0, len(octets), message_octets)
            self.messages += [bytes(octets[at : at + message_octets]) for at in cut]
            self.calls.append(len(cut))
        elif sent is Sent.NONE_SEND_FEWER:
            self.most = 1
        return sent

    def notice(self) -> None: ...

    def unacknowledged_octets(self) -> int:
        return self.unacknowledged

    def finish(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None: ...


class Setup:
    """A Delivery over a Wire, and all that belongs to it."""

    def __init__(
        self,
        wire: Wire,
        *,
        refresh: Refresh = REFRESH,
        profile: Profile = GENERIC,
        applications: Applications | None = None,
        pacer: Pacer | None = None,
    ) -> None:
        self.wire = wire
        self.clock = FakeClock()
        self.counters = DeliveryCounters()
        self.stopping = False
        self.session = IpfixSession(
            profile.templates(biflow=False),
            observation_domain_id=7,
            max_message_octets=1400,
            applications=applications,
        )
        self.delivery = Delivery(
            wire,
            self.session,
            pacer or Unpaced(),
            refresh,
            self.clock,
            lambda: self.stopping,
            self.counters,
        )

    def templates_at(self) -> list[int]:
        """Which Messages on the wire had Templates."""
        return Reader().read_all(self.wire.messages).template_messages


def test_templates_first_and_in_copies() -> None:
    setup = Setup(Wire())
    setup.delivery.announce()
    assert setup.delivery.deliver(batch_of(*IPV4_FLOWS)) == {}
    reader = Reader().read_all(setup.wire.messages)
    # Three times Templates and options, each in a Message of its own; then data.
    assert reader.template_messages == [0, 2, 4]
    assert reader.sequence_numbers[:7] == [0, 0, 1, 1, 2, 2, 3]
    assert len(reader.options()) == 3
    assert setup.counters.template_sends == 3
    assert setup.counters.messages == len(setup.wire.messages)
    assert setup.counters.octets_sent == sum(map(len, setup.wire.messages))
    assert setup.counters.data_records == len(reader.records)


def test_templates_again_after_the_time() -> None:
    setup = Setup(Wire())
    setup.delivery.announce()
    for seconds, expected in ((0, 3), (29.9, 3), (0.2, 4), (29.9, 4), (30.1, 5), (300, 6)):
        setup.clock.advance(seconds)
        setup.delivery.announce()
        assert setup.counters.template_sends == expected
    assert setup.delivery.next_refresh_ns == setup.clock.now_ns + 30 * SECOND_NS


def test_templates_again_after_messages() -> None:
    refresh = Refresh(template_ns=1 << 60, template_messages=10, options_ns=1 << 60, copies=1)
    setup = Setup(Wire(), refresh=refresh)
    setup.delivery.announce()
    for _ in range(20):
        setup.delivery.deliver(some_flows(24, both_ways=False))  # 2 Messages
    at = setup.templates_at()
    assert len(at) == 1 + 40 // 10
    # Batches are not interrupted: one of 2 Messages may stand over.
    assert all(10 < later - earlier <= 10 + 2 for earlier, later in pairwise(at))


def test_options_again_after_their_own_time() -> None:
    refresh = Refresh(template_ns=1 << 60, template_messages=1 << 60, options_ns=5 * SECOND_NS, copies=1)
    setup = Setup(Wire(), refresh=refresh)
    setup.delivery.announce()
    for _ in range(10):
        setup.clock.advance(2.5)
        setup.delivery.announce()
    reader = Reader().read_all(setup.wire.messages)
    assert len(reader.options()) == 6
    assert len(reader.template_messages) == 1


def test_a_collector_that_starts_late_decodes_after_the_refresh() -> None:
    setup = Setup(Wire())
    setup.delivery.announce()
    setup.delivery.deliver(some_flows(100))
    missed = len(setup.wire.messages)
    setup.clock.advance(31)
    setup.delivery.announce()
    setup.delivery.deliver(some_flows(50))
    reader = Reader().read_all(setup.wire.messages[missed:])
    assert len(reader.flows()) == 100
    assert len(reader.options()) == 1


def test_a_collector_that_comes_back_gets_templates_at_once() -> None:
    setup = Setup(Wire())
    setup.delivery.announce()
    setup.delivery.deliver(some_flows(1))
    missed = len(setup.wire.messages)
    setup.wire.refusals += 1
    setup.delivery.deliver(some_flows(10))
    assert setup.counters.refusals == 1
    assert setup.counters.template_sends == 4
    # One that was started anew reads all of it.
    assert len(Reader().read_all(setup.wire.messages[missed:]).flows()) == 20
    setup.delivery.deliver(some_flows(1))
    assert setup.counters.template_sends == 4


def test_export_time_is_the_wall_clock() -> None:
    setup = Setup(Wire())
    setup.delivery.announce()
    setup.clock.advance(7)
    setup.delivery.deliver(some_flows(1))
    setup.clock.offset_ns -= 3600 * SECOND_NS
    setup.delivery.deliver(some_flows(1))
    times = Reader().read_all(setup.wire.messages).export_times
    assert times[0] == 1_800_000_000
    assert times[-2:] == [1_800_000_007] * 2


def test_several_messages_in_one_call() -> None:
    setup = Setup(Wire())
    setup.delivery.announce()
    setup.wire.calls.clear()
    setup.delivery.deliver(some_flows(1000))  # 2000 records, 125 Messages
    assert setup.wire.calls == [64, 61]


def test_message_by_message_where_segmentation_is_refused() -> None:
    setup = Setup(Wire(*[Sent.ALL] * 6, Sent.NONE_SEND_FEWER))
    setup.delivery.announce()
    setup.wire.calls.clear()
    assert setup.delivery.deliver(some_flows(1000)) == {}
    assert setup.wire.calls == [1] * 125
    assert len(Reader().read_all(setup.wire.messages).flows()) == 2000


def tally_from(batch: Batch, first: int, end: int) -> Tally:
    """The Tally of the records first..end-1."""
    return tally_of(batch, np.arange(first, end))


def losses(batch: Batch, *outcomes: Sent) -> tuple[Setup, dict[DropReason, Tally]]:
    """Announce, then deliver a batch whose calls end so."""
    setup = Setup(Wire(*[Sent.ALL] * 6, *outcomes))
    setup.delivery.announce()
    return setup, setup.delivery.deliver(batch)


def test_too_large_messages_are_counted_and_the_rest_is_sent() -> None:
    # 2,000 Flow Records one way, 125 Messages of 16: calls of 64 and 61.
    batch = some_flows(2000, both_ways=False)
    setup, lost = losses(batch, Sent.NONE_TOO_LARGE)
    assert lost == {DropReason.TOO_LARGE: tally_from(batch, 0, 64 * 16)}
    assert not setup.delivery.lost
    # What was not sent is missing in the sequence: the collector sees the gap.
    reader = Reader()
    for message in setup.wire.messages:
        reader.read(message)
    assert reader.sequence_numbers[6] == 3 + 64 * 16
    assert setup.counters.last_error == "EPERM"


def test_lost_path_drops_the_rest_of_the_batch() -> None:
    batch = some_flows(2000, both_ways=False)
    setup, lost = losses(batch, Sent.ALL, Sent.NONE_FAILED)
    assert lost == {DropReason.SEND_ERROR: tally_from(batch, 64 * 16, 2000)}
    assert setup.delivery.lost
    assert setup.counters.data_records == 3 + 64 * 16


def test_lost_path_drops_the_other_templates_too() -> None:
    batch = batch_of(*IPV4_FLOWS)
    _, lost = losses(batch, Sent.NONE_FAILED)
    assert lost == {DropReason.SEND_ERROR: tally_of(batch)}


def announced(wire: Wire, *, max_octets: int) -> Setup:
    """A Delivery that has announced, and from now on makes Messages of this size, one for each call."""
    setup = Setup(wire)
    setup.delivery.announce()
    setup.session.max_message_octets = max_octets
    wire.most = 1
    return setup


def test_a_flow_record_lost_in_part_counts_once() -> None:
    # Two Data Records in each Message: the halves of one Flow Record.
    batch = some_flows(3)
    setup = announced(Wire(), max_octets=250)
    setup.wire.outcomes = [Sent.ALL, Sent.NONE_TOO_LARGE, Sent.ALL]
    assert setup.delivery.deliver(batch) == {DropReason.TOO_LARGE: tally_from(batch, 1, 2)}


def test_both_halves_lost_for_two_reasons() -> None:
    # One Data Record in each Message.
    batch = some_flows(2)
    setup = announced(Wire(), max_octets=104)
    setup.wire.outcomes = [Sent.NONE_TOO_LARGE, Sent.NONE_FAILED]
    lost = setup.delivery.deliver(batch)
    assert lost[DropReason.TOO_LARGE] == tally_from(batch, 0, 1)
    assert lost[DropReason.SEND_ERROR] == tally_from(batch, 1, 2)


def test_records_that_never_fit() -> None:
    batch = batch_of(*IPV4_FLOWS)
    icmp: Array = np.flatnonzero(batch.records["protocol_identifier"] == 1)
    setup = announced(Wire(), max_octets=20 + 85)  # IPv4 has 84 octets, ICMP 86
    assert setup.delivery.deliver(batch) == {DropReason.TOO_LARGE: tally_of(batch, icmp)}
    assert "does not fit" in setup.counters.last_error


def test_a_path_that_is_too_narrow_for_the_templates() -> None:
    """It is lost, with the reason, and is tried again later; the thread lives on."""
    setup = announced(Wire(), max_octets=100)
    setup.clock.advance(31)
    batch = batch_of(*IPV4_FLOWS)
    setup.delivery.announce()
    assert setup.delivery.lost
    assert "a Template of" in setup.counters.last_error
    assert setup.delivery.deliver(batch).keys() <= {DropReason.SEND_ERROR, DropReason.TOO_LARGE}


def test_options_that_do_not_fit_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(now_ns: int) -> list[OptionsMessage]:
        raise EncodeError("an options record of 600 octets does not fit into a Message")

    setup = Setup(Wire())
    monkeypatch.setattr(setup.session, "options_messages", refuse)
    monkeypatch.setattr(setup.session, "table_messages", refuse)
    setup.delivery.announce()
    assert setup.delivery.deliver(batch_of(*IPV4_FLOWS)) == {}
    assert "options record of 600 octets" in setup.counters.last_error
    assert setup.delivery.next_refresh_ns > setup.clock.now_ns


def test_a_path_that_is_gone_is_not_asked_for_its_mtu(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError("Transport endpoint is not connected")

    setup = announced(Wire(), max_octets=1400)
    setup.wire.path_mtu_changed = True
    setup.wire.outcomes = [Sent.NONE_FAILED]
    monkeypatch.setattr(setup.wire, "max_message_octets", refuse)
    batch = some_flows(2)
    assert setup.delivery.deliver(batch) == {DropReason.SEND_ERROR: tally_of(batch)}


def test_stopping_in_the_middle_of_a_batch() -> None:
    batch = some_flows(2000, both_ways=False)
    setup = Setup(Wire())
    setup.delivery.announce()
    setup.stopping = True
    assert setup.delivery.deliver(batch) == {DropReason.SHUTDOWN: tally_of(batch)}


def test_nothing_more_is_announced_after_the_path_was_lost() -> None:
    setup = Setup(Wire(Sent.NONE_FAILED))
    setup.delivery.announce()
    assert setup.delivery.lost
    assert setup.wire.messages == []
    assert setup.counters.messages == 0


@pytest.mark.parametrize("octets", [600, 9000])
def test_message_size_follows_the_path_mtu(octets: int) -> None:
    setup = Setup(Wire())
    setup.delivery.announce()
    setup.wire.path_mtu_changed = True
    setup.wire.path_octets = octets
    setup.delivery.deliver(some_flows(100))
    assert len(setup.wire.messages[-2]) == 1364
    setup.delivery.deliver(some_flows(100))
    assert octets - 84 < len(setup.wire.messages[-2]) <= octets


TABLES = 2 * len(APPLICATIONS.by_number) + 14
"""Records of applications, their attributes, and of our own elements."""


def test_tables_once_at_first_and_then_with_the_options() -> None:
    setup = Setup(Wire(), profile=RICH, applications=APPLICATIONS)
    setup.delivery.announce()
    reader = Reader().read_all(setup.wire.messages)
    assert [template_id for template_id, _ in reader.records].count(512) == 3
    assert len(reader.options()) == 3 + TABLES == setup.counters.data_records
    assert setup.delivery.next_refresh_ns == setup.clock.now_ns + 30 * SECOND_NS
    for _ in range(4):
        setup.clock.advance(15)
        setup.delivery.announce()
    reader = Reader().read_all(setup.wire.messages)
    assert len(reader.options()) == 3 + TABLES + 2 * (1 + TABLES) == setup.counters.data_records
    assert setup.counters.messages == len(setup.wire.messages)


def test_tables_again_for_a_collector_that_comes_back() -> None:
    setup = Setup(Wire(), profile=RICH, applications=APPLICATIONS)
    setup.delivery.announce()
    missed = len(setup.wire.messages)
    setup.clock.advance(1)
    setup.wire.refusals += 1
    setup.delivery.deliver(batch_of(*CLASSIFIED_IPV4))
    reader = Reader().read_all(setup.wire.messages[missed:])
    assert len(reader.options()) == 1 + TABLES
    assert reader.flows()[0]["flowId"] == CLASSIFIED_IPV4[0].flow_id


def test_who_refuses_everything_gets_tables_once_a_second() -> None:
    setup = Setup(Wire(), profile=RICH, applications=APPLICATIONS)
    setup.delivery.announce()
    missed = len(setup.wire.messages)
    for _ in range(20):
        setup.clock.advance(0.25)
        setup.wire.refusals += 1
        setup.delivery.deliver(batch_of(*CLASSIFIED_IPV4))
    reader = Reader().read_all(setup.wire.messages[missed:])
    assert len(reader.options()) == 20 + 5 * TABLES
    setup.wire.refusals += 1
    setup.delivery.deliver(batch_of(*CLASSIFIED_IPV4))
    assert setup.delivery.next_refresh_ns == setup.clock.now_ns + SECOND_NS


def test_tables_never_come_to_a_new_collector_before_templates() -> None:
    """They are due between two batches, while nobody knows whether the collector has come back."""
    setup = Setup(Wire(), profile=RICH, applications=APPLICATIONS)
    setup.delivery.announce()
    setup.wire.refusals += 1
    setup.delivery.deliver(batch_of(*CLASSIFIED_IPV4))
    setup.wire.refusals += 1
    setup.delivery.notice()
    missed = len(setup.wire.messages)
    setup.clock.advance(1)
    setup.delivery.announce()
    setup.delivery.deliver(batch_of(*CLASSIFIED_IPV4))
    reader = Reader().read_all(setup.wire.messages[missed:])
    assert reader.template_messages == [0]
    assert len(reader.options()) == TABLES
    assert reader.flows()


class Counting:
    """A pacer that grants so many Messages, one at a time; then the export is to stop."""

    def __init__(self, left: int) -> None:
        self.left = left

    def grant(self, messages: int, message_octets: int) -> int:
        self.left -= 1
        return 1 if self.left >= 0 else 0


def test_tables_wait_for_room_at_the_receiver() -> None:
    setup = Setup(Wire(), profile=RICH, applications=APPLICATIONS, pacer=Counting(2))
    setup.delivery.announce()
    # Templates and sampling, three times; then as many Messages of tables as were granted.
    assert len(setup.wire.messages) == 6 + 2


def test_records_of_any_length_are_counted_and_sent() -> None:
    setup = Setup(Wire(), profile=RICH, applications=APPLICATIONS)
    setup.delivery.announce()
    batch = batch_of(*CLASSIFIED_IPV4 * 100)
    assert setup.delivery.deliver(batch) == {}
    reader = Reader().read_all(setup.wire.messages)
    assert setup.counters.data_records == len(reader.records)
    assert {values["flowId"] for values in reader.flows()} == {flow.flow_id for flow in CLASSIFIED_IPV4}
    assert setup.counters.octets_sent == sum(map(len, setup.wire.messages))


def test_one_record_that_is_too_large_is_lost_alone() -> None:
    setup = Setup(Wire(), profile=RICH)
    setup.delivery.announce()
    setup.session.max_message_octets = 500
    batch = batch_of(*CLASSIFIED_IPV4 * 2)
    # The sixth Flow has texts of more than 450 octets; it is too large in its only half.
    numbers = np.array([5, len(CLASSIFIED_IPV4) + 5])
    assert setup.delivery.deliver(batch) == {DropReason.TOO_LARGE: tally_of(batch, numbers)}
    assert "does not fit into a Message of 500" in setup.counters.last_error
    assert not setup.delivery.lost
    # Nothing that was left out has a sequence number.
    Reader().read_all(setup.wire.messages)


def test_lost_path_between_messages_of_different_lengths() -> None:
    setup = Setup(Wire(), profile=RICH)
    setup.delivery.announce()
    sent_before = setup.counters.data_records
    setup.wire.outcomes = [Sent.ALL, Sent.ALL, Sent.NONE_FAILED]
    batch = batch_of(*CLASSIFIED_IPV4 * 50)
    (lost,) = setup.delivery.deliver(batch).items()
    assert lost[0] is DropReason.SEND_ERROR
    arrived = setup.counters.data_records - sent_before
    assert arrived > 0
    # A Flow Record is lost if one of its halves is.
    reader = Reader().read_all(setup.wire.messages)
    assert len(reader.flows()) == arrived
    assert len(batch) - lost[1].records <= arrived
