# SPDX-License-Identifier: Apache-2.0
"""NetFlow v9 and v5 as tshark, an independent reader, sees them: header and every field of every record."""

from __future__ import annotations

import socket
import struct
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from random import Random
from typing import Any

import dpkt
import pytest

from collecting.netflow import (
    UNIX_SECONDS,
    FieldSpec,
    flowset,
    options_template9,
    packet5,
    packet9,
    record5,
    template9,
)
from spanflow.collecting.message import Message
from spanflow.collecting.process import CollectingProcess

PORT = 9996
FIELDS: list[tuple[FieldSpec, str]] = [
    # (field of the Template, tshark's name of it)
    ("sourceIPv4Address", "srcaddr"),
    ("destinationIPv4Address", "dstaddr"),
    ("ipNextHopIPv4Address", "nexthop"),
    ("sourceIPv6Address", "srcaddrv6"),
    ("destinationIPv6Address", "dstaddrv6"),
    (("ingressInterface", 2), "inputint"),
    ("egressInterface", "outputint"),
    (("octetDeltaCount", 4), "octets"),
    ("packetDeltaCount", "packets"),
    ("flowStartSysUpTime", "timestart"),
    ("flowEndSysUpTime", "timeend"),
    ("sourceTransportPort", "srcport"),
    ("destinationTransportPort", "dstport"),
    ("protocolIdentifier", "protocol"),
    (("tcpControlBits", 1), "tcpflags"),
    ("ipClassOfService", "tos"),
    (("bgpSourceAsNumber", 2), "srcas"),
    ("bgpDestinationAsNumber", "dstas"),
    ("sourceIPv4PrefixLength", "srcmask"),
    ("destinationIPv4PrefixLength", "dstmask"),
    ("samplingInterval", "sampling_interval"),
    ("samplingAlgorithm", "sampling_algorithm"),
    (("samplerId", 2), "sampler_id"),
    (("interfaceName", 9), "if_name"),
]
NAMES = {
    **{shown: name if isinstance(name, str) else str(name[0]) for name, shown in FIELDS},
    "scope_system": "scopeSystem",
    "scope_interface": "scopeInterface",
    "scope_linecard": "scopeLineCard",
    "engine_type": "engineType",
    "engine_id": "engineId",
    "samplingmode": "samplingAlgorithm",
    "samplerate": "samplingInterval",
}
TEXTS = {"interfaceName"}


def random_field(random: Random, name: str, length: int) -> bytes:
    if name in TEXTS:
        return bytes(random.choices(b"abcdef", k=random.randint(1, length))).ljust(length, b"\0")
    return random.randbytes(length)


def packets9(random: Random) -> list[bytes]:
    """Packets with a Template of some fields, an Options Template, and records of both."""
    packets = []
    for sequence in range(12):
        # tshark takes padding for records where those are shorter than 4 octets: none is.
        chosen = [FIELDS[0], *random.sample(FIELDS[1:], random.randint(1, len(FIELDS) - 1))]
        specs = [spec for spec, _ in chosen]
        definition = template9(300 + sequence, *specs)
        lengths = [struct.unpack_from("!H", definition, 6 + 4 * index)[0] for index in range(len(specs))]
        names = [spec if isinstance(spec, str) else str(spec[0]) for spec in specs]
        records = [
            b"".join(map(random_field, [random] * len(specs), names, lengths))
            for _ in range(random.randint(1, 3))
        ]
        scopes = random.sample([(1, 4), (2, 4), (3, 4)], random.randint(1, 3))
        option = random.randbytes(4 * len(scopes)) + struct.pack("!I", random.randint(1, 1000)) + b"eth\0\0"
        packets.append(
            packet9(
                flowset(0, definition),
                flowset(300 + sequence, *records),
                flowset(1, options_template9(900, scopes, "samplingInterval", ("interfaceName", 5))),
                flowset(900, option),
                count=3 + len(records),
                sequence=sequence,
                source_id=random.getrandbits(32),
                uptime_ms=random.getrandbits(32),
                seconds=UNIX_SECONDS + sequence,
            )
        )
    return packets


def packets5(random: Random) -> list[bytes]:
    return [
        packet5(
            *(
                record5(
                    source=socket.inet_ntoa(random.randbytes(4)),
                    interfaces=(random.getrandbits(16), random.getrandbits(16)),
                    packets=random.getrandbits(32),
                    octets=random.getrandbits(32),
                    first_ms=random.getrandbits(32),
                    last_ms=random.getrandbits(32),
                    ports=(random.getrandbits(16), random.getrandbits(16)),
                    flags=random.getrandbits(8),
                    protocol=random.getrandbits(8),
                    tos=random.getrandbits(8),
                    as_numbers=(random.getrandbits(16), random.getrandbits(16)),
                    masks=(random.randint(0, 32), random.randint(0, 32)),
                )
                for _ in range(number)
            ),
            sequence=random.getrandbits(32),
            engine=(random.getrandbits(8), random.getrandbits(8)),
            sampling=random.randint(1, 3) << 14 | random.randint(1, 16_383),
            uptime_ms=random.getrandbits(32),
            nanoseconds=random.randrange(10**9),
        )
        for number in (1, 2, 29)
    ]


def dissected(path: Path, datagrams: list[bytes]) -> list[ET.Element]:
    """tshark's tree of each datagram."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_RAW)
        for octets in datagrams:
            datagram = dpkt.udp.UDP(sport=50000, dport=PORT, data=octets, ulen=8 + len(octets))
            packet = dpkt.ip.IP(src=b"\x7f\0\0\1", dst=b"\x7f\0\0\1", p=17, data=datagram)
            packet.len = 28 + len(octets)
            writer.writepkt(bytes(packet), ts=UNIX_SECONDS)
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-d", f"udp.port=={PORT},cflow", "-T", "pdml"],
        capture_output=True,
        timeout=120,
        check=True,
    )
    trees = ET.fromstring(done.stdout).findall("packet/proto[@name='cflow']")
    assert len(trees) == len(datagrams)
    return trees


def shown_values(tree: ET.Element) -> dict[str, Any]:
    """Our names of the fields in a part of tshark's tree, and their values."""
    values: dict[str, Any] = {}
    for field in tree.iter("field"):
        name = NAMES.get(field.get("name", "").removeprefix("cflow."))
        if name is None:
            continue
        octets = field.get("value", "")
        if name.endswith("Address"):
            values[name] = field.get("show")
        elif name in TEXTS:
            values[name] = bytes.fromhex(octets).rstrip(b"\0").decode()
        elif name == "scopeSystem":
            values[name] = octets
        else:
            values[name] = int(octets, 16)
    return values


def header_of(tree: ET.Element) -> dict[str, str]:
    names = ("version", "count", "sysuptime", "unix_secs", "sequence", "source_id")
    shown = {node.get("name", "").removeprefix("cflow."): node.get("show", "") for node in tree.iter("field")}
    return {name: shown[name] for name in names if name in shown}


def read_values(decoded: Message, added: set[str]) -> list[dict[str, Any]]:
    """Without the absolute times, of which tshark knows nothing."""
    return [
        {name: value for name, value in data_set.template.by_name(record).items() if name not in added}
        for data_set in decoded.data_sets
        for record in data_set.records
    ]


ADDED = {"flowStartMilliseconds", "flowEndMilliseconds"}


@pytest.fixture(scope="module")
def random() -> Random:
    return Random(3954)


def test_netflow9(tmp_path: Path, random: Random) -> None:
    datagrams = packets9(random)
    process = CollectingProcess()
    for octets, tree in zip(datagrams, dissected(tmp_path / "v9.pcap", datagrams), strict=True):
        _, decoded = process.receive(octets, "exporter")
        header = decoded.header
        assert not decoded.ignored
        assert header_of(tree) == {
            "version": "9",
            "count": str(header.record_count),
            "sysuptime": f"{header.system_uptime_ms / 1000:.9f}",
            "unix_secs": str(header.export_time),
            "sequence": str(header.sequence_number),
            "source_id": str(header.observation_domain_id),
        }
        flows = [node for node in tree.iter("field") if node.get("show", "").startswith("Flow ")]
        assert [shown_values(node) for node in flows] == read_values(decoded, ADDED)


def test_netflow5(tmp_path: Path, random: Random) -> None:
    datagrams = packets5(random)
    process = CollectingProcess()
    for octets, tree in zip(datagrams, dissected(tmp_path / "v5.pcap", datagrams), strict=True):
        _, decoded = process.receive(octets, "exporter")
        header = decoded.header
        assert header_of(tree) == {
            "version": "5",
            "count": str(header.record_count),
            "sysuptime": f"{header.system_uptime_ms / 1000:.9f}",
            "unix_secs": str(header.export_time),
            "sequence": str(header.sequence_number),
        }
        flows = [node for node in tree if node.get("show", "").startswith("pdu ")]
        # Engine and sampling are in the header, and thus in each of our records.
        of_all = of_header5(tree)
        assert [{**shown_values(node), **of_all} for node in flows] == read_values(decoded, ADDED)


def of_header5(tree: ET.Element) -> dict[str, Any]:
    names = {"engineType", "engineId", "samplingAlgorithm", "samplingInterval"}
    values: dict[str, Any] = {}
    for field in tree:
        name = NAMES.get(field.get("name", "").removeprefix("cflow."))
        if name in names:
            values[name] = int(field.get("show", "0"), 0)
    return values
