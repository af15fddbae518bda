# SPDX-License-Identifier: Apache-2.0
"""What export.py measures: one row for each way to export, and the targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

FILTER = "net 10.0.0.0/9 and not port 53"
LONGER = "the same, `mtu=auto`: Messages of 8,972 octets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way to export.

    options: of the collector; {key}, {certificate} are files. detailed: share of the Flows with details.
    peer: who receives: `sink`, `stream`, `tls`, `lines`; None: nobody, into the spool. counts: what one Data
    Record is: a `uniflow`, or a whole `record`. spool: the one of the round. least: Data Records per second.
    part: of the passes over the batches that others make.
    """

    name: str
    label: str
    scheme: str = "ipfix+udp"
    options: Mapping[str, Any] = field(default_factory=dict)
    detailed: float = 0.0
    peer: str | None = "sink"
    collectors: int = 1
    counts: str = "uniflow"
    version: int | None = None
    spool: bool = False
    part: int = 1
    least: float = 0.0


def all_rows() -> list[Row]:
    """In the order of the report. spool/out sends what spool/in of the same round has stored."""
    strings = {"profile": "rich", "strings": "variable"}
    return [
        Row(name="udp/generic", label="IPFIX, `generic`", least=3e6),
        Row(
            name="udp/generic-longer",
            label=LONGER,
            options={"mtu": "auto"},
        ),
        Row(
            name="udp/rich-none",
            label="IPFIX, `rich`, strings as they are; no Flow has details",
            options=strings,
            least=1e6,
        ),
        Row(
            name="udp/rich-half",
            label="`rich`, half of the Flows have details",
            options=strings,
            detailed=0.5,
            least=1e6,
        ),
        Row(
            name="udp/rich-all",
            label="`rich`, all Flows have details",
            options=strings,
            detailed=1.0,
            least=1e6,
        ),
        Row(
            name="udp/rich-all-longer",
            label=LONGER,
            options=strings | {"mtu": "auto"},
            detailed=1.0,
        ),
        Row(
            name="udp/rich-fixed",
            label="`rich`, strings of fixed length, half have",
            options={"profile": "rich", "strings": "fixed"},
            detailed=0.5,
        ),
        Row(name="udp/biflow", label="`generic`, Biflows", options={"biflow": True}, counts="record"),
        Row(name="udp/nfdump", label="profile `nfdump`", options={"profile": "nfdump"}),
        Row(
            name="udp/netflow9",
            label="NetFlow v9, profile `nfdump`",
            scheme="netflow9",
            options={"profile": "nfdump"},
        ),
        Row(name="udp/netflow5", label="NetFlow v5 (IPv4 alone)", scheme="netflow5", version=4),
        Row(name="stream/tcp", label="`generic` over TCP", scheme="ipfix+tcp", peer="stream"),
        Row(
            name="stream/tls",
            label="`generic` over TLS 1.3",
            scheme="ipfix+tls",
            options={"ca": "{certificate}", "server_name": "localhost"},
            peer="tls",
        ),
        Row(
            name="stream/json",
            label="JSON over TCP",
            scheme="json+tcp",
            peer="lines",
            counts="record",
            part=16,
        ),
        Row(
            name="private/crypto-pan",
            label="`generic`, Crypto-PAn, addresses seen before",
            options={"anonymize": "crypto-pan", "anonymize_key": "{key}"},
            part=4,
        ),
        Row(
            name="private/crypto-pan-new",
            label="the same, each address for the first time",
            options={"anonymize": "crypto-pan", "anonymize_key": "{key}"},
            part=0,
        ),
        Row(name="private/filter", label=f"`generic`, filter `{FILTER}`", options={"filter": FILTER}, part=4),
        Row(
            name="spool/in",
            label="into the spool, collector away",
            scheme="ipfix+tcp",
            peer=None,
            spool=True,
            part=4,
        ),
        Row(
            name="spool/out",
            label="out of the spool, over TCP",
            scheme="ipfix+tcp",
            peer="stream",
            spool=True,
            part=4,
        ),
        Row(name="mirror/two", label="`generic` to two collectors", collectors=2),
    ]


def choose(patterns: str) -> list[Row]:
    """Those whose name matches one of these, comma-separated."""
    return [row for row in all_rows() if any(fnmatch(row.name, each) for each in patterns.split(","))]
