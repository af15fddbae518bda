# SPDX-License-Identifier: Apache-2.0
"""Check the measuring tools themselves, against programs that we did not write.

    python bench/verify.py

Small captures of every scenario against capinfos and tshark: packets, wire octets, IP octets,
conversations, one-way flows, checksums, TCP analysis, malformed packets. Then the sink against IPFIX
Messages made by hand, and the floor against the truth. Exit code 1 when anything differs.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from application_payloads import HOSTS
from native_tools import build_tools
from traffic import Capture, Traffic, ensure_capture

CAPTURES = (
    Traffic(scenario="mix", packets=100_000, flows=5_000, seed=7, snap=65535),
    Traffic(scenario="mix", packets=100_000, flows=5_000, seed=7, snap=96),
    Traffic(scenario="flood", packets=20_000, flows=20_000, seed=7, snap=96),
    Traffic(scenario="elephant", packets=50_000, flows=8, seed=7, snap=65535),
    Traffic(scenario="applications", packets=100_000, flows=5_000, seed=7, snap=65535),
    Traffic(scenario="half", packets=15_000, flows=10_000, seed=7, snap=65535),
)
FIELDS = (
    "ip.len", "ipv6.plen", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "udp.srcport",
    "tcp.dstport", "udp.dstport", "tcp.flags.syn", "ip.checksum.status", "tcp.checksum.status",
    "udp.checksum.status", "_ws.malformed", "tcp.analysis.retransmission",
    "tcp.analysis.lost_segment", "tcp.analysis.out_of_order",
)  # fmt: skip
LAYERS = ("Ethernet", "IPv4", "IPv6", "TCP", "UDP")
CHECKS = ("ip.check_checksum", "tcp.check_checksum", "udp.check_checksum")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def compare(what: str, seen: object, wanted: object) -> bool:
    print(
        f"{'ok   ' if seen == wanted else 'WRONG'} {what}: {seen}"
        + ("" if seen == wanted else f", expected {wanted}")
    )
    return seen == wanted


def complaints(value: dict[str, str], whole: bool) -> Iterator[str]:
    """What tshark finds wrong with one packet up to its transport header (filler is nothing to dissect)."""
    good_status = "1" if whole else "2"  # verified, or not verified
    for field, seen in value.items():
        if field.endswith(".status") and seen not in ("", good_status):
            yield f"{field}={seen}"
        if (
            field.startswith("tcp.analysis") and seen and value["tcp.flags.syn"] == "0"
        ):  # SYNs are repeated on purpose
            yield field
        if field == "_ws.malformed" and any(f"[Malformed Packet: {layer}]" in seen for layer in LAYERS):
            yield seen


def verify_capture(capture: Capture, floor: str) -> Iterator[bool]:
    path, truth = str(capture.path), capture.truth
    whole = truth["arguments"]["snap"] == 65535
    print(capture.path.name)
    line = run("capinfos", "-T", "-M", "-r", "-c", "-d", path).split("\t")
    yield compare("packets (capinfos)", int(line[1]), truth["packets"])
    yield compare("wire octets (capinfos)", int(line[2]), truth["wire_octets"])
    conversations = run("tshark", "-r", path, "-q", "-z", "conv,tcp", "-z", "conv,udp")
    yield compare("conversations (tshark)", conversations.count("<->"), truth["biflows"])

    preferences = [word for check in CHECKS for word in ("-o", f"{check}:{str(whole).upper()}")]
    columns = [word for field in FIELDS for word in ("-e", field)]
    octets = 0
    ways = set()
    unexpected: Counter[str] = Counter()
    for row in run("tshark", "-r", path, "-T", "fields", *preferences, *columns).splitlines():
        value = dict(zip(FIELDS, row.split("\t"), strict=True))
        octets += int(value["ip.len"]) if value["ip.len"] else 40 + int(value["ipv6.plen"])
        ways.add(tuple(value[field] for field in FIELDS[2:10]))
        unexpected.update(complaints(value, whole))
    yield compare("IP octets (tshark)", octets, truth["ip_octets"])
    yield compare("one-way flows (tshark)", len(ways), truth["one_way_flows"])
    yield compare("bad checksums, TCP analysis, malformed (tshark)", dict(unexpected), {})
    if whole and truth["arguments"]["scenario"] in ("mix", "applications"):
        for field in ("tls.handshake.extensions_server_name", "http.host", "dns.qry.name"):
            names = set(run("tshark", "-r", path, "-T", "fields", "-e", field, "-Y", field).split())
            yield compare(f"{field} (tshark)", names, set(HOSTS))
    for mode in ("read", "mmap"):
        walked = json.loads(run(floor, mode, path))
        yield compare(
            f"floor {mode}",
            (walked["packets"], walked["wire_octets"]),
            (truth["packets"], truth["wire_octets"]),
        )


def ipfix_message(domain: int, sequence: int, *sets: tuple[int, bytes]) -> bytes:
    body = b"".join(struct.pack("!HH", number, 4 + len(octets)) + octets for number, octets in sets)
    return struct.pack("!HHIII", 10, 16 + len(body), 1_700_000_000, sequence, domain) + body


def crafted_messages() -> list[bytes]:
    """One case per line; the totals that they must give stand in `verify_sink`."""
    reverse = struct.pack("!HHIHHI", 0x8001, 8, 29305, 0x8002, 8, 29305)
    biflow = struct.pack("!HH", 256, 4) + struct.pack("!HHHH", 1, 8, 2, 8) + reverse
    narrow = struct.pack("!HHHHHHHH", 257, 3, 82, 65535, 2, 4, 1, 3)  # interfaceName of variable length first
    options = struct.pack("!HHHHHHH", 258, 2, 1, 149, 4, 41, 8)
    flow = struct.pack("!4Q", 5_000_000_000, 3, 700, 2)
    named = b"\x04eth0" + struct.pack("!I", 9) + (1000).to_bytes(3, "big")
    long_name = b"\xff\x01\x2c" + b"x" * 300 + struct.pack("!I", 1) + (40).to_bytes(3, "big")
    return [
        ipfix_message(1, 0, (256, flow)),  # unknown: its Template comes later
        ipfix_message(1, 1, (2, biflow + narrow), (3, options)),
        ipfix_message(1, 1, (256, flow * 2 + bytes(3))),  # two records and padding
        ipfix_message(1, 3, (257, named + long_name), (258, struct.pack("!IQ", 1, 5))),
        ipfix_message(2, 40, (2, biflow), (256, flow)),  # another domain has its own numbers and Templates
        ipfix_message(2, 41, (257, named)),  # which is why this is unknown
        ipfix_message(1, 9, (256, flow)),  # 3 + 3 records were sent, so three are missing
        ipfix_message(1, 10, (256, flow))[:-8],  # cut
    ]


def verify_sink(sink: str) -> Iterator[bool]:
    print("sink")
    process = subprocess.Popen([sink, "0", "20"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = json.loads(process.stdout.readline())["port"]
    messages = crafted_messages()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        for message in messages:
            sender.send(message)
    process.send_signal(signal.SIGTERM)  # it empties its socket first
    totals = json.loads(process.communicate(timeout=20)[0])
    wanted = {
        "messages": len(messages),
        "message_octets": sum(map(len, messages)),
        "records": 2 + 2 + 1 + 1,
        "option_records": 1,
        "packets": 2 * 3 + 9 + 1 + 3 + 3,
        "octets": 4 * 5_000_000_000 + 1000 + 40,
        "reverse_packets": 4 * 2,
        "reverse_octets": 4 * 700,
        "templates": 4,
        "unknown_sets": 2,
        "malformed": 1,
        "sequence_gaps": 3,
        "kernel_drops": 0,
    }
    for name, value in wanted.items():
        yield compare(name, totals[name], value)


def main() -> int:
    tools = build_tools()
    results = list(verify_sink(str(tools / "sink")))
    with tempfile.TemporaryDirectory() as folder:
        for traffic in CAPTURES:
            results += verify_capture(ensure_capture(traffic, Path(folder)), str(tools / "floor"))
    print(f"{results.count(True)} of {len(results)} checks passed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
