# SPDX-License-Identifier: Apache-2.0
"""Settings that are numbers: counts, durations in nanoseconds, sizes in octets, each with its range.

Durations and sizes carry their unit. A bare number is an error, because half of its readers would take it for
something else; only 0 means the same in every unit.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from spanflow.config.values import InvalidValueError, JsonSchema, Kind
from spanflow.config.wording import quoted, unknown

DURATION_UNITS: dict[str, int] = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
SIZE_UNITS: dict[str, int] = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}

MILLISECOND = DURATION_UNITS["ms"]
SECOND = DURATION_UNITS["s"]
MINUTE = DURATION_UNITS["m"]
HOUR = DURATION_UNITS["h"]
DAY = DURATION_UNITS["d"]
KIB = SIZE_UNITS["KiB"]
MIB = SIZE_UNITS["MiB"]
GIB = SIZE_UNITS["GiB"]
TIB = SIZE_UNITS["TiB"]

# No range of ours needs so many characters; it also keeps int() away from very long strings of digits.
_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity(Kind[int], ABC):
    """A number in a range; a subclass reads and writes its notation.

    zero: what 0 means when it is allowed in spite of `minimum`; zero_word: a word that may stand for that 0.
    """

    minimum: int
    maximum: int
    zero: str = ""
    zero_word: str = ""

    def parse(self, text: str) -> int:
        if self.zero_word and text == self.zero_word:
            return 0
        if re.fullmatch(r"-[0-9].*", text, re.DOTALL):
            raise InvalidValueError(f"{quoted(text)} is negative; use {self.range_text()}")
        value = self._read(text)
        if value == 0 and self.zero:
            return 0
        if value is None or not self.minimum <= value <= self.maximum:
            raise InvalidValueError(f"{quoted(text)} is out of range; use {self.range_text()}")
        return value

    def range_text(self) -> str:
        limits = f"{self.render(self.minimum)} to {self.render(self.maximum)}"
        if not self.zero:
            return limits
        word = f" or {self.zero_word}" if self.zero_word else ""
        return f"{limits}, or 0{word} ({self.zero})"

    @abstractmethod
    def _read(self, text: str) -> int | None:
        """The number in base units, None when it is beyond every range. Raises InvalidValueError."""

    def _words_schema(self) -> list[JsonSchema]:
        return [{"const": self.zero_word}] if self.zero_word else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(Quantity):
    """A whole number; `_` may group its digits."""

    def render(self, value: int) -> str:
        return str(value)

    def type_text(self) -> str:
        return "whole number"

    def json_schema(self) -> JsonSchema:
        lowest = 0 if self.zero else self.minimum
        return {"type": "integer", "minimum": lowest, "maximum": self.maximum}

    def _read(self, text: str) -> int | None:
        if not re.fullmatch(r"[0-9]+(_[0-9]+)*", text):
            raise InvalidValueError(f"{quoted(text)} is not a whole number; use {self.range_text()}")
        if text[0] == "0" and text != "0":
            # YAML 1.1 takes it for octal, 1.2 for decimal; a person may mean either.
            raise InvalidValueError(f"{quoted(text)} begins with 0; write {text.lstrip('0_')[:20] or '0'}")
        return int(text) if len(text) <= _LONGEST_NUMBER else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration(Quantity):
    """A time span, held in nanoseconds: `15s`, `1.5h`, `1m30s`. Only 0 may stand without a unit."""

    def render(self, value: int) -> str:
        for unit, scale in reversed(DURATION_UNITS.items()):
            # The usual way to write a minute of timeout is 60s.
            fewest = 2 if unit == "m" else 1
            if value >= fewest * scale and value % scale == 0:
                return f"{value // scale}{unit}"
        return "0s"

    def type_text(self) -> str:
        return "duration"

    def json_schema(self) -> JsonSchema:
        pattern = rf"^([0-9]+(\.[0-9]+)?({'|'.join(DURATION_UNITS)}|µs))+$"
        return {"anyOf": [{"type": "string", "pattern": pattern}, {"const": 0}, *self._words_schema()]}

    def _read(self, text: str) -> int | None:
        if text == "0":
            return 0
        plain = text.replace("µ", "u").replace("μ", "u")
        _require_unit(plain, "s", DURATION_UNITS)
        parts = re.findall(r"([0-9]+)(?:\.([0-9]+))?([a-z]+)", plain)
        if not re.fullmatch(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|m|h|d))+", plain):
            units = ", ".join(DURATION_UNITS)
            raise InvalidValueError(
                f"{quoted(text)} is not a duration; write a number and one of {units}, such as 15s"
            )
        if len(plain) > _LONGEST_NUMBER:
            return None
        return sum(
            _scaled(text, whole, fraction, DURATION_UNITS[unit], "1ns") for whole, fraction, unit in parts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Size(Quantity):
    """A number of octets: `64MiB`, `1400B`. bare: octets may stand without a unit, as an MTU does."""

    bare: bool = False

    def render(self, value: int) -> str:
        if self.bare:
            return str(value)
        for unit in ("TiB", "GiB", "MiB", "KiB"):
            if value and value % SIZE_UNITS[unit] == 0:
                return f"{value // SIZE_UNITS[unit]}{unit}"
        return f"{value}B"

    def type_text(self) -> str:
        return "octets" if self.bare else "size"

    def json_schema(self) -> JsonSchema:
        pattern = rf"^[0-9]+(\.[0-9]+)?({'|'.join(SIZE_UNITS)})$"
        number: JsonSchema = {"const": 0}
        if self.bare:
            number = {"type": "integer", "minimum": 0 if self.zero else self.minimum, "maximum": self.maximum}
        return {"anyOf": [{"type": "string", "pattern": pattern}, number, *self._words_schema()]}

    def _read(self, text: str) -> int | None:
        if text == "0":
            return 0
        if self.bare and re.fullmatch(r"[1-9][0-9]*", text):
            return int(text) if len(text) <= _LONGEST_NUMBER else None
        _require_unit(text, "B", SIZE_UNITS)
        match = re.fullmatch(r"([0-9]+)(?:\.([0-9]+))?([A-Za-z]+)", text)
        if not match and self.bare:
            raise InvalidValueError(f"{quoted(text)} is no number of octets; use {self.range_text()}")
        if not match:
            units = ", ".join(SIZE_UNITS)
            raise InvalidValueError(
                f"{quoted(text)} is not a size; write a number and one of {units}, such as 64MiB"
            )
        whole, fraction, unit = match.groups()
        if unit not in SIZE_UNITS:
            raise InvalidValueError(unknown("unit", unit, SIZE_UNITS))
        return (
            _scaled(text, whole, fraction, SIZE_UNITS[unit], "1B") if len(text) <= _LONGEST_NUMBER else None
        )


def _require_unit(text: str, usual: str, units: Mapping[str, int]) -> None:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        example = text[:20] + usual
        raise InvalidValueError(
            f"{quoted(text)} has no unit; write {example}, or another of {', '.join(units)}"
        )


def _scaled(text: str, whole: str, fraction: str | None, scale: int, finest: str) -> int:
    """The exact product of a decimal number and a scale; a remainder below one base unit is an error."""
    digits = fraction or ""
    value, rest = divmod(int(whole + digits) * scale, int("1" + "0" * len(digits)))
    if rest:
        raise InvalidValueError(
            f"{quoted(text)} is finer than {finest}; write fewer decimals or a smaller unit"
        )
    return value
