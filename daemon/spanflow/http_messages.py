# SPDX-License-Identifier: Apache-2.0
"""Requests and responses of HTTP/1.1 (RFC 9110, RFC 9112), as far as a read-only server needs them.

There is no I/O here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

TEXT = "text/plain; charset=utf-8"

# RFC 9110 section 5.6.2.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# RFC 9112 section 3; the version of RFC 9110 section 2.5: a minor version that we do not know is no obstacle.
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/1\.([0-9])")
_FIELD_NAME = re.compile(_TOKEN)
# RFC 9110 section 5.5: CR, LF and NUL are dangerous, other control characters invalid.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Request:
    """fields: by name in lower case; path: without the query."""

    method: str
    path: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """allow: the methods that are allowed, for status 405."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT
    allow: str = ""


class RefusedError(Exception):
    """What came is no request; `response` says so."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.response = Response(status, f"{text}\n".encode())


def head_octets(received: bytes | bytearray) -> int:
    """How long the head is, with the empty line that ends it; 0 while it is not complete."""
    end = _END_OF_HEAD.search(received)
    return end.end() if end else 0


def parse_head(head: bytes) -> Request:
    """The request with this head. Raises RefusedError."""
    line, *fields = head.decode("latin-1").rstrip("\r\n").split("\n")
    match = _REQUEST_LINE.fullmatch(line.removesuffix("\r"))
    if match is None:
        raise _bad("the first line is no request line of HTTP/1.1")
    method, target, minor_version = match.groups()
    found = _parse_fields(fields)
    # RFC 9112 section 3.2: without Host, or with two, the answer has to be 400.
    if minor_version != "0" and ("host" not in found or "," in found["host"]):
        raise _bad("exactly one field Host is needed")
    return Request(method, _path(target), found)


def _parse_fields(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.removesuffix("\r").partition(":")
        # RFC 9112 section 5.1: no white space before the colon; section 5.2: no folded lines.
        if not colon or not _FIELD_NAME.fullmatch(name) or _CONTROL.search(value):
            raise _bad("a line of the head is no header field")
        name, value = name.lower(), value.strip(" \t")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _path(target: str) -> str:
    """The path of a request target, in origin-form or absolute-form (RFC 9112 section 3.2)."""
    if not target.startswith("/"):
        scheme, separator, rest = target.partition("://")
        if not separator or scheme.lower() != "http":
            raise _bad("the request target is no path")
        target = "/" + rest.partition("/")[2]
    return target.partition("?")[0]


def _bad(text: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, f"bad request: {text}")


def render(response: Response, *, with_body: bool, wall_s: float) -> bytes:
    """The response as octets. with_body: false for HEAD. wall_s: UNIX time, for the field Date."""
    status = response.status
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Date: {formatdate(wall_s, usegmt=True)}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if response.allow:
        lines.append(f"Allow: {response.allow}")
    head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return head.encode("latin-1") + (response.body if with_body else b"")
