# SPDX-License-Identifier: Apache-2.0
"""Kinds of value that name something of the machine's network: an interface, an address to listen on."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass

from spanflow.config.values import InvalidValueError, JsonSchema, Kind
from spanflow.config.wording import quoted

LONGEST_INTERFACE = 64


@dataclass(frozen=True, slots=True)
class InterfaceName(Kind[str]):
    """What the kernel or libpcap calls an interface: `eth0`, `any`, `usbmon0`, `nflog:5`.

    Linux takes 1 to 15 octets without '/' and white space, but not '.' and '..'; libpcap has longer names.
    """

    def parse(self, text: str) -> str:
        # isprintable() is false for every white space but U+0020, and for octets that are not UTF-8.
        plain = text.isprintable() and not re.search("[ /]", text) and text not in (".", "..")
        if not plain or not 1 <= len(text) <= LONGEST_INTERFACE:
            raise InvalidValueError(f"{quoted(text)} is no interface name; use {self.range_text()}")
        return text

    def render(self, value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    def type_text(self) -> str:
        return "name"

    def range_text(self) -> str:
        return f"1 to {LONGEST_INTERFACE} printable characters without '/' and white space"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": rf"^[^\s/]{{1,{LONGEST_INTERFACE}}}$"}


@dataclass(frozen=True, slots=True)
class ListenAddress(Kind[tuple[str, int]]):
    """Where to listen: an IP address and a port, as `127.0.0.1:9730` or `[::1]:9730`.

    No host names: one name may stand for several addresses. Port 0 lets the kernel choose.
    """

    def parse(self, text: str) -> tuple[str, int]:
        match = re.fullmatch(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:\[\]]*)):(?P<port>[^:]*)", text)
        if not match:
            raise InvalidValueError(f"{quoted(text)} is no ADDRESS:PORT; {_advice(text)}")
        port = match["port"]
        if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
            raise InvalidValueError(f"{quoted(port)} is no port; use 0 to 65535 after the last colon")
        address = match["four"] if match["six"] is None else match["six"]
        family = ipaddress.IPv4Address if match["six"] is None else ipaddress.IPv6Address
        try:
            return str(family(address)), int(port)
        except ValueError:
            problem = f"{quoted(text)} does not begin with an IP address; {_advice(port)}"
            raise InvalidValueError(problem) from None

    def render(self, value: tuple[str, int]) -> str:
        host, port = value
        return json.dumps(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    def type_text(self) -> str:
        return "address and port"

    def range_text(self) -> str:
        return "ADDRESS:PORT with an IP address, IPv6 in brackets"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": r"^.*:[0-9]{1,5}$"}


def _advice(text: str) -> str:
    port = text if re.fullmatch(r"[0-9]{1,5}", text) else "9730"
    return f"write 127.0.0.1:{port}, [::1]:{port}, or 0.0.0.0:{port} for every address"


@dataclass(frozen=True, slots=True)
class IpAddress(Kind[str]):
    """An IPv4 or IPv6 address, kept in its shortest form."""

    def parse(self, text: str) -> str:
        try:
            return str(ipaddress.ip_address(text))
        except ValueError as error:
            raise InvalidValueError(
                f"{quoted(text)} is no IP address; use one of this machine's, as in 192.0.2.1"
            ) from error

    def render(self, value: str) -> str:
        return json.dumps(value)

    def type_text(self) -> str:
        return "IP address"

    def range_text(self) -> str:
        return "IPv4 or IPv6"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": "^[0-9A-Fa-f.:%]+$"}
