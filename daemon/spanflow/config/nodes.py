# SPDX-License-Identifier: Apache-2.0
"""The nodes of one document as mappings, lists and values, with an error for each that is something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from typing import Any

import yaml

from spanflow.config.declare import Setting
from spanflow.config.document import Document
from spanflow.config.findings import Findings, Place
from spanflow.config.lists import ListOf, MappingOf
from spanflow.config.plugin_settings import MOST_OPTIONS, PluginOptions
from spanflow.config.unknown_keys import unknown_in_file
from spanflow.config.values import InvalidValueError, Kind, OrNone, SetOf
from spanflow.config.wording import quoted, shown

INVALID: Any = object()
"""What `value` gives after a finding."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """Reads the nodes of one document; what is wrong goes to `findings`."""

    document: Document
    findings: Findings

    def wrong(self, node: yaml.Node, key: str, problem: str) -> None:
        """Note a problem where `node` stands."""
        self.findings.add(self.document.place(node), key, problem)

    def place(self, node: yaml.Node) -> Place:
        """Where `node` stands."""
        return self.document.place(node)

    def entries(
        self, node: yaml.Node | None, path: str, example: str
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Name, key node and value node of each entry of a mapping; nothing at all counts as an empty one."""
        if node is None or is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            advice = f"write keys with their values, as in `{example}: …`"
            if isinstance(node, yaml.ScalarNode) and ":" in node.value:
                advice = "put a space after the colon"
            self.wrong(node, path, f"{shape(node)} stands where keys belong; {advice}")
            return
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, key, value

    def items(self, node: yaml.Node, key: str, noun: str, example: str) -> list[yaml.Node] | None:
        """The items of a list, None when it is none. noun, example: what an item is, for the error."""
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if not is_null(node):
            advice = f"write a list: each {noun} on a line that begins with -, or [{example}, {example}]"
            self.wrong(node, key, f"{shape(node)} is not a list; {advice}")
        return None

    def value(self, key: str, declared: Setting, node: yaml.Node) -> Any:
        """The value of a setting by its kind, INVALID after a finding."""
        otherwise = "" if declared.default is MISSING else ", or remove the line"
        return self._value(key, declared.kind, node, f"write {_example(declared)}", otherwise)

    def of_kind(self, key: str, kind: MappingOf[Any], node: yaml.Node) -> Any:
        """The object that a mapping stands for, INVALID after a finding."""
        return self._value(key, kind, node, "")

    def _value(self, key: str, kind: Kind[Any], node: yaml.Node, advice: str, otherwise: str = "") -> Any:
        try:
            if isinstance(node, yaml.SequenceNode) and isinstance(kind, SetOf):
                return kind.parse_items(list(self._words(key, node)))
            if isinstance(kind, ListOf) and isinstance(node, yaml.SequenceNode):
                return self._list(key, kind, node)
            if isinstance(kind, MappingOf):
                return self._mapping(key, kind, node)
            if isinstance(kind, PluginOptions) and isinstance(node, yaml.MappingNode):
                return self._options(key, kind, node)
            if not isinstance(node, yaml.ScalarNode):
                self.wrong(node, key, f"{shape(node)} is not allowed here; {advice}")
            elif is_null(node) and not isinstance(kind, OrNone):
                self.wrong(node, key, f"has no value; {advice}{otherwise}")
            else:
                return kind.parse(node.value)
        except InvalidValueError as error:
            self.wrong(node, key, str(error))
        return INVALID

    def _list(self, key: str, kind: ListOf[Any], node: yaml.SequenceNode) -> Any:
        if len(node.value) > kind.most:
            self.wrong(node.value[kind.most], key, kind.too_many())
            return INVALID
        advice = f"write a {kind.noun}"
        values = [
            self._value(f"{key}[{index}]", kind.item, item, advice) for index, item in enumerate(node.value)
        ]
        return INVALID if INVALID in values else tuple(values)

    def _mapping(self, key: str, kind: MappingOf[Any], node: yaml.Node) -> Any:
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, key, kind.no_mapping(shape(node)))
            return INVALID
        known = kind.settings
        values: dict[str, Any] = {}
        for name, key_node, value_node in self.entries(node, key, kind.required[0]):
            full = item_path(key, name)
            if name in known:
                values[name] = self.value(full, known[name], value_node)
            else:
                values[name] = INVALID
                self.wrong(key_node, full, unknown_in_file(name, list(known), at_root=False))
        for name in kind.required:
            if name not in values:
                values[name] = INVALID
                self.wrong(node, key, f"has no {name}; add {name}: {known[name].example}")
        return INVALID if INVALID in values.values() else kind.build(values)

    def _options(self, key: str, kind: PluginOptions, node: yaml.MappingNode) -> Any:
        values: dict[str, Any] = {}
        for name, key_node, value_node in self.entries(node, key, "name"):
            full = item_path(key, name)
            values[name] = INVALID
            try:
                kind.check_name(name)
                if len(values) > MOST_OPTIONS:
                    self.wrong(key_node, full, f"more than {MOST_OPTIONS} options; remove some")
                elif isinstance(value_node, yaml.ScalarNode):
                    values[name] = kind.scalar(value_node.value, plain=not value_node.style)
                else:
                    self.wrong(value_node, full, f"{shape(value_node)} is not allowed here; write one value")
            except InvalidValueError as error:
                self.wrong(key_node, full, str(error))
        return INVALID if INVALID in values.values() else kind.parse_items(values)

    def _words(self, key: str, node: yaml.SequenceNode) -> Iterator[str]:
        for index, item in enumerate(node.value):
            if isinstance(item, yaml.ScalarNode):
                yield item.value
            else:
                self.wrong(item, f"{key}[{index}]", f"{shape(item)} is not allowed here; write a word")


def is_null(node: yaml.Node) -> bool:
    """Whether a plain scalar stands for nothing (YAML 1.2 section 10.3.2)."""
    # The pure Python parser has style None for a plain scalar, libyaml's has "" for an empty one.
    plain = isinstance(node, yaml.ScalarNode) and not node.style
    return plain and node.value in ("", "~", "null", "Null", "NULL")


def shape(node: yaml.Node) -> str:
    """What a node is, for an error."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "nothing" if is_null(node) else quoted(node.value)


def item_path(path: str, name: str) -> str:
    """The full key of `name` below `path`, safe to show."""
    return f"{path}.{shown(name)}"


def _example(declared: Setting) -> str:
    return f"a {declared.kind.type_text()} such as {declared.example}"
