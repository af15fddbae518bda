# SPDX-License-Identifier: Apache-2.0
"""Test vectors: small captures, and what each column must say of their only Flow, worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from craft.capture import SECOND, Capture
from craft.conversation import EPOCH_NS, Pair, play
from craft.link import ethernet
from craft.network import ipv4
from craft.transport import icmp, tcp

E = EPOCH_NS
ROOT = math.sqrt(2)
"""The sample deviation of two values is half their distance times this."""


@dataclass(frozen=True, slots=True)
class Vector:
    """about: how the numbers come about. expected: values by the name of a column."""

    name: str
    about: str
    capture: Capture
    expected: Mapping[str, Any]


def _side(
    prefix: str, lengths: tuple[float, float, float, float], gaps_s: tuple[float, float, float, float]
) -> dict[str, float]:
    """Minimum, maximum, mean, deviation of lengths, and of gaps in seconds."""
    names = ("min", "max", "mean", "stddev")
    found = {f"{prefix}packet_length_{name}": value for name, value in zip(names, lengths, strict=True)}
    return found | {
        f"{prefix}gap_{name}_ns": value * SECOND for name, value in zip(names, gaps_s, strict=True)
    }


NOTHING = (0, 0, 0, 0)


def _large_frames() -> Capture:
    """Segmentation offload left the total length 0: the wire tells it, three times 2 GB and 2 GB - 2."""
    capture = Capture()
    for number in range(6):
        frame = ethernet(ipv4("192.0.2.1", "198.51.100.2", tcp(1000, 80, "A", bytes(2)), total_length=0))
        capture.add(E + number * SECOND, frame, 14 + 2_000_000_000 - 2 * (number % 2))
    return capture


def _echo() -> Capture:
    capture = Capture()
    capture.add(E, ethernet(ipv4("192.0.2.1", "192.0.2.2", icmp(8))))
    capture.add(E + 3_000_000, ethernet(ipv4("192.0.2.2", "192.0.2.1", icmp(0))))
    return capture


VECTORS = (
    Vector(
        "one packet",
        "UDP: 20 + 8 + 72 octets",
        play(Capture(), "0 > udp 72"),
        {
            "packet_count": 1,
            "octet_count": 100,
            "start_ns": E,
            "end_ns": E,
            "duration_ns": 0,
            "forward_packet_delta_count": 1,
            "reverse_packet_delta_count": 0,
            "reverse_start_ns": 0,
            "reverse_end_ns": 0,
            "reverse_duration_ns": 0,
            "source_address": "10.0.0.1",
            "source_transport_port": 40000,
            "protocol_identifier": 17,
            **_side("", (100, 100, 100.0, 0.0), NOTHING),
            **_side("forward_", (100, 100, 100.0, 0.0), NOTHING),
            **_side("reverse_", NOTHING, NOTHING),
            "end_detail": "flush",
            "flow_end_reason": 4,
            "export_reason": 2,
            "continuation": False,
        },
    ),
    Vector(
        "two packets of one direction",
        "100 and 200 octets: each 50 from the mean, so sqrt(5000 / 1); one gap has no deviation",
        play(Capture(), "0 > udp 72", "0.5 > udp 172"),
        {
            "packet_count": 2,
            "octet_count": 300,
            "duration_ns": SECOND // 2,
            **_side("", (100, 200, 150.0, 50 * ROOT), (0.5, 0.5, 0.5, 0)),
            **_side("forward_", (100, 200, 150.0, 50 * ROOT), (0.5, 0.5, 0.5, 0)),
            **_side("reverse_", NOTHING, NOTHING),
        },
    ),
    Vector(
        "both directions",
        "100, 300, 200, 400, 300 octets, mean 260, squared deviations 25600 + 1600 + 3600 + 19600 + 1600;"
        " gaps 0.25, 0.75, 0.5, 2, mean 0.875, squared deviations 0.390625 + 0.015625 + 0.140625 + 1.265625",
        play(Capture(), "0 > udp 72", "0.25 < udp 272", "1 > udp 172", "1.5 < udp 372", "3.5 > udp 272"),
        {
            "packet_count": 5,
            "octet_count": 1300,
            "duration_ns": 3_500_000_000,
            "forward_octet_delta_count": 600,
            "reverse_octet_delta_count": 700,
            "forward_duration_ns": 3_500_000_000,
            "reverse_duration_ns": 1_250_000_000,
            **_side("", (100, 400, 260.0, math.sqrt(52_000 / 4)), (0.25, 2, 0.875, math.sqrt(1.8125 / 3))),
            **_side("forward_", (100, 300, 200.0, 100.0), (1, 2.5, 1.75, 0.75 * ROOT)),
            **_side("reverse_", (300, 400, 350.0, 50 * ROOT), (1.25, 1.25, 1.25, 0)),
            # The names of old, in seconds.
            "pktTotalCount": 5,
            "b_octetTotalCount": 700,
            "f_avg_ps": 200.0,
            "b_std_dev_ps": 50 * ROOT,
            "flowStart": E / SECOND,
            "b_flowStart": E / SECOND + 0.25,
            "f_flowDuration": 3.5,
            "min_piat": 0.25,
            "max_piat": 2.0,
            "avg_piat": 0.875,
            "f_std_dev_piat": 0.75 * ROOT,
            "src_to_dst_pkts": 3,
            "dst_to_src_bytes": 700,
            "b_avg_pkt_size": 350.0,
            "proto": 17,
            "start_time": E / SECOND,
            "b_end_time": E / SECOND + 1.5,
            "ip_src": 0x0A000001,
            # Information Elements: of the half of the initiator, and reverse.
            "octetDeltaCount": 600,
            "reverseOctetDeltaCount": 700,
            "sourceIPv4Address": "10.0.0.1",
            "reverseFlowStartMilliseconds": E // 1_000_000 + 250,
            "sourceIPv6Address": None,
            "icmpTypeCodeIPv4": None,
            "biflowDirection": 1,
            "ipVersion": 4,
            "sourceTransportPort": 40000,
        },
    ),
    Vector(
        "gaps that are all the same",
        "four packets, 2 s apart",
        play(Capture(), "0 > udp 72", "2 > udp 72", "4 > udp 72", "6 > udp 72"),
        _side("forward_", (100, 100, 100.0, 0.0), (2, 2, 2.0, 0.0)),
    ),
    Vector(
        "time that runs backwards",
        "at 10, 4, 13 s: the gaps are 0 and 3, as the highest time so far counts (semantics 6.2)",
        play(Capture(), "10 > udp 72", "4 > udp 72", "13 > udp 72"),
        {
            "start_ns": E + 4 * SECOND,
            "end_ns": E + 13 * SECOND,
            "duration_ns": 9 * SECOND,
            "opened_ns": E + 10 * SECOND,
            **_side("forward_", (100, 100, 100.0, 0.0), (0, 3, 1.5, 1.5 * ROOT)),
        },
    ),
    Vector(
        "more than 4 GiB",
        "six packets, 1 octet from the mean of 1,999,999,999: sqrt(6 / 5); their squares overflow 64 bits",
        _large_frames(),
        {
            "octet_count": 11_999_999_994,
            "octetDeltaCount": 11_999_999_994,
            **_side("", (1_999_999_998, 2_000_000_000, 1_999_999_999.0, math.sqrt(6 / 5)), (1, 1, 1.0, 0)),
        },
    ),
    Vector(
        "IPv6",
        "40 + 8 + 52 octets, and 40 + 8 + 152",
        play(Capture(), "0 > udp 52", "1 < udp 152", pair=Pair("2001:db8::1", "2001:db8::2", 5000, 53)),
        {
            "source_address": "2001:db8::1",
            "dst_ip": "2001:db8::2",
            "ip_version": 6,
            "ipVersion": 6,
            "sourceIPv4Address": None,
            "destinationIPv6Address": "2001:db8::2",
            "dst_port": 53,
            "ip_src": 0x20010DB8_00000000_00000000_00000001,
            **_side("", (100, 200, 150.0, 50 * ROOT), (1, 1, 1.0, 0)),
        },
    ),
    Vector(
        "ICMP",
        "an echo request and its reply, 20 + 8 octets; no ports, the type times 256",
        _echo(),
        {
            "source_transport_port": 0,
            "destination_transport_port": 0,
            "protocol_identifier": 1,
            "forward_icmp_type_code": 2048,
            "reverse_icmp_type_code": 0,
            "icmpTypeCodeIPv4": 2048,
            "destinationTransportPort": 2048,
            "icmpTypeCodeIPv6": None,
            "reverseIcmpTypeCodeIPv4": 0,
            **_side("", (28, 28, 28.0, 0.0), (0.003, 0.003, 0.003, 0)),
        },
    ),
    Vector(
        "both FINs",
        "SYN 0x02, FIN 0x01, ACK 0x10; segments without data: 40 octets",
        play(Capture(), "0 > S", "0.1 < SA", "0.2 > A", "0.3 > FA", "0.4 < FA", "0.5 > A"),
        {
            "packet_count": 6,
            "octet_count": 240,
            "forward_tcp_control_bits": 0x13,
            "tcpControlBits": 0x13,
            "reverseTcpControlBits": 0x13,
            "flow_end_reason": 3,
            "end_detail": "fin",
            "export_reason": 3,
            "FIN_flag_counter": 2,
            "ACK_flag_counter": 2,
            "src_port": 40000,
            "dst_port": 443,
            "flowEndReason": 3,
            **_side("", (40, 40, 40.0, 0.0), (0.1, 0.1, 0.1, 0.0)),
        },
    ),
)
