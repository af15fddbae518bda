# SPDX-License-Identifier: Apache-2.0
"""One row per packet, made from the rows of the Flows.

The packets of a block of Flows are planned together, Flow after Flow, so that sequence numbers are
running sums; the caller puts them in order of time. A block has its own random generator: the block
size is part of what determines a file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flow_plan import FlowPlan, Shape
from payloads import FILLER_ROWS, Payloads

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
FULL = 65535  # payload length that stands for "as much as a 1,500-octet IP packet holds"
IP_OCTETS = 1500

PACKET = np.dtype(
    [
        ("flow", "u4"),
        ("time", "u4"),  # microseconds from the start of the capture
        ("sequence", "u4"),
        ("acknowledgement", "u4"),
        ("payload", "u2"),  # octets
        ("row", "u1"),  # of Payloads
        ("flags", "u1"),  # TCP
        ("from_server", "?"),
    ]
)


def plan_packets(
    plan: FlowPlan, first: int, last: int, rng: np.random.Generator, payloads: Payloads
) -> NDArray[np.void]:
    """Packets of the Flows first <= i < last, dtype PACKET, Flow after Flow and each in its own order."""
    size = plan.packets[first:last]
    flow = np.repeat(np.arange(first, last), size)
    begin = np.cumsum(size) - size  # index of each Flow's first packet
    place = np.arange(len(flow)) - np.repeat(begin, size)
    left = np.repeat(size, size) - 1 - place

    packet = np.zeros(len(flow), PACKET)
    packet["flow"] = flow
    packet["time"] = _times(plan, first, last, begin, rng)
    shape = plan.shape[flow]
    _exchange_data(packet, plan, rng)
    _put_messages(packet, plan, shape, place, payloads, rng)
    _control_tcp(packet, shape, place, left)
    _resolve_full(packet, plan)
    packet["row"][packet["payload"] == 0] = 0
    _number_octets(packet, plan, begin, size, rng)
    return packet


def _times(
    plan: FlowPlan, first: int, last: int, begin: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.uint32]:
    """Exponential gaps, stretched so that each Flow fills its span."""
    size = plan.packets[first:last]
    steps = rng.standard_exponential(int(size.sum()))
    steps[begin] = 0.0
    elapsed = np.cumsum(steps)
    elapsed -= np.repeat(elapsed[begin], size)
    total = elapsed[begin + size - 1]
    scale = plan.span[first:last] / np.where(total > 0, total, 1.0)
    seconds = elapsed * np.repeat(scale, size) + np.repeat(plan.start[first:last], size)
    return (seconds * 1e6).astype(np.uint32)


def _exchange_data(packet: NDArray[np.void], plan: FlowPlan, rng: np.random.Generator) -> None:
    """Direction, length and flags of every packet as if it were one of the middle of its Flow."""
    flow = packet["flow"]
    count = len(packet)
    kind = rng.random(count, np.float32)
    way = rng.random(count, np.float32)
    small = rng.integers(1, 256, count)
    bulk = plan.bulk[flow]
    tcp = plan.tcp[flow]

    # Bulk: two full segments down for one bare ACK up. Else 45 % bare ACKs, 25 % small, 15 % medium,
    # 15 % full.
    payload = np.select([kind < 0.45, kind < 0.70, kind < 0.85], [0, small, 536], FULL)
    payload = np.where(bulk, np.where(kind < 1 / 3, 0, FULL), payload)
    from_server = np.where(bulk, kind >= 1 / 3, way < np.where(payload == 0, 0.4, 0.7))
    payload = np.where(tcp, payload, 40 + small * 4)
    from_server = np.where(tcp, from_server, way < 0.7)
    packet["payload"] = payload
    packet["from_server"] = from_server
    packet["flags"] = np.where(tcp, ACK | np.where((payload > 0) & ~bulk, PSH, 0), 0)
    more = plan.more[flow]
    packet["row"] = np.where(more > 0, more, rng.integers(1, 1 + FILLER_ROWS, count))


def _put_messages(
    packet: NDArray[np.void],
    plan: FlowPlan,
    shape: NDArray[np.uint8],
    place: NDArray[np.int64],
    payloads: Payloads,
    rng: np.random.Generator,
) -> None:
    """The first data packet of each side carries its message, where the Flow has one."""
    flow = packet["flow"]
    question = shape == Shape.QUESTION
    tcp = plan.tcp[flow]
    asks = np.where(tcp, place == 3, (place == 0) | (question & (place % 2 == 0)))
    answers = np.where(tcp, place == 4, (place == 1) | (question & (place % 2 == 1)))
    for mask, rows, server in ((asks, plan.request, False), (answers, plan.response, True)):
        picked = np.flatnonzero(mask)
        row = rows[flow[picked]]
        known = row > 0
        packet["from_server"][picked] = server
        packet["row"][picked[known]] = row[known]
        length = np.where(known, payloads.lengths[row], rng.integers(60, 500, len(picked)))
        packet["payload"][picked] = length
        packet["flags"][picked] |= np.where(tcp[picked], PSH, 0).astype(np.uint8)


def _control_tcp(
    packet: NDArray[np.void], shape: NDArray[np.uint8], place: NDArray[np.int64], left: NDArray[np.int64]
) -> None:
    """Handshake and ending over the data packets that stand in their places."""
    talks = (shape == Shape.RESET) | (shape == Shape.CLOSED) | (shape == Shape.OPEN)
    closed = shape == Shape.CLOSED

    def put(mask: NDArray[np.bool_], flags: int, from_server: bool | None) -> None:
        packet["flags"][mask] = flags
        packet["payload"][mask] = 0
        if from_server is not None:
            packet["from_server"][mask] = from_server

    put(shape == Shape.UNANSWERED, SYN, False)
    put((shape == Shape.REFUSED) & (place == 0), SYN, False)
    put((shape == Shape.REFUSED) & (place == 1), RST | ACK, True)
    put(talks & (place == 0), SYN, False)
    put(talks & (place == 1), SYN | ACK, True)
    put(talks & (place == 2), ACK, False)
    put(closed & (left == 2), FIN | ACK, False)
    put(closed & (left == 1), FIN | ACK, True)
    put(closed & (left == 0), ACK, False)
    put((shape == Shape.RESET) & (left == 0), RST | ACK, None)


def _resolve_full(packet: NDArray[np.void], plan: FlowPlan) -> None:
    full = packet["payload"] == FULL
    packet["payload"][full] = IP_OCTETS - 20 - np.where(plan.ipv6[packet["flow"][full]], 40, 20)


def _number_octets(
    packet: NDArray[np.void],
    plan: FlowPlan,
    begin: NDArray[np.int64],
    size: NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    """Sequence and acknowledgement numbers: octets sent before, SYN and FIN count as one (RFC 9293)."""
    flow = packet["flow"]
    flags = packet["flags"]
    taken = packet["payload"].astype(np.int64) + ((flags & (SYN | FIN)) != 0)
    taken[plan.shape[flow] == Shape.UNANSWERED] = 0  # a repeated SYN keeps its number
    taken[~plan.tcp[flow]] = 0
    sent = []
    for server in (False, True):
        mine = np.where(packet["from_server"] == server, taken, 0)
        before = np.cumsum(mine) - mine
        initial = rng.integers(0, 1 << 32, len(size))
        sent.append(before + np.repeat(initial - before[begin], size))
    from_client, from_server = sent
    down = packet["from_server"]
    packet["sequence"] = np.where(down, from_server, from_client) & 0xFFFFFFFF
    acknowledged = np.where(down, from_client, from_server) & 0xFFFFFFFF
    packet["acknowledgement"] = np.where((flags & ACK) != 0, acknowledged, 0)
