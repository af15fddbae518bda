# SPDX-License-Identifier: Apache-2.0
"""Our decoder and readers against tshark, frame by frame: time, addresses, length, protocol, ports.

Over the goldens, the demo capture and the folder that SPANFLOW_CAPTURES names. tshark dissects tunnels and
quoted packets too: the first occurrence of each field is the outermost packet, the one that counts.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from golden import load, names
from golden.regenerate import DEMO
from reference import read_capture
from spanflow.reference.frame import DiscardError
from spanflow.reference.network import decode
from spanflow.reference.packet import Packet

FIELDS = (
    *("frame.time_epoch", "frame.protocols", "ip.src", "ip.dst", "ip.len", "ip.proto", "ip.ttl"),
    *("ipv6.src", "ipv6.dst", "ipv6.plen", "ipv6.hlim", "vlan.id", "ieee8021ad.id"),
    *("tcp.srcport", "tcp.dstport", "tcp.flags", "udp.srcport", "udp.dstport"),
)
NO_REASSEMBLY = ("ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE")
OTHER_OPINION = {
    "pcapng_time_offset": "tshark has no times before 1970",
    "pcapng_simple_packets": "tshark gives Simple Packet Blocks no time",
    "pcapng_unknown_version": "tshark reads no other version",
    "link_raw_bsd": "tshark takes the number for another link type",
    "link_eight_tags": "tshark names the tags of such stacks otherwise",
    "ipv6_sixteen_extension_headers": "tshark skips any number of them",
    "pcap_captured_more_than_the_wire": "tshark believes the wire length",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One frame as tshark prints it; "" for a field that it has not."""

    values: dict[str, str]

    def __getitem__(self, field: str) -> str:
        return self.values[field]


def _tshark(path: Path) -> list[Line]:
    options = [word for field in FIELDS for word in ("-e", field)]
    settings = [word for setting in NO_REASSEMBLY for word in ("-o", setting)]
    command = ["tshark", "-n", "-r", str(path), *settings, "-T", "fields", "-E", "occurrence=f", *options]
    text = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
    return [Line(dict(zip(FIELDS, line.split("\t"), strict=True))) for line in text.splitlines()]


def _captures() -> list[Path]:
    folder = os.environ.get("SPANFLOW_CAPTURES")
    real = sorted(path for path in Path(folder).rglob("*.*cap*") if path.is_file()) if folder else []
    return [load(name).capture for name in names() if name not in OTHER_OPINION] + [DEMO] + real


@pytest.mark.parametrize("path", _captures(), ids=lambda path: path.stem)
def test_every_accounted_packet_is_the_one_that_tshark_sees(path: Path) -> None:
    frames, lines = list(read_capture(path, [])), _tshark(path)
    differences = []
    for number, (frame, line) in enumerate(zip(frames, lines, strict=False), 1):
        assert _nanoseconds(line["frame.time_epoch"]) == frame.time_ns
        try:
            packet = decode(frame)
        except DiscardError:
            continue
        differences += [f"frame {number}: {text}" for text in _differences(packet, line)]
    assert differences == []
    # tshark stops at records that make no sense to it, and only then may have seen fewer.
    assert len(lines) <= len(frames)
    assert path != DEMO or len(lines) == len(frames)


def test_tshark_sees_no_ip_where_the_reference_sees_none() -> None:
    for name in ("discard_non_ip", "link_pppoe", "link_sll"):
        path = load(name).capture
        for frame, line in zip(read_capture(path, []), _tshark(path), strict=True):
            try:
                decode(frame)
            except DiscardError as reason:
                if str(reason) == "non_ip":
                    assert not line["ip.src"] + line["ipv6.src"]


def test_the_demo_has_nothing_wrong_in_it() -> None:
    """No malformed packet, no wrong checksum, no gap or overlap in a TCP stream."""
    settings = [word for name in ("ip", "tcp", "udp") for word in ("-o", f"{name}.check_checksum:TRUE")]
    wrong = "_ws.malformed || tcp.analysis.flags || " + " || ".join(
        f"{name}.checksum.status == 0" for name in ("ip", "tcp", "udp", "icmp", "icmpv6", "sctp")
    )
    command = ["tshark", "-n", "-r", str(DEMO), *settings, "-Y", wrong]
    assert subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout == ""


def _nanoseconds(epoch: str) -> int:
    seconds, _, rest = epoch.partition(".")
    return int(seconds) * 10**9 + int(rest.ljust(9, "0"))


def _differences(packet: Packet, line: Line) -> list[str]:
    """Members that tshark shows otherwise."""
    version = "ip" if packet.ip_version == 4 else "ipv6"
    pairs: list[tuple[str, object, object]] = [
        ("source", packet.source_address, _sixteen(line[f"{version}.src"])),
        ("destination", packet.destination_address, _sixteen(line[f"{version}.dst"])),
        ("ttl", packet.ttl, int(line["ip.ttl" if version == "ip" else "ipv6.hlim"])),
    ]
    if version == "ip":
        pairs.append(("protocol", packet.protocol_identifier, int(line["ip.proto"])))
        if line["ip.len"] != "0":
            pairs.append(("octets", packet.octets, int(line["ip.len"])))
    elif line["ipv6.plen"] not in ("", "0"):
        pairs.append(("octets", packet.octets, 40 + int(line["ipv6.plen"])))
    tag = _outer_tag(line["frame.protocols"], version)
    if tag:
        pairs.append(("vlan", packet.vlan_id, int(line[tag])))
    name = _protocol_behind(line["frame.protocols"], version)
    if name in ("tcp", "udp") and packet.fragment is None and line[f"{name}.srcport"]:
        ports = (packet.source_transport_port, packet.destination_transport_port)
        pairs.append(("ports", ports, (int(line[f"{name}.srcport"]), int(line[f"{name}.dstport"]))))
        if name == "tcp" and line["tcp.flags"]:
            pairs.append(("flags", packet.tcp_control_bits, int(line["tcp.flags"], 16)))
    return [f"{what} is {ours}, tshark says {theirs}" for what, ours, theirs in pairs if ours != theirs]


def _outer_tag(protocols: str, version: str) -> str:
    """The field of the outermost VLAN tag, "" when no tag is before the outermost IP header."""
    names = {"vlan": "vlan.id", "ieee8021ad": "ieee8021ad.id", version: ""}
    return next((names[name] for name in protocols.split(":") if name in names), "")


def _protocol_behind(protocols: str, version: str) -> str:
    """The dissector that came directly after the outermost IP header and its extension headers."""
    behind = protocols.split(":")
    behind = behind[behind.index(version) + 1 :] if version in behind else []
    return next((name for name in behind if not name.startswith("ipv6.")), "")


def _sixteen(address: str) -> bytes:
    octets = ip_address(address).packed if address else b""
    return bytes(10) + b"\xff\xff" + octets if len(octets) == 4 else octets
