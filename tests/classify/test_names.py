# SPDX-License-Identifier: Apache-2.0
"""Names out of packets are whatever somebody sent: they arrive as short, valid text without controls."""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from classify.classified import Classified, classify
from classify.crafted import datagrams
from craft import payloads
from craft.capture import Capture
from craft.connection import Connection
from craft.conversation import EPOCH_NS, Pair
from spanflow.details import Detail

MOST_OCTETS = 254
REPLACED = "\N{REPLACEMENT CHARACTER}"
LABEL_OCTETS = 63

NAMES: tuple[tuple[str, bytes], ...] = (
    ("controls", b"a\x01b\x1b[31m\x7fc.example"),
    ("lines", b"a\nb.example"),
    ("NUL", b"a\0b.example"),
    ("C1 controls in UTF-8", "\x9b31m.example".encode()),
    ("Latin-1", b"caf\xe9.example"),
    ("UTF-8", "café.example".encode()),
    ("ill-formed", b"\xff\xfe\xc3.example"),
    ("a surrogate", b"\xed\xa0\x80.example"),
    ("overlong", b"\xc0\xaf\xe0\x80\xaf.example"),
    ("300 octets", b"x" * 300),
    ("300 octets of two each", "é".encode() * 150),
    ("markup", b"<script>'; DROP TABLE--"),
)


def of_http(name: bytes) -> Capture:
    capture = Capture()
    request = b"GET /%b HTTP/1.1\r\nHost: %b\r\nUser-Agent: %b\r\nAccept: */*\r\n\r\n" % (name, name, name)
    Connection(capture, Pair(server_port=80), EPOCH_NS).open().send(">", request).send(
        "<", payloads.http_response("x")
    )
    return capture


def of_tls(name: bytes) -> Capture:
    capture = Capture()
    placeholder = "n" * len(name)
    hello = payloads.tls_client_hello(placeholder).replace(placeholder.encode(), name)
    Connection(capture, Pair(), EPOCH_NS).open().send(">", hello).send("<", payloads.tls_server_hello())
    return capture


def of_dns(name: bytes) -> Capture:
    """The name in labels of 63 octets, at most 252 octets of it."""
    labels = [name[at : at + LABEL_OCTETS] for at in range(0, min(len(name), 3 * LABEL_OCTETS), LABEL_OCTETS)]
    question = b"".join(bytes([len(label)]) + label for label in [*labels, b"example"]) + b"\0"
    query = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question + struct.pack("!HH", 1, 1)
    return datagrams(Capture(), Pair(server_port=53), [(">", query)])


def the_flow(capture: Capture, folder: Path) -> Classified:
    (flow,) = classify(capture, folder, dpi={"http_details": True})
    return flow


@pytest.mark.parametrize(("name"), [row[1] for row in NAMES], ids=[row[0] for row in NAMES])
@pytest.mark.parametrize(
    ("make", "application"), [(of_http, "HTTP"), (of_tls, "TLS"), (of_dns, "DNS")], ids=["HTTP", "TLS", "DNS"]
)
def test_hostile_names(
    make: Callable[[bytes], Capture], application: str, name: bytes, tmp_path: Path
) -> None:
    capture = make(name)
    flow = the_flow(capture, tmp_path)
    assert flow.application == application
    assert flow.detail(Detail.SERVER_NAME)
    for text in flow.details.values():
        assert not [each for each in text if unicodedata.category(each) in ("Cc", "Cs")]
        assert len(text.encode()) <= MOST_OCTETS


def test_what_becomes_of_octets_that_are_no_text(tmp_path: Path) -> None:
    """Of HTTP, which nDPI hands over as it came."""
    expected = {
        b"a\x01b\x1b[31m\x7fc": f"a{REPLACED}b{REPLACED}[31m{REPLACED}c",
        b"caf\xe9": f"caf{REPLACED}",
        "café".encode(): "café",
        b"\xed\xa0\x80": REPLACED * 3,
        "\x9b31m".encode(): f"{REPLACED}31m",
        b"x" * 300: "x" * MOST_OCTETS,
        "é".encode() * 150: "é" * (MOST_OCTETS // 2),
    }
    found = {name: the_flow(of_http(name), tmp_path).detail(Detail.HTTP_USER_AGENT) for name in expected}
    assert found == expected


def test_server_names_are_in_lower_case(tmp_path: Path) -> None:
    flows = [the_flow(make(b"WWW.Example.ORG"), tmp_path) for make in (of_http, of_tls)]
    assert [flow.detail(Detail.SERVER_NAME) for flow in flows] == ["www.example.org"] * 2


def test_http_details_are_not_kept_unless_asked_for(tmp_path: Path) -> None:
    capture = of_http(b"www.example.org")
    (private,) = classify(capture, tmp_path)
    told = the_flow(capture, tmp_path)
    assert private.details == {Detail.SERVER_NAME: "www.example.org"}
    assert told.details == {
        **private.details,
        Detail.HTTP_USER_AGENT: "www.example.org",
        Detail.HTTP_URL: "www.example.org/www.example.org",
    }
