# SPDX-License-Identifier: Apache-2.0
"""Batches of Flow Records as the Metering Process would hand them over, made beforehand for export.py.

85 % TCP, 14 % UDP, 1 % ICMP, all of them two-way; each fifth batch is IPv6. Classified, as the engine would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spanflow.applications import Application, Applications
from spanflow.details import Detail
from spanflow.record import RECORD, Array, Batch

RECORDS = 2048  # in a batch, as the Metering Process makes them
IPV6_EVERY = 5
SEED = 7

_START_NS = 1_790_000_000 * 10**9
_HOUR_NS = 3600 * 10**9
_APPLICATIONS = 330  # about as many as nDPI has
_ENGINE = 22 << 24  # nDPI's, in the first octet of applicationId (RFC 6759)
_TCP, _UDP, _ICMP = 6, 17, {4: 1, 6: 58}
_PORTS = np.array([443, 443, 443, 80, 22, 53, 993, 8443], np.uint16)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the batches hold. uniflows: halves with packets."""

    flow_records: int
    uniflows: int
    packets: int
    octets: int


def applications() -> Applications:
    """A table as long as that of the engine."""
    return Applications(
        engine="nDPI",
        version="4.2.0",
        by_number={
            number: Application(number, _ENGINE | number, f"Application{number}", "Web", "Acceptable", False)
            for number in range(_APPLICATIONS)
        },
    )


def batches_of(count: int, detailed: float) -> list[Batch]:
    """So many batches. detailed: the share of Flows with details: names, fingerprints, URLs."""
    random = np.random.default_rng(SEED)
    return [_batch(random, 6 if number % IPV6_EVERY == 0 else 4, detailed) for number in range(count)]


def truth_of(batches: list[Batch]) -> Truth:
    """What these batches hold."""
    halves = [batch.records[name] for batch in batches for name in ("forward", "reverse")]
    return Truth(
        sum(map(len, batches)),
        sum(int(np.count_nonzero(half["packet_delta_count"])) for half in halves),
        sum(int(half["packet_delta_count"].sum()) for half in halves),
        sum(int(half["octet_delta_count"].sum()) for half in halves),
    )


def _batch(random: np.random.Generator, version: int, detailed: float) -> Batch:
    records = np.zeros(RECORDS, RECORD)
    records["ip_version"] = version
    protocols = [_TCP, _UDP, _ICMP[version]]
    records["protocol_identifier"] = random.choice(protocols, RECORDS, p=(0.85, 0.14, 0.01))
    _fill_addresses(random, records, version)
    icmp = records["protocol_identifier"] == _ICMP[version]
    records["source_transport_port"] = np.where(icmp, 0, random.integers(1024, 65536, RECORDS))
    records["destination_transport_port"] = np.where(icmp, 0, random.choice(_PORTS, RECORDS))
    records["flow_id"] = random.integers(1, 1 << 63, RECORDS)
    records["flow_end_reason"] = random.choice([1, 2, 3], RECORDS, p=(0.2, 0.1, 0.7))
    starts = _START_NS + random.integers(0, _HOUR_NS, RECORDS)
    records["flow_start_ns"] = starts
    for half, share in (("forward", 4), ("reverse", 6)):
        _fill_half(random, records[half], starts, icmp, share)
    numbers = random.integers(0, _APPLICATIONS, RECORDS)
    records["application"], records["application_id"] = numbers, _ENGINE | numbers
    records["application_category"], records["confidence"] = 5, 5
    records["tls_version"] = 0x0304
    records["flow_risk"] = np.where(random.random(RECORDS) < 0.1, 1 << 15, 0)
    details = _fill_details(random, records, detailed)
    records.flags.writeable = False
    return Batch(records, details)


def _fill_addresses(random: np.random.Generator, records: Array, version: int) -> None:
    """Some thousand hosts in 10.0.0.0/8 (or 2001:db8::/32) ask others, a few of them often."""
    for end, hosts in (("source", 4096), ("destination", 1 << 16)):
        popular = (random.pareto(1.0, RECORDS) * 16).astype(np.uint64) % hosts
        places = popular * np.uint64(0x9E37_79B9)
        addresses = np.zeros((RECORDS, 16), np.uint8)
        addresses[:, 12:] = places.astype(">u4").view(np.uint8).reshape(-1, 4)
        if version == 6:
            addresses[:, :4] = (0x20, 0x01, 0x0D, 0xB8)
        else:
            addresses[:, 10:12] = 255
            if end == "source":
                addresses[:, 12] = 10
        records[f"{end}_address"] = addresses


def _fill_half(random: np.random.Generator, half: Array, starts: Array, icmp: Array, share: int) -> None:
    packets = 1 + (random.pareto(1.2, RECORDS) * share).astype(np.uint64) % 100_000
    half["packet_delta_count"] = packets
    half["octet_delta_count"] = packets * random.integers(60, 1500, RECORDS).astype(np.uint64)
    half["first_ns"] = starts + random.integers(0, 10**7, RECORDS)
    half["last_ns"] = half["first_ns"] + random.integers(0, 60 * 10**9, RECORDS)
    half["ingress_interface"] = 1
    half["source_mac_address"] = random.integers(0, 256, (RECORDS, 6))
    half["destination_mac_address"] = random.integers(0, 256, (RECORDS, 6))
    half["vlan_id"] = 100
    half["icmp_type_code"] = np.where(icmp, 0x0800, 0)
    half["tcp_control_bits"] = np.where(icmp, 0, 0x1B)
    half["minimum_ttl"], half["maximum_ttl"] = 57, 64


def _fill_details(random: np.random.Generator, records: Array, share: float) -> Array:
    """The details of so many of the records: of ten 7 are TLS, 2 DNS, 1 HTTP."""
    octets = bytearray()
    for number in np.flatnonzero(random.random(len(records)) < share).tolist():
        own = b"".join(bytes((len(text),)) + text for text in _texts(random))
        records["details_offset"][number], records["details_octets"][number] = len(octets), len(own)
        octets += own
    return np.frombuffer(bytes(octets), np.uint8)


def _texts(random: np.random.Generator) -> list[bytes]:
    found = dict.fromkeys(Detail, b"")
    name = b"www.example.com".rjust(int(random.integers(15, 40)), b"a")
    found[Detail.SERVER_NAME] = name
    kind = random.integers(0, 10)
    if kind < 7:
        fingerprint = random.bytes(16).hex().encode()
        found[Detail.JA3_CLIENT], found[Detail.JA3_SERVER] = fingerprint, fingerprint[::-1]
        found[Detail.JA4_CLIENT] = b"t13d1516h2_8daaf6152771_" + fingerprint[:12]
        found[Detail.ALPN] = b"h2,http/1.1"
    elif kind < 9:
        found[Detail.DNS_ANSWER] = b"192.0.2.1"
    else:
        found[Detail.HTTP_USER_AGENT] = (
            b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        )
        found[Detail.HTTP_URL] = name + b"/" + b"x" * int(random.integers(1, 100))
    return list(found.values())
