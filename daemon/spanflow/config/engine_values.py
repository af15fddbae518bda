# SPDX-License-Identifier: Apache-2.0
"""Kinds of value that name something to load: a classification engine, a file."""

from __future__ import annotations

import json
import re

from spanflow.config.values import InvalidValueError, JsonSchema, Kind
from spanflow.config.wording import quoted

LONGEST_PATH = 4095
"""PATH_MAX of Linux, without the octet that ends it."""

AUTO = "auto"


class FilePath(Kind[str]):
    """The path of a file, or nothing. A relative one begins at the working directory."""

    __slots__ = ()

    def parse(self, text: str) -> str:
        # Octets that are not UTF-8 do not print either.
        if not text.isprintable() or len(text.encode()) > LONGEST_PATH:
            raise InvalidValueError(f"{quoted(text)} is no path; use {self.range_text()}")
        return text

    def render(self, value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    def type_text(self) -> str:
        return "path"

    def range_text(self) -> str:
        return f"up to {LONGEST_PATH} octets of printable characters, or nothing"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "maxLength": LONGEST_PATH}


class EngineName(Kind[str]):
    """Which classification engine: `auto`, a name such as `ndpi-4.2`, or the absolute path of one."""

    __slots__ = ()

    def parse(self, text: str) -> str:
        name = re.fullmatch(r"[a-z]+-[0-9]+(\.[0-9]+){0,3}", text)
        if text != AUTO and not name and not text.startswith("/"):
            raise InvalidValueError(f"{quoted(text)} is no engine; use {self.range_text()}")
        return FilePath().parse(text)

    def render(self, value: str) -> str:
        return FilePath().render(value) if value.startswith("/") else value

    def type_text(self) -> str:
        return "name of an engine"

    def range_text(self) -> str:
        return f"{AUTO}, a name such as ndpi-4.2, or an absolute path"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "pattern": rf"^({AUTO}|[a-z]+-[0-9.]+|/.*)$"}
