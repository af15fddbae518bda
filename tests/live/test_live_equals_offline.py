# SPDX-License-Identifier: Apache-2.0
"""The same packets give the same records, read from a file or captured from the wire.

Times differ, as packets are stamped when they arrive. So either no timeout can matter, and everything but
the times must be equal; or the gaps of the file are kept, and durations are compared as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from craft.capture import Capture, Frame
from craft.conversation import EPOCH_NS, Pair, play
from craft.link import ETHERNET, RAW, RAW_BSD, RAW_IPV4, RAW_IPV6, ethernet
from end_to_end.command import DEMO
from exporting.plain_ipfix import Reader
from exporting.running_collector import wait_for
from golden import Golden, load, names
from live.harness.collectors import receiver
from live.harness.daemon import spanflow_run
from live.harness.links import network
from live.harness.probe import probe
from live.harness.sender import Sender
from metering.native import meter
from reference import read_capture
from spanflow.exporting.profiles import GENERIC_APPLICATION
from spanflow.exporting.session import IpfixSession
from spanflow.record import RECORD, Batch

HOUR = 3600 * 1_000_000_000
UNENDING = {
    "cache.active_timeout": 0,
    "cache.inactive_timeout": 0,
    "cache.tcp_linger": "1h",
    "cache.tcp_fin_timeout": 0,
    "capture.ring_size": "1MiB",
}
UNENDING_OFFLINE = {
    "active_timeout": 0,
    "inactive_timeout": 0,
    "tcp_linger": HOUR,
    "tcp_fin_timeout": 0,
}
IDLE, END_DETECTED, FORCED_END = 1, 3, 4
OF_TIME_AND_PLACE = (
    *("flowStartMilliseconds", "flowEndMilliseconds"),
    *("reverseFlowStartMilliseconds", "reverseFlowEndMilliseconds"),
    *("flowId", "ingressInterface", "reverseIngressInterface"),
)
"""What depends on when and where packets were captured; flowId is a hash of the first time stamp too."""
TOLERANCE_MS = 60
MOST_INTERFACES = 60
RAW_LINKS = (RAW, RAW_BSD, RAW_IPV4, RAW_IPV6)


def wire_frames(capture: Path) -> list[bytes]:
    """The frames of a capture that can be sent on a wire, bare IP packets in Ethernet."""
    frames = []
    for frame in read_capture(capture, []):
        bare = frame.link_type in RAW_LINKS
        if frame.wire_length == len(frame.octets) >= 14 and (bare or frame.link_type == ETHERNET):
            frames.append(ethernet(frame.octets) if bare else frame.octets)
    return frames


def suitable(golden: Golden) -> bool:
    """Whether a golden can be sent, and is metered with the usual key and fragment table."""
    usual = not golden.settings["key"] and golden.settings["max_fragments"] == 16_384
    return usual and bool(wire_frames(golden.capture))


def offline(frames: Sequence[bytes], folder: Path) -> list[dict[str, Any]]:
    """The records of frames in a file, a millisecond apart, as exported Biflows."""
    capture = Capture([Frame(EPOCH_NS + 1_000_000 * number, octets) for number, octets in enumerate(frames)])
    path = folder / "frames.pcap"
    path.write_bytes(capture.pcap())
    return exported(meter([path], dpi={}, **UNENDING_OFFLINE).records)


def exported(records: np.ndarray) -> list[dict[str, Any]]:
    """Records of the Metering Process as Data Records of Biflows."""
    session = IpfixSession(
        GENERIC_APPLICATION.templates(biflow=True), observation_domain_id=1, max_message_octets=1400
    )
    reader = Reader().read_all(session.template_messages(0))
    for version in (4, 6):
        chosen = records[records["ip_version"] == version]
        padded = np.empty(len(chosen), RECORD)  # concatenation took the padding away
        padded[:] = chosen
        for rows in session.rows(Batch(padded)):
            (run,) = session.messages(rows, 0).runs
            octets = bytes(run.octets)
            for start in range(0, len(octets), run.message_octets):
                reader.read(octets[start : start + run.message_octets])
    return reader.flows()


def lasting(records: Iterable[dict[str, Any]]) -> list[tuple[tuple[str, Any], ...]]:
    """Records in an order of their own, without what depends on time and place."""
    return sorted(
        tuple((name, value) for name, value in record.items() if name not in OF_TIME_AND_PLACE)
        for record in records
    )


GOLDENS = [name for name in names() if suitable(load(name))]


@pytest.mark.parametrize("part", range(0, len(GOLDENS), MOST_INTERFACES))
def test_goldens(part: int, tmp_path: Path) -> None:
    """Each on an interface of its own, all captured by one daemon at once."""
    chosen = GOLDENS[part : part + MOST_INTERFACES]
    frames = {name: wire_frames(load(name).capture) for name in chosen}
    interfaces = [f"e{number}" for number in range(len(chosen))]
    with network(*interfaces) as links, receiver(links[0].far) as collector:
        arguments = [word for name in interfaces for word in ("-i", name)]
        url = f"{collector.url}?biflow=true"
        with spanflow_run(links[0].far, *arguments, "--collector", url, settings=UNENDING) as daemon:
            for name, link in zip(chosen, links, strict=True):
                with Sender(link.near, link.near_name) as sender:
                    sender.send(frames[name])
            daemon.settle(sum(map(len, frames.values())))
            daemon.stop_in_peace()
        live = defaultdict(list)
        for record in collector.flows():
            live[record["ingressInterface"]].append(record)
        indices = {name: link.index for name, link in zip(chosen, links, strict=True)}
    assert {name: lasting(live[indices[name]]) for name in chosen} == {
        name: lasting(offline(frames[name], tmp_path)) for name in chosen
    }


@pytest.mark.parametrize("workers", [1, 4])
def test_demo(workers: int, tmp_path: Path) -> None:
    with probe(settings={**UNENDING, "capture.workers": workers}, options="?biflow=true") as running:
        sent = running.sender.replay(DEMO)
        running.daemon.settle(sent)
        running.daemon.stop_in_peace()
        live = running.collector.flows()
    assert lasting(live) == lasting(offline(wire_frames(DEMO), tmp_path))


def test_gaps_of_the_file(tmp_path: Path) -> None:
    """With short timeouts and the gaps of the file: the same splits, ends, and durations."""
    capture = Capture()
    play(capture, "0 > S", "0.05 < SA", "0.1 > A", "0.2 > PA 500", "0.5 > FA", "0.6 < FA", "0.7 > A")
    idle = Pair(client_port=2)
    play(capture, "0 > udp 10", "0.2 < udp 20", "1.3 > udp 30", "1.4 > udp 40", pair=idle)
    active = Pair(client_port=3)
    play(capture, *(f"{number / 10} > udp {number}" for number in range(30)), pair=active)
    reset = Pair(client_port=4)
    play(capture, "0.5 > S", "0.6 < R", "1.9 > S", "2.0 < R", pair=reset)
    capture.frames.sort(key=lambda frame: frame.time_ns)
    path = tmp_path / "gaps.pcap"
    path.write_bytes(capture.pcap())

    timeouts = {"active_timeout": 1250, "inactive_timeout": 700, "tcp_linger": 500}
    settings = {f"cache.{name}": f"{milliseconds}ms" for name, milliseconds in timeouts.items()}
    with probe(settings=settings, options="?biflow=true") as running:
        sent = running.sender.replay(path, keep_gaps=True)
        running.daemon.settle(sent)
        wait_for(lambda: running.daemon.metrics().total("spanflow_cache_flows") == 0, "all Flows to end")
        running.daemon.stop_in_peace()
        live = by_flow(running.collector.flows())

    durations = {name: milliseconds * 1_000_000 for name, milliseconds in timeouts.items()}
    file = meter([path], dpi={}, **durations)
    expected = by_flow(exported(file.records))
    # At the end of a file, what is not due is flushed; live it leaves when it is due.
    for record, (live_record, file_record) in pairs(live, expected):
        if file_record["flowEndReason"] == FORCED_END:
            assert live_record["flowEndReason"] in (IDLE, END_DETECTED), record
            live_record["flowEndReason"] = FORCED_END
        assert lasting([live_record]) == lasting([file_record])
        for direction in ("f", "reverseF"):
            begin, end = f"{direction}lowStartMilliseconds", f"{direction}lowEndMilliseconds"
            durations = [each[end] - each[begin] for each in (live_record, file_record)]
            assert durations[0] == pytest.approx(durations[1], abs=TOLERANCE_MS), record


def by_flow(records: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Records by their client port, in the order of their start."""
    grouped = defaultdict(list)
    for record in sorted(records, key=lambda record: record["flowStartMilliseconds"]):
        grouped[record["sourceTransportPort"]].append(record)
    return grouped


def pairs(
    live: dict[int, list[dict[str, Any]]], expected: dict[int, list[dict[str, Any]]]
) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, Any]]]]:
    """The records side by side, each with words for where it is."""
    assert {port: len(records) for port, records in live.items()} == {
        port: len(records) for port, records in expected.items()
    }
    for port, records in expected.items():
        for number, record in enumerate(records):
            yield f"record {number} of port {port}", (live[port][number], record)
