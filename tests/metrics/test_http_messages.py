# SPDX-License-Identifier: Apache-2.0
"""Requests are read as RFC 9112 has them, anything else is refused; responses are complete."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanflow.http_messages import RefusedError, Request, Response, head_octets, parse_head, render

GOOD: list[tuple[str, bytes, Request]] = [
    ("plain", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", Request("GET", "/", {"host": "h"})),
    ("no Host in HTTP/1.0", b"HEAD /x HTTP/1.0\r\n\r\n", Request("HEAD", "/x", {})),
    ("a later minor version", b"GET / HTTP/1.7\r\nHost:h\r\n\r\n", Request("GET", "/", {"host": "h"})),
    ("lines that end with LF", b"GET / HTTP/1.1\nHost: h\n\n", Request("GET", "/", {"host": "h"})),
    ("query", b"GET /a?b=/c?d HTTP/1.0\r\n\r\n", Request("GET", "/a", {})),
    ("absolute-form", b"GET HTTP://h:1/a?b HTTP/1.0\r\n\r\n", Request("GET", "/a", {})),
    ("absolute-form without a path", b"GET http://h HTTP/1.0\r\n\r\n", Request("GET", "/", {})),
    ("not decoded", b"GET /%6detrics HTTP/1.0\r\n\r\n", Request("GET", "/%6detrics", {})),
    ("empty Host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", Request("GET", "/", {"host": ""})),
    (
        "fields",
        b"M-SEARCH / HTTP/1.0\r\nAccept: \t a;q=1 \t\r\nACCEPT:b\r\nX_1: \xe9:\r\n\r\n",
        Request("M-SEARCH", "/", {"accept": "a;q=1, b", "x_1": "é:"}),
    ),
]

BAD: list[tuple[str, bytes]] = [
    ("no version", b"GET /\r\n\r\n"),
    ("version 2", b"PRI * HTTP/2.0\r\n\r\n"),
    ("version 0.9", b"GET / HTTP/0.9\r\n\r\n"),
    ("version with more", b"GET / HTTP/1.10\r\n\r\n"),
    ("two blanks", b"GET  / HTTP/1.0\r\n\r\n"),
    ("blank at the end", b"GET / HTTP/1.0 \r\n\r\n"),
    ("blank in the target", b"GET /a b HTTP/1.0\r\n\r\n"),
    ("bare CR", b"GET /\rX HTTP/1.0\r\n\r\n"),
    ("not ASCII", b"GET /\xff HTTP/1.0\r\n\r\n"),
    ("method is no token", b"G(T / HTTP/1.0\r\n\r\n"),
    ("no method", b" / HTTP/1.0\r\n\r\n"),
    ("asterisk", b"OPTIONS * HTTP/1.0\r\n\r\n"),
    ("authority", b"CONNECT h:443 HTTP/1.0\r\n\r\n"),
    ("another scheme", b"GET ftp://h/ HTTP/1.0\r\n\r\n"),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n"),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("no colon", b"GET / HTTP/1.0\r\nHost\r\n\r\n"),
    ("no name", b"GET / HTTP/1.0\r\n: a\r\n\r\n"),
    ("blank before the colon", b"GET / HTTP/1.0\r\nA : b\r\n\r\n"),
    ("folded", b"GET / HTTP/1.0\r\nA: b\r\n c\r\n\r\n"),
    ("NUL", b"GET / HTTP/1.0\r\nA: \0\r\n\r\n"),
    ("CR in a value", b"GET / HTTP/1.0\r\nA: b\rc\r\n\r\n"),
    ("escape", b"GET / HTTP/1.0\r\nA: \x1b[2J\r\n\r\n"),
    ("empty", b"\r\n\r\n"),
    ("nothing", b""),
    ("TLS", bytes.fromhex("16030100c8010000c40303") + b"\r\n\r\n"),
]


@pytest.mark.parametrize(("head", "request_"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_a_request_is_read(head: bytes, request_: Request) -> None:
    assert parse_head(head) == request_


@pytest.mark.parametrize("head", [row[1] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_no_request_is_refused(head: bytes) -> None:
    with pytest.raises(RefusedError, match=r"^bad request: ") as refused:
        parse_head(head)
    assert refused.value.response.status == HTTPStatus.BAD_REQUEST
    assert refused.value.response.body == f"{refused.value}\n".encode()


def test_the_end_of_the_head_is_the_first_empty_line() -> None:
    head = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    assert head_octets(head + b"GET /next HTTP/1.1\r\n\r\n") == len(head)
    assert [head_octets(head[:end]) for end in range(len(head))] == [0] * len(head)
    assert head_octets(b"GET / HTTP/1.0\n\nx") == 16


@given(st.binary(max_size=300) | st.text("GET /:\r\nHOST10.\t", max_size=80).map(str.encode))
def test_any_octets_are_a_request_or_refused(octets: bytes) -> None:
    try:
        request = parse_head(octets)
    except RefusedError:
        return
    assert request.path.startswith("/")
    assert "?" not in request.path


@pytest.mark.parametrize("octets", [b" ", b"\t", b"\r", b"\n", b":", b"a", b"/", b"GET / HTTP/1.1\r\n"])
def test_the_longest_head_is_read_in_no_time(octets: bytes) -> None:
    """No expression goes through a head again and again: 8 KiB of anything take far less than a second."""
    for start in (b"", b"GET / HTTP/1.0\r\nA:", b"GET /"):
        head = (start + octets * 8192)[:8192]
        head_octets(head)
        try:
            parse_head(head + b"\0\r\n\r\n")
        except RefusedError:
            continue


def test_a_response_has_all_that_a_client_needs() -> None:
    response = Response(HTTPStatus.METHOD_NOT_ALLOWED, b"no\n", allow="GET, HEAD")
    head = (
        b"HTTP/1.1 405 Method Not Allowed\r\n"
        b"Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 3\r\n"
        b"Cache-Control: no-store\r\n"
        b"Connection: close\r\n"
        b"Allow: GET, HEAD\r\n"
        b"\r\n"
    )
    assert render(response, with_body=True, wall_s=1_800_000_000.9) == head + b"no\n"
    assert render(response, with_body=False, wall_s=1_800_000_000.9) == head
