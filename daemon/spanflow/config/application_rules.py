# SPDX-License-Identifier: Apache-2.0
"""Rules that name applications by address, port and server name, and the kinds of value that they have."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass

from spanflow.config.declare import required, setting
from spanflow.config.lists import ListOf
from spanflow.config.values import InvalidValueError, JsonSchema, Kind
from spanflow.config.wording import quoted

MOST_RULES = 1024
MOST_VALUES = 1024
LONGEST_NAME = 23
"""applicationName (96) is so wide in the form of fixed length, as RFC 6759 exporters send it."""
LONGEST_SERVER_NAME = 253
"""RFC 1035 section 2.3.4, as text without the last dot."""

TAKEN_NAMES = ("unknown", "other")
"""In metrics these stand for what no name is known of, and for what has no place of its own."""


class ApplicationName(Kind[str]):
    """The name of an application of the user's own."""

    __slots__ = ()
    _PATTERN = rf"[!-~]([ -~]{{0,{LONGEST_NAME - 2}}}[!-~])?"

    def parse(self, text: str) -> str:
        if not re.fullmatch(self._PATTERN, text):
            raise InvalidValueError(f"{quoted(text)} is no name of an application; use {self.range_text()}")
        if text.lower() in TAKEN_NAMES:
            raise InvalidValueError(f"{quoted(text)} has a meaning already; use another name")
        return text

    def render(self, value: str) -> str:
        return json.dumps(value)

    def type_text(self) -> str:
        return "name"

    def range_text(self) -> str:
        return f"1 to {LONGEST_NAME} printable ASCII characters, no space at either end"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": f"^{self._PATTERN}$"}


class Cidr(Kind[str]):
    """A network in CIDR notation, `192.0.2.0/24` or `2001:db8::/32`; an address alone is a network of one."""

    __slots__ = ()

    def parse(self, text: str) -> str:
        address, slash, length = text.partition("/")
        try:
            # Without the mask in dots that the library would take, and without an IPv6 zone.
            if "%" in address or (slash and not re.fullmatch("[0-9]{1,3}", length)):
                raise ValueError(text)
            interface = ipaddress.ip_interface(text)
        except ValueError:
            raise InvalidValueError(f"{quoted(text)} is no network; use {self.range_text()}") from None
        if interface.ip != interface.network.network_address:
            advice = f"write {interface.network}, or {interface.ip} for that address alone"
            raise InvalidValueError(f"{quoted(text)} has bits set behind the prefix; {advice}")
        return str(interface.network)

    def render(self, value: str) -> str:
        return json.dumps(value)

    def type_text(self) -> str:
        return "network"

    def range_text(self) -> str:
        return "CIDR notation such as 192.0.2.0/24 or 2001:db8::/32, or an address"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"}


class PortRange(Kind[tuple[int, int]]):
    """A port, `443`, or the ports from one to another, `8000-8010`; both ends belong to it."""

    __slots__ = ()

    def parse(self, text: str) -> tuple[int, int]:
        match = re.fullmatch(r"([0-9]{1,5})(?: ?- ?([0-9]{1,5}))?", text)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= 65535 or not 1 <= last <= 65535:
            raise InvalidValueError(
                f"{quoted(text)} is no port and no range of ports; use {self.range_text()}"
            )
        if first > last:
            raise InvalidValueError(f"{quoted(text)} ends before it begins; write {last}-{first}")
        return first, last

    def render(self, value: tuple[int, int]) -> str:
        first, last = value
        return str(first) if first == last else f'"{first}-{last}"'

    def type_text(self) -> str:
        return "port"

    def range_text(self) -> str:
        return "1 to 65535, or two of them as in 8000-8010"

    def json_schema(self) -> JsonSchema:
        text = {"type": "string", "pattern": "^[0-9]{1,5}( ?- ?[0-9]{1,5})?$"}
        return {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, text]}


class ServerName(Kind[str]):
    """The end of a server name: `example.com` is that name and everything below it.

    `*.example.com` and `.example.com`, as others write it, mean the same. Kept in lower case; a name that is
    not ASCII must be given as it is on the wire (`xn--…`).
    """

    __slots__ = ()

    def parse(self, text: str) -> str:
        name = re.sub(r"^\*?\.|\.$", "", text.lower())
        if "*" in name:
            raise InvalidValueError(f"{quoted(text)} has a * in it; everything below a name is meant anyway")
        if not text.isascii():
            advice = "write it as it is on the wire, xn--…"
            raise InvalidValueError(f"{quoted(text)} is not ASCII; {advice}")
        if (
            not re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", name)
            or len(name) > LONGEST_SERVER_NAME
        ):
            raise InvalidValueError(f"{quoted(text)} is no server name; use {self.range_text()}")
        return name

    def render(self, value: str) -> str:
        return json.dumps(value)

    def type_text(self) -> str:
        return "server name"

    def range_text(self) -> str:
        return "letters, digits, - and _ with dots between them, such as example.com"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": r"^(\*?\.)?[A-Za-z0-9_.-]{1,254}$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRule:
    """A rule: it matches a Flow when each kind of condition that it has is met by one of its values."""

    name: str = required(
        ApplicationName(),
        "What the application is called. A name that the engine has too means that application; every other"
        " one gets a number of its own, made of the name, so it is the same after a restart.",
        example="intranet",
    )
    cidr: tuple[str, ...] = setting(
        ListOf(item=Cidr(), noun="network", most=MOST_VALUES),
        (),
        "Networks; one end of the Flow is in one of them.",
        example="[10.0.0.0/8, 2001:db8::/32]",
    )
    port: tuple[tuple[int, int], ...] = setting(
        ListOf(item=PortRange(), noun="port", most=MOST_VALUES),
        (),
        "Ports; one end of the Flow has one of them, whatever the transport protocol.",
        example="[443, 8000-8010]",
    )
    server_name: tuple[str, ...] = setting(
        ListOf(item=ServerName(), noun="server name", most=MOST_VALUES),
        (),
        "Ends of the server name that the Flow carries (TLS, QUIC, HTTP, DNS): example.com is that name and"
        " everything below it.",
        example="[example.com]",
    )

    def __post_init__(self) -> None:
        if not (self.cidr or self.port or self.server_name):
            raise InvalidValueError("matches every Flow; give it cidr, port or server_name")
