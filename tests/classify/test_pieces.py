# SPDX-License-Identifier: Apache-2.0
"""Fragments and packets cut by the snap length: the engine gets nothing but beginnings, with true lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from classify.classified import Classified, classified, classify, run
from classify.crafted import MILLISECOND, NAME, dns, http, tls
from craft import payloads
from craft.capture import Capture
from craft.connection import frame
from craft.conversation import EPOCH_NS, Pair
from craft.link import ethernet
from craft.network import ipv4_fragments, ipv6_fragments
from craft.transport import udp
from spanflow.details import Detail

FOUR = Pair("192.0.2.1", "198.51.100.1", 40000, 53)
SIX = Pair("2001:db8::1", "2001:db8:1::1", 40000, 53)
VERSIONS = pytest.mark.parametrize("pair", [FOUR, SIX], ids=["IPv4", "IPv6"])
FRAGMENT = 1232
TEXTS = [payloads.noise(100, f"text{number}").hex().encode() for number in range(12)]
ANSWER = payloads.dns_text_response("keys.example.org", *TEXTS, identification=99)
QUESTION = payloads.dns_query("keys.example.org", identification=99, query_type=16)
BITTORRENT = b"\x13BitTorrent protocol" + bytes(8) + payloads.noise(40, "peer")


# Fragments.


def in_fragments(pair: Pair, payload: bytes, chosen: Sequence[int] | None = None) -> Capture:
    """A datagram of the server; chosen: which fragments, in which order."""
    make = ipv6_fragments if ":" in pair.client else ipv4_fragments
    datagram = udp(*pair.ports("<"), payload)
    packets = make(pair.server, pair.client, datagram, size=FRAGMENT, identification=7)
    capture = Capture()
    for number in range(len(packets)) if chosen is None else chosen:
        capture.add(EPOCH_NS + (2 + len(capture.frames)) * MILLISECOND, ethernet(packets[number]))
    return capture


def asked(pair: Pair, answer: Capture) -> Capture:
    question = Capture()
    question.add(EPOCH_NS, frame(pair, ">", udp(*pair.ports(">"), QUESTION)))
    return Capture(question.frames + answer.frames)


@VERSIONS
def test_a_dns_answer_in_fragments(pair: Pair, tmp_path: Path) -> None:
    """As if its first fragment were all of it."""
    first = run(asked(pair, in_fragments(pair, ANSWER, [0])), tmp_path)
    whole = run(asked(pair, in_fragments(pair, ANSWER)), tmp_path)
    ((of_first,), (of_all,)) = classified(first), classified(whole)
    assert (of_first.packets, of_all.packets) == ((1, 1), (1, 3))
    assert of_all.verdict == of_first.verdict
    assert of_all.application == "DNS"
    assert of_all.details == {Detail.SERVER_NAME: "keys.example.org"}
    assert (of_all.number("dns_query_type"), of_all.number("dns_response_code")) == (16, 0)
    assert whole.counters.classification == first.counters.classification
    assert whole.counters.classification.inspected_packets == 2


@VERSIONS
@pytest.mark.parametrize("chosen", [[2, 1, 0], [1, 2]], ids=["reversed", "without the first"])
def test_orphaned_fragments_are_not_inspected(pair: Pair, chosen: list[int], tmp_path: Path) -> None:
    """They are a Flow without ports, and nobody guesses what it is by 0."""
    outcome = run(asked(pair, in_fragments(pair, ANSWER, chosen)), tmp_path)
    (orphan,) = [each for each in classified(outcome) if each.ends[0][1] == 0]
    (query,) = [each for each in classified(outcome) if each.ends[0][1] != 0]
    assert (orphan.application, orphan.number("confidence"), orphan.details) == ("Unknown", 0, {})
    assert query.application == "DNS"
    assert outcome.counters.classification.inspected_packets == sum(query.packets)


@VERSIONS
def test_what_a_later_fragment_looks_like_does_not_matter(pair: Pair, tmp_path: Path) -> None:
    other = Pair(pair.client, pair.server, 40000, 4711)
    begin = payloads.noise(FRAGMENT - 8, "neither this nor that")
    outcome = run(in_fragments(other, begin + BITTORRENT), tmp_path)
    (flow,) = classified(outcome)
    assert (flow.application, flow.packets) == ("Unknown", (2, 0))
    assert outcome.counters.classification.inspected_packets == 1

    # Were it a datagram of its own, it would have been known.
    (datagram,) = classify(in_fragments(other, BITTORRENT), tmp_path)
    assert datagram.application == "BitTorrent"


# Cut packets.

FOUR_TLS = Pair(FOUR.client, FOUR.server, 40000, 443)
SIX_TLS = Pair(SIX.client, SIX.server, 40000, 443)


def of_one_flow(flows: list[Classified]) -> Classified:
    (flow,) = flows
    return flow


@pytest.mark.parametrize(
    ("snap_length", "details"),
    [
        (96, set()),
        (256, {Detail.SERVER_NAME, Detail.JA3_CLIENT, Detail.ALPN}),
        (1600, {Detail.SERVER_NAME, Detail.JA3_CLIENT, Detail.JA3_SERVER, Detail.ALPN}),
    ],
)
def test_a_tls_hello_that_was_cut(snap_length: int, details: set[Detail], tmp_path: Path) -> None:
    """Known by what is there: at least by its port, and no name that was not in the packets."""
    whole = of_one_flow(classify(tls(Capture(), FOUR_TLS), tmp_path))
    flow = of_one_flow(classify(tls(Capture(), FOUR_TLS).cut(snap_length), tmp_path))
    assert flow.application == "TLS"
    assert set(flow.details) <= details
    assert all(whole.details[kind] == text for kind, text in flow.details.items())


@pytest.mark.parametrize(
    ("conversation", "pair"),
    [
        *((tls, pair) for pair in (FOUR_TLS, SIX_TLS)),
        *((http, Pair(pair.client, pair.server, 40000, 80)) for pair in (FOUR, SIX)),
        *((dns, pair) for pair in (FOUR, SIX)),
    ],
    ids=[f"{name}, {version}" for name in ("TLS", "HTTP", "DNS") for version in ("IPv4", "IPv6")],
)
def test_no_cut_invents_a_name(
    conversation: Callable[[Capture, Pair], Capture], pair: Pair, tmp_path: Path
) -> None:
    """Whatever the snap length: details are those of the whole packets, or absent."""
    whole = conversation(Capture(), pair)
    longest = max(len(each.octets) for each in whole.frames)
    capture = Capture()
    for snap_length in range(14, longest + 1):
        other = Pair(pair.client, pair.server, snap_length, pair.server_port)
        capture.frames += conversation(Capture(), other).cut(snap_length).frames
    dpi = {"http_details": True}
    known = of_one_flow(classify(whole, tmp_path, dpi=dpi))
    flows = [each for each in classify(capture, tmp_path, dpi=dpi) if each.ends[1][1] == pair.server_port]
    invented = {
        flow.ends[0][1]: {kind: text for kind, text in flow.details.items() if known.detail(kind) != text}
        for flow in flows
    }
    assert not {snap_length: wrong for snap_length, wrong in invented.items() if wrong}
    assert len(flows) > longest / 3
    assert max(flows, key=lambda flow: flow.ends[0][1]).details == known.details


@pytest.mark.parametrize("pair", [FOUR_TLS, SIX_TLS], ids=["IPv4", "IPv6"])
def test_a_length_of_0_in_the_header(pair: Pair, tmp_path: Path) -> None:
    """What segmentation offload leaves there: the packet is as long as the frame, and the hello is whole."""
    at = 14 + (4 if ":" in pair.client else 2)
    frames = [
        each._replace(octets=each.octets[:at] + bytes(2) + each.octets[at + 2 :])
        if len(each.octets) > 100  # not one that is padded
        else each
        for each in tls(Capture(), pair).frames
    ]
    flow = of_one_flow(classify(Capture(frames), tmp_path))
    assert (flow.application, flow.detail(Detail.SERVER_NAME)) == ("TLS", NAME)
