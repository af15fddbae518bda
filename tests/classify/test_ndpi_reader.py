# SPDX-License-Identifier: Apache-2.0
"""The same application for the same Flow as Debian's ndpiReader gives, and what differs is explained.

docs/classification.md tells the figures and the reasons to users.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from classify.classified import classify
from classify.compare import (
    APPLICATION,
    CONFIDENCE,
    NOT_SEEN,
    OUR_DEFAULTS,
    READER_BUDGETS,
    RISKS,
    SERVER_NAME,
    Comparison,
    compare,
)
from classify.crafted import application_traffic
from end_to_end.command import DEMO

Explained = Mapping[tuple[str, str], int]
"""How many differences of a kind a capture may have; it must have them."""

OTHER_FLOWS: Explained = {
    # Cisco HDLC (link type 104) is not decoded here: its frames are counted as unsupported_link.
    ("BGP_redist.pcap", NOT_SEEN): 2,
    # ndpiReader takes the packet inside IP-in-IP and 6in4 for the flow; here the tunnel is the Flow.
    ("zeek-4in4.pcap", NOT_SEEN): 1,
    ("zeek-ping6-in-ipv4.pcap", NOT_SEEN): 1,
}
OTHER_NAMES: Explained = {
    # nDPI keeps the name of a DHCP client, an SSH banner or an SMTP greeting in the same place; none is the
    # name of a server that a client asked for.
    ("iphone.pcap", SERVER_NAME): 1,
    ("dhcp-mud.pcap", SERVER_NAME): 1,
    ("wa_voice.pcap", SERVER_NAME): 1,
}
OTHER_RISKS: Explained = {
    # ndpiReader itself, not nDPI's detection, looks for attacks in the URL.
    ("WebattackSQLinj.pcap", RISKS): 7,
    # nDPI tells a risk that ndpiReader does not print, as it has a user name to print.
    ("telnet.pcap", RISKS): 1,
}
WITHOUT_PAYLOAD: Explained = {
    # At our defaults a Flow without payload costs no state of the engine: guessed by its port, without risks.
    ("tcp_scan.pcapng", RISKS): 1,
    # Empty packets are not inspected: the engine has one less to look at, and finds the same by the port.
    ("zeek-psql-login-no-role.pcap", CONFIDENCE): 1,
}
AT_EQUAL_BUDGETS = {**OTHER_FLOWS, **OTHER_NAMES, **OTHER_RISKS}
AT_DEFAULTS = {**AT_EQUAL_BUDGETS, **WITHOUT_PAYLOAD}

CRAFTED: Explained = {
    ("demo.pcap", SERVER_NAME): 1,  # SSH
    ("crafted.pcap", SERVER_NAME): 4,  # SSH and SMTP over IPv4 and IPv6
}
CRAFTED_AT_DEFAULTS: Explained = {**CRAFTED, ("demo.pcap", RISKS): 5}  # a scan: Flows without payload


def check(found: Comparison, explained: Explained, share: float) -> None:
    counted = Counter((each.capture, each.kind) for each in found.differences)
    unexplained = [each for each in found.differences if (each.capture, each.kind) not in explained]
    assert not unexplained
    assert counted == explained
    assert not any(kind == APPLICATION for _, kind in counted)
    assert found.same_application >= share * found.flows, found.summary()


def real_captures() -> list[Path]:
    folder = Path(os.environ["SPANFLOW_CAPTURES"])
    return sorted(path for path in folder.rglob("*.*cap*") if path.is_file())


@pytest.mark.skipif(
    "SPANFLOW_CAPTURES" not in os.environ, reason="SPANFLOW_CAPTURES names no folder of captures"
)
@pytest.mark.parametrize(
    ("dpi", "explained"),
    [(READER_BUDGETS, AT_EQUAL_BUDGETS), (OUR_DEFAULTS, AT_DEFAULTS)],
    ids=["at its budgets", "at our defaults"],
)
def test_real_captures(dpi: Mapping[str, Any], explained: Explained) -> None:
    found = compare(real_captures(), dpi)
    print(found.summary())
    assert found.flows > 400
    check(found, explained, 0.99)


@pytest.mark.parametrize(
    ("dpi", "explained"),
    [(READER_BUDGETS, CRAFTED), (OUR_DEFAULTS, CRAFTED_AT_DEFAULTS)],
    ids=["at its budgets", "at our defaults"],
)
def test_crafted_captures(dpi: Mapping[str, Any], explained: Explained, tmp_path: Path) -> None:
    crafted = tmp_path / "crafted.pcap"
    crafted.write_bytes(application_traffic().pcap())
    found = compare([DEMO, crafted], dpi)
    assert found.flows > 90
    check(found, explained, 1.0)


def test_the_crafted_traffic_is_what_it_is_meant_to_be(tmp_path: Path) -> None:
    """Else equality with ndpiReader would show little."""
    found = Counter(each.application for each in classify(application_traffic(), tmp_path))
    twice = (
        "TLS",
        "TLS.GMail",
        "HTTP",
        "HTTP.Wikipedia",
        "DNS",
        "DNS.Facebook",
        "SSH",
        "STUN",
        "NTP",
        "Syslog",
    )
    twice += ("SMTP", "POP3", "IMAP", "FTP_CONTROL", "PostgreSQL")
    assert found == {**dict.fromkeys(twice, 2), "BitTorrent": 4, "Unknown": 4, "ICMP": 1}
