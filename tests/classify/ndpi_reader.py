# SPDX-License-Identifier: Apache-2.0
"""What Debian's `ndpiReader` (package libndpi-bin) says of a capture: nDPI's own use of nDPI."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

End = tuple[str, int]

PROTOCOLS = {"ICMP": 1, "IGMP": 2, "IPIP": 4, "TCP": 6, "EGP": 8, "UDP": 17, "IPV6": 41, "GRE": 47, "ESP": 50}
PROTOCOLS |= {"AH": 51, "ICMPV6": 58, "OSPF": 89, "PIM": 103, "VRRP": 112, "PGM": 113, "SCTP": 132}
"""IP protocols that it prints by a name of its own; others are numbers."""

_FLOW = re.compile(
    r"\t\d+\t(?P<protocol>\S+) (?P<one>\S+) <?-> (?P<other>\S+) \[proto: (?P<application>[\d.]+)/[^]]*\]"
)
_TCP_OR_UDP_END = re.compile(r"\[?(?P<address>[^]]+)\]?:(?P<port>\d+)")
_TITLE = re.compile(r"\[proto: [\d.]+/(?P<title>[^]]*)\]")
_CATEGORY = re.compile(r"\[cat: [^]]*/(?P<category>\d+)\]")
_CONFIDENCE = re.compile(r"\[Confidence: (?P<confidence>[^]]+)\]")
_NAME = re.compile(r"\[Hostname/SNI: (?P<name>[^]]*)\]")
_JA3 = re.compile(r"\[JA3(?P<side>[CS]): (?P<hash>[0-9a-f]{32})[^]]*\]")
_RISKS = re.compile(r"\[Risk: (?P<risks>[^]]*)\]")
_SCORE = re.compile(r"\[Risk Score: (?P<score>\d+)\]")


@dataclass(frozen=True, slots=True)
class ReaderFlow:
    """One flow of its listing. application: (master, application) as numbers, master 0 for none.

    risks: by name. server_name, ja3_*: empty where it prints none.
    """

    protocol: int
    ends: tuple[End, End]
    application: tuple[int, int]
    title: str
    category: int
    confidence: str
    server_name: str
    ja3_client: str
    ja3_server: str
    risks: frozenset[str]
    risk_score: int


@cache
def reader_version() -> str:
    """Major and minor, such as `4.2`."""
    shown = subprocess.run(["ndpiReader", "-h"], capture_output=True, text=True, timeout=30, check=False)
    match = re.search(r"nDPI (\d+\.\d+)", shown.stdout)
    assert match, shown.stdout[:200]
    return match[1]


@cache
def read_with_ndpi(capture: Path) -> list[ReaderFlow]:
    """Its flows, VLAN tags not taken as part of their key."""
    shown = subprocess.run(
        ["ndpiReader", "-i", capture, "-v", "2", "-I"],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    return list(_flows(shown.stdout))


def as_it_prints(address: str) -> str:
    """An IPv6 address as it shows it: it takes every `:0:` for `::`, although there may be one already."""
    return address.replace(":0:", "::")


def _flows(text: str) -> Iterator[ReaderFlow]:
    for line in text.splitlines():
        if not re.match(r"\t\d+\t\S+ .*[^ ] <?-> ", line):
            continue
        head = _FLOW.match(line)
        assert head, f"ndpiReader wrote a flow in a form that this test does not know: {line[:200]}"
        master, _, application = head["application"].rpartition(".")
        protocol = head["protocol"]
        ja3 = {match["side"]: match["hash"] for match in _JA3.finditer(line)}
        yield ReaderFlow(
            protocol=PROTOCOLS[protocol] if protocol in PROTOCOLS else int(protocol),
            ends=(_end(head["one"]), _end(head["other"])),
            application=(int(master or 0), int(application)),
            title=_found(_TITLE, "title", line),
            category=int(_found(_CATEGORY, "category", line) or 0),
            confidence=_found(_CONFIDENCE, "confidence", line),
            server_name=_found(_NAME, "name", line),
            ja3_client=ja3.get("C", ""),
            ja3_server=ja3.get("S", ""),
            risks=frozenset(re.findall(r"\*\* (.+?) \*\*", _found(_RISKS, "risks", line))),
            risk_score=int(_found(_SCORE, "score", line) or 0),
        )


def _found(pattern: re.Pattern[str], group: str, line: str) -> str:
    match = pattern.search(line)
    return match[group] if match else ""


def _end(text: str) -> End:
    match = _TCP_OR_UDP_END.fullmatch(text)
    return (match["address"], int(match["port"])) if match else (text, 0)
