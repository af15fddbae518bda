# SPDX-License-Identifier: Apache-2.0
"""One row per Flow: how many packets, between whom, in what shape, and when.

Every plan is a function of its arguments and the random generator alone. All Flow Keys of a plan are
distinct (client address and port are never used twice), so the number of Biflows is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from payloads import Payloads

FIRST_PORT = 1024
PORTS = 65536 - FIRST_PORT
LARGEST_SHARE = 0.01  # of the packets, about, for one Flow of a mix
TAIL_EXPONENT = 1.2  # Pareto; below 2 the variance of Flow sizes is infinite
BULK_PACKETS = 200  # from here on a TCP Flow is a download of full segments


class Shape(IntEnum):
    """How a Flow goes. TCP opens with SYN, SYN+ACK, ACK unless said otherwise."""

    UNANSWERED = 0  # only SYN, repeated
    REFUSED = 1  # SYN, RST+ACK
    RESET = 2  # … data, RST+ACK
    CLOSED = 3  # … data, FIN, FIN, ACK
    OPEN = 4  # … data, and the capture ends
    QUESTION = 5  # UDP: question and answer in turn
    STREAM = 6  # UDP: both ways, mostly from the server


LEAST_PACKETS = {
    Shape.UNANSWERED: 1,
    Shape.REFUSED: 2,
    Shape.RESET: 5,
    Shape.CLOSED: 8,
    Shape.OPEN: 5,
    Shape.QUESTION: 1,
    Shape.STREAM: 2,
}
TAILED = (Shape.RESET, Shape.CLOSED, Shape.OPEN, Shape.STREAM)
TCP_SHARES = (
    (Shape.UNANSWERED, 0.05),
    (Shape.REFUSED, 0.03),
    (Shape.RESET, 0.07),
    (Shape.CLOSED, 0.81),
    (Shape.OPEN, 0.04),
)
UDP_SHARES = ((Shape.QUESTION, 0.7), (Shape.STREAM, 0.3))


@dataclass(frozen=True, slots=True)
class Application:
    """It takes the TCP Flows (or UDP questions) whose number, drawn from 0 to 1, is in least <= n < most."""

    name: str
    port: int
    least: float
    most: float
    tcp: bool = True


# The rest of TCP, and the streams of UDP, are filler on ports that mean nothing.
MIX = (
    Application("tls", 443, 0.0, 0.62),
    Application("http", 80, 0.62, 0.82),
    Application("ssh", 22, 0.82, 0.86),
    Application("dns", 53, 0.0, 1.0, tcp=False),
)
APPLICATIONS = (
    Application("tls13", 443, 0.0, 0.40),
    Application("tls12", 443, 0.40, 0.62),
    Application("http", 80, 0.62, 0.82),
    Application("ssh", 22, 0.82, 0.86),
    Application("dns", 53, 0.0, 0.85, tcp=False),
    Application("ntp", 123, 0.85, 1.0, tcp=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPlan:
    """Columns of equal length, one element per Flow."""

    packets: NDArray[np.int64]
    shape: NDArray[np.uint8]  # Shape
    ipv6: NDArray[np.bool_]
    client: NDArray[np.uint32]  # host number, 24 bits
    server: NDArray[np.uint32]  # host number, 16 bits
    client_port: NDArray[np.uint16]
    server_port: NDArray[np.uint16]
    request: NDArray[np.uint8]  # row of Payloads, 0: filler
    response: NDArray[np.uint8]
    more: NDArray[np.uint8]  # what every later packet with payload carries
    bulk: NDArray[np.bool_]
    start: NDArray[np.float64]  # seconds from the start of the capture
    span: NDArray[np.float64]  # seconds from the first packet to the last

    def __len__(self) -> int:
        return len(self.packets)

    @property
    def tcp(self) -> NDArray[np.bool_]:
        return np.less(self.shape, Shape.QUESTION)


def plan_mix(
    rng: np.random.Generator,
    packets: int,
    flows: int,
    duration: float,
    payloads: Payloads,
    applications: tuple[Application, ...] = MIX,
) -> FlowPlan:
    """85 % TCP, 80 % IPv4, sizes with a Pareto tail. Raises ValueError when the packets do not suffice."""
    tcp = rng.random(flows) < 0.85
    shape = np.where(tcp, _draw(rng, flows, TCP_SHARES), _draw(rng, flows, UDP_SHARES)).astype(np.uint8)
    size = _sizes(rng, packets, shape)
    gap = (duration / 1000) * rng.lognormal(0.0, 1.0, flows)  # mean gap inside a Flow
    bulk = tcp & (size >= BULK_PACKETS)
    span = np.minimum((size - 1) * np.where(bulk, gap / 8, gap), 0.8 * duration)
    request, response, more, server_port = _applications(rng, shape, payloads, applications)
    client, client_port = _distinct_clients(rng, flows, max(16, flows // 8))
    servers = min(50_000, max(4, flows // 20))
    return FlowPlan(
        packets=size,
        shape=shape,
        ipv6=rng.random(flows) < 0.20,
        client=client,
        server=(servers ** rng.random(flows)).astype(np.uint32),  # rank r about as often as 1/r
        client_port=client_port,
        server_port=server_port,
        request=request,
        response=response,
        more=more,
        bulk=bulk,
        start=rng.random(flows) * (duration - span),
        span=span,
    )


def plan_flood(rng: np.random.Generator, packets: int, duration: float) -> FlowPlan:
    """Every packet the only one of its Flow: a SYN from anywhere to one service of one server."""
    client, client_port = _distinct_clients(rng, packets, 1 << 24)
    return FlowPlan(
        packets=np.ones(packets, np.int64),
        shape=np.full(packets, Shape.UNANSWERED, np.uint8),
        ipv6=rng.random(packets) < 0.20,
        client=client,
        server=np.ones(packets, np.uint32),
        client_port=client_port,
        server_port=np.full(packets, 80, np.uint16),
        request=np.zeros(packets, np.uint8),
        response=np.zeros(packets, np.uint8),
        more=np.zeros(packets, np.uint8),
        bulk=np.zeros(packets, np.bool_),
        start=rng.random(packets) * duration,
        span=np.zeros(packets),
    )


def plan_elephant(rng: np.random.Generator, packets: int, flows: int, duration: float) -> FlowPlan:
    """Few TCP downloads of equal size that run side by side through the whole capture."""
    size = np.full(flows, packets // flows, np.int64)
    size[: packets % flows] += 1
    if size[-1] < LEAST_PACKETS[Shape.CLOSED]:
        raise ValueError(f"elephant: {packets} packets do not suffice for {flows} flows; use fewer flows")
    client, client_port = _distinct_clients(rng, flows, 1 << 16)
    return FlowPlan(
        packets=size,
        shape=np.full(flows, Shape.CLOSED, np.uint8),
        ipv6=np.arange(flows) % 5 == 4,
        client=client,
        server=np.arange(1, flows + 1, dtype=np.uint32),
        client_port=client_port,
        server_port=np.full(flows, 443, np.uint16),
        request=np.zeros(flows, np.uint8),
        response=np.zeros(flows, np.uint8),
        more=np.zeros(flows, np.uint8),
        bulk=np.ones(flows, np.bool_),
        start=rng.random(flows) * 0.05 * duration,
        span=np.full(flows, 0.9 * duration),
    )


def plan_datagrams(
    rng: np.random.Generator,
    packets: int,
    flows: int,
    duration: float,
    payloads: Payloads,
    unfinished: float,
) -> FlowPlan:
    """UDP Flows side by side through the whole capture: this share of one packet of filler, the others a DNS
    question and its answer. Raises ValueError when the packets are not as many as these Flows have."""
    asked = np.ones(flows, np.bool_)
    asked[: round(flows * unfinished)] = False
    asked = rng.permutation(asked)
    size = np.where(asked, 2, 1)
    if packets != size.sum():
        raise ValueError(f"packets: {packets} is not what {flows} such flows have, use {size.sum()}")
    rows = np.array(payloads.conversations["dns"], np.uint8)
    drawn = np.where(asked[:, None], rows[rng.integers(0, len(rows), flows)], np.uint8(0))
    client, client_port = _distinct_clients(rng, flows, 1 << 20)
    span = np.where(asked, 0.02, 0.0)
    return FlowPlan(
        packets=size,
        shape=np.full(flows, Shape.QUESTION, np.uint8),
        ipv6=rng.random(flows) < 0.20,
        client=client,
        server=rng.integers(1, 1000, flows).astype(np.uint32),
        client_port=client_port,
        server_port=np.where(asked, 53, 5000 + rng.integers(0, 40, flows)).astype(np.uint16),
        request=drawn[:, 0],
        response=drawn[:, 1],
        more=np.zeros(flows, np.uint8),
        bulk=np.zeros(flows, np.bool_),
        start=rng.random(flows) * (duration - span),
        span=span,
    )


def _draw(rng: np.random.Generator, count: int, shares: tuple[tuple[Shape, float], ...]) -> NDArray[np.uint8]:
    shapes = np.array([shape for shape, _ in shares], np.uint8)
    edges = np.cumsum([share for _, share in shares])
    return shapes[np.searchsorted(edges[:-1], rng.random(count), side="right")]


def _sizes(rng: np.random.Generator, packets: int, shape: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Packets of each Flow: what its shape needs, plus its share of a heavy tail; the sum is exact."""
    least = np.zeros(len(Shape), np.int64)
    least[list(LEAST_PACKETS)] = list(LEAST_PACKETS.values())
    size = least[shape]
    unanswered = shape == Shape.UNANSWERED
    size[unanswered] += rng.integers(0, 3, int(unanswered.sum()))
    question = shape == Shape.QUESTION
    size[question] += rng.choice(np.array([0, 1, 3]), int(question.sum()), p=[0.1, 0.8, 0.1])
    tailed = np.flatnonzero(np.isin(shape, TAILED))
    spare = packets - int(size.sum())
    if spare < 0 or not len(tailed):
        raise ValueError(
            f"mix: {packets} packets do not suffice for {len(shape)} flows; use 8 per flow or more"
        )
    weight = rng.pareto(TAIL_EXPONENT, len(tailed))
    weight = np.minimum(weight, LARGEST_SHARE * weight.sum())
    extra = np.floor(weight * (spare / weight.sum())).astype(np.int64)
    size[tailed] += extra
    size[tailed[: spare - int(extra.sum())]] += 1
    return size


def _distinct_clients(
    rng: np.random.Generator, count: int, hosts: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    """`count` different (host number from 1 on, port) pairs in random order."""
    picked: NDArray[np.int64] = np.empty(0, np.int64)
    while len(picked) < count:
        fresh = rng.integers(0, (hosts - 1) * PORTS, count - len(picked) + 1000)
        picked = np.unique(np.concatenate((picked, fresh)))
    picked = rng.permutation(picked)[:count]
    return (1 + picked // PORTS).astype(np.uint32), (FIRST_PORT + picked % PORTS).astype(np.uint16)


def _applications(
    rng: np.random.Generator,
    shape: NDArray[np.uint8],
    payloads: Payloads,
    applications: tuple[Application, ...],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint16]]:
    """Request row, response row, row of what follows, and server port of each Flow."""
    count = len(shape)
    other = 5000 + rng.integers(0, 40, count)
    choice = rng.random(count)
    drawn = np.zeros((count, 3), np.uint8)
    port = other.astype(np.uint16)
    for application in applications:
        asked = shape < Shape.QUESTION if application.tcp else shape == Shape.QUESTION
        mask = asked & (choice >= application.least) & (choice < application.most)
        rows = np.array(payloads.conversations[application.name], np.uint8)
        drawn[mask] = rows[rng.integers(0, len(rows), int(mask.sum()))]
        port[mask] = application.port
    return drawn[:, 0], drawn[:, 1], drawn[:, 2], port
