# SPDX-License-Identifier: Apache-2.0
"""Deterministic test captures, each with its truth in a JSON file beside it.

    python bench/traffic.py mix --packets 5000000 --flows 250000 --seed 1 --snap 128
    python bench/traffic.py flood --packets 2000000 --snap 96
    python bench/traffic.py elephant --packets 2000000 --flows 8 --snap 128
    python bench/traffic.py applications --packets 2000000 --flows 100000 --snap 65535
    python bench/traffic.py half --packets 1500000 --flows 1000000

mix       heavy-tailed TCP and UDP Flows, IPv4 and IPv6, interleaved in time
flood     every packet a new Flow: one SYN (`--flows` follows from `--packets`)
elephant  a few equal TCP downloads of full segments
applications  the mix, with conversations that a classification engine knows
unfinished    UDP Flows of one packet that no engine can tell
answered      UDP Flows of a DNS question and its answer (packets = 2 * flows)
half          every other Flow unfinished, the others answered (packets = 1.5 * flows)

The same arguments give the same octets (with the same numpy). A file that is there already with the same
arguments and generator version is used again. Whole frames: `--snap 65535`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

import frames
from flow_plan import APPLICATIONS, MIX, FlowPlan, plan_datagrams, plan_elephant, plan_flood, plan_mix
from packet_plan import PACKET, plan_packets
from payloads import Payloads, make_payloads

GENERATOR_VERSION = 1
SCENARIOS = ("mix", "flood", "elephant", "applications", "unfinished", "answered", "half")
UNFINISHED = {"unfinished": 1.0, "half": 0.5, "answered": 0.0}  # share of the Flows
FOR_ENGINES = ("applications", *UNFINISHED)
BLOCK_PACKETS = 1 << 20  # planned at a time; part of what determines a file
LONGEST_SECONDS = 3600  # times are 32 bits of microseconds
OUT = Path(__file__).resolve().parent / "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What determines a capture."""

    scenario: str
    packets: int
    flows: int
    seed: int = 1
    snap: int = 128
    duration: float = 60.0  # seconds

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS:
            raise ValueError(f"scenario: {self.scenario!r} is unknown, use one of {', '.join(SCENARIOS)}")
        if not 1 <= self.flows <= self.packets:
            raise ValueError(f"flows: {self.flows} is out of range, use 1 to the number of packets")
        if not frames.LONGEST_HEADERS <= self.snap <= 65535:
            raise ValueError(f"snap: {self.snap} is out of range, use {frames.LONGEST_HEADERS} to 65535")
        if not 0 < self.duration <= LONGEST_SECONDS:
            raise ValueError(
                f"duration: {self.duration} is out of range, use up to {LONGEST_SECONDS} seconds"
            )
        if self.scenario == "flood" and self.flows != self.packets:
            raise ValueError("flows: in a flood every packet is a flow, leave it out")

    @property
    def file_name(self) -> str:
        return f"{self.scenario}-{self.packets}-{self.flows}-{self.seed}-{self.snap}-{self.duration:g}s.pcap"


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture file and its truth (the JSON beside it)."""

    path: Path
    truth: dict[str, Any]


def ensure_capture(traffic: Traffic, directory: Path = OUT) -> Capture:
    """The capture of these arguments in `directory`, made if it is not there yet."""
    path = directory / traffic.file_name
    truth_path = path.with_suffix(".json")
    wanted = {"generator_version": GENERATOR_VERSION, "arguments": asdict(traffic)}
    if path.exists() and truth_path.exists():
        truth = json.loads(truth_path.read_text())
        known = {key: truth.get(key) for key in wanted}
        if known == wanted and truth.get("file_octets") == path.stat().st_size:
            return Capture(path, truth)
    directory.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            truth = wanted | write_capture(traffic, file)
    except BaseException:
        partial.unlink()
        raise
    truth_path.write_text(json.dumps(truth, indent=1) + "\n")
    partial.replace(path)
    return Capture(path, truth)


def write_capture(traffic: Traffic, file: BinaryIO) -> dict[str, Any]:
    """Write the capture; returns its truth."""
    seed = [traffic.seed, SCENARIOS.index(traffic.scenario)]
    rng = np.random.default_rng([*seed, 0])
    payloads = make_payloads(rng, traffic.scenario in FOR_ENGINES)
    plan = _plan_flows(traffic, rng, payloads)
    packet, one_way_flows = _plan_all(plan, seed, payloads)
    order = np.argsort(packet["time"], kind="stable")

    file.write(frames.file_header(traffic.snap))
    ip_octets = wire_octets = captured_octets = 0
    rows = max(1, frames.CHUNK_OCTETS // (frames.RECORD_OCTETS + min(traffic.snap, 1514)))
    for first in range(0, len(packet), rows):
        chunk = packet[order[first : first + rows]]
        file.write(frames.build_records(chunk, first, plan, payloads, traffic.snap).data)
        ip = frames.ip_octets(chunk, plan)
        wire = frames.wire_octets(ip)
        ip_octets += int(ip.sum())
        wire_octets += int(wire.sum())
        captured_octets += int(np.minimum(wire, traffic.snap).sum())
    return {
        "numpy": np.__version__,
        "packets": len(packet),
        "biflows": len(plan),
        "one_way_flows": one_way_flows,
        "ip_octets": ip_octets,
        "wire_octets": wire_octets,
        "captured_octets": captured_octets,
        "tcp_biflows": int(plan.tcp.sum()),
        "ipv6_biflows": int(plan.ipv6.sum()),
        "largest_flow_packets": int(plan.packets.max()),
        "file_octets": file.tell(),
    }


def _plan_flows(traffic: Traffic, rng: np.random.Generator, payloads: Payloads) -> FlowPlan:
    if traffic.scenario == "flood":
        return plan_flood(rng, traffic.packets, traffic.duration)
    if traffic.scenario == "elephant":
        return plan_elephant(rng, traffic.packets, traffic.flows, traffic.duration)
    if (unfinished := UNFINISHED.get(traffic.scenario)) is not None:
        return plan_datagrams(rng, traffic.packets, traffic.flows, traffic.duration, payloads, unfinished)
    applications = APPLICATIONS if traffic.scenario == "applications" else MIX
    return plan_mix(rng, traffic.packets, traffic.flows, traffic.duration, payloads, applications)


def _plan_all(plan: FlowPlan, seed: list[int], payloads: Payloads) -> tuple[NDArray[np.void], int]:
    """All packets, Flow after Flow, and the number of Biflow halves that have a packet."""
    ends = np.cumsum(plan.packets)
    packet = np.empty(int(ends[-1]), PACKET)
    one_way_flows = len(plan)  # the client always speaks first
    first = done = block = 0
    while first < len(plan):
        last = max(first + 1, int(np.searchsorted(ends, done + BLOCK_PACKETS, side="right")))
        rng = np.random.default_rng([*seed, 1 + block])
        planned = plan_packets(plan, first, last, rng, payloads)
        packet[done : done + len(planned)] = planned
        answered = np.bincount(planned["flow"][planned["from_server"]] - first, minlength=last - first)
        one_way_flows += int(np.count_nonzero(answered))
        done += len(planned)
        first, block = last, block + 1
    return packet, one_way_flows


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--packets", type=int, required=True)
    parser.add_argument("--flows", type=int, help="default: packets / 20, at most 8 elephants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--snap", type=int, default=128, help="octets kept of each frame (default %(default)s)"
    )
    parser.add_argument("--duration", type=float, default=60.0, help="seconds (default %(default)s)")
    parser.add_argument("--output", type=Path, default=OUT, help="folder (default bench/out)")
    given = parser.parse_args()
    flows = given.flows
    if flows is None:
        flows = {"flood": given.packets, "elephant": 8}.get(given.scenario, max(1, given.packets // 20))
    begin = time.monotonic()
    try:
        traffic = Traffic(
            scenario=given.scenario,
            packets=given.packets,
            flows=flows,
            seed=given.seed,
            snap=given.snap,
            duration=given.duration,
        )
        capture = ensure_capture(traffic, given.output)
    except ValueError as error:
        print(f"traffic: {error}", file=sys.stderr)
        return 64
    print(
        json.dumps(capture.truth | {"file": capture.path.name, "seconds": round(time.monotonic() - begin, 2)})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
