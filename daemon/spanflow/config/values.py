# SPDX-License-Identifier: Apache-2.0
"""The kinds of value a setting may have: each reads its text, writes it back, and describes itself.

The kind is chosen by the schema, never guessed from the text as YAML 1.1 does (there `22:30` is 1350, `no` is
false). What `render` writes, YAML and `parse` read back, for every value in range.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from spanflow.config.wording import quoted, unknown

T = TypeVar("T")
JsonSchema = dict[str, Any]


class InvalidValueError(ValueError):
    """A text is no value of its kind; str() is what is wrong and what to do."""


class Kind(ABC, Generic[T]):
    """What a value may be. Kinds are immutable and shared."""

    @abstractmethod
    def parse(self, text: str) -> T:
        """The value that `text` stands for. Raises InvalidValueError."""

    @abstractmethod
    def render(self, value: T) -> str:
        """`value` as YAML, on one line."""

    @abstractmethod
    def type_text(self) -> str:
        """The type in words for people: `duration`."""

    @abstractmethod
    def range_text(self) -> str:
        """What is allowed, for people: `1 to 64`. Empty when the type says it all."""

    @abstractmethod
    def json_schema(self) -> JsonSchema:
        """The type as a JSON Schema fragment, for editors; never stricter than `parse`."""


@dataclass(frozen=True, slots=True)
class Boolean(Kind[bool]):
    """true or false, as YAML 1.2 spells them; yes, no, on and off are no booleans."""

    def parse(self, text: str) -> bool:
        if text in ("true", "True", "TRUE"):
            return True
        if text in ("false", "False", "FALSE"):
            return False
        raise InvalidValueError(f"{quoted(text)} is not a boolean; write true or false")

    def render(self, value: bool) -> str:
        return "true" if value else "false"

    def type_text(self) -> str:
        return "true or false"

    def range_text(self) -> str:
        return ""

    def json_schema(self) -> JsonSchema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Kind[str]):
    """A text that matches `pattern`; `allowed` says the pattern in words."""

    pattern: str
    allowed: str

    def parse(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise InvalidValueError(f"{quoted(text)} is not allowed here; use {self.allowed}")
        return text

    def render(self, value: str) -> str:
        return json.dumps(value)

    def type_text(self) -> str:
        return "text"

    def range_text(self) -> str:
        return self.allowed

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": f"^{self.pattern}$"}


@dataclass(frozen=True, slots=True)
class Choice(Kind[str]):
    """One of a few words."""

    words: tuple[str, ...]

    def parse(self, text: str) -> str:
        if text not in self.words:
            raise InvalidValueError(unknown("value", text, self.words))
        return text

    def render(self, value: str) -> str:
        return value

    def type_text(self) -> str:
        return "word"

    def range_text(self) -> str:
        return ", ".join(self.words)

    def json_schema(self) -> JsonSchema:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class SetOf(Kind[tuple[str, ...]]):
    """Some of a few words, each at most once: a YAML list, or the words with commas between them."""

    item: Choice

    def parse(self, text: str) -> tuple[str, ...]:
        return self.parse_items([word.strip() for word in text.split(",")] if text.strip() else [])

    def parse_items(self, items: list[str]) -> tuple[str, ...]:
        """The value of a YAML list. Raises InvalidValueError for the first item that is wrong."""
        words = tuple(self.item.parse(item) for item in items)
        for position, word in enumerate(words):
            if word in words[:position]:
                raise InvalidValueError(f"{quoted(word)} is there twice; remove one")
        return words

    def render(self, value: tuple[str, ...]) -> str:
        return f"[{', '.join(value)}]"

    def type_text(self) -> str:
        return "list"

    def range_text(self) -> str:
        return f"any of {self.item.range_text()}"

    def json_schema(self) -> JsonSchema:
        return {"type": "array", "items": self.item.json_schema(), "uniqueItems": True}


@dataclass(frozen=True, slots=True)
class OrNone(Kind[T | None]):
    """A value of another kind, or None, written as `word` (or null); `meaning` says what None does."""

    kind: Kind[T]
    word: str
    meaning: str

    def parse(self, text: str) -> T | None:
        return None if text in (self.word, "null", "~", "") else self.kind.parse(text)

    def render(self, value: T | None) -> str:
        return self.word if value is None else self.kind.render(value)

    def type_text(self) -> str:
        return self.kind.type_text()

    def range_text(self) -> str:
        return f"{self.kind.range_text()}, or {self.word} ({self.meaning})"

    def json_schema(self) -> JsonSchema:
        return {"anyOf": [self.kind.json_schema(), {"enum": [self.word, None]}]}
