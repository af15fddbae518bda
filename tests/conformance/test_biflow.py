# SPDX-License-Identifier: Apache-2.0
"""Lines 24 to 28: both directions in one record, or in two (RFC 5103)."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.broken import findings_of
from conformance.conversation import CLIENT, conversation
from conformance.reading import Reader
from conformance.sending import NOW, announced, data, exported, ipfix
from exporting.clocks import SECOND_NS, FakeClock
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, batch_of
from exporting.plain_ipfix import OUR_PEN, REVERSE_PEN
from metering.native import meter
from spanflow.config.collector_settings import PROFILES

NOT_REVERSIBLE = (
    {137, 145, 148, 149}  # identifiers
    | {130, 131, 173, 211, 212, 213, 214, 215, 216, 217}  # configuration of the processes
    | {40, 41, 42, 163, 164, 165, 166, 167, 168}  # statistics of the processes
    | {210, 239}  # padding, and the direction itself
)
DIRECTIONAL_KEYS = {7, 8, 11, 12, 27, 28}
ALL_FLOWS = (IPV4_FLOWS, IPV6_FLOWS)


@pytest.mark.parametrize("profile", PROFILES)
def test_24_reverse_elements(profile: str) -> None:
    """A reverse element has the forward one's number and length, and PEN 29305; some have none (6.1)."""
    for made in Reader().read(announced(ipfix(profile, biflow=True))).templates.values():
        forward = {each.number: each.length for each in made.fields if each.pen == 0}
        reverse = {each.number: each.length for each in made.fields if each.pen == REVERSE_PEN}
        assert bool(reverse) == (made.scope == 0)
        assert reverse.items() <= forward.items()
        assert NOT_REVERSIBLE.isdisjoint(reverse)


@pytest.mark.parametrize("profile", PROFILES)
def test_25_only_beside_directional_keys(profile: str) -> None:
    """Reverse elements are only in records that say who is source; uniflows have none (section 5)."""
    for biflow in (False, True):
        for made in Reader().read(announced(ipfix(profile, biflow=biflow))).templates.values():
            has_reverse = any(each.pen == REVERSE_PEN for each in made.fields)
            has_keys = not DIRECTIONAL_KEYS.isdisjoint(each.number for each in made.fields)
            assert has_reverse == (biflow and not made.scope)
            assert has_keys or not has_reverse


def test_25_a_biflow_without_directional_keys_is_refused(tmp_path: Path) -> None:
    """A Biflow without a source and a destination has no reverse direction (section 5)."""
    path = tmp_path / "spanflow.yaml"
    path.write_text("collectors: [{url: 'ipfix+udp://c', elements: [octetDeltaCount], biflow: true}]\n")
    assert "no element says who is source and who destination" in "".join(findings_of(path))


@pytest.mark.parametrize("biflow", [False, True])
def test_26_direction_is_constant(tmp_path: Path, biflow: bool) -> None:
    """The initiator stays the source in every part of a Flow, and each record tells its direction (6.3)."""
    batches = meter(
        [conversation(tmp_path, seconds=100)], active_timeout=30 * SECOND_NS, inactive_timeout=200 * SECOND_NS
    ).batches
    flows = Reader().read(exported(batches, clock=FakeClock(NOW), biflow=biflow)).flows
    assert len(flows) >= (3 if biflow else 6)
    for each in flows:
        initiator = each["biflowDirection"] == 1
        assert (each.address("sourceIPv4Address") == CLIENT) == initiator
    assert {each["biflowDirection"] for each in flows} == ({1} if biflow else {1, 2})


def test_27_our_own_elements_can_be_reversed() -> None:
    """An enterprise keeps a bit of its numbers free for reverse forms, as PEN 29305 is for IANA's (6.2)."""
    own = set()
    for made in Reader().read(announced(ipfix("rich", biflow=True))).templates.values():
        for each in made.fields:
            assert each.pen in (0, REVERSE_PEN, OUR_PEN)
            own |= {each.number for each in made.fields if each.pen == OUR_PEN}
    assert len(own) > 10
    assert all(0 < number < 0x4000 for number in own)


def test_28_uniflows() -> None:
    """Two adjacent records for a Flow, each with what is its own; one for a Flow of one direction (4.1)."""
    for flows in ALL_FLOWS:
        session = ipfix()
        reader = Reader().read(announced(session) + data(session, batch_of(*flows)))
        left = list(reader.flows)
        for flow in sorted(flows, key=lambda flow: flow.is_icmp):
            for half, direction in ((flow.forward, 1), (flow.reverse, 2)):
                if not half.packets:
                    continue
                record = left.pop(0)
                assert record["flowId"] == flow.flow_id
                assert record["biflowDirection"] == direction
                assert record["packetDeltaCount"] == half.packets
                assert record["octetDeltaCount"] == half.octets
                assert record["tcpControlBits"] == half.flags
                assert record["flowStartMilliseconds"] == half.first_ns // 1_000_000
                assert record["vlanId"] == half.vlan
        assert not left


def test_28_biflows() -> None:
    """As a Biflow the same Flow is one record, with the counters of both directions (section 4.2)."""
    for flows in ALL_FLOWS:
        session = ipfix(biflow=True)
        reader = Reader().read(announced(session) + data(session, batch_of(*flows)))
        for record, flow in zip(reader.flows, sorted(flows, key=lambda flow: flow.is_icmp), strict=True):
            assert record["octetDeltaCount"] == flow.forward.octets
            assert record["reverseOctetDeltaCount"] == flow.reverse.octets
            assert record["reverseTcpControlBits"] == flow.reverse.flags
