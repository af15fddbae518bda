# SPDX-License-Identifier: Apache-2.0
"""The filter of a collector: which records it gets, in words like those of pcap-filter(7).

    any   := one { "and" one } | one { "or" one }
    one   := "not" one | "(" any ")" | term
    term  := [ "src" | "dst" ] ( "host" ADDRESS | "net" NETWORK | "port" PORT [ "-" PORT ] )
           | "proto" PROTOCOL | "ip" | "ip6" | "app" NAME | "category" NAME | "risk" | "interface" NUMBER
           | ( "packets" | "octets" ) OPERATOR NUMBER | "duration" OPERATOR DURATION

`&&`, `||` and `!` are `and`, `or` and `not`. `and` beside `or` needs parentheses: in pcap-filter(7) the left
one of them goes first, nearly everywhere else `and` does.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from spanflow.config.application_rules import Cidr, PortRange
from spanflow.config.record_terms import (
    DURATION,
    PLAIN_WORD,
    PROTOCOLS,
    RESERVED,
    SUFFIXES,
    Amount,
    And,
    ApplicationNamed,
    AtRisk,
    CategoryNamed,
    Expression,
    Interface,
    IpVersion,
    Lasting,
    Network,
    Not,
    Or,
    Ports,
    Protocol,
    Side,
    Term,
)
from spanflow.config.values import InvalidValueError, JsonSchema, Kind
from spanflow.config.wording import nearest, quoted, shown

T = TypeVar("T")

LONGEST = 1024
"""Characters, of what is given and of its common form."""
DEEPEST = 32
MOST_TERMS = 256

_OPERATORS = ("<=", ">=", "!=", "=", "<", ">")
_TOKEN = re.compile(rf"""(?s)\s*("[^"]*"|'[^']*'|&&|\|\||<=|>=|!=|==|[()!<>="'&|]|{PLAIN_WORD})""")
_SYMBOLS = {"&&": "and", "||": "or", "!": "not"}
_SIDES = {"src": Side.SOURCE, "dst": Side.DESTINATION}
_ENDS = ("host", "net", "port")
_WORDS = (
    *("src", "dst", *_ENDS, "proto", "ip", "ip6", "app", "category"),
    *("packets", "octets", "duration", "risk", "interface"),
)
_LARGEST_AMOUNT = (1 << 64) - 1
_LARGEST_INTERFACE = (1 << 32) - 1
_SHOWN_REST = 24


@dataclass(frozen=True, slots=True)
class FilterExpression(Kind[str]):
    """A filter, as a text in its common form."""

    def parse(self, text: str) -> str:
        return str(parse_filter(text))

    def render(self, value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    def type_text(self) -> str:
        return "filter"

    def range_text(self) -> str:
        return f"at most {LONGEST} characters and {MOST_TERMS} conditions"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "minLength": 1, "maxLength": LONGEST}


def parse_filter(text: str) -> Expression:
    """What a text says. Raises InvalidValueError with the place of the first mistake."""
    if len(text) > LONGEST:
        raise InvalidValueError(f"{len(text)} characters are too long for a filter; use at most {LONGEST}")
    if not text.strip():
        raise InvalidValueError("a filter cannot be empty; leave it out to send every record")
    expression = _Parser(text).parse()
    common = str(expression)
    if len(common) > LONGEST:
        raise InvalidValueError(f"in full these are {len(common)} characters; use at most {LONGEST}")
    return expression


@dataclass(frozen=True, slots=True)
class _Token:
    """text: as it stands there, without quotes; empty at the end. start: its first character, from 0."""

    text: str
    start: int
    in_quotes: bool = False

    @property
    def word(self) -> str:
        """What it is called in the grammar."""
        return "" if self.in_quotes else _SYMBOLS.get(self.text, self.text.lower())


class _Parser:
    """Reads one text, from left to right; the grammar is above."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._place = 0
        self._terms = 0

    def parse(self) -> Expression:
        expression = self._any(0)
        if self._next.text or self._next.in_quotes:
            if self._next.word == ")":
                raise self._error("has no ( that it closes; remove it")
            raise self._error(f"expected and, or, or the end{_meant(self._next.word, RESERVED)}")
        return expression

    def _any(self, depth: int) -> Expression:
        operands = [self._one(depth)]
        joint = self._next.word
        while self._next.word in ("and", "or"):
            if self._next.word != joint:
                raise self._error(f"{self._next.word} beside {joint}; put what goes together in parentheses")
            self._take()
            operands.append(self._one(depth))
        if len(operands) == 1:
            return operands[0]
        return And(_flat(operands, And)) if joint == "and" else Or(_flat(operands, Or))

    def _one(self, depth: int) -> Expression:
        if depth > DEEPEST:
            raise self._error(f"parentheses and nots are more than {DEEPEST} deep; make it simpler")
        if self._next.word == "not":
            self._take()
            return Not(self._one(depth + 1))
        if self._next.word != "(":
            return self._term()
        opening = self._take()
        inner = self._any(depth + 1)
        if self._next.word != ")":
            raise self._error(f"expected ) for the ( at character {opening.start + 1}")
        self._take()
        return inner

    def _term(self) -> Term:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise self._error(f"more than {MOST_TERMS} conditions; use fewer, as with larger networks")
        word = self._next.word
        side = _SIDES.get(word, Side.EITHER)
        if side:
            self._take()
            word = self._next.word
            if word not in _ENDS:
                raise self._error(f"expected {', '.join(_ENDS)}{_meant(word, _ENDS)}")
        elif word not in _WORDS:
            raise self._error(_unknown_word(self._next))
        self._take()
        return self._rest_of(word, side)

    def _rest_of(self, word: str, side: Side) -> Term:
        """What follows the word that a term begins with."""
        match word:
            case "host":
                return Network(side, ipaddress.ip_network(self._value(_host, "an address")))
            case "net":
                return Network(side, ipaddress.ip_network(self._value(_network, "a network")))
            case "port":
                return Ports(side, *self._value(PortRange().parse, "a port"))
            case "proto":
                return Protocol(self._value(_protocol, "a protocol"))
            case "ip" | "ip6":
                return IpVersion(4 if word == "ip" else 6)
            case "app":
                return ApplicationNamed(self._name())
            case "category":
                return CategoryNamed(self._name())
            case "interface":
                return Interface(self._value(_interface, "the ifIndex of an interface"))
            case "duration":
                return Lasting(self._operator(), self._value(DURATION.parse, "a duration, as in 5s"))
            case "risk":
                return AtRisk()
        return Amount(word, self._operator(), self._value(_amount, "a number"))

    def _operator(self) -> str:
        text = "=" if self._next.text == "==" else self._next.text
        if text not in _OPERATORS or self._next.in_quotes:
            raise self._error(f"expected one of {' '.join(_OPERATORS)}")
        self._take()
        return text

    def _value(self, read: Callable[[str], T], what: str) -> T:
        if not re.fullmatch(PLAIN_WORD, self._next.text) or self._next.in_quotes:
            raise self._error(f"expected {what}")
        try:
            value = read(self._next.text)
        except InvalidValueError as error:
            raise self._error(str(error)) from None
        self._take()
        return value

    def _name(self) -> str:
        if self._next.text in ('"', "'") and not self._next.in_quotes:
            raise self._error("this quote is not closed; add another at the end of the name")
        plain = re.fullmatch(PLAIN_WORD, self._next.text) and self._next.word not in RESERVED
        if not (plain or self._next.in_quotes) or not self._next.text.isprintable():
            raise self._error("expected a name; one that has spaces or signs stands in quotes")
        if not self._next.text.strip():
            raise self._error("expected a name, this one is empty")
        return self._take().text

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += 1
        return token

    def _error(self, problem: str) -> InvalidValueError:
        rest = " ".join(self._text[self._next.start :].split())
        near = f"near '{shown(rest, _SHOWN_REST)}'" if rest else "at the end"
        return InvalidValueError(f"character {self._next.start + 1}, {near}: {problem}")


def _tokens(text: str) -> list[_Token]:
    """All of them, then the one of the end. Every text has tokens; some are in no grammar."""
    found = []
    for match in _TOKEN.finditer(text):
        token, start = match[1], match.start(1)
        in_quotes = len(token) > 1 and token[0] in "\"'"
        found.append(_Token(token[1:-1] if in_quotes else token, start, in_quotes))
    return [*found, _Token("", len(text.rstrip()))]


def _flat(operands: Iterable[Expression], kind: type[And] | type[Or]) -> tuple[Expression, ...]:
    """The operands, those of operands of the same kind among them: (a and b) and c is a and b and c."""
    flat: list[Expression] = []
    for operand in operands:
        flat += operand.operands if isinstance(operand, kind) else [operand]
    return tuple(flat)


def _meant(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known) if word and word not in _WORDS else None
    return f"; did you mean {near}?" if near else ""


def _unknown_word(token: _Token) -> str:
    if token.word in ("", ")", *RESERVED) and not token.in_quotes:
        return f"expected a condition: one of {', '.join(_WORDS)}"
    if token.word in PROTOCOLS:
        return f"{token.word} alone is no condition; write proto {token.word}"
    if re.fullmatch("[0-9]{1,5}(-[0-9]{1,5})?", token.text):
        return f"a number alone is no condition; write port {token.text}"
    for word, read in (("host", _host), ("net", _network)):
        try:
            return f"an address alone is no condition; write {word} {read(token.text)}"
        except InvalidValueError:
            continue
    near = nearest(token.word, (*_WORDS, *RESERVED))
    advice = f"did you mean {near}?" if near else f"known: {', '.join(_WORDS)}"
    return f"unknown word {quoted(token.text)}; {advice}"


def _host(text: str) -> str:
    if "/" in text:
        raise InvalidValueError(f"{quoted(text)} is no address; write net for a network")
    return Cidr().parse(text).partition("/")[0]


def _network(text: str) -> str:
    if "/" not in text:
        raise InvalidValueError(f"{quoted(text)} has no prefix length; write it as in 192.0.2.0/24, or host")
    return Cidr().parse(text)


def _protocol(text: str) -> int:
    if text.lower() in PROTOCOLS:
        return PROTOCOLS[text.lower()]
    if not re.fullmatch("[0-9]{1,3}", text) or int(text) > 255:
        names = ", ".join(PROTOCOLS)
        near = _meant(text, PROTOCOLS)
        raise InvalidValueError(f"{quoted(text)} is no protocol; use {names}, or 0 to 255{near}")
    return int(text)


def _interface(text: str) -> int:
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > _LARGEST_INTERFACE:
        raise InvalidValueError(f"{quoted(text)} is no ifIndex; use 0 to {_LARGEST_INTERFACE}")
    return int(text)


def _amount(text: str) -> int:
    match = re.fullmatch(rf"([0-9]{{1,20}})([{''.join(SUFFIXES)}]?)", text)
    number = int(match[1]) * SUFFIXES.get(match[2], 1) if match else 0
    if not match or number > _LARGEST_AMOUNT:
        advice = f"use 0 to {_LARGEST_AMOUNT}, also with k, M or G, as in 10k"
        raise InvalidValueError(f"{quoted(text)} is no number of packets or octets; {advice}")
    return number
