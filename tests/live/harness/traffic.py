# SPDX-License-Identifier: Apache-2.0
"""Frames by the hundred thousand: small UDP packets that differ in address and port."""

from __future__ import annotations

import numpy as np

from craft.link import ethernet
from craft.network import ipv4
from craft.transport import udp
from live.harness.sender import Burst

PORTS = 50_000
FIRST_PORT = 10_000
SOURCE_ADDRESS_AT, SOURCE_PORT_AT = 26, 34  # in an Ethernet frame with IPv4


def udp_flows(count: int, *, first: int = 0, packets: int = 1) -> Burst:
    """One Flow per number from `first` on: so many packets for each, round after round.

    Flow n comes from 10.x.y.z with port 10,000 + n mod 50,000, where x.y.z is n // 50,000. The checksums are
    those of Flow 0.
    """
    template = ethernet(ipv4("10.0.0.0", "192.0.2.1", udp(FIRST_PORT, 53, bytes(18))))
    numbers = np.arange(first, first + count)
    frames = np.empty((count, len(template)), np.uint8)
    frames[:] = np.frombuffer(template, np.uint8)
    _write(frames, SOURCE_ADDRESS_AT, (10 << 24) + numbers // PORTS, ">u4")
    _write(frames, SOURCE_PORT_AT, FIRST_PORT + numbers % PORTS, ">u2")
    return Burst(frames.tobytes() * packets, np.full(count * packets, len(template), np.uint64))


def _write(frames: np.ndarray, at: int, values: np.ndarray, kind: str) -> None:
    octets = values.astype(kind).view(np.uint8).reshape(len(values), -1)
    frames[:, at : at + octets.shape[1]] = octets
