# SPDX-License-Identifier: Apache-2.0
"""The record that the native Metering Process hands over, as numpy sees it.

One record is one Biflow: source = initiator, `forward` its packets, `reverse` those that answer. Times are
int64 nanoseconds since the Unix epoch, sizes are octets of the IP packet, gaps are inter-arrival times.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

DIRECTION = np.dtype(
    {
        "names": [
            "packet_delta_count",
            "octet_delta_count",
            "first_ns",
            "last_ns",
            "size_sum_squares",
            "gap_sum_squares",
            "gap_min_ns",
            "gap_max_ns",
            "size_min",
            "size_max",
            "ingress_interface",
            "source_mac_address",
            "destination_mac_address",
            "vlan_id",
            "icmp_type_code",
            "tcp_control_bits",
            "minimum_ttl",
            "maximum_ttl",
            "ip_class_of_service",
        ],
        "formats": ["<u8", "<u8", "<i8", "<i8", "<u8", "<f8", "<f4", "<f4", "<u4", "<u4", "<u4"]
        + [("u1", 6), ("u1", 6), "<u2", "<u2", "<u2", "u1", "u1", "u1"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 52, 56, 60, 64, 68, 74, 80, 82, 84, 86, 87, 88],
        "itemsize": 96,
    }
)

RECORD = np.dtype(
    {
        "names": [
            "source_address",
            "destination_address",
            "forward",
            "reverse",
            "flow_id",
            "flow_start_ns",
            "gap_sum_squares",
            "gap_min_ns",
            "gap_max_ns",
            "source_transport_port",
            "destination_transport_port",
            "protocol_identifier",
            "ip_version",
            "flow_end_reason",
            "end_detail",
            "flags",
            "worker",
        ],
        "formats": [("u1", 16), ("u1", 16), DIRECTION, DIRECTION, "<u8", "<i8", "<f8", "<f4", "<f4"]
        + ["<u2", "<u2", "u1", "u1", "u1", "u1", "u1", "u1"],
        "offsets": [0, 16, 32, 128, 224, 232, 240, 248, 252, 256, 258, 260, 261, 262, 263, 264, 265],
        "itemsize": 272,
    }
)
"""IPv4 addresses are the last 4 of the 16 octets (the form ::ffff:a.b.c.d)."""

CONTINUATION = 0x01
"""Bit of `flags`: a record of this Flow was sent before, by the active timeout."""


class EndDetail(IntEnum):
    """Why a record left, finer than flowEndReason (semantics §6)."""

    IDLE = 1
    ACTIVE = 2
    FIN = 3
    RST = 4
    FIN_TIMEOUT = 5
    FLUSH = 6
    EVICTED = 7
