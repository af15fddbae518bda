# SPDX-License-Identifier: Apache-2.0
"""The settings of a per-flow plugin, and the kinds of value that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from spanflow.config.declare import required, setting
from spanflow.config.engine_values import LONGEST_PATH
from spanflow.config.lists import ListOf, MappingOf
from spanflow.config.quantities import Integer
from spanflow.config.values import InvalidValueError, JsonSchema, Kind
from spanflow.config.wording import quoted
from spanflow.information_elements import by_name

MOST_COLUMNS = 32
"""Elements that plugins may add to a template, so that it fits into a Message with all others."""
MOST_OPTIONS = 64
LONGEST_COLUMN_NAME = 31
"""informationElementName is announced in 32 octets, the last of which is NUL."""
LONGEST_OPTION = 4096

FIRST_ELEMENT, LAST_ELEMENT = 1000, 16_383
"""Numbers of elements that are left to plugins; those below are Spanflow's own."""

Scalar: TypeAlias = str | int | float | bool | None
Options: TypeAlias = tuple[tuple[str, Scalar], ...]


class PluginName(Kind[str]):
    """Where a plugin is: `module:attribute`, or `/path/file.py:attribute`."""

    __slots__ = ()

    def parse(self, text: str) -> str:
        origin, _, attribute = text.rpartition(":")
        if not origin or not attribute.isidentifier():
            raise InvalidValueError(f"{quoted(text)} is no plugin; write {self.range_text()}")
        if not text.isprintable() or len(text.encode()) > LONGEST_PATH:
            raise InvalidValueError(f"{quoted(text)} is no name of a module and no path; check it")
        return text

    def render(self, value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    def type_text(self) -> str:
        return "name of a plugin"

    def range_text(self) -> str:
        return "module:attribute or /path/file.py:attribute"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": "^.+:[^:/]+$"}


class ColumnName(Kind[str]):
    """The name of a column of a plugin, and of the Information Element that it becomes."""

    __slots__ = ()
    _PATTERN = rf"[a-z][a-z0-9_]{{0,{LONGEST_COLUMN_NAME - 1}}}"

    def parse(self, text: str) -> str:
        if not re.fullmatch(self._PATTERN, text):
            raise InvalidValueError(f"{quoted(text)} is no name of a column; use {self.range_text()}")
        try:
            by_name(text)
        except KeyError:
            return text
        raise InvalidValueError(f"{quoted(text)} is an Information Element already; use another name")

    def render(self, value: str) -> str:
        return value

    def type_text(self) -> str:
        return "name"

    def range_text(self) -> str:
        return f"up to {LONGEST_COLUMN_NAME} of a-z, 0-9 and _, a letter first"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": f"^{self._PATTERN}$"}


class PluginOptions(Kind[Options]):
    """Names with one value each, of which nothing is known here; so what YAML 1.2 sees in them decides.

    Plain true and false, null, whole numbers and decimals are what they look like; everything else, and
    whatever stands in quotes, is text. A number that begins with 0 is text too: a person may mean anything.
    """

    __slots__ = ()

    def parse(self, text: str) -> Options:
        raise InvalidValueError(
            f"{quoted(text)} is no mapping; write names with their values, as in {{a: 1}}"
        )

    def parse_items(self, items: Mapping[str, Scalar]) -> Options:
        """The value of a YAML mapping."""
        return tuple(items.items())

    def check_name(self, name: str) -> None:
        """Raises InvalidValueError for a name that no argument of a class can have."""
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,63}", name):
            raise InvalidValueError("is no name of an option; use letters, digits and _, as in Python")

    def scalar(self, text: str, *, plain: bool) -> Scalar:
        """The value of one scalar. plain: it stands without quotes. Raises InvalidValueError."""
        if len(text) > LONGEST_OPTION:
            raise InvalidValueError(f"is longer than {LONGEST_OPTION} characters; put it into a file")
        if not plain:
            return text
        if text in ("", "~", "null", "Null", "NULL"):
            return None
        if text.lower() in ("true", "false") and text in (text.lower(), text.title(), text.upper()):
            return text.lower() == "true"
        if re.fullmatch("[-+]?(0|[1-9][0-9]{0,39})", text):
            return int(text)
        if re.fullmatch(r"[-+]?(0|[1-9][0-9]{0,39})?\.?[0-9]{1,40}([eE][-+]?[0-9]{1,3})?", text) and (
            re.search("[.eE]", text)
        ):
            return float(text)
        return text

    def render(self, value: Options) -> str:
        return f"{{{', '.join(f'{name}: {json.dumps(each)}' for name, each in value)}}}"

    def type_text(self) -> str:
        return "mapping"

    def range_text(self) -> str:
        return f"up to {MOST_OPTIONS} names with one value each"

    def json_schema(self) -> JsonSchema:
        return {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedColumn:
    """A column that collectors get, as an Information Element of its own."""

    column: str = required(
        ColumnName(), "The column, which is also the name of the element.", example="is_scan"
    )
    id: int = required(
        Integer(minimum=FIRST_ELEMENT, maximum=LAST_ELEMENT),
        "The number of the element, below the enterprise number of export.enterprise_number. One that was"
        " used must not get another meaning while a collector may remember it.",
        example="1000",
    )
    width: int = setting(
        Integer(minimum=2, maximum=1024),
        64,
        "A string: octets in each record. What is longer is cut between characters, what is shorter is"
        " filled up with NULs, one at the least.",
        example="32",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One plugin: where it is, its options, what of it is exported."""

    plugin: str = required(
        PluginName(),
        "The plugin: a function, an object or a class, in a module that Python finds or in a file. Its code"
        " runs as part of the probe, after privileges were given up, so process.user must be able to read"
        " it.",
        example="/etc/spanflow/flow_labels.py:FlowLabels",
    )
    options: tuple[tuple[str, Scalar], ...] = setting(
        PluginOptions(),
        (),
        "What its class is made with, by name. Text in quotes stays text; true, 10 and 0.5 are a truth value"
        " and numbers.",
        example="{threshold: 100}",
    )
    columns: tuple[ExportedColumn, ...] = setting(
        ListOf(item=MappingOf(ExportedColumn, "column"), noun="column", most=MOST_COLUMNS),
        (),
        "Which of its columns collectors get. The others are there for the plugins that follow.",
        example="[{column: is_scan, id: 1000}]",
    )

    def arguments(self) -> dict[str, Any]:
        """The options as arguments of the class."""
        return dict(self.options)
