# SPDX-License-Identifier: Apache-2.0
"""Who is the client: the handshake says so, or who speaks first, whatever ports and addresses look like."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from classify.classified import Classified, classify
from classify.crafted import NAME, application_traffic, http, tls
from craft import payloads
from craft.capture import Capture
from craft.connection import Connection
from craft.conversation import EPOCH_NS, Pair
from spanflow.details import Detail

HOSTS = ("192.0.2.1", "198.51.100.1")


def ja3_of_client() -> str:
    """Of payloads.tls_client_hello: version, ciphers, extensions, groups, point formats."""
    text = "771,4865-4866-4867-49195-49199-49200,0-23-10-11-16-13-43-45-51,29-23-24,0"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def ja3_of_server() -> str:
    """Of payloads.tls_server_hello: version, cipher, extensions."""
    return hashlib.md5(b"771,4865,43-51", usedforsecurity=False).hexdigest()


def the_flow(capture: Capture, folder: Path) -> Classified:
    (flow,) = classify(capture, folder, dpi={"http_details": True})
    return flow


def test_fingerprints_of_client_and_server(tmp_path: Path) -> None:
    flow = the_flow(tls(Capture(), Pair(*HOSTS)), tmp_path)
    assert flow.application == "TLS"
    assert flow.number("tls_version") == 0x0304
    assert flow.details == {
        Detail.SERVER_NAME: NAME,
        Detail.JA3_CLIENT: ja3_of_client(),
        Detail.JA3_SERVER: ja3_of_server(),
        Detail.ALPN: "h2,http/1.1",
    }


ENDS = [
    Pair(client, server, *ports)
    for (client, server), ports in product((HOSTS, HOSTS[::-1]), ((40000, 8443), (8443, 40000), (443, 443)))
]


@pytest.mark.parametrize("pair", ENDS, ids=lambda pair: f"{pair.client}:{pair.client_port}")
@pytest.mark.parametrize("conversation", [tls, http])
def test_neither_addresses_nor_ports_decide(
    pair: Pair, conversation: Callable[[Capture, Pair], Capture], tmp_path: Path
) -> None:
    """The higher port may be the server's, and the higher address."""
    usual = the_flow(conversation(Capture(), Pair(*HOSTS, 40000, 8443)), tmp_path)
    flow = the_flow(conversation(Capture(), pair), tmp_path)
    assert flow.ends == ((pair.client, pair.client_port), (pair.server, pair.server_port))
    assert (flow.application, flow.details) == (usual.application, usual.details)


def test_midstream_with_the_answer_first(tmp_path: Path) -> None:
    """Without a handshake who speaks first is taken for the client; what the payload says stays true."""
    capture = Capture()
    talk = Connection(capture, Pair(*HOSTS), EPOCH_NS)
    talk.send("<", payloads.tls_server_hello()).send(">", payloads.tls_client_hello(NAME))
    flow = the_flow(capture, tmp_path)
    assert flow.ends[0] == (HOSTS[1], 443)
    assert (flow.application, flow.number("confidence")) == ("TLS", 5)
    assert flow.detail(Detail.JA3_SERVER) == ja3_of_server()
    assert flow.detail(Detail.JA3_CLIENT) in ("", ja3_of_client())
    assert flow.detail(Detail.SERVER_NAME) in ("", NAME)


def test_midstream_http_with_the_answer_first(tmp_path: Path) -> None:
    capture = Capture()
    talk = Connection(capture, Pair(*HOSTS, 40000, 8081), EPOCH_NS)
    talk.send("<", payloads.http_response("hello")).send(">", payloads.http_request(NAME))
    flow = the_flow(capture, tmp_path)
    assert (flow.application, flow.number("confidence")) == ("HTTP", 5)


def _midstream() -> Iterator[tuple[str, Connection, str]]:
    def talk(port: int) -> Connection:
        return Connection(Capture(), Pair(*HOSTS, 40000, port), EPOCH_NS)

    data = payloads.tls_application_data(900)
    yield "hellos without a handshake", talk(8443).send(">", payloads.tls_client_hello(NAME)), "TLS"
    yield "encrypted data on the usual port", talk(443).send("<", data).send(">", data), "TLS"
    yield "noise on no usual port", talk(4711).send(">", payloads.noise(300)), "Unknown"
    yield "a banner in the middle", talk(2222).send("<", payloads.ssh_banner("OpenSSH_9.2p1")), "SSH"


@pytest.mark.parametrize(
    ("talk", "application"), [row[1:] for row in _midstream()], ids=[row[0] for row in _midstream()]
)
def test_midstream(talk: Connection, application: str, tmp_path: Path) -> None:
    assert the_flow(talk.capture, tmp_path).application == application


def test_every_application_is_known_without_its_handshake(tmp_path: Path) -> None:
    """A probe that is started while connections live names the same."""
    whole = application_traffic()
    headless = Capture([each for each in whole.frames if not _is_handshake(each.octets)])
    assert len(headless.frames) < len(whole.frames)
    usual, late = (
        {flow.ends: flow.application for flow in classify(capture, tmp_path)} for capture in (whole, headless)
    )
    assert late == usual


def _is_handshake(frame: bytes) -> bool:
    """SYN or SYN+ACK over Ethernet, in IPv4 or IPv6 without options."""
    is_v4 = frame[12:14] == b"\x08\x00"
    at, protocol = (34, frame[23]) if is_v4 else (54, frame[20])
    return protocol == 6 and bool(frame[at + 13] & 2)
