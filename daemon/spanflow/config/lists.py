# SPDX-License-Identifier: Apache-2.0
"""Kinds of value that hold others: a list of values, a mapping of settings.

As text they are YAML in flow style, which is also how an environment variable or the command line sets them.
`nodes.py` walks them, so that each wrong value is pointed at where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Any, TypeVar

from spanflow.config.declare import Setting, object_schema, settings_of
from spanflow.config.values import InvalidValueError, JsonSchema, Kind
from spanflow.config.wording import quoted

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Kind[tuple[T, ...]]):
    """Some values of another kind; `noun` says what one is.

    Values that have a text of their own may also stand with commas between them, one without brackets.
    """

    item: Kind[T]
    noun: str
    most: int

    def parse(self, text: str) -> tuple[T, ...]:
        words = [word.strip() for word in text.split(",")] if text.strip() else []
        if len(words) > self.most:
            raise InvalidValueError(self.too_many())
        return tuple(self.item.parse(word) for word in words)

    def too_many(self) -> str:
        """The error for a list that is too long."""
        return f"more than {self.most} {self.noun}s; remove some"

    def render(self, value: tuple[T, ...]) -> str:
        return f"[{', '.join(self.item.render(each) for each in value)}]"

    def type_text(self) -> str:
        return "list"

    def range_text(self) -> str:
        allowed = self.item.range_text()
        return f"up to {self.most} {self.noun}s" + (f": {allowed}" if allowed else "")

    def json_schema(self) -> JsonSchema:
        item = self.item.json_schema()
        array = {"type": "array", "items": item}
        return (
            array if isinstance(self.item, MappingOf) else {"anyOf": [{"type": ["string", "integer"]}, array]}
        )


@dataclass(frozen=True, slots=True)
class MappingOf(Kind[T]):
    """An object of a class of settings, written as its keys with their values; `noun` says what it is.

    The class may refuse values that do not go together: `__post_init__` raises InvalidValueError.
    """

    cls: type[T]
    noun: str

    @property
    def settings(self) -> Mapping[str, Setting]:
        return settings_of(self.cls)

    @property
    def required(self) -> list[str]:
        """The keys that must be there."""
        return [key for key, declared in self.settings.items() if declared.default is MISSING]

    def parse(self, text: str) -> T:
        raise InvalidValueError(self.no_mapping(quoted(text)))

    def no_mapping(self, found: str) -> str:
        """The error for something else that stands in its place."""
        return f"{found} is no {self.noun}; write a mapping with {self.required[0]}:"

    def build(self, values: Mapping[str, Any]) -> T:
        """The object of these values by key. Raises InvalidValueError."""
        return self.cls(**{self.settings[key].attribute: value for key, value in values.items()})

    def render(self, value: T) -> str:
        parts = []
        for key, declared in self.settings.items():
            own = getattr(value, declared.attribute)
            if own != declared.default:
                parts.append(f"{key}: {declared.kind.render(own)}")
        return f"{{{', '.join(parts)}}}"

    def type_text(self) -> str:
        return "mapping"

    def range_text(self) -> str:
        return ", ".join(self.settings)

    def json_schema(self) -> JsonSchema:
        return object_schema(self.settings) | {"type": "object", "required": self.required}
