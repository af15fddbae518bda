# SPDX-License-Identifier: Apache-2.0
"""How a setting is declared: a dataclass field whose metadata says all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar, cast

from spanflow.config.values import JsonSchema, Kind, OrNone

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of one setting apart from its value.

    default: dataclasses.MISSING for one that must be given. example: a value as YAML, not the default.
    """

    key: str
    attribute: str
    default: Any
    kind: Kind[Any]
    description: str
    example: str

    @property
    def default_text(self) -> str:
        """The default as YAML; empty when there is nothing to show."""
        absent = self.default in ("", MISSING) or (self.default is None and not isinstance(self.kind, OrNone))
        return "" if absent else self.kind.render(self.default)

    @property
    def facts(self) -> str:
        """Type, range and default: `duration: 1ms to 7d, or 0 (off); default 60s`."""
        allowed = self.kind.range_text()
        kind = self.kind.type_text()
        default = f"; default {self.default_text}" if self.default_text else ""
        return (f"{kind}: {allowed}" if allowed else kind) + default

    @property
    def summary(self) -> str:
        """Description and facts as sentences of one paragraph."""
        return f"{self.description} {self.facts[:1].upper()}{self.facts[1:]}."


def setting(kind: Kind[T], default: T, description: str, *, example: str) -> T:
    """Declare a field that the user sets."""
    return field(default=default, metadata={"kind": kind, "description": description, "example": example})


def option(kind: Kind[T], description: str, *, example: str, key: str = "") -> T | None:
    """Declare a field that is None until the user sets it. key: its name in YAML, if not the attribute's."""
    metadata = {"kind": kind, "description": description, "example": example, "key": key}
    return field(default=None, metadata=metadata)


def required(kind: Kind[T], description: str, *, example: str) -> T:
    """Declare a field that the user must set."""
    # The type of a field is what its value will be, as with `field` itself.
    return cast(T, field(metadata={"kind": kind, "description": description, "example": example}))


def settings_of(cls: type[Any]) -> Mapping[str, Setting]:
    """The settings of a section or of a collector by YAML key, in the order of their declaration."""
    found = {}
    for member in fields(cls):
        declared = member.metadata
        if "kind" in declared:
            key = declared.get("key") or member.name
            description, example = declared["description"], declared["example"]
            found[key] = Setting(key, member.name, member.default, declared["kind"], description, example)
    return found


def object_schema(settings: Mapping[str, Setting]) -> JsonSchema:
    """The JSON Schema of a mapping with these keys, each of which may be left out."""
    return {
        "additionalProperties": False,
        "properties": {
            key: {"description": declared.summary} | declared.kind.json_schema()
            for key, declared in settings.items()
        },
    }
