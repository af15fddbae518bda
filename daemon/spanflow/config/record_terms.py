# SPDX-License-Identifier: Apache-2.0
"""What the filter of a collector is made of. str() of each is its text in the common form.

Nothing here knows how records look: `spanflow.exporting.record_filter` decides whether one matches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from spanflow.config.quantities import Duration

PROTOCOLS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17, "icmp6": 58, "sctp": 132}
"""The protocols with a name in filters; IANA's numbers."""

SUFFIXES: Mapping[str, int] = {"G": 10**9, "M": 10**6, "k": 10**3}
"""Of numbers of packets and octets, the largest first."""

DURATION = Duration(minimum=1, maximum=10**18, zero="no time at all")
"""How durations are read and written."""

RESERVED = ("and", "or", "not")
PLAIN_WORD = r"""[^\s()!&|<>="']+"""
"""What may stand without quotes."""


class Side(StrEnum):
    """Which end of a Flow is meant."""

    EITHER = ""
    SOURCE = "src "
    """The initiator."""
    DESTINATION = "dst "
    """The responder."""


@dataclass(frozen=True, slots=True)
class Network:
    """An end is in a network; one of a single address is a host."""

    side: Side
    network: IPv4Network | IPv6Network

    def __str__(self) -> str:
        if self.network.prefixlen == self.network.max_prefixlen:
            return f"{self.side.value}host {self.network.network_address}"
        return f"{self.side.value}net {self.network}"


@dataclass(frozen=True, slots=True)
class Ports:
    """An end has a port from `first` to `last`."""

    side: Side
    first: int
    last: int

    def __str__(self) -> str:
        last = "" if self.first == self.last else f"-{self.last}"
        return f"{self.side.value}port {self.first}{last}"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The protocol above IP has this number."""

    number: int

    def __str__(self) -> str:
        names = {number: name for name, number in PROTOCOLS.items()}
        return f"proto {names.get(self.number, self.number)}"


@dataclass(frozen=True, slots=True)
class IpVersion:
    """The IP version is 4 or 6."""

    version: int

    def __str__(self) -> str:
        return "ip" if self.version == 4 else "ip6"


@dataclass(frozen=True, slots=True)
class ApplicationNamed:
    """The application, or the protocol that carries it, has this name, in upper or lower case."""

    name: str

    def __str__(self) -> str:
        return f"app {_quoted_name(self.name)}"


@dataclass(frozen=True, slots=True)
class CategoryNamed:
    """The category of the application has this name, in upper or lower case."""

    name: str

    def __str__(self) -> str:
        return f"category {_quoted_name(self.name)}"


@dataclass(frozen=True, slots=True)
class Amount:
    """Packets or octets of both directions together, compared with a number."""

    what: str
    operator: str
    number: int

    def __str__(self) -> str:
        for suffix, scale in SUFFIXES.items():
            if self.number and self.number % scale == 0:
                return f"{self.what} {self.operator} {self.number // scale}{suffix}"
        return f"{self.what} {self.operator} {self.number}"


@dataclass(frozen=True, slots=True)
class Lasting:
    """The time from the first packet of the record to its last, compared with a number of nanoseconds."""

    operator: str
    nanoseconds: int

    def __str__(self) -> str:
        return f"duration {self.operator} {DURATION.render(self.nanoseconds)}"


@dataclass(frozen=True, slots=True)
class AtRisk:
    """The engine has found a risk."""

    def __str__(self) -> str:
        return "risk"


@dataclass(frozen=True, slots=True)
class Interface:
    """Packets of the record came in through the interface with this ifIndex."""

    number: int

    def __str__(self) -> str:
        return f"interface {self.number}"


Term = (
    Network
    | Ports
    | Protocol
    | IpVersion
    | ApplicationNamed
    | CategoryNamed
    | Amount
    | Lasting
    | AtRisk
    | Interface
)


@dataclass(frozen=True, slots=True)
class Not:
    """`operand` does not match."""

    operand: Expression

    def __str__(self) -> str:
        return f"not {_in_parentheses(self.operand)}"


@dataclass(frozen=True, slots=True)
class And:
    """All match; two or more."""

    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        return " and ".join(map(_in_parentheses, self.operands))


@dataclass(frozen=True, slots=True)
class Or:
    """One matches, or more do; two or more operands."""

    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        return " or ".join(map(_in_parentheses, self.operands))


Expression = Term | Not | And | Or


def _in_parentheses(expression: Expression) -> str:
    return f"({expression})" if isinstance(expression, And | Or) else str(expression)


def _quoted_name(name: str) -> str:
    if re.fullmatch(PLAIN_WORD, name) and name.lower() not in RESERVED:
        return name
    return f"'{name}'" if '"' in name else f'"{name}"'
