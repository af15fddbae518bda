# SPDX-License-Identifier: Apache-2.0
"""What other probes get wrong, seen at a collector that is not ours: capture → spanflow meter → nfcapd."""

from __future__ import annotations

from pathlib import Path

from end_to_end.command import GOLDEN, shown, spanflow, through_nfdump

Shown = dict[str, str]


def number(text: str) -> int:
    return int(text.split()[0])


def ends(record: Shown) -> tuple[str, str]:
    return record["src addr"], record["dst addr"]


def test_a_flow_of_more_than_four_gib(tmp_path: Path) -> None:
    """Other probes export 292,482,704 octets, or 0."""
    (record,) = through_nfdump(tmp_path, GOLDEN / "octets_beyond_four_gib.pcap")
    assert number(record["in bytes"]) == 12_000_000_000
    assert number(record["in packets"]) == 6


def test_octets_are_those_of_ip_without_padding(tmp_path: Path) -> None:
    """40 octets of TCP and 28 of UDP in frames of 60; other probes count 46."""
    records = through_nfdump(tmp_path, GOLDEN / "ethernet_padding.pcap")
    assert sorted(number(record["in bytes"]) for record in records) == [28, 40, 40]


def test_the_initiator_is_who_opened(tmp_path: Path) -> None:
    """Not the lower address, and not the higher. biflowDirection: 1 is the half of the initiator."""
    records = through_nfdump(tmp_path, GOLDEN / "direction_syn_ack.pcap")
    by_direction = {int(record["biFlow Dir"].split()[0], 16): ends(record) for record in records}
    assert by_direction == {1: ("10.0.0.1", "10.0.0.2"), 2: ("10.0.0.2", "10.0.0.1")}


def test_flags_and_milliseconds_are_shown(tmp_path: Path) -> None:
    """Flags in a list, or times in microseconds, are not: nfdump reads neither."""
    records = through_nfdump(tmp_path, GOLDEN / "fin_close.pcap")
    assert {int(record["tcp flags"].split()[0], 16) for record in records} == {0x1B}
    for record in records:
        first, last = number(record["first"]), number(record["last"])
        assert first > 1_600_000_000_000
        assert last > first


def test_ipv6_frames_that_were_cut_are_counted(tmp_path: Path) -> None:
    """Payload that is cut costs nothing, a header that is cut has its counter; nothing is silent."""
    done = spanflow("meter", GOLDEN / "cut_ipv6.pcap")
    assert done.returncode == 0
    summary = shown(done.stderr)
    assert summary["truncated"] == "5"
    assert summary["conservation"] == "exact"


def test_late_packets_after_a_close_make_no_second_record(tmp_path: Path) -> None:
    """7 and 5 packets, those of the 2 s after the close among them; only what comes later opens a Flow."""
    records = through_nfdump(tmp_path, GOLDEN / "fin_linger.pcap")
    assert sorted(number(record["in packets"]) for record in records) == [1, 5, 7]
