# SPDX-License-Identifier: Apache-2.0
"""The golden files are what the recipes give, the reference engine agrees, and some are checked by hand."""

from __future__ import annotations

import pytest

import reference
from golden import load, names
from golden.describe import describe_result
from golden.load import FOLDER
from golden.recipe import DEFAULT_SETTINGS
from golden.recipes import all_recipes
from golden.regenerate import DEMO, demo_capture, golden_files
from reference import Result

STALE = "run python -m golden.regenerate and review the difference"

Row = tuple[str, str, tuple[int, int], tuple[int, int]]
"""End ("+" before it: a continuation), source with port, (packets, octets) forward and reverse."""

C, S = "10.0.0.1:40000", "10.0.0.2:443"
A4, B4, A6 = "192.0.2.1:1000", "198.51.100.2", "2001:db8::1"

CHECKED_BY_HAND: dict[str, list[Row]] = {
    # §1, link layers: IPv4 30 + 28 = 58 octets, IPv6 30 + 48 = 78, whatever surrounds them.
    "link_qinq": [
        ("flush", "192.0.2.1:40001", (1, 58), (1, 58)),
        ("flush", "2001:db8::1:40001", (1, 78), (1, 78)),
    ],
    # MPLS: labels are skipped; the frame whose first nibble is 0 is not in a record.
    "link_mpls": [
        ("flush", "192.0.2.1:40001", (1, 58), (1, 58)),
        ("flush", "2001:db8::1:40001", (1, 78), (1, 78)),
    ],
    # 40 + 16 × 8 + 8 = 176 with ports; 40 + 17 × 8 + 8 = 184 without.
    "ipv6_sixteen_extension_headers": [
        ("flush", f"{A6}:1000", (1, 176), (0, 0)),
        ("flush", f"{A6}:0", (1, 184), (0, 0)),
    ],
    # 40 + 100,000 and 40 + 70,000; then 200 - 14 octets of the wire.
    "ipv6_jumbo": [
        ("flush", f"{A6}:1000", (2, 170_080), (0, 0)),
        ("flush", f"{A6}:1000", (1, 186), (0, 0)),
    ],
    # 20 + 20 and 20 + 8 without the padding; IPv6 of no payload 40; UDP of 2 octets is malformed.
    "ethernet_padding": [
        ("flush", A4, (1, 40), (0, 0)),
        ("flush", A4, (1, 28), (0, 0)),
        ("flush", f"{A6}:0", (1, 40), (0, 0)),
    ],
    # 40 + 90,000, 140 and 140 octets.
    "segmentation_offload_ipv4": [("flush", A4, (3, 90_320), (0, 0))],
    "octets_beyond_four_gib": [("flush", A4, (6, 12_000_000_000), (0, 0))],
    # The third fragment came first: 108 = 40 + 40 + 28 octets of UDP; 20 + 28, then 60 + 60.
    "fragments_out_of_order": [
        ("flush", "192.0.2.1:0", (1, 48), (0, 0)),
        ("flush", A4, (2, 120), (0, 0)),
    ],
    # 30 s after the first (60), 30 s before it (0) and 59 have it; 60.000000001 has not. 60 + 60 + 60 + 48.
    "fragment_lifetime": [
        ("flush", A4, (4, 228), (0, 0)),
        ("flush", "192.0.2.1:0", (1, 48), (0, 0)),
    ],
    # §3: the client sent 0 and 10 octets over 40, the server the SYN+ACK before.
    "direction_syn_ack": [("flush", C, (2, 90), (1, 40))],
    "direction_first_packet": [("flush", S, (2, 180), (2, 80))],
    "direction_across_splits": [("active", C, (6, 240), (1, 40)), ("+flush", C, (0, 0), (2, 87))],
    # §6, deadlines.
    "idle_deadline": [("idle", C, (1, 28), (1, 28)), ("flush", S, (1, 28), (0, 0))],
    "active_deadline": [("active", C, (4, 112), (2, 56)), ("+flush", C, (1, 28), (1, 28))],
    "active_restarts_with_the_next_packet": [
        ("active", C, (5, 140), (0, 0)),
        ("+active", C, (6, 168), (0, 0)),
        ("+flush", C, (1, 28), (0, 0)),
    ],
    "active_before_idle": [("active", C, (5, 140), (0, 0)), ("flush", S, (1, 28), (0, 0))],
    "idle_active_tie": [("idle", C, (5, 140), (0, 0)), ("flush", S, (1, 28), (0, 0))],
    "end_of_input": [
        ("active", "10.0.0.2:40000", (5, 140), (0, 0)),
        ("idle", "10.0.0.1:40000", (1, 28), (0, 0)),
        ("flush", "10.0.0.4:40000", (1, 28), (0, 0)),
        ("fin", "10.0.0.3:40000", (3, 120), (1, 40)),
    ],
    "end_of_input_empty_record": [
        ("active", C, (5, 140), (0, 0)),
        ("flush", "10.0.0.9:40000", (1, 28), (0, 0)),
    ],
    # OPEN is 40 + 40 + 140 from the client, 40 + 1040 from the server.
    "fin_linger": [("fin", C, (7, 380), (5, 1200)), ("flush", C, (1, 40), (0, 0))],
    "fin_simultaneous": [("fin", C, (5, 300), (5, 1200)), ("flush", S, (1, 40), (0, 0))],
    "fin_retransmitted": [("fin", C, (6, 340), (5, 1200)), ("flush", S, (1, 40), (0, 0))],
    "fins_survive_a_split": [("active", C, (2, 80), (6, 290)), ("+fin", C, (1, 40), (3, 130))],
    "fin_timeout": [("fin_timeout", C, (4, 260), (4, 1170)), ("flush", S, (1, 40), (0, 0))],
    "fin_timeout_active_tie": [("active", C, (2, 80), (0, 0)), ("flush", C, (1, 40), (0, 0))],
    "rst": [("rst", C, (5, 350), (3, 1120)), ("flush", C, (1, 90), (0, 0))],
    "rst_with_fin": [("rst", C, (6, 340), (3, 1120))],
    "syn_reopens": [("fin", C, (5, 300), (4, 1160)), ("flush", S, (2, 80), (1, 40))],
    "linger_zero": [("fin", C, (5, 300), (3, 1120)), ("flush", S, (1, 40), (0, 0))],
    "linger_is_the_only_deadline": [("rst", C, (4, 160), (1, 40)), ("flush", C, (1, 40), (0, 0))],
    "times_running_backwards": [("active", C, (6, 248), (2, 126)), ("+flush", C, (1, 28), (0, 0))],
}

DISCARDED_BY_HAND = {
    "cut_ipv6": {"truncated": 5},
    "discard_malformed": {"malformed": 15},
    "discard_non_ip": {"non_ip": 7},
    "discard_truncated": {"truncated": 11},
    "discard_unsupported_link": {"unsupported_link": 2},
    "ipv6_jumbo": {"malformed": 2},
    "length_beyond_the_wire": {"truncated": 2},
    "link_eight_tags": {"unsupported_link": 1},
    "link_mpls": {"non_ip": 1},
    "link_pppoe": {"malformed": 2, "non_ip": 2},
    "segmentation_offload_ipv6": {"malformed": 3},
}


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    return golden_files()


def test_nothing_is_stale(written: dict[str, bytes]) -> None:
    there = {
        path.name: path.read_bytes()
        for path in FOLDER.glob("*")
        if path.suffix in (".json", ".pcap", ".pcapng")
    }
    assert sorted(there) == sorted(written), STALE
    assert [name for name in there if there[name] != written[name]] == [], STALE


def test_goldens_are_small(written: dict[str, bytes]) -> None:
    assert sum(map(len, written.values())) < 300 * 1024


@pytest.mark.parametrize("name", names())
def test_the_reference_agrees(name: str) -> None:
    """By the description; test_compare has the members that it was read back into."""
    golden = load(name)
    result = reference.meter([golden.capture], **golden.settings)
    assert describe_result(golden.result) == describe_result(result)


@pytest.mark.parametrize("name", sorted(CHECKED_BY_HAND))
def test_records_checked_by_hand(name: str) -> None:
    assert _rows(load(name).result) == CHECKED_BY_HAND[name]


@pytest.mark.parametrize("name", sorted(DISCARDED_BY_HAND))
def test_discards_checked_by_hand(name: str) -> None:
    discards = load(name).result.discards
    assert {reason: packets for reason, (packets, _) in discards.items()} == DISCARDED_BY_HAND[name]


@pytest.mark.parametrize("name", names())
def test_sums_add_up(name: str) -> None:
    result = load(name).result
    for index in (0, 1):
        discarded = sum(both[index] for both in result.discards.values())
        assert result.received[index] == discarded + result.accounted[index]
    halves = [record[half] for record in result.records for half in ("forward", "reverse")]
    assert sum(half["packet_delta_count"] for half in halves) == result.accounted[0]
    assert sum(half["octet_delta_count"] for half in halves) == result.flow_octets


def test_every_recipe_says_what_it_shows() -> None:
    assert [name for name, recipe in all_recipes().items() if not recipe.__doc__] == []


def test_the_demo_is_small_and_varied() -> None:
    assert DEMO.read_bytes() == demo_capture(), STALE
    assert DEMO.stat().st_size < 200 * 1024
    result = reference.meter([DEMO], **DEFAULT_SETTINGS)
    assert 400 <= result.received[0] <= 800
    assert set(result.discards) == {"non_ip"}
    assert {record["ip_version"] for record in result.records} == {4, 6}
    assert {1, 2, 6, 17, 58, 132} <= {record["protocol_identifier"] for record in result.records}
    assert {1, 3, 4} <= {record["flow_end_reason"] for record in result.records}
    assert {0, 100, 200} == {record["forward"]["vlan_id"] for record in result.records}
    assert result.fragment_orphan > 0


def _rows(result: Result) -> list[Row]:
    rows = []
    for record in describe_result(result)["records"]:
        counts = [
            (half.get("packet_delta_count", 0), half.get("octet_delta_count", 0))
            for half in (record.get("forward", {}), record.get("reverse", {}))
        ]
        source = f"{record['source_address']}:{record.get('source_transport_port', 0)}"
        rows.append(("+" * record.get("continuation", False) + record["end"], source, *counts))
    return rows
